"""``bench speed``: what a training step of each model costs."""

from functools import partial
from pathlib import Path

import click

from .shared import (
    answer,
    arms_options,
    avx2_option,
    find,
    json_option,
    named,
    new_results_option,
    suite_option,
    with_option,
)


@click.command()
@suite_option(default="collier2018")
@with_option
@arms_options
@click.option("--rounds", type=click.IntRange(min=3), default=9, help="Turns of each contestant; medians count.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What is timed.")
@click.option("--time-limit", metavar="DURATION", help="On a GPU: begin nothing more after 90s, 5m.")
@avx2_option
@new_results_option
@json_option
def speed(
    suite: str,
    added: tuple[str, ...],
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    rounds: int,
    device: str,
    time_limit: str | None,
    results: Path,
    as_json: bool,
) -> None:
    """Time training steps: each model's reference and fused implementation beside a plain LSTM.

    All take turns of two steps, the second timed, in one process on one thread of the CPU, at the largest size trained
    on; compare ratios within one call, not milliseconds between calls.

    Where --results is given, what was measured takes the place of all of RESULTS/speed.json, row by row as it comes.
    Without it, or with --json, it is printed alone and no file is touched.

    With --device cuda a seed alone and cohorts of 10 and 100 are timed as bench run trains them, and what share of a
    step the GPU waits for its data; the file is RESULTS/speed-gpu.json.

    \b
    Examples:
      bench speed --task copy --model ntm-constant-cosine
      bench speed mini --json
      bench speed mini --results mine
      bench speed mini --device cuda --time-limit 5m
    """
    from ..inspecting import speed_gpu
    from ..inspecting.check import refuse
    from ..inspecting.speed import document, measure
    from ..outside import overheard
    from ..records import files
    from ..records.plan import chosen
    from ..running.runner import writable
    from . import arguments

    limit = None if time_limit is None else arguments.seconds(time_limit)
    gpu = speed_gpu.gpu() if device == "cuda" else None
    found = find(suite, added)
    refuse(run.experiment for run in chosen(found, tasks, models))
    keep = named("results") and not as_json
    if keep:
        writable(results)
    say = partial(click.echo, err=True)
    if gpu is not None:
        measured = speed_gpu.measure(found, tasks, models, gpu, limit, say)
    else:
        measured = measure(found, tasks, models, rounds, (suite, *added), say)
    path = results / ("speed.json" if gpu is None else "speed-gpu.json")
    rows = []
    with overheard():
        for row in measured:
            rows.append(row)
            if keep:
                text = document(rows, rounds) if gpu is None else speed_gpu.document(rows, gpu)
                files.put({path: text.encode()})
            say(f"{row['task']}/{row['model']} {row['implementation']}: {row['ms_per_step']} ms")
    answer([{k: v for k, v in row.items() if k != "growth"} for row in rows], {"rows": rows}, as_json)
