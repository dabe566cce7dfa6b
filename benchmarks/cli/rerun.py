"""``bench rerun``: are the records what training gives?"""

import json
import random
import sys
from pathlib import Path

import click

from .shared import arms_options, avx2_option, find, json_option, results_option, suite_option, with_option


@click.command()
@suite_option()
@with_option
@arms_options
@click.option("--seeds", metavar="RANGES", help="Only these seeds: 3, 1-3, or 1-3,7.")
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
    not the record's. Equal is what the same code gives with the same instructions on any vendor's processor. A
    processor with AVX-512 rounds otherwise than one without, unless it is told --avx2; so does another torch or numba,
    and code that was compiled before records name what for. Where a record tells of such a reason, a run goes on after
    the first difference, and its loss, or of a whole run the steps until it is solved, is compared with those of the
    arm's recorded seeds. Were it one more seed, it would lie outside of all n by a chance of at most 2 in n + 1; so
    many outside that chance is below 1 % count as a failure.

    A recorded divergence is not repeated, only what came before. Records are not written to.

    With --watch, RESULTS/<suite>/traces/<task>/<model>-<seed>-<size>.json keeps how sharply the heads looked at every
    evaluation, on the example that `trace` shows, and `report` draws it.

    \b
    Exit codes:
      0    all are equal; or, where there are reasons, among their seeds
      1    they are not
      2    bad usage, or a damaged record
      130  interrupted

    \b
    Examples:
      bench rerun mini --model ntm-constant --seeds 1
      bench rerun collier2018 --sample 10 --steps 2000
      bench rerun collier2018 --task copy --model ntm-constant-cosine --steps 8000 --watch
    """
    from ..inspecting import rerun as again
    from ..outside import overheard
    from ..records.plan import Planned
    from ..running.compiling import heard
    from ..running.estimate import Pace
    from ..running.progress import Progress
    from . import arguments

    found = find(suite, added)
    there = again.recorded(found, results, tasks, models, arguments.seeds(seeds) if seeds else ())
    if sample is not None and sample < len(there):
        there = [there[n] for n in sorted(random.sample(range(len(there)), sample))]
    asked = [(run, record, again.until(run, record, steps)) for run, record in there]
    planned = [Planned(run, "new", until=last) for run, _, last in asked]
    answers, spreads = [], []
    with Progress(planned, 1, Pace(found, results, "cpu"), sys.stderr) as progress:
        for run, record, last in asked:
            with heard([run.key], progress), overheard():
                one = again.rerun(run, record, last, watch, progress)
            if one.course is not None:
                again.keep(found, results, run, one.course)
            spread = again.among(found, results, one)
            spreads += [spread] if spread is not None else []
            answers.append(again.answer(one, spread))
            if not as_json:
                click.echo(again.sentence(one, spread))
    equal = sum(each["equal"] for each in answers)
    chance = again.accident(spreads)
    if as_json:
        click.echo(json.dumps({"runs": answers, "chance": chance}, indent=2))
    else:
        click.echo(f"{found.name}: {equal} of {len(answers)} as recorded{again.summary(spreads)}")
    context.exit(1 if equal + len(spreads) < len(answers) or chance < again.UNLIKELY else 0)
