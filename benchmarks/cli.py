"""The command line: ``bench run | list | show | report | ui``. Commands import what they need when they run."""

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from .errors import UsageError

if TYPE_CHECKING:
    from .core import Suite

P = ParamSpec("P")

SETTINGS = {
    "auto_envvar_prefix": "BENCH",
    "show_default": True,
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}


class Duration(click.ParamType[float]):
    """90s, 20m, 1h30m: seconds."""

    name = "duration"
    units = {"h": 3600, "m": 60, "s": 1}  # noqa: RUF012  (a constant)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it."""
        if isinstance(value, int | float):
            return float(value)
        total, digits, last = 0.0, "", 10**9
        for letter in value:
            if letter in self.units and digits and self.units[letter] < last:
                last = self.units[letter]
                total, digits = total + int(digits) * last, ""
            elif letter.isascii() and letter.isdigit():
                digits += letter
            else:
                break
        else:
            if not digits and total > 0:
                return total
        self.fail(f"{value!r}: accepted are durations such as 90s, 20m or 1h30m", param, ctx)


class Seeds(click.ParamType[tuple[int, ...]]):
    """1-3 or 5: seeds."""

    name = "range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Parse it."""
        if isinstance(value, tuple):
            return value
        low, dash, high = value.partition("-")
        if low.isdigit() and (high.isdigit() if dash else True) and int(low) <= int(high or low):
            return tuple(range(int(low), int(high or low) + 1))
        self.fail(f"{value!r}: accepted are a seed or a range of seeds, such as 3 or 1-5", param, ctx)


def told(command: Callable[P, None]) -> Callable[P, None]:
    """What a user caused ends in one line and exit code 2."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UsageError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)

    return wrapped


results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_envvar=True,
    help="Folder of records, reports and the MLflow store.",
)
suite_option = click.option(
    "--suite", required=True, help="A suite's name, or the path of a suite file (it is executed)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
uri_option = click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    show_envvar=True,
    show_default="sqlite:///<results>/mlflow.db",
    help="MLflow store to log to.",
)


@click.group(context_settings=SETTINGS)
@click.version_option(package_name="membench", prog_name="bench")
def main() -> None:
    """Compare memory architectures: which learns what, from how many seeds, and does a paper's claim hold?

    A suite is a paper's table. `run` trains its runs and keeps a record of each, `report` turns records into claims,
    curves and pages, `ui` shows them in MLflow. What is interrupted goes on where it stopped.

    \b
    Examples:
      bench list
      bench show collier2018
      bench run --suite collier2018 --time-limit 15m
      bench report --suite collier2018
    """


@main.command()
@suite_option
@click.option("--task", "tasks", multiple=True, help="Only this task (repeatable).")
@click.option("--model", "models", multiple=True, help="Only this model (repeatable).")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(min=0), help="Only this seed (repeatable).")
@click.option("--seeds", "seed_range", type=Seeds(), help="Only these seeds, e.g. 1-3.")
@click.option("--workers", type=click.IntRange(min=1), show_default="one a core, or one a GPU", help="Processes.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to train.")
@click.option("--time-limit", type=Duration(), help="Stop after this long, resumable: 90s, 20m, 1h30m.")
@results_option
@uri_option
@click.option("--no-tracking", is_flag=True, help="Log nothing to MLflow; `bench ui` can replay the records later.")
@click.option("--dry-run", is_flag=True, help="Print what would be run, and run nothing.")
@click.option("--force", is_flag=True, help="Run again what is done or stale; the old records are kept as .old.")
@json_option
@told
def run(
    suite: str,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    seed_range: tuple[int, ...] | None,
    workers: int | None,
    device: str,
    time_limit: float | None,
    results: Path,
    tracking_uri: str | None,
    no_tracking: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Train a suite's runs, or some of them, from where they stopped.

    Every run appends to its own record under RESULTS and is logged to MLflow as it goes. Ctrl-C, a time limit or a
    kill lose nothing: the same command goes on.

    \b
    Exit codes: 0 all asked for is done, or the time limit came (a run that diverged is a finding);
    1 a run crashed; 2 bad usage; 130 interrupted.

    \b
    Examples:
      bench run --suite mini
      bench run --suite collier2018 --task copy --model lstm --seeds 1-3
      bench run --suite ./mine.py --dry-run
    """
    from .engines import local
    from .progress import Pace, Progress, duration
    from .runner import execute, plan, writable

    found = _find(suite)
    planned = plan(found, results, tasks, models, (*seeds, *(seed_range or ())))
    if dry_run:
        rows = [
            {
                "key": each.run.key,
                "task": each.run.experiment.task_name,
                "model": each.run.experiment.model_name,
                "seed": each.run.seed,
                "digest": each.run.digest,
                "status": each.status,
            }
            for each in planned
        ]
        _print(rows, {"runs": rows}, as_json)
        return
    writable(results)
    devices = local.devices(device, workers)
    due = {each.run.key: (each.run, 0 if force else each.step) for each in planned if each.due or force}
    pace = Pace.of(found, results)
    known = sum(run.experiment.key in pace.known for run, _ in due.values())
    basis = "from the records of these arms" if known == len(due) else "roughly: some arms have no record yet"
    took = duration(pace.left(due, len(devices)))
    click.echo(
        f"{found.name}: {len(due)} of {len(planned)} runs to do on {len(devices)} x {devices[0].split(':')[0]}, "
        + (f"about {took} ({basis})" if due else "nothing is left")
        + (f"; stops after {duration(time_limit)}" if time_limit else ""),
        err=True,
    )
    with Progress(planned, len(devices), pace, sys.stderr) as progress:
        listeners: list[Any] = [progress]
        if not no_tracking and due:
            from . import tracking

            listeners.append(
                tracking.Tracker(tracking_uri or tracking.default_uri(results), results, found, progress.say)
            )
        options = {"workers": workers, "device": device, "time_limit": time_limit, "force": force}
        outcome = execute(planned, suite, results, listeners, **options)  # type: ignore[arg-type]
    counts = {name: getattr(outcome, name) for name in ("done", "diverged", "failed", "left")}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if as_json:
        click.echo(json.dumps({**counts, "interrupted": outcome.interrupted}))
    else:
        click.echo(f"{found.name}: {said}" + ("; run it again to go on" if outcome.left or outcome.failed else ""))
    sys.exit(130 if outcome.interrupted else 1 if outcome.failed else 0)


