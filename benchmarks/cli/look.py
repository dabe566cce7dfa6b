"""``bench list`` and ``bench show``: which suites there are, and what is in one."""

import json
from pathlib import Path

import click

from ..errors import UsageError
from .shared import answer, find, json_option, results_option


@click.command(name="list")
@results_option
@json_option
def list_suites(results: Path, as_json: bool) -> None:
    """List the suites, and how much of each has been run.

    \b
    Example:
      bench list --json
    """
    from ..records.plan import plan
    from ..suites import names

    rows, damaged = [], []
    for suite in map(find, names()):
        runs = list(suite.runs())
        try:
            statuses = [each.status for each in plan(suite, results)]
        except UsageError as error:
            damaged.append(error)
            statuses = []
        rows.append(
            {
                "name": suite.name,
                "runs": len(runs),
                "done": statuses.count("done") + statuses.count("diverged") if statuses else None,
                "tasks": len({e.task_name for e in suite.experiments}),
                "models": len({e.model_name for e in suite.experiments}),
                "seeds": len(suite.seeds),
                "title": suite.title,
            }
        )
    answer(rows, {"suites": rows}, as_json)
    if damaged:
        raise damaged[0]


@click.command()
@click.argument("suite")
@json_option
def show(suite: str, as_json: bool) -> None:
    """Show a suite: its arms, every hyperparameter with its source, its claims.

    Sources: [p] printed in the paper, [a] said by an author, [c] read in the authors' code, [s] told by a secondary
    source, [o] our choice.

    \b
    Example:
      bench show collier2018
    """
    from .describe import described, lines

    found = find(suite)
    click.echo(json.dumps(described(found), indent=2) if as_json else "\n".join(lines(found)))
