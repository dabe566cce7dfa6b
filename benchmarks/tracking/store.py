"""MLflow, as one suite sees it: an experiment a suite, a run a record, points logged once.

Before a run of MLflow is gone on with, it is asked which (name, step) it holds. This is the only module that imports
MLflow, which takes seconds.
"""

import json
import logging
import os
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...report.answers import noun_of
from .. import records
from ..core import Run, Suite
from ..errors import UsageError, reason
from ..protocols import answer_of
from ..records.record import Record
from .bulk import Measured, Told, fill
from .metrics import NOTE, VIEWS, Point, chosen, fingerprint, points, tags
from .patience import Patient, within
from .store_file import SILENT, alone, artifacts, file_of, local, rehome, shown, write_ahead
from .summary import Summary, outcome

for _name, _value in {
    **SILENT,
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # an unreachable server is noticed in seconds, not minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}.items():
    os.environ.setdefault(_name, _value)


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow's dependencies deprecate things that are no concern of whoever trains."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


with quiet():
    try:
        import mlflow
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException
        from mlflow.store.db import utils as database
        from mlflow.utils.uri import append_to_uri_path
    except Exception as error:  # a broken package may raise anything
        remedy = "set HOME for" if "home directory" in str(error) else "reinstall"
        raise ImportError(
            f"{remedy} the package mlflow, which does not import: {type(error).__name__}: {error}"
        ) from error

database.MAX_RETRY_COUNT = 2  # it would block for minutes where a database cannot be opened; we come back ourselves
for _logger in ("mlflow", "alembic"):
    logging.getLogger(_logger).setLevel(logging.ERROR)

OPENING = 180.0
"""Seconds a store is given to open: one that is new makes its schema, which takes ten on a quiet machine."""

ENDED = {"failed": "FAILED", "interrupted": "KILLED"}
"""What MLflow calls these; a run that diverged is a finding, and FINISHED."""

FIRST = ("key", "record", "results", "status", "mlflow.user")
"""Tags that a run is made with, by which it is found again; the others come with its parameters."""

FRESH = 10.0
"""Seconds for which it is taken as known which runs there are, while records are replayed."""

BATCH = 900
"""Points in one call; MLflow takes 1,000 of all kinds."""


@dataclass
class Logged:
    """A run of MLflow."""

    id: str
    record: str  # which record it shows
    results: str  # the folder of that record when it was first logged
    status: str = "running"
    bare: bool = False  # its parameters are still to be logged
    held: int = 0  # points, when it ended
    points: set[tuple[str, int]] | None = None  # those it holds; None: not asked yet


def connect(uri: str, results: Path) -> Patient:
    """A client of a store that is there, with its schema. Raises whatever MLflow raises.

    Args:
        uri: MLflow's tracking URI.
        results: The results folder, of which one process at a time does this: two must not make the schema at once.
    """
    with quiet(), alone(results):
        client = within(OPENING, lambda: mlflow.MlflowClient(tracking_uri=uri))
        if (path := file_of(uri)) is not None:
            write_ahead(path)
            rehome(path)
    return Patient(client)


class Store:
    """An MLflow store, as one suite sees it. Raises whatever MLflow raises.

    Args:
        uri: MLflow's tracking URI.
        results: The results folder; artifacts of a local store lie in it.
        suite: The suite.
    """

    def __init__(self, uri: str, results: Path, suite: Suite) -> None:
        self.uri, self.results, self.suite = uri, results.resolve(), suite
        self.client = connect(uri, results)
        homes = dict.fromkeys([suite.name, *(e.home for e in suite.experiments if e.home)])
        with quiet(), alone(results):  # two processes must not make an experiment at once
            self.experiments = {name: self._experiment(name) for name in homes}
        self.runs: dict[tuple[str, str], list[Logged]] = {}
        self._look()

    def _look(self) -> None:
        """See which runs there are: another process may have logged some meanwhile."""
        self.looked = time.monotonic()
        known = {logged.id for there in self.runs.values() for logged in there}
        for name, experiment in self.experiments.items():
            for found in self._search(str(experiment.experiment_id)):
                if found.info.run_id in known:
                    continue
                said = found.data.tags
                logged = Logged(found.info.run_id, said.get("record", ""), said.get("results", ""))
                logged.status, held = said.get("status", "running"), said.get("points", "")
                logged.held = int(held) if held.isdigit() else 0
                logged.bare = not found.data.params
                self.runs.setdefault((name, said.get("key", "")), []).append(logged)

    def _experiment(self, name: str) -> Any:
        title = self.suite.title if name == self.suite.name else ""
        wrong = f"wrong {noun_of(answer_of(e.task) for e in self.suite.experiments)}s"
        report = shown(self.results / name / "report.html")
        note = NOTE.format(suite=name, title=title, wrong=wrong, report=report)
        views = {f"mlflow.sharedViewState.{view}": json.dumps(state) for view, state in VIEWS.items()}
        found = self.client.get_experiment_by_name(name)
        if found is None:
            file = file_of(self.uri)
            where = artifacts(file.parent if file else self.results, name) if local(self.uri) else None
            said = {"mlflow.note.content": note, **views}
            return self.client.get_experiment(self.client.create_experiment(name, artifact_location=where, tags=said))
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        said = {"mlflow.note.content": note, **views} if title else views
        for tag, value in said.items():
            if found.tags.get(tag) != value:
                self.client.set_experiment_tag(found.experiment_id, tag, value)
        return found

    def _search(self, experiment: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([experiment], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def of(self, run: Run) -> list[Logged]:
        """The runs of MLflow that show a run: this folder's, and on a shared store others'."""
        return self.runs.setdefault((self._home(run), run.key), [])

    def _home(self, run: Run) -> str:
        return run.experiment.home or self.suite.name

    def find(self, run: Run, record: Record, fresh: bool = False) -> Logged | None:
        """The run of MLflow that shows a record. Where there is none, those of older records here leave every average.

        Args:
            run: The run.
            record: Its record.
            fresh: As if there were none in any case.
        """
        assert record.started is not None  # the caller looked
        there, here = self.of(run), shown(self.results)
        if not fresh and (found := [logged for logged in there if logged.record == fingerprint(record.started)]):
            return found[0]
        for older in [logged for logged in there if logged.results == here]:
            self.client.set_tag(older.id, "status", "superseded")
            self.client.delete_run(older.id)  # MLflow keeps what it deletes
            there.remove(older)
        return None

    def make(self, run: Run, record: Record) -> Logged:
        """A new run of MLflow for a record."""
        said, home = self._tags(run, record), self.experiments[self._home(run)]
        first = {tag: said[tag] for tag in FIRST if tag in said}
        made = self.client.create_run(home.experiment_id, _began(record), first, run_name=run.key)
        logged = Logged(made.info.run_id, said["record"], shown(self.results), bare=True, points=set())
        self.of(run).append(logged)
        return logged

    def catch_up(self, run: Run, record: Record, fresh: bool = False) -> Logged:
        """Log what the store lacks of a record, and how it stands.

        Raises:
            UsageError: MLflow does not take what this record says, though it may well take others'.
        """
        with _blaming(record):
            return self._catch_up(run, record, fresh)

    def catch_up_together(self, some: Iterable[tuple[Run, Record]]) -> set[str]:
        """Log at once those of some records that can be so logged; gives their keys: others are caught up singly."""
        if file_of(self.uri) is None:
            return set()
        new = [each for each in some if each[1].ended is not None and self.find(*each) is None]
        with alone(self.results):
            if new and time.monotonic() > self.looked + FRESH:
                self._look()
                new = [each for each in new if self.find(*each) is None]
            return {run.key for run, _ in new} if self._filled(new) else set()

    def _catch_up(self, run: Run, record: Record, fresh: bool) -> Logged:
        logged = self.find(run, record, fresh) or self._begun(run, record, fresh)
        said, ended = self._said(run, record), record.ended
        assert record.started is not None  # the caller looked
        if logged.bare:  # new, or left before it had its parameters, by a kill or a store that failed
            params, said_of_it = chosen(record.started), self._tags(run, record)
            self.client.log_batch(
                logged.id,
                params=[Param(*item) for item in params.items()],
                tags=[RunTag(*item) for item in said_of_it.items()],
            )
            logged.bare = False
        status = ended.status if ended is not None else "running" if records.locked(record.path) else "interrupted"
        if status != logged.status or logged.held != len(said):
            self.log(logged, said.values(), _began(record))
            self.settle(logged, status, ended.message if ended is not None else "", _written(record))
        return logged

    def _begun(self, run: Run, record: Record, fresh: bool) -> Logged:
        """A new run of MLflow for a record, unless another process has just made it."""
        with alone(self.results):
            if not fresh:
                self._look()
                if (found := self.find(run, record)) is not None:
                    return found
            return self.of(run)[-1] if self._filled([(run, record)]) else self.make(run, record)

    def _tags(self, run: Run, record: Record) -> dict[str, str]:
        assert record.started is not None  # the caller looked
        return tags(run, record.started, self._home(run), record.path, self.results)

    def _said(self, run: Run, record: Record) -> dict[tuple[str, int], Point]:
        told = [p for event in record.events for p in points(run, event)] + outcome(self.suite, run, record)
        return {(p.name, p.step): p for p in told}

    def _filled(self, some: Sequence[tuple[Run, Record]]) -> bool:
        """Log runs that have ended and that MLflow does not have, at once, where the store is a file; all or none."""
        new = []
        for run, record in some:
            if (ended := record.ended) is None or record.started is None:
                return False
            curve, began = self._said(run, record), _began(record)
            tags = self._tags(run, record) | {"status": ended.status, "points": str(len(curve))}
            tags |= {"message": ended.message} if ended.message else {}
            measured, how = list(_measured(curve.values(), began)), ENDED.get(ended.status, "FINISHED")
            place = self._place(self.experiments[self._home(run)], run.key)
            new.append(Told(*place, chosen(record.started), tags, measured, how, began, _written(record)))
        if not self._fill(new):
            return False
        for (run, _), told in zip(some, new, strict=True):
            said = told.tags
            logged = Logged(told.id, said["record"], said["results"], said["status"], held=len(told.metrics))
            self.of(run).append(logged)
        return True

    def _fill(self, runs: Sequence[Told]) -> bool:
        file = file_of(self.uri)
        return bool(runs) and file is not None and fill(file, runs)

    def _place(self, experiment: Any, name: str) -> tuple[str, str, str, str]:
        """The first four of what is told of a new run."""
        id = uuid.uuid4().hex
        artifacts = append_to_uri_path(experiment.artifact_location, id, "artifacts")
        return id, name, str(experiment.experiment_id), artifacts

    def summarise(self, summaries: Iterable[Summary]) -> None:
        """Show each arm in one run, in place of the one that showed it before, if it said something else."""
        here, now, home = shown(self.results), _now(), self.experiments[self.suite.name]
        new: list[tuple[Summary, Told]] = []
        for summary in summaries:
            there = self.runs.setdefault((self.suite.name, summary.key), [])
            mine = [logged for logged in there if logged.results == here]
            if [logged.record for logged in mine] == [summary.fingerprint]:
                continue
            for older in mine:
                self.client.delete_run(older.id)
                there.remove(older)
            tags = {**summary.tags, "results": here, "record": summary.fingerprint}
            place = self._place(home, f"{summary.key} (arm)")
            new.append((summary, Told(*place, {}, tags, list(_measured(summary.points, now)), "FINISHED", now, now)))
        at_once = self._fill([told for _, told in new])
        for summary, told in new:
            logged = Logged(told.id, summary.fingerprint, here, "done")
            if not at_once:
                # one that a kill leaves half-made lacks the tag ``record``: it is made again
                said = {name: value for name, value in told.tags.items() if name != "record"}
                logged.id = self.client.create_run(home.experiment_id, now, said, run_name=told.name).info.run_id
                logged.points = set()
                self.log(logged, summary.points, now)
                self.client.set_terminated(logged.id, "FINISHED", now)
                self.client.set_tag(logged.id, "record", summary.fingerprint)
                logged.points = None
            self.runs[self.suite.name, summary.key].append(logged)

    def log(self, logged: Logged, said: Iterable[Point], began: int | None = None) -> None:
        """Log points, but for those it holds; ``began``: when the run did (milliseconds), if this is not live."""
        if logged.points is None:
            names, history = self.client.get_run(logged.id).data.metrics, self.client.get_metric_history
            logged.points = {(name, point.step) for name in names for point in history(logged.id, name)}
        lacking = [point for point in said if (point.name, point.step) not in logged.points]
        metrics = [Metric(*each) for each in _measured(lacking, began)]
        for start in range(0, len(metrics), BATCH):
            self.client.log_batch(logged.id, metrics[start : start + BATCH])
        logged.points |= {(point.name, point.step) for point in lacking}

    def settle(self, logged: Logged, status: str, message: str = "", at: int | None = None) -> None:
        """Say how a run stands: a run that diverged is a finding, and FINISHED."""
        told = {"status": status, "message": message} if message or logged.status != "running" else {"status": status}
        logged.status = status
        if logged.points is not None:
            logged.held = len(logged.points)
        if status == "running":
            self.client.update_run(logged.id, status="RUNNING")
        else:
            self.client.set_terminated(logged.id, ENDED.get(status, "FINISHED"), at)
        # last, for it says that all of this is done
        self.client.log_batch(logged.id, tags=[RunTag(*item) for item in {**told, "points": str(logged.held)}.items()])
        if status != "running":
            logged.points = None  # thousands of runs would fill the memory


@contextmanager
def _blaming(record: Record) -> Iterator[None]:
    """A UsageError instead where MLflow does not take what a record says."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise UsageError(f"{record.path}: MLflow does not take it ({reason(error)})") from None


def _measured(said: Iterable[Point], began: int | None) -> Iterator[Measured]:
    """Points with the time of each: now, or so many seconds after the run began."""
    at = began or _now()
    for point in said:
        if began is not None and point.seconds is not None:
            at = began + _milliseconds(point.seconds)
        yield Measured(point.name, point.value, at, point.step)


def _began(record: Record) -> int:
    """When a run may have begun, in milliseconds: its last line less the seconds it took."""
    took = max((getattr(event, "seconds", 0.0) for event in record.events), default=0.0)
    return max(_written(record) - _milliseconds(took), 1)


def _written(record: Record) -> int:
    return max(_milliseconds(record.path.stat().st_mtime), 1)  # MLflow takes 0 for now, and knows nothing before it


def _milliseconds(seconds: float) -> int:
    return round(1000 * min(seconds, 1e10))  # the year 2286; what is endless is no number


def _now() -> int:
    return round(1000 * time.time())
