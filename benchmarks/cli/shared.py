"""What commands share: options of one name and meaning, the suites asked for, and how an answer is printed."""

import functools
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ..errors import UsageError

if TYPE_CHECKING:
    from ..core import Suite

Command = TypeVar("Command", bound=Callable[..., Any])


def arms_options(command: Command) -> Command:
    """Some tasks and some models, or all."""
    command = click.option(
        "--model", "models", multiple=True, shell_complete=known("models"), help="Only this model (repeatable)."
    )(command)
    return click.option(
        "--task", "tasks", multiple=True, shell_complete=known("tasks"), help="Only this task (repeatable)."
    )(command)


def known(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completes names of tasks or models, of the suites that are on the line or of all."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from ..catalogue import catalogue

        suites = catalogue()
        said = [*(name for where in ("said", "suite", "words") for name in _all(context.params.get(where)))]
        said += context.args  # what stands before an option that is not complete yet
        asked = [name for name in said if name in suites] or list(suites)
        names = dict.fromkeys(name for suite in asked for name in suites[suite][what])
        return [CompletionItem(name) for name in names if name.startswith(begun)]

    return complete


def suite_names(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Completes the suites that come with membench, and files."""
    from ..suites import names

    return [*(CompletionItem(name) for name in names() if name.startswith(begun)), CompletionItem(begun, type="file")]


def _all(value: Any) -> Sequence[str]:
    """What was said of a suite, once or several times, as a list."""
    return (value,) if isinstance(value, str) else value or ()


def results_option(command: Command, exists: bool = True) -> Command:
    """Where everything is kept; a folder that is named must be there, unless the command makes records."""

    def checked(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
        folder = home_of(folder)
        if exists and named("results") and not folder.is_dir():
            raise click.BadParameter(f"{str(folder)!r} is no folder; accepted: one that bench run has written")
        return folder

    return click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("results"),
        callback=checked,
        help="Folder of records, reports and the MLflow store.",
    )(command)


def new_results_option(command: Command) -> Command:
    """Likewise, made where it is missing."""
    return results_option(command, exists=False)


def named(parameter: str) -> bool:
    """Whether the user said it, rather than nobody."""
    return click.get_current_context().get_parameter_source(parameter) is not click.core.ParameterSource.DEFAULT


def typed(parameter: str) -> bool:
    """Whether it stands on the line, and not in a variable."""
    return click.get_current_context().get_parameter_source(parameter) is click.core.ParameterSource.COMMANDLINE


def home_of(path: Path) -> Path:
    """A path whose ``~`` no shell has replaced, as in ``--results=~/results``."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise click.BadParameter(f"{str(path)!r}: nobody knows that home; accepted: a path without ~") from None


def at_home(results: Path) -> None:
    """Nothing is made where nobody expects it: without ``--results`` only in a place for it.

    That is an empty folder, one below the home or the temporary folder, or a project, which has a ``.git`` or a
    ``pyproject.toml`` in it or above it; and anywhere once the folder of results is there.

    Raises:
        UsageError: It would be made elsewhere.
    """
    if named("results") or results.exists():
        return
    here, home, temporary = (Path(place).resolve() for place in (".", os.path.expanduser("~"), tempfile.gettempdir()))
    project = any((place / mark).exists() for place in (here, *here.parents) for mark in (".git", "pyproject.toml"))
    below = any(place in here.parents for place in (home, temporary) if place != place.parent)
    if here in (home, here.parent) or (not (project or below) and any(here.iterdir())):
        raise UsageError(f"results would go to {here / results}; if they are to, say so: --results {results}")


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


AVX2 = "x86-64-v3"
"""The baseline of processors without AVX-512."""


def avx2_option(command: Command) -> Command:
    """Round as older processors do."""

    def narrowed(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
        if not asked:
            return
        from ...ntm.kernels import baseline

        if AVX2 not in baseline.has():
            raise click.BadParameter(f"this {platform.machine()} processor does not have it; accepted: without --avx2")
        baseline.use(AVX2)

    return click.option(
        "--avx2",
        is_flag=True,
        expose_value=False,
        callback=narrowed,
        help="Use AVX2 where there is AVX-512: slower, but equal to the last digit on processors with and without.",
    )(command)


def json_option(command: Command) -> Command:
    """For programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def suite_flag(several: bool = False, **shown: Any) -> Callable[[Command], Command]:
    """``--suite`` alone."""
    return click.option(
        "--suite",
        type=click.Path(),  # names as well; but a variable's value is parted at colons, not at spaces
        metavar="SUITE",
        multiple=several,
        shell_complete=suite_names,
        help="A suite's name, or a Python file that defines one: it is executed. The same as [SUITE].",
        **shown,
    )


def one_suite(said: str | None, suite: str | None) -> str | None:
    """The suite that was said as an argument or as ``--suite``, which may come from a variable.

    Raises:
        UsageError: The line names two.
    """
    if typed("suite") and said not in (None, suite):
        raise UsageError(f"two suites, {said} and --suite {suite}; accepted is one")
    return said or suite


def suite_option(default: str | None = None, several: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """The suite, as an argument or as ``--suite``: ``bench run mini`` is ``bench run --suite mini``.

    The command is called with ``suite``, a name or file, or with a tuple ``names`` of them.

    Args:
        default: Taken where none is said; None: one has to be.
        several: Any number of suites; none for all that have records.
    """

    def decorate(command: Callable[..., Any]) -> Any:
        @functools.wraps(command)
        def called(*args: Any, said: Any, suite: Any, **others: Any) -> Any:
            if several:
                return command(*args, names=(*said, *suite), **others)
            if (one := one_suite(said, suite) or default) is None:
                raise UsageError("no suite; accepted: its name or file, such as mini; bench list has the names")
            return command(*args, suite=one, **others)

        shown = {"show_default": "all with records" if several else default} if several or default else {}
        argument = click.argument(
            "said",
            required=False,
            nargs=-1 if several else 1,
            metavar="[SUITE]..." if several else "[SUITE]",
            shell_complete=suite_names,
        )
        return argument(suite_flag(several, **shown)(called))

    return decorate


def with_option(command: Command) -> Command:
    """Architectures of a user's own, beside the suite's."""
    return click.option(
        "--with",
        "added",
        metavar="FILE",
        multiple=True,
        help='Add the arms = {"name": model} of this file to every task (repeatable): it is executed.',
    )(command)


def find(name: str, added: Sequence[str] = ()) -> "Suite":
    """The suite of a name, or of a file, with the arms of other files."""
    from .. import suites

    suite: Suite = suites.find(name, *added)
    return suite


def with_records(names: Sequence[str], results: Path, added: Sequence[str] = ()) -> "list[Suite]":
    """The suites that were asked for, or all that come with membench and have records."""
    from ..catalogue import catalogue

    if added and not names:
        raise UsageError(f"--with {added[0]}: needs a suite to add to; accepted: its name or file, such as mini")
    if names:
        return [find(name, added) for name in names]
    return [
        find(name) for name, suite in catalogue().items() if any((results / path).exists() for path in suite["runs"])
    ]


def answer(rows: Sequence[dict[str, Any]], document: dict[str, Any], as_json: bool) -> None:
    """Print rows in columns, or the document as JSON."""
    click.echo(json.dumps(document, indent=2) if as_json else "\n".join(aligned(rows)))


def aligned(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Rows in columns under their names, numbers to the right."""
    if not rows:
        return
    cells = [list(rows[0]), *(["?" if value is None else str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [isinstance(value, int) for value in rows[0].values()]
    for line in cells:
        said = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        yield "  ".join(said).rstrip()
