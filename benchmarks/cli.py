"""The command line: ``bench run | list | show | report | compare | trace | speed | ui``.

stdout is the answer, stderr the conversation. Commands import what they need when they run, so that help comes at once.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from .errors import UsageError

if TYPE_CHECKING:
    from .core import Suite

Command = TypeVar("Command", bound=Callable[..., Any])

SETTINGS = {
    "auto_envvar_prefix": "BENCH",
    "show_default": True,
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}


class Refused(click.ClickException):
    """What a user caused: one line, and exit code 2."""

    exit_code = 2


class Bench(click.Group):
    """Whose errors are one line each, and whose Ctrl-C is exit code 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise Refused(" ".join(str(error).split())) from None
        except click.UsageError as error:
            raise Refused(error.format_message()) from None
        except BrokenPipeError:
            raise  # whoever read us has gone
        except OSError as error:
            raise Refused(f"{error.filename or 'input or output'}: {error.strerror or error}") from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(130)


def results_option(command: Command) -> Command:
    """Where everything is kept."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("results"),
        help="Folder of records, reports and the MLflow store.",
    )(command)


def tracking_options(command: Command) -> Command:
    """Whether and where MLflow is told."""
    command = click.option("--no-tracking", is_flag=True, help="Leave MLflow alone.")(command)
    return uri_option(command)


def uri_option(command: Command) -> Command:
    """Where MLflow's store is."""
    return click.option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        show_envvar=True,
        show_default="sqlite:///RESULTS/mlflow.db",
        help="MLflow's store.",
    )(command)


