"""``bench check``: does an architecture do what is needed to compare it?"""

import json
import sys

import click

from .shared import find, json_option


@click.command()
@click.argument("file")
@click.option("--suite", default="mini", help="The suite, by name or file, for whose tasks the arms are built.")
@json_option
def check(file: str, suite: str, as_json: bool) -> None:
    """Check the arms of a Python file, its arms = {"name": model}, property by property; the file is executed.

    \b
    Exit codes:
      0    all properties hold
      1    one does not
      2    bad usage, or a file that cannot be used

    \b
    Examples:
      bench check ./gru.py
      bench check ./gru.py --suite collier2018 --json
    """
    from ..inspecting.check import PROPERTIES, distinct, wrong

    found = find(suite, [file])
    rows = []
    for experiment, case in distinct(e for e in found.experiments if e.added):
        if not as_json:
            click.echo(f"{experiment.model_name} on {experiment.task_name}")
        for name, holds in PROPERTIES.items():
            said = wrong(case, holds)
            arm = {"arm": experiment.model_name, "task": experiment.task_name}
            rows.append({**arm, "property": name, "ok": not said, "wrong": said})
            if not as_json:
                click.echo(f"  {name.ljust(max(map(len, PROPERTIES)))}  {said or 'ok'}")
    if as_json:
        click.echo(json.dumps({"properties": rows}, indent=2))
    sys.exit(0 if all(row["ok"] for row in rows) else 1)