@main.command(name="list")
@results_option
@json_option
@told
def list_suites(results: Path, as_json: bool) -> None:
    """List the suites and how much of each is done."""
    from .runner import plan
    from .suites import names

    rows = []
    for name in names():
        suite = _find(name)
        statuses = [each.status for each in plan(suite, results)]
        rows.append(
            {
                "name": name,
                "runs": len(statuses),
                "done": statuses.count("done") + statuses.count("diverged"),
                "tasks": len({e.task_name for e in suite.experiments}),
                "models": len({e.model_name for e in suite.experiments}),
                "seeds": len(suite.seeds),
                "title": suite.title,
            }
        )
    _print(rows, {"suites": rows}, as_json)


@main.command()
@click.argument("suite")
@json_option
@told
def show(suite: str, as_json: bool) -> None:
    """Show a suite: its arms, every hyperparameter with its source, and its claims.

    Sources: [p] printed in the paper, [a] said by an author, [c] read in the authors' code, [s] told by a secondary
    source, [o] our choice.
    """
    from .show import described, lines

    found = _find(suite)
    if as_json:
        click.echo(json.dumps(described(found), indent=2))
    else:
        for line in lines(found):
            click.echo(line)


@main.command()
@click.option(
    "--suite", "suites", multiple=True, help="A suite's name or path (repeatable).  [default: all with records]"
)
@results_option
@uri_option
@click.option("--no-tracking", is_flag=True, help="Do not add the report to the MLflow store.")
@json_option
@told
def report(suites: tuple[str, ...], results: Path, tracking_uri: str | None, no_tracking: bool, as_json: bool) -> None:
    """Draw the report from the records: claims with verdicts, curves, tables.

    Writes report.html and report.md under RESULTS/<suite>/, and RESULTS/index.html over all suites. Reads records
    only: no store, no network, and the same records give the same bytes.
    """
    from ..report import render
    from . import tables
    from .runner import writable
    from .suites import names

    writable(results)
    chosen = [_find(name) for name in suites or names()]
    if not suites:
        chosen = [suite for suite in chosen if any((results / suite.name).rglob("*.jsonl"))]
    if not chosen:
        raise UsageError(f"no records under {results}; make some with: bench run --suite mini")
    pages = {}
    for suite in chosen:
        pages[suite.name] = str(render.report(tables.load(results, suite), tables.facts(suite), results / suite.name))
        if not no_tracking:
            _attach(tracking_uri, results, suite)
    pages["all"] = str(render.front(results))
    _print([{"suite": name, "page": page} for name, page in pages.items()], {"pages": pages}, as_json)


def _attach(uri: str | None, results: Path, suite: "Suite") -> None:
    """Add the report to a store that is there; a report needs none."""
    if uri is None and not (results / "mlflow.db").exists():
        return
    from . import tracking

    try:
        tracking.attach(uri or tracking.default_uri(results), results, suite, results / suite.name)
    except Exception as error:
        click.echo(f"The report is not in MLflow ({str(error).splitlines()[0][:200]}).", err=True)


@main.command()
@results_option
@uri_option
@click.option("--port", type=click.IntRange(1, 65535), default=5000, help="Port on 127.0.0.1.")
@told
def ui(results: Path, tracking_uri: str | None, port: int) -> None:
    """Browse all runs in MLflow: replays the records the store lacks, then serves it on this machine alone."""
    from . import tracking
    from .runner import writable
    from .suites import names

    writable(results)
    uri = tracking_uri or tracking.default_uri(results)
    for name in names():
        if any((results / name).rglob("*.jsonl")):
            click.echo(f"{name}: replaying the records", err=True)
            try:
                count = tracking.replay(uri, results, _find(name))
            except UsageError:
                raise
            except Exception as error:
                raise UsageError(f"MLflow store {uri}: {str(error).strip().splitlines()[0][:300]}") from None
            click.echo(f"{name}: {count} runs", err=True)
    if not tracking.local(uri):
        click.echo(uri)
        return
    sys.exit(tracking.serve(uri, port, lambda address: click.echo(f"{address}  (Ctrl-C ends it)")))


def _find(name: str) -> "Suite":
    from .suites import find

    suite: Suite = find(name)
    return suite


def _print(rows: list[dict[str, Any]], document: dict[str, Any], as_json: bool) -> None:
    """The answer of a command: a table, or one JSON document."""
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    columns = list(rows[0])
    table = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[n]) for line in table) for n in range(len(columns))]
    right = [isinstance(rows[0][column], int) for column in columns]
    for line in table:
        cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        click.echo("  ".join(cells).rstrip())


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "100")
    main()
