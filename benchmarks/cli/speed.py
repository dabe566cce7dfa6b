"""``bench speed``: what a training step of each model costs."""

from functools import partial
from pathlib import Path

import click

from .shared import (
    answer,
    arms_options,
    at_home,
    avx2_option,
    find,
    json_option,
    new_results_option,
    suite_option,
    with_option,
)


@click.command()
@suite_option(default="collier2018")
@with_option
@arms_options
@click.option("--rounds", type=click.IntRange(min=3), default=9, help="Turns of each contestant; medians count.")
@avx2_option
@new_results_option
@json_option
def speed(
    suite: str,
    added: tuple[str, ...],
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    rounds: int,
    results: Path,
    as_json: bool,
) -> None:
    """Time training steps: each model's reference and fused implementation beside a plain LSTM.

    All take turns of two steps, the second timed, in one process on one thread of the CPU, at the largest size trained
    on; compare ratios within one call, not milliseconds between calls. Writes RESULTS/speed.json; with --json prints it
    instead.

    \b
    Examples:
      bench speed --task copy --model ntm-constant-cosine
      bench speed mini --json
    """
    from ..inspecting.check import refuse
    from ..inspecting.speed import document, measure
    from ..outside import overheard
    from ..records.plan import chosen
    from ..running.runner import writable

    found = find(suite, added)
    refuse(run.experiment for run in chosen(found, tasks, models))
    if not as_json:
        at_home(results)
        writable(results)
    rows = []
    with overheard():
        for row in measure(found, tasks, models, rounds, (suite, *added), partial(click.echo, err=True)):
            rows.append(row)
            click.echo(f"{row['task']}/{row['model']} {row['implementation']}: {row['ms_per_step']} ms", err=True)
    if not as_json:
        (results / "speed.json").write_text(document(rows, rounds))
    answer([{k: v for k, v in row.items() if k != "growth"} for row in rows], {"rows": rows}, as_json)
