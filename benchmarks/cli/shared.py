"""What commands share: options of one name and meaning, the suites asked for, and how an answer is printed."""

import json
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..core import Suite

Command = TypeVar("Command", bound=Callable[..., Any])


def arms_options(command: Command) -> Command:
    """Some tasks and some models, or all."""
    command = click.option("--model", "models", multiple=True, help="Only this model (repeatable).")(command)
    return click.option("--task", "tasks", multiple=True, help="Only this task (repeatable).")(command)


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


def suites_option(command: Command) -> Command:
    """Several suites, or all that have been run."""
    return click.option(
        "--suite",
        "names",
        type=click.Path(),  # names as well; but a variable's value is parted at colons, not at spaces
        metavar="SUITE",
        multiple=True,
        show_default="all with records",
        help="A suite's name or file (repeatable).",
    )(command)


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
    from .. import suites

    if added and not names:
        raise UsageError(f"--with {added[0]}: needs a suite to add to; accepted: --suite, such as --suite mini")
    if names:
        return [find(name, added) for name in names]
    return [suite for suite in map(find, suites.names()) if any((results / suite.name).glob("*/*/*.jsonl"))]


def answer(rows: Sequence[dict[str, Any]], document: dict[str, Any], as_json: bool) -> None:
    """Print rows in columns, or the document as JSON."""
    from .listing import aligned

    click.echo(json.dumps(document, indent=2) if as_json else "\n".join(aligned(rows)))
