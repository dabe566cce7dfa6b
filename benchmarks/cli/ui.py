"""``bench ui``: all runs in MLflow's pages."""

import sys
from pathlib import Path

import click

from ..errors import UsageError, reason
from .shared import at_home, results_option, suite_option, uri_option, with_option, with_records


@click.command()
@suite_option(several=True)
@with_option
@results_option
@uri_option
@click.option("--port", type=click.IntRange(1, 65535), default=5000, help="Port on 127.0.0.1.")
def ui(names: tuple[str, ...], added: tuple[str, ...], results: Path, tracking_uri: str | None, port: int) -> None:
    """Browse all runs in MLflow, on this machine alone.

    First logs whatever the store lacks of the records, so runs that were trained elsewhere, or while the store could
    not be used, are there too. Ctrl-C ends it.

    \b
    Example:
      bench ui --port 8080
    """
    from ..running.runner import writable
    from ..tracking.serve import serve
    from ..tracking.store_file import local, public, store_uri

    uri = store_uri(tracking_uri, results)
    at_home(results)
    writable(results)
    suites = with_records(names, results, added)
    known = {suite.name for suite in suites}
    for folder in sorted({path.parents[2].name for path in results.glob("*/*/*/*.jsonl")} - known):
        click.echo(f"{folder}: not a suite that comes with membench; to see it, give its file as --suite", err=True)
    if suites:
        click.echo("Catching MLflow up with the records ...", err=True)
    try:
        from ..tracking.listener import reach, replay

        for suite in suites:
            try:
                click.echo(f"{suite.name}: {replay(uri, results, suite)} runs", err=True)
            except UsageError as error:  # a damaged record hides no other
                click.echo(f"{suite.name}: {error}", err=True)
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
        click.echo(public(uri))
        return
    click.echo("Starting MLflow ...", err=True)

    def ready(address: str) -> None:
        click.echo("Experiments are suites; under 'Training runs', group by the tags task and model.", err=True)
        click.echo(f"{address}/#/experiments  (Ctrl-C ends it)")

    sys.exit(serve(uri, port, ready))
