"""Finished runs put into an SQLite store in one transaction: MLflow's own calls take ten times as long.

What is written is what those calls would write, and a test compares both, table by table. Where the store is not as it
is known here, nothing is written, and the calls are made.
"""

import math
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

COLUMNS = {
    "metrics": {"key", "value", "timestamp", "run_uuid", "step", "is_nan"},
    "latest_metrics": {"key", "value", "timestamp", "run_uuid", "step", "is_nan"},
    "params": {"key", "value", "run_uuid"},
    "tags": {"key", "value", "run_uuid"},
}
"""The tables that are written, as they are known here; ``runs`` has more, of which two change."""

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
    """All that there is to be said of a run that was made just now, and has ended."""

    run: str  # MLflow's id
    params: Mapping[str, str]  # none of which it has yet
    tags: Mapping[str, str]
    metrics: Sequence[Measured]  # none of which it has yet; each name and step once
    status: str
    ended: int  # milliseconds

    @property
    def plain(self) -> bool:
        """Whether MLflow surely takes all of it."""
        names = [*self.params, *self.tags, *(each.name for each in self.metrics)]
        values = (*self.params.values(), *self.tags.values())
        return all(map(NAMED, names)) and all(len(value) <= LONGEST for value in values)


def fill(file: Path, runs: Sequence[Told]) -> bool:
    """Write what there is to be said of some runs; gives whether it was written; where not, nothing was.

    Many together take half as long: the index of the points is by name, so that each run's are all over it.

    Args:
        file: The store.
        runs: They.
    """
    if not all(run.plain for run in runs):
        return False
    rows: list[tuple[object, ...]] = []
    latest: list[tuple[object, ...]] = []
    for run in runs:
        own = [(each.name, *_kept(each.value), each.timestamp, each.step, run.run) for each in run.metrics]
        last = {row[0]: row for row in sorted(own, key=lambda row: (row[4], row[3], row[1]))}
        rows += own
        latest += last.values()
    try:
        with closing(sqlite3.connect(file, timeout=20)) as connection:
            for table, columns in COLUMNS.items():
                if {row[1] for row in connection.execute(f"pragma table_info({table})")} != columns:
                    return False
            connection.execute("pragma synchronous = normal")  # which a log that is written ahead allows
            with connection as store:
                for table, some in (("metrics", rows), ("latest_metrics", latest)):
                    names = "key, value, is_nan, timestamp, step, run_uuid"
                    store.executemany(f"insert into {table} ({names}) values (?, ?, ?, ?, ?, ?)", some)
                for table, said in (("params", [run.params for run in runs]), ("tags", [run.tags for run in runs])):
                    store.executemany(
                        f"insert or replace into {table} (key, value, run_uuid) values (?, ?, ?)",
                        [(*item, run.run) for run, own in zip(runs, said, strict=True) for item in own.items()],
                    )
                store.executemany(
                    "update runs set status = ?, end_time = ? where run_uuid = ?",
                    [(run.status, run.ended, run.run) for run in runs],
                )
        return True
    except (sqlite3.Error, OverflowError, ValueError):  # MLflow says better what is wrong, if anything is
        return False


def _kept(value: float) -> tuple[float, bool]:
    """A number as MLflow keeps it, and whether it is none."""
    if math.isnan(value):
        return 0.0, True
    return min(max(value, -LARGEST), LARGEST), False
