"""Runs that are told, not trained, and what an MLflow store holds of them."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from membench.benchmarks import records
from membench.benchmarks.core import Run, Suite
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Started
from membench.benchmarks.records.record import Recorder, path_of
from membench.benchmarks.tracking.metrics import points
from membench.benchmarks.tracking.summary import outcome

ORIGIN = {"commit": "c0ffee", "dirty": True, "device": "a processor", "implementation": "fused"}


def evaluated(key: str, step: int, errors: float = 1.5) -> Evaluated:
    first = step == 0
    return Evaluated(key, step, step * 4, 2.5, errors, None if first else 3.5, None if first else 4.5, step / 10)


class Story:
    """A run whose events go into its record, and to a listener, as an engine would do it."""

    def __init__(self, suite: Suite, results: Path, run: Run, listener: Callable[[Event], None] | None = None) -> None:
        self.suite, self.run, self.path = suite, run, path_of(results, suite.name, run)
        self.listener = listener
        self.recorder = Recorder(self.path, run.key)

    def tell(self, *events: Event) -> "Story":
        for event in events:
            if self.recorder.write(event) and self.listener is not None:
                self.listener(event)
        return self

    def start(self, *steps: int, commit: str = "c0ffee") -> "Story":
        key, run = self.run.key, self.run
        self.tell(Started(key, run.digest, run.params, 723, 39, {**ORIGIN, "commit": commit}))
        return self.evaluate(*steps)

    def evaluate(self, *steps: int) -> "Story":
        return self.tell(*(evaluated(self.run.key, step) for step in steps))

    def test(self) -> "Story":
        for size in self.run.experiment.task.test:
            for weights in ("best", "final"):
                self.tell(Generalised(self.run.key, weights, 40, list(size), 8, 0.5, 4, 0.25))  # type: ignore[arg-type]
        return self

    def end(self, status: Any = "done", step: int = 45, message: str = "") -> "Story":
        self.tell(Ended(self.run.key, status, step, step / 10, message))
        self.recorder.__exit__()
        return self

    def die(self) -> "Story":
        """Without a word."""
        self.recorder.__exit__()
        return self


TRAINED = "run_uuid not in (select run_uuid from tags where key = 'summary')"


def stored(results: Path, where: str = "1", which: str = TRAINED) -> dict[str, dict[str, Any]]:
    """What an SQLite store holds of each run, read without MLflow; rows of a metric are not merged."""
    with sqlite3.connect(results / "mlflow.db") as store:
        wanted = f"({where}) and ({which})"
        rows = store.execute(f"select run_uuid, name, status, lifecycle_stage from runs where {wanted}").fetchall()
        found = {}
        for uuid, name, status, stage in rows:
            tags = dict(store.execute("select key, value from tags where run_uuid = ?", [uuid]))
            found[uuid] = {
                "name": name,
                "status": status,
                "stage": stage,
                "tags": tags,
                "params": dict(store.execute("select key, value from params where run_uuid = ?", [uuid])),
                "points": sorted(store.execute("select key, step, value from metrics where run_uuid = ?", [uuid])),
            }
    store.close()
    return found


def only(results: Path, where: str = "lifecycle_stage = 'active'") -> dict[str, Any]:
    (one,) = stored(results, where).values()
    return one


def said(story: Story) -> list[tuple[str, int, float]]:
    """The points a record speaks of."""
    record = records.read(story.path, story.run.key)
    assert record is not None
    told = [p for event in record.events for p in points(story.run, event)]
    return sorted({(p.name, p.step, p.value) for p in told + outcome(story.suite, story.run, record)})


def warned(message: str) -> None:
    raise AssertionError(message)


def with_a_store(folder: Path, schema: Path) -> Path:
    """A results folder with an empty MLflow store."""
    folder.mkdir()
    shutil.copy(schema, folder / "mlflow.db")
    return folder
