"""``bench report`` and ``bench compare``: what the records say, as pages and as a table."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from ..errors import UsageError, reason
from .shared import (
    answer,
    find,
    home_of,
    json_option,
    known,
    one_suite,
    results_option,
    suite_flag,
    suite_names,
    suite_option,
    tracking_options,
    typed,
    with_option,
    with_records,
)

if TYPE_CHECKING:
    from ..core import Suite


def sides(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Completes a suite, then models of it."""
    first = suite_names(context, parameter, begun) if not context.params.get("words") else []
    return [*first, *known("models")(context, parameter, begun)]


@click.command()
@suite_option(several=True)
@with_option
@results_option
@click.option(
    "--findings",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    help="A Markdown file: draw no report, but its table of findings from the claims of those that are there.",
)
@tracking_options
@json_option
def report(
    names: tuple[str, ...],
    added: tuple[str, ...],
    results: Path,
    findings: Path | None,
    tracking_uri: str | None,
    no_tracking: bool,
    as_json: bool,
) -> None:
    """Draw reports from the records: claims with verdicts, curves, tables.

    Writes report.html and report.md under RESULTS/<suite>/, and RESULTS/index.html over all suites. It reads records
    only: no store, no network; the same records give the same bytes. Where there is an MLflow store, the report is
    added to it.

    \b
    Examples:
      bench report
      bench report mini --with ./gru.py
      bench report mini --json
      bench report --findings docs/findings.md
    """
    if findings is not None:
        beside = ("said", "suite", "added", "no_tracking", "tracking_uri", "as_json")
        if any(map(typed, beside)):
            raise UsageError("--findings draws no report; accepted beside it is --results alone")
        return _redraw(findings, results)
    from ...report.pages import render
    from ...report.pages.findings import spoken
    from ..inspecting import rerun, traces
    from ..records.frames import facts_of, frames_of
    from ..records.plan import left_out
    from ..running.runner import writable
    from ..tracking.store_file import store_uri

    uri = None if no_tracking else store_uri(tracking_uri, results)
    suites = with_records(names, results, added)
    if not suites:
        raise UsageError(f"no records under {results}; the quickest way to some is: bench run mini")
    once = [suite.name for suite in suites]
    if twice := [name for name in once if once.count(name) > 1]:
        raise UsageError(f"{once.count(twice[0])} suites called {twice[0]}; accepted are names that differ")
    pages, refused = {}, []
    for suite in suites:
        if others := left_out(suite, results):
            click.echo(
                f"{suite.name}: not its arms, and left out without --with: records of {', '.join(others)}", err=True
            )
        folder = results / suite.name
        try:
            frames = frames_of(results, suite)
            if (frames.runs["status"] == "new").all():
                again = f"bench run {suite.options} --results {results}"
                raise UsageError(
                    f"no records of {suite.name} under {results}, nothing to report; to make some: {again}"
                )
            writable(results)
            complete = int((frames.runs["status"].isin(("done", "diverged"))).sum())
            click.echo(f"{suite.name}: drawing {complete} of {len(frames.runs)} runs ...", err=True)
            shown = traces.shown(suite, results, frames), list(rerun.shown(suite, results))
        except UsageError as error:
            refused.append(error)
            continue
        pages[suite.name] = str(render.report(frames, facts_of(suite), folder, *shown))
        if uri is not None and (tracking_uri or (results / "mlflow.db").exists()):
            _attach(uri, results, suite)
    if pages and not as_json:
        for name in pages:
            click.echo(f"{spoken(results / name)}\n")
    if pages:
        pages["all"] = str(render.front(results))
        answer([{"suite": name, "page": page} for name, page in pages.items()], {"pages": pages}, as_json)
    if refused:
        raise refused[0]


@click.command()
@click.argument("words", nargs=-1, metavar="[SUITE] A B", shell_complete=sides)
@suite_flag()
@with_option
@results_option
@json_option
def compare(words: tuple[str, ...], suite: str | None, added: tuple[str, ...], results: Path, as_json: bool) -> None:
    """Compare two models of a suite, or two results folders of it, by the seeds that both have.

    A and B are two names of models, or two folders. Only seeds that both sides have finished count; a run that did
    not solve its task is censored, not dropped. SUITE may be left out where one suite alone has records of both models.

    \b
    Examples:
      bench compare mini ntm-constant lstm
      bench compare ntm-constant-cosine ntm-constant-dot
      bench compare collier2018 results ../mine/results
    """
    from ...report.pages.compare import compare_models, compare_results
    from ..records.frames import facts_of, frames_of

    if not 2 <= len(words) <= 3:
        raise UsageError(f"{len(words)} names; accepted are two models or two results folders, a suite before them")
    a, b = words[-2:]
    found = find(one_suite(words[0] if len(words) == 3 else None, suite) or _suite_of(a, b, results), added)
    facts = facts_of(found)
    folders = [home_of(Path(name)) for name in (a, b)]
    if {a, b} <= set(facts.models):
        table = compare_models(frames_of(results, found), facts, a, b)
    elif all(folder.is_dir() for folder in folders):
        first, second = (frames_of(folder, found) for folder in folders)
        table = compare_results(first, second, facts)
    else:
        sides = zip((a, b), folders, strict=True)
        unknown = ", ".join(repr(name) for name, folder in sides if name not in facts.models and not folder.is_dir())
        raise UsageError(
            f"{unknown or f'{a!r} and {b!r}'}: accepted are two results folders, or two models of {found.name}: "
            f"{', '.join(facts.models)}"
        )
    if table.frame.empty:
        raise UsageError(f"{a} and {b}: no seed of {found.name} is finished on both sides")
    said = f"{table.title}\n\n{table.plain()}\n\n{table.legend()}"
    click.echo(table.frame.to_json(orient="records", indent=2) if as_json else said)


def _redraw(path: Path, results: Path) -> None:
    """Draw the table of findings in a file anew."""
    from ...report.files import write
    from ...report.pages.findings import redrawn

    try:
        write(path, redrawn(path.read_text(), results, path.parent).encode())
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def _suite_of(a: str, b: str, results: Path) -> str:
    """The one suite that has records of both models; for folders there is no telling.

    Raises:
        UsageError: None has, or several have.
    """
    from ..catalogue import catalogue

    suites = {name: one for name, one in catalogue().items() if {a, b} <= set(one["models"])}
    there: dict[str, set[str]] = {}  # of the suites that have records of both, whose folders these are in
    for name, one in suites.items():
        paths = [path for path in map(Path, one["runs"]) if path.parent.name in (a, b) and (results / path).exists()]
        if {path.parent.name for path in paths} == {a, b}:
            there[name] = {path.parts[0] for path in paths}
    # Records that suites share count once, for the suite that they are at home in.
    there = {name: homes for name, homes in there.items() if name in homes or not homes & there.keys()}
    if len(there) == 1:
        (only,) = there
        click.echo(f"{only}, the suite that has records of both:", err=True)
        return only
    who = f"{', '.join(there)} all have" if there else "no suite has"
    raise UsageError(f"{who} records of {a} and {b} under {results}; accepted: bench compare SUITE {a} {b}")


def _attach(uri: str, results: Path, suite: "Suite") -> None:
    """Add a report to MLflow; a report is whole without."""
    from ..tracking.listener import attach

    try:
        attach(uri, results, suite, results / suite.name)
    except Exception as error:  # whatever MLflow or the store's driver raises
        click.echo(f"The report of {suite.name} is not in MLflow ({reason(error)}).", err=True)
