"""``bench map``: which architecture learns which task, in one table or picture."""

import json
import textwrap
from pathlib import Path

import click

from ..errors import UsageError
from .shared import find, json_option, results_option, suite_option, with_option


@click.command(name="map")
@suite_option()
@with_option
@results_option
@click.option(
    "--best", is_flag=True, help="Of each arm on each task only the reading under which it learns best: a rate, say."
)
@click.option("--png", type=click.Path(path_type=Path), help="Draw it, too, into this file.")
@json_option
def map_suite(suite: str, added: tuple[str, ...], results: Path, best: bool, png: Path | None, as_json: bool) -> None:
    """Show which architecture learns which task of a suite, how soon, how far, and at what cost.

    A cell says how many seeds solved the task; the median sequences trained on until then; and, after "to", the longest
    size tested to which half of the seeds or more still solve it, with all shorter ones. Only runs that had their full
    budget count.

    A task is solved on the evaluation set, while training goes on; "to" is about the test sizes, under the weights that
    were best on the evaluation set.

    \b
    Examples:
      bench map collier2018
      bench map atlas --png atlas.png
      bench map mini --with ./gru.py
      bench map atlas-rates --best
    """
    from ...report import statistics
    from ...report.pages import matrix
    from ...report.statistics import matrix as cells
    from ..records.frames import facts_of, frames_of

    if png is not None and png.is_dir():
        raise UsageError(f"--png {png}: a folder; accepted is a file to be written")
    found = find(suite, added)
    frames, facts = frames_of(results, found), facts_of(found)
    each = cells.matrix(frames, facts, statistics.outcomes(frames, facts.solved, facts.relapse))
    if each.empty:
        raise UsageError(
            f"no run of {found.name} under {results} had its full budget; "
            f"to make some: bench run {found.options} --results {results}"
        )
    shown, by = (cells.best(each), "arm") if best else (each, "model")
    if png is not None:
        from ...report.figures import matrix as figure
        from ...report.figures import style
        from ...report.files import write

        with style.drawing():
            drawn = figure.picture(shown, facts, by)
            assert drawn is not None  # there are cells
            write(png, style.saved(drawn)[1])
        click.echo(f"Drawn: {png}", err=True)
    table = matrix.table(shown, facts, by)
    said = f"{facts.title}\n\n{table.plain()}\n\n{textwrap.fill(table.note, 80)}\n{table.legend()}"
    if best and any(arm.reading for arm in facts.arms):
        said += f"\n\n{choices_text(cells.chosen(shown, frames))}"
    click.echo(shown.to_json(orient="records", indent=2) if as_json else said)


def choices_text(chosen: dict[str, dict[str, str]]) -> str:
    """The best reading of every arm, by task, as Python to be pasted into a suite."""
    lines = [f"    {json.dumps(task)}: {json.dumps(readings)}," for task, readings in chosen.items()]
    note = "The best readings of tasks of which every run is there" + (", as Python:" if lines else ": none yet.")
    return "\n".join([note, *(["{", *lines, "}"] if lines else [])])
