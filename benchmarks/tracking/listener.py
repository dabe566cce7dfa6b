"""What the records say, logged to MLflow live by the parent process, or replayed later.

The store holds nothing that the records do not, so whatever is wrong with it (locked, deleted, unreachable, of another
schema) stops no run and costs no result: one warning, and the records catch it up, here or by ``bench ui``. MLflow is
imported where a store is opened, so that a package that is missing or broken counts as such a store.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .. import records
from ..core import Run, Suite
from ..errors import UsageError, reason
from ..records.events import Compiling, Ended, Event, Resumed, Started
from ..records.record import Record
from .metrics import fingerprint, points
from .store_file import local, public, shown

if TYPE_CHECKING:
    from .store import Logged, Store

PAUSE = 300.0
"""Seconds a store that failed is left alone."""

TOGETHER = 100
"""Records that are replayed at once: after a kill, so many at most are logged one by one."""


class Tracker:
    """A listener that logs events as they come. Opens the store at once; close it at the end.

    Args:
        uri: MLflow's tracking URI.
        results: The results folder.
        suite: The suite that runs.
        warn: Told in a sentence that the store failed, once, and which record cannot be read, once each.
    """

    def __init__(self, uri: str, results: Path, suite: Suite, warn: Callable[[str], None]) -> None:
        self.uri, self.results, self.suite, self.warn = uri, results, suite, warn
        self.runs = {run.key: run for run in suite.runs()}
        self.store: Store | None = None
        self.live: dict[str, Logged] = {}
        self.behind: set[str] = set()  # runs of which the store lacks something
        self.unread: set[str] = set()  # runs whose record could not be read
        self.failures, self.until = 0, 0.0
        self._try(lambda store: None)

    def __call__(self, event: Event) -> None:
        """Log one event; never raises."""
        if isinstance(event, Compiling):
            return
        if isinstance(event, Ended) and event.key not in self.live and not self._recorded(event):
            return  # it never began
        if time.monotonic() < self.until or not self._try(lambda store: self._log(store, event)):
            self.behind.add(event.key)

    def _recorded(self, event: Ended) -> bool:
        """Whether a run's record ends with this, or it cannot be told."""
        try:
            record = records.read(records.path_of(self.results, self.suite.name, self.runs[event.key]), event.key)
        except UsageError:
            return True
        return record is not None and record.ended == event

    def close(self) -> None:
        """A last attempt to log what the store lacks."""
        if self.behind:
            self._try(lambda store: None)

    def _try(self, do: Callable[["Store"], None]) -> bool:
        try:
            from .store import Store, quiet

            with quiet():
                if self.store is None:
                    self.store = Store(self.uri, self.results, self.suite)
                for key in sorted(self.behind):
                    self._catch_up(self.store, key)
                    self.behind.discard(key)
                do(self.store)
            return True
        except Exception as error:  # whatever the store does, training goes on
            self.store, self.until = None, time.monotonic() + PAUSE
            self.behind |= self.live.keys()
            self.live.clear()
            self.failures += 1
            if self.failures == 1:
                self.warn(
                    f"MLflow at {public(self.uri)} cannot be used ({reason(error)}): runs go on and are recorded, "
                    "and `bench ui` logs later what is missing there"
                )
            return False

    def _catch_up(self, store: "Store", key: str, fresh: bool = False) -> None:
        run = self.runs[key]
        try:
            record = records.read(records.path_of(self.results, self.suite.name, run), run.key)
            if record is not None and record.started is not None:
                self.live[key] = store.catch_up(run, record, fresh)
                if record.ended is not None:
                    del self.live[key]
        except UsageError as error:  # the fault of this record, not of the store
            if key not in self.unread:
                self.unread.add(key)
                self.warn(f"{key} is not logged to MLflow: {error}")

    def _log(self, store: "Store", event: Event) -> None:
        logged = self.live.get(event.key)
        if logged is None or isinstance(event, Started | Resumed | Ended):
            # a worker that died may have written lines that it told nobody
            self._catch_up(store, event.key, fresh=isinstance(event, Started))
            if isinstance(event, Ended) and (logged := self.live.pop(event.key, None)) is not None:
                store.settle(logged, event.status, event.message)
        else:
            store.log(logged, points(self.runs[event.key], event))


