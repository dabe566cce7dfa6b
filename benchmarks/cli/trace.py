"""``bench trace``: what trained memories do, step by step."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from ..errors import UsageError
from .shared import arms_options, find, json_option, results_option, suite_option, with_option


@click.command()
@suite_option()
@with_option
@arms_options
@click.option("--seed", type=click.IntRange(min=0), show_default="each arm's median run", help="This seed.")
@click.option("--size", metavar="SIZE", show_default="the largest trained on", help="Of the example: 40, or 10x20.")
@click.option(
    "--weights",
    type=click.Choice(["best", "final"]),
    default="best",
    help="The best on the evaluation set, or the last.",
)
@click.option(
    "--publish",
    is_flag=True,
    help="Write the best weights too, RESULTS/<suite>/weights/<task>/<model>-<seed>.npz, for a repository to hold.",
)
@results_option
@json_option
def trace(
    suite: str,
    added: tuple[str, ...],
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    seed: int | None,
    size: str | None,
    weights: Literal["best", "final"],
    publish: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Look into the memory of trained runs: one example, step by step, through the weights that were kept.

    Draws what comes in and out over time beside what the heads write and read, where they look and why, as in the
    figures of Graves et al. 2014, under RESULTS/<suite>/traces/<task>/. `report` shows the traces of the best weights
    at the largest size trained on. Weights stay where they were trained, but for those that --publish has written.

    \b
    Examples:
      bench trace mini
      bench trace collier2018 --task copy --model ntm-constant-cosine --seed 10 --size 120
    """
    from ...report.pages.trace_words import sentence
    from ..inspecting import traces
    from ..inspecting import weights as kept
    from ..outside import overheard
    from ..protocols import objective_of
    from . import arguments

    found = find(suite, added)
    asked = None if size is None else arguments.size(size)
    made, refused = [], []
    for run in traces.typical(found, results, tasks, models, seed):
        try:
            published = [kept.publish(found, results, run)] if publish else []
            with overheard():
                one = traces.trace(found, results, *traces.names(run), asked, weights)
            made.append(one._replace(files=(*one.files, *published)))
        except UsageError as error:
            refused.append(error)
            continue
        if not as_json:
            noun = objective_of(run.experiment.task).noun
            click.echo(f"{run.key}: {sentence(made[-1].trace, noun)}")
            click.echo("\n".join(f"  {file}" for file in made[-1].files))
    if not made:
        raise refused[0]
    for reason in refused:
        click.echo(f"Left out: {reason}", err=True)
    if as_json:
        answers = [{**asdict(one.trace.origin), "files": [str(file) for file in one.files]} for one in made]
        click.echo(json.dumps({"traces": answers}, indent=2))
