"""``bench list`` and ``bench show``: which suites there are, and what is in one."""

import json
from pathlib import Path

import click

from ..errors import UsageError
from .shared import answer, find, json_option, results_option, suite_option, with_option


@click.command(name="list")
@results_option
@json_option
def list_suites(results: Path, as_json: bool) -> None:
    """List the suites, and how much of each has been run.

    \b
    Example:
      bench list --json
    """
    from ..catalogue import catalogue, finished, published

    rows, damaged = [], []
    theirs = published()
    for name, suite in catalogue().items():
        try:
            done = finished(results, suite["runs"])
        except UsageError as error:
            damaged.append(error)
            done = None
        rows.append(
            {
                "name": name,
                "runs": len(suite["runs"]),
                "done": done,
                "published": theirs.get(name, {}).get("runs", {}).get("complete", 0),
                "tasks": len(suite["tasks"]),
                "models": len(suite["models"]),
                "seeds": len(suite["seeds"]),
                "title": suite["title"],
            }
        )
    answer(rows, {"suites": rows}, as_json)
    if not as_json:
        click.echo(f"done: under {results}, here. published: in the reports that came with membench.", err=True)
    if damaged:
        raise damaged[0]


@click.command()
@suite_option()
@with_option
@json_option
def show(suite: str, added: tuple[str, ...], as_json: bool) -> None:
    """Show a suite: its arms, every hyperparameter with its source, its claims.

    Sources: [p] printed in the paper, [a] said by an author, [c] read in the authors' code, [d] derived from numbers
    that are printed, [s] told by a secondary source, [o] our choice. "as model" stands where a value has no source of
    its own, and that of the model as a whole is given; nothing stands where none is given.

    \b
    Examples:
      bench show collier2018
      bench show mini --with gru.py
    """
    from ..catalogue import published
    from .describe import described, found_out, lines

    found = find(suite, added)
    theirs = published().get(found.name, {})
    if as_json:
        click.echo(json.dumps({**described(found), "published": theirs}, indent=2))
    else:
        click.echo("\n".join([*lines(found), *found_out(theirs)]))