def json_option(command: Command) -> Command:
    """For programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def suites_option(command: Command) -> Command:
    """Several suites, or all that have been run."""
    return click.option(
        "--suite", "names", multiple=True, show_default="all with records", help="A suite's name or file (repeatable)."
    )(command)


@click.group(cls=Bench, context_settings=SETTINGS)
@click.version_option(package_name="membench", prog_name="bench")
def main() -> None:
    """Compare memory architectures: which learns what, from how many seeds, and does a paper's claim hold?

    A suite is a paper's table: tasks x models x seeds. `run` trains its runs and keeps a record of each, `report`
    turns the records into claims, curves and pages, `ui` shows them in MLflow. Whatever is interrupted goes on where
    it stopped, by the same command.

    \b
    Examples:
      bench list
      bench show collier2018
      bench run --suite collier2018 --time-limit 15m
      bench report --suite collier2018
      bench ui
    """


@main.command()
@click.option("--suite", required=True, help="A suite's name, or a Python file that defines one: it is executed.")
@click.option("--task", "tasks", multiple=True, help="Only this task (repeatable).")
@click.option("--model", "models", multiple=True, help="Only this model (repeatable).")
@click.option("--seed", "one_by_one", type=click.IntRange(min=0), multiple=True, help="Only this seed (repeatable).")
@click.option("--seeds", metavar="RANGES", help="Only these seeds: 1-3, or 1-3,7.")
@click.option("--workers", type=click.IntRange(min=1), show_default="one a core, or one a GPU", help="Processes.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to train.")
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts of the runs, for job arrays: 2/8.")
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", help="This machine's processes, or a Ray cluster."
)
@click.option("--ray-address", metavar="ADDRESS", help="The Ray cluster's.  [default: RAY_ADDRESS, or start one here]")
@click.option("--time-limit", metavar="DURATION", help="Stop after 90s, 20m, 1h30m; the next call goes on from there.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and run nothing.")
@click.option("--force", is_flag=True, help="Run again even what is done or stale; old records are kept as .old.")
@results_option
@tracking_options
@json_option
def run(
    suite: str,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    one_by_one: tuple[int, ...],
    seeds: str | None,
    workers: int | None,
    device: str,
    shard: str | None,
    engine: Literal["local", "ray"],
    ray_address: str | None,
    time_limit: str | None,
    dry_run: bool,
    force: bool,
    results: Path,
    tracking_uri: str | None,
    no_tracking: bool,
    as_json: bool,
) -> None:
    """Train a suite's runs, or some of them, from where they stopped.

    Every run appends to a record of its own under RESULTS/<suite>/ and is logged to MLflow as it goes. Ctrl-C, the
    time limit or a kill lose nothing: the same command goes on. Existing files are never overwritten.

    \b
    Exit codes:
      0    all that was asked for is done, or the time limit came; a run that diverged is a finding
      1    a run crashed; the same command tries it again
      2    bad usage; nothing was touched
      130  interrupted

    \b
    Examples:
      bench run --suite mini
      bench run --suite collier2018 --task copy --model lstm --seeds 1-3
      bench run --suite ./mine.py --dry-run
      BENCH_RUN_WORKERS=4 bench run --suite collier2018 --time-limit 8h
    """
    from . import arguments, engines, listing
    from .pace import Pace
    from .progress import Progress
    from .runner import Planned, execute, plan, writable

    limit = None if time_limit is None else arguments.seconds(time_limit)
    chosen = [*one_by_one, *(arguments.seeds(seeds) if seeds is not None else ())]
    found = _find(suite)
    part = (1, 1) if shard is None else arguments.shard(shard)
    planned = plan(found, results, tasks, models, chosen, shard=part, force=force)
    devices = engines.slots("local" if dry_run else engine, device, workers, ray_address)
    due = [Planned(each.run, "new") if force else each for each in planned if force or each.due]
    pace = Pace(found, results, devices[0])
    for line in listing.plan_lines(found, planned, due, pace, len(devices)):
        click.echo(line, err=True)
    if limit is not None and due:
        click.echo(f"Stops after {time_limit}.", err=True)
    if dry_run:
        _answer(listing.rows(planned), {"runs": listing.rows(planned)}, as_json)
        return
    writable(results)
    listeners: list[Any] = []
    with Progress(due, len(devices), pace, sys.stderr, limit) as progress:
        listeners.append(progress)
        tracker = None
        if due and not no_tracking:
            from .store_file import default_uri
            from .tracker import Tracker

            tracker = Tracker(tracking_uri or default_uri(results), results, found, progress.say)
            listeners.append(tracker)
        try:
            options: dict[str, Any] = {"workers": workers, "device": device, "time_limit": limit, "force": force}
            options |= {"engine": engine, "ray_address": ray_address}
            outcome = execute(planned, suite, results, listeners, **options)
        finally:
            if tracker is not None:
                tracker.close()
    counts = {name: getattr(outcome, name) for name in ("done", "diverged", "failed", "left")}
    if as_json:
        after = listing.rows(plan(found, results, tasks, models, chosen, shard=part))
        click.echo(json.dumps({"runs": after, **counts, "interrupted": outcome.interrupted}, indent=2))
    else:
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
        again = "; the same command goes on" if outcome.left or outcome.failed else ""
        if outcome.elsewhere:
            said += f", {outcome.elsewhere} of them in the hands of another process,"
        click.echo(f"{found.name}: {said} of {len(planned)} runs{again}")
    sys.exit(130 if outcome.interrupted else 1 if outcome.failed else 0)


@main.command(name="list")
@results_option
@json_option
def list_suites(results: Path, as_json: bool) -> None:
    """List the suites, and how much of each has been run.

    \b
    Example:
      bench list --json
    """
    from .runner import plan
    from .suites import names

    rows = []
    for suite in map(_find, names()):
        statuses = [each.status for each in plan(suite, results)]
        rows.append(
            {
                "name": suite.name,
                "runs": len(statuses),
                "done": statuses.count("done") + statuses.count("diverged"),
                "tasks": len({e.task_name for e in suite.experiments}),
                "models": len({e.model_name for e in suite.experiments}),
                "seeds": len(suite.seeds),
                "title": suite.title,
            }
        )
    _answer(rows, {"suites": rows}, as_json)


@main.command()
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
    from .show import described, lines

    found = _find(suite)
    click.echo(json.dumps(described(found), indent=2) if as_json else "\n".join(lines(found)))


@main.command()
@suites_option
@results_option
@tracking_options
@json_option
def report(names: tuple[str, ...], results: Path, tracking_uri: str | None, no_tracking: bool, as_json: bool) -> None:
    """Draw reports from the records: claims with verdicts, curves, tables.

    Writes report.html and report.md under RESULTS/<suite>/, and RESULTS/index.html over all suites. It reads records
    only: no store, no network; the same records give the same bytes. Where there is an MLflow store, the report is
    added to it.

    \b
    Examples:
      bench report
      bench report --suite mini --json
    """
    from ..report import render
    from . import tables, traces
    from .runner import writable

    suites = _with_records(names, results)
    if not suites:
        raise UsageError(f"no records under {results}; the quickest way to some is: bench run --suite mini")
    writable(results)
    pages = {}
    for suite in suites:
        frames, folder = tables.load(results, suite), results / suite.name
        shown = traces.shown(suite, results, frames)
        pages[suite.name] = str(render.report(frames, tables.facts(suite), folder, shown))
        if not no_tracking and (tracking_uri or (results / "mlflow.db").exists()):
            _attach(tracking_uri, results, suite)
    pages["all"] = str(render.front(results))
    _answer([{"suite": name, "page": page} for name, page in pages.items()], {"pages": pages}, as_json)


@main.command()
@click.argument("a")
@click.argument("b")
@click.option("--suite", required=True, help="The suite's name or file.")
@results_option
@json_option
def compare(a: str, b: str, suite: str, results: Path, as_json: bool) -> None:
    """Compare two models of a suite, or two results folders of it, seed by seed.

    A and B are two names of models, or two folders. Only seeds that both sides have finished count; a run that did
    not solve its task is censored, not dropped.

    \b
    Examples:
      bench compare ntm-constant lstm --suite mini
      bench compare results ../mine/results --suite collier2018
    """
    from ..report.compare import compare_models, compare_results
    from . import tables

    found = _find(suite)
    facts = tables.facts(found)
    if {a, b} <= set(facts.models):
        table = compare_models(tables.load(results, found), facts, a, b)
    elif Path(a).is_dir() and Path(b).is_dir():
        table = compare_results(tables.load(Path(a), found), tables.load(Path(b), found), facts)
    else:
        unknown = ", ".join(repr(name) for name in (a, b) if name not in facts.models and not Path(name).is_dir())
        raise UsageError(
            f"{unknown or f'{a!r} and {b!r}'}: accepted are two results folders, or two models of {found.name}: "
            f"{', '.join(facts.models)}"
        )
    if table.frame.empty:
        raise UsageError(f"{a} and {b}: no seed of {found.name} is finished on both sides")
    click.echo(table.frame.to_json(orient="records", indent=2) if as_json else f"{table.title}\n{table.plain()}")


@main.command()
@click.option("--suite", default="collier2018", help="The suite's name or file.")
@click.option("--task", "tasks", multiple=True, help="Only this task (repeatable).")
@click.option("--model", "models", multiple=True, help="Only this model (repeatable).")
@click.option("--rounds", type=click.IntRange(min=3), default=9, help="Turns of each contestant; medians count.")
@results_option
@json_option
def speed(
    suite: str, tasks: tuple[str, ...], models: tuple[str, ...], rounds: int, results: Path, as_json: bool
) -> None:
    """Time training steps: each model's reference and fused implementation beside a plain LSTM.

    All take turns in one process on one thread of the CPU, at the largest size trained on; compare ratios within one
    call, not milliseconds between calls. Writes RESULTS/speed.json.

    \b
    Examples:
      bench speed --task copy --model ntm-constant-cosine
      bench speed --suite mini --json
    """
    from .runner import plan, writable
    from .speed import document, measure

    found = _find(suite)
    plan(found, results, tasks, models)  # refuses names the suite does not have
    writable(results)
    rows = []
    for row in measure(found, tasks, models, rounds, suite):
        rows.append(row)
        click.echo(f"{row['task']}/{row['model']} {row['implementation']}: {row['ms_per_step']} ms", err=True)
    (results / "speed.json").write_text(document(rows))
    _answer([{k: v for k, v in row.items() if k != "growth"} for row in rows], {"rows": rows}, as_json)


@main.command()
@click.option("--suite", required=True, help="The suite's name or file.")
@click.option("--task", "tasks", multiple=True, help="Only this task (repeatable).")
@click.option("--model", "models", multiple=True, help="Only this model (repeatable).")
@click.option("--seed", type=click.IntRange(min=0), show_default="each arm's median run", help="This seed.")
@click.option("--size", metavar="SIZE", show_default="the largest trained on", help="Of the example: 40, or 10x20.")
@click.option(
    "--weights",
    type=click.Choice(["best", "final"]),
    default="best",
    help="The best on the evaluation set, or the last.",
)
@results_option
@json_option
def trace(
    suite: str,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    seed: int | None,
    size: str | None,
    weights: Literal["best", "final"],
    results: Path,
    as_json: bool,
) -> None:
    """Look into the memory of trained runs: one example, step by step, through the weights that were kept.

    Draws what comes in and out over time beside what the heads write and read, where they look and why, as in the
    figures of Graves et al. 2014, under RESULTS/<suite>/traces/<task>/. `report` shows the traces of the best weights
    at the largest size trained on. Weights stay where they were trained: they are no part of the records.

    \b
    Examples:
      bench trace --suite mini
      bench trace --suite collier2018 --task copy --model ntm-constant-cosine --seed 3 --size 120
    """
    from ..report.traces import sentence
    from . import arguments, traces

    found = _find(suite)
    asked = None if size is None else arguments.size(size)
    made, refused = [], []
    for run in traces.typical(found, results, tasks, models, seed):
        try:
            made.append(traces.trace(found, results, *traces.names(run), asked, weights))
        except UsageError as error:
            refused.append(error)
            continue
        if not as_json:
            click.echo(f"{run.key}: {sentence(made[-1].trace)}")
            click.echo("\n".join(f"  {file}" for file in made[-1].files))
    if not made:
        raise refused[0]
    for reason in refused:
        click.echo(f"Left out: {reason}", err=True)
    if as_json:
        answers = [{**asdict(one.trace.origin), "files": [str(file) for file in one.files]} for one in made]
        click.echo(json.dumps({"traces": answers}, indent=2))


@main.command()
@suites_option
@results_option
@uri_option
@click.option("--port", type=click.IntRange(1, 65535), default=5000, help="Port on 127.0.0.1.")
def ui(names: tuple[str, ...], results: Path, tracking_uri: str | None, port: int) -> None:
    """Browse all runs in MLflow, on this machine alone.

    First logs whatever the store lacks of the records, so runs that were trained elsewhere, or while the store could
    not be used, are there too. Ctrl-C ends it.

    \b
    Example:
      bench ui --port 8080
    """
    from .runner import writable
    from .serve import serve
    from .store_file import default_uri, local

    writable(results)
    uri = tracking_uri or default_uri(results)
    suites = _with_records(names, results)
    known = {suite.name for suite in suites}
    for folder in sorted({path.parents[2].name for path in results.glob("*/*/*/*.jsonl")} - known):
        click.echo(f"{folder}: not a suite that comes with membench; to see it, give its file as --suite", err=True)
    if suites:
        click.echo("Catching MLflow up with the records ...", err=True)
        from .tracker import reason, replay

        for suite in suites:
            try:
                click.echo(f"{suite.name}: {replay(uri, results, suite)} runs", err=True)
            except (UsageError, KeyboardInterrupt):
                raise
            except Exception as error:  # whatever MLflow or the store's driver raises
                raise UsageError(
                    f"MLflow at {uri} cannot be used ({reason(error)}); accepted: another --tracking-uri, or moving "
                    "that store away, since the records can fill a new one"
                ) from None
    if not local(uri):
        click.echo(uri)
        return
    click.echo("Starting MLflow ...", err=True)

    def ready(address: str) -> None:
        click.echo("Experiments are suites; under 'Training runs', group by the tags task and model.", err=True)
        click.echo(f"{address}/#/experiments  (Ctrl-C ends it)")

    sys.exit(serve(uri, port, ready))


def _find(name: str) -> "Suite":
    from .suites import find

    suite: Suite = find(name)
    return suite


def _with_records(names: Sequence[str], results: Path) -> "list[Suite]":
    """The suites that were asked for, or all that come with membench and have records."""
    from . import suites

    if names:
        return [_find(name) for name in names]
    return [suite for suite in map(_find, suites.names()) if any((results / suite.name).glob("*/*/*.jsonl"))]


def _attach(uri: str | None, results: Path, suite: "Suite") -> None:
    """Add a report to MLflow; a report is whole without."""
    from .store_file import default_uri
    from .tracker import attach, reason

    try:
        attach(uri or default_uri(results), results, suite, results / suite.name)
    except Exception as error:  # whatever MLflow or the store's driver raises
        click.echo(f"The report of {suite.name} is not in MLflow ({reason(error)}).", err=True)


def _answer(rows: Sequence[dict[str, Any]], document: dict[str, Any], as_json: bool) -> None:
    from .listing import aligned

    click.echo(json.dumps(document, indent=2) if as_json else "\n".join(aligned(rows)))
