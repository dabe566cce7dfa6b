"""``bench rerun``: are the records what training gives?"""

import json
import random
import sys
from pathlib import Path

import click

from .shared import arms_options, avx2_option, find, json_option, results_option, with_option


@click.command()
@click.option("--suite", required=True, help="The suite's name or file.")
@with_option
@arms_options
@click.option("--seeds", metavar="RANGES", help="Only these seeds: 1-3, or 1-3,7.")
@click.option("--sample", metavar="N", type=click.IntRange(min=1), help="So many of them, drawn at random.")
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(min=1),
    show_default="as far as the record goes",
    help="Up to the last evaluation within so many steps, at least the first.",
)
@click.option("--watch", is_flag=True, help="Look at the heads at every evaluation, and keep it for the report.")
@avx2_option
@results_option
@json_option
@click.pass_context
def rerun(
    context: click.Context,
    suite: str,
    added: tuple[str, ...],
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    seeds: str | None,
    sample: int | None,
    steps: int | None,
    watch: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Train recorded runs again, and say whether the curves are equal to the last digit.

    One after the other, on one thread of the CPU, from their first weights; a run stops at the first number that is
    not the record's. Equal is what the same code gives with the same instructions: a processor with AVX-512 rounds
    otherwise than one without, unless it is told --avx2. Records that were made with other instructions than this
    call's are left out, and counted. A recorded divergence is not repeated, only what came before. Records are not
    written to.

    With --watch, RESULTS/<suite>/traces/<task>/<model>-<seed>-<size>.json keeps how sharply the heads looked at every
    evaluation, on the example that `trace` shows, and `report` draws it.

    \b
    Exit codes:
      0    all that were trained are equal
      1    one is not
      2    bad usage, a damaged record, or none that can be trained here
      130  interrupted

    \b
    Examples:
      bench rerun --suite mini --model ntm-constant --seeds 1
      bench rerun --suite collier2018 --sample 10 --steps 2000
      bench rerun --suite collier2018 --task copy --model ntm-constant-cosine --steps 8000 --watch
    """
    from ..errors import UsageError
    from ..inspecting import rerun as again
    from ..outside import overheard
    from ..records.plan import Planned
    from ..running.compiling import heard
    from ..running.estimate import Pace
    from ..running.progress import Progress
    from . import arguments

    found = find(suite, added)
    there, others = again.alike(again.recorded(found, results, tasks, models, arguments.seeds(seeds) if seeds else ()))
    if not there:
        raise UsageError(f"{found.name}: {others}")
    if others:
        click.echo(f"{found.name}: {others}", err=True)
    if sample is not None and sample < len(there):
        there = [there[n] for n in sorted(random.sample(range(len(there)), sample))]
    asked = [(run, record, again.until(run, record, steps)) for run, record in there]
    planned = [Planned(again.shortened(run, last), "new") for run, _, last in asked]
    answers = []
    with Progress(planned, 1, Pace(found, results, "cpu"), sys.stderr) as progress:
        for run, record, last in asked:
            with heard([run.key], progress), overheard():
                one = again.rerun(run, record, last, watch, progress)
            if one.course is not None:
                again.keep(found, results, run, one.course)
            answers.append(again.answer(one))
            if not as_json:
                click.echo(again.sentence(one))
    different = sum(not each["equal"] for each in answers)
    if as_json:
        click.echo(json.dumps({"runs": answers, "left_out": others}, indent=2))
    else:
        click.echo(f"{found.name}: {len(answers) - different} of {len(answers)} as recorded")
    context.exit(1 if different else 0)
