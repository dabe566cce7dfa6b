"""Finished runs put into an SQLite store in one transaction: MLflow's own calls take ten times as long.

What is written is what those calls would write, and a test compares both, table by table. Where the store is not as it
is known here, nothing is written, and the calls are made. A kill leaves all of it or nothing.
"""

import math
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

RUNS = (
    "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, deleted_time, "
    "source_version, lifecycle_stage, artifact_uri, experiment_id"
)
POINTS = "key, value, is_nan, timestamp, step, run_uuid"
SAID = "key, value, run_uuid"
TABLES = {"runs": RUNS, "metrics": POINTS, "latest_metrics": POINTS, "params": SAID, "tags": SAID}
"""The tables that are written, and the columns of each as they are known here."""

NAMED = re.compile(r"[\w.-][/\w.\- :]{0,249}").fullmatch
"""Whether MLflow takes a name; it may take others too."""

LONGEST = 6000
"""Characters of a value that it surely takes."""

LARGEST = 1.7976931348623157e308
"""What MLflow keeps where a number is infinite."""


class Measured(NamedTuple):
    """A point as MLflow has it."""

    name: str
    value: float
    timestamp: int  # milliseconds
    step: int


class Told(NamedTuple):
    """All that there is to be said of a run that has ended, and that MLflow does not have."""

    id: str  # a new one
    name: str
    experiment: str  # MLflow's id
    artifacts: str  # the address of its folder
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[Measured]  # each name and step once
    status: str
    began: int  # milliseconds
    ended: int

    @property
    def plain(self) -> bool:
        """Whether MLflow surely takes all of it."""
        names = [*self.params, *self.tags, *(each.name for each in self.metrics)]
        values = (*self.params.values(), *self.tags.values())
        return len(self.name) <= 250 and all(map(NAMED, names)) and all(len(each) <= LONGEST for each in values)


def fill(file: Path, runs: Sequence[Told]) -> bool:
    """Write some runs; gives whether they were written; where not, nothing was.

    Many together take half as long: the index of the points is by name, so that each run's are all over it.

    Args:
        file: The store.
        runs: They.
    """
    if not all(run.plain for run in runs):
        return False
    rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in TABLES}
    for run in runs:
        user = run.tags.get("mlflow.user", "unknown")
        first = (run.id, run.name, "UNKNOWN", "", "", user, run.status, run.began, run.ended, None, "", "active")
        rows["runs"].append((*first, run.artifacts, int(run.experiment)))
        own = [(each.name, *_kept(each.value), each.timestamp, each.step, run.id) for each in run.metrics]
        rows["metrics"] += own
        rows["latest_metrics"] += {
            row[0]: row for row in sorted(own, key=lambda row: (row[4], row[3], row[1]))
        }.values()
        rows["params"] += [(*item, run.id) for item in run.params.items()]
        rows["tags"] += [(*item, run.id) for item in {**run.tags, "mlflow.runName": run.name}.items()]
    try:
        with closing(sqlite3.connect(file, timeout=20)) as connection:
            for table, columns in TABLES.items():
                if {row[1] for row in connection.execute(f"pragma table_info({table})")} != set(columns.split(", ")):
                    return False
            connection.execute("pragma synchronous = normal")  # which a log that is written ahead allows
            with connection as store:
                for table, columns in TABLES.items():
                    values = ", ".join("?" * len(columns.split(", ")))
                    store.executemany(f"insert into {table} ({columns}) values ({values})", rows[table])
        return True
    except (sqlite3.Error, OverflowError, ValueError):  # MLflow says better what is wrong, if anything is
        return False


def _kept(value: float) -> tuple[float, bool]:
    """A number as MLflow keeps it, and whether it is none."""
    if math.isnan(value):
        return 0.0, True
    return min(max(value, -LARGEST), LARGEST), False
