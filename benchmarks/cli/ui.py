"""``bench ui``: all runs in MLflow's pages."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click

from ..errors import UsageError, reason
from .shared import at_home, results_option, suite_option, uri_option, with_option, with_records

EVERY = 3.0
"""Seconds between two lines that say how far it is."""


@click.command()
@suite_option(several=True)
@with_option
@results_option
@uri_option
@click.option("--port", type=click.IntRange(1, 65535), default=5000, help="Port on 127.0.0.1.")
@click.option("--open", "opened", is_flag=True, help="Open it in a browser.")
def ui(
    names: tuple[str, ...], added: tuple[str, ...], results: Path, tracking_uri: str | None, port: int, opened: bool
) -> None:
    """Browse all runs in MLflow, on this machine alone.

    First logs whatever the store lacks of the records, so runs that were trained elsewhere, or while the store could
    not be used, are there too. Prints an address a suite: its runs, grouped by task and model; with "arms" at its end
    instead of "runs", one line an arm, with all of its seeds. MLflow's pages load 100 runs at a time, so a group of
    runs may show 7 of 10 seeds until one presses "Load more"; arms are not so cut. Ctrl-C ends it.

    \b
    Examples:
      bench ui --port 8080
      bench ui collier2018 --open
    """
    from ..running.runner import writable
    from ..suites import names as built_in
    from ..tracking.serve import serve
    from ..tracking.store_file import local, public, store_uri

    uri = store_uri(tracking_uri, results)
    at_home(results)
    writable(results)
    suites = with_records(names, results, added)
    known = {*built_in(), *(suite.name for suite in suites)}
    for folder in sorted({path.parents[2].name for path in results.glob("*/*/*/*.jsonl")} - known):
        click.echo(f"{folder}: not a suite that comes with membench; to see it, give its file as --suite", err=True)
    if suites:
        click.echo("Catching MLflow up with the records ...", err=True)
    try:
        from ..tracking.listener import pages, reach, replay

        for suite in suites:
            try:
                click.echo(f"{suite.name}: {replay(uri, results, suite, Told(suite.name))} runs", err=True)
            except UsageError as error:  # a damaged record hides no other
                click.echo(f"{suite.name}: {error}", err=True)
        where = pages(uri, results, suites) if suites else {}
        if not local(uri):
            reach(uri, results)
    except ImportError as error:
        raise UsageError(f"MLflow cannot be used ({reason(error)})") from None
    except Exception as error:  # whatever MLflow or the store's driver raises
        raise UsageError(
            f"MLflow at {public(uri)} cannot be used ({reason(error)}); accepted: another --tracking-uri, or moving "
            "that store away, since the records can fill a new one"
        ) from None
    if not local(uri):
        _said(public(uri), where, opened)
        return
    click.echo("Starting MLflow ...", err=True)

    def ready(address: str) -> None:
        _said(f"{address}/#/experiments  (Ctrl-C ends it)", where, opened)

    sys.exit(serve(uri, port, ready))


class Told:
    """Says every few seconds how far it is."""

    def __init__(self, suite: str) -> None:
        self.suite, self.at = suite, time.monotonic()

    def __call__(self, done: int, runs: int) -> None:
        """So many runs were looked at."""
        if time.monotonic() - self.at > EVERY:
            self.at = time.monotonic()
            click.echo(f"{self.suite}: {done} of {runs} ...", err=True)


def _said(address: str, where: Mapping[str, str], opened: bool) -> None:
    """The address of all, then that of each suite."""
    click.echo(address)
    root = address.partition("/#/")[0].rstrip("/")
    links = {name: f"{root}{page}?viewStateShareKey=runs" for name, page in where.items()}
    for name, link in links.items():
        click.echo(f"{name}: {link}")
    if opened:
        click.launch(next(iter(links.values())) if len(links) == 1 else address.split()[0])