def replay(uri: str, results: Path, suite: Suite, tell: Callable[[int, int], None] = lambda done, runs: None) -> int:
    """Log what the store lacks of a suite's records; gives how many records it shows now.

    Runs that another process is at are left to it. A stale record is not logged; where it was, it is marked. Every arm
    that has finished runs has a summary besides.

    Args:
        uri: MLflow's tracking URI.
        results: The results folder.
        suite: The suite.
        tell: Told after each run how many were looked at, and how many there are.

    Raises:
        UsageError: A record is damaged, or one that MLflow does not take; all others are logged.
    """
    from .store import Store, quiet
    from .summary import Arms

    store, count, damaged = Store(uri, results, suite), 0, []
    runs, arms = list(suite.runs()), Arms(suite)

    def to_show() -> Iterator[tuple[Run, Record]]:
        for number, run in enumerate(runs):
            tell(number, len(runs))
            try:
                record = records.read(records.path_of(results, suite.name, run), run.key)
            except UsageError as error:
                damaged.append(error)
                continue
            if record is None or record.started is None or records.locked(record.path):
                continue
            if record.started.digest == run.digest:
                yield run, record
                continue
            for logged in store.of(run):
                if logged.record == fingerprint(record.started) and logged.status != "stale":
                    store.client.set_tag(logged.id, "status", "stale")

    with quiet():
        showing = to_show()
        while some := list(islice(showing, TOGETHER)):
            done = store.catch_up_together(some)
            for run, record in some:
                try:
                    if run.key not in done:
                        store.catch_up(run, record)
                    arms.add(run, record)
                    count += 1
                except UsageError as error:
                    damaged.append(error)
        store.summarise(arms)
    if damaged:
        raise damaged[0]
    return count


def reach(uri: str, results: Path) -> None:
    """See that a store answers. Raises whatever MLflow raises."""
    from .store import connect

    connect(uri, results).search_experiments(max_results=1)


def pages(uri: str, results: Path, suites: Sequence[Suite]) -> dict[str, str]:
    """Where MLflow's pages show each suite's experiment, by name: what comes after the server's address."""
    from .store import connect

    client = connect(uri, results)
    found = {suite.name: client.get_experiment_by_name(suite.name) for suite in suites}
    return {name: f"/#/experiments/{each.experiment_id}/runs" for name, each in found.items() if each is not None}


def attach(uri: str, results: Path, suite: Suite, folder: Path) -> None:
    """Put a suite's report and figures into its experiment, as artifacts of a run called ``report``.

    Raises:
        UsageError: MLflow cannot keep files there.
    """
    from .store import Store, quiet

    store = Store(uri, results, suite)
    with quiet():
        here = shown(store.results)
        if local(uri) and here != str(store.results):
            raise UsageError("MLflow keeps no files in a folder whose name is not UTF-8")
        if there := [logged for logged in store.runs.get((suite.name, "report"), []) if logged.results == here]:
            run_id = there[0].id
        else:
            said = {"suite": suite.name, "key": "report", "status": "done", "results": here}
            made = store.client.create_run(store.experiments[suite.name].experiment_id, tags=said, run_name="report")
            run_id = made.info.run_id
            store.client.set_terminated(run_id)
        for name in ("report.html", "report.md", "claims.json"):
            if (folder / name).exists():
                store.client.log_artifact(run_id, str(folder / name))
        for name in ("figures", "traces"):
            if (folder / name).is_dir():
                store.client.log_artifacts(run_id, str(folder / name), name)
