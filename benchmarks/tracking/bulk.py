"""A finished run put into an SQLite store in one transaction: MLflow's own calls take ten times as long.

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


def fill(
    file: Path,
    run: str,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    metrics: Sequence[Measured],
    status: str,
    ended: int,
) -> bool:
    """Write all that there is to be said of a run that was made just now, and that it has ended.

    Args:
        file: The store.
        run: MLflow's id of the run.
        params: Its parameters, none of which it has yet.
        tags: Tags to be set.
        metrics: Its points, none of which it has yet; each name and step once.
        status: How it ended.
        ended: When, in milliseconds.

    Returns:
        Whether it was written; where not, nothing was.
    """
    names = [*params, *tags, *(each.name for each in metrics)]
    if not all(map(NAMED, names)) or any(len(value) > LONGEST for value in (*params.values(), *tags.values())):
        return False
    rows = [(each.name, *_kept(each.value), each.timestamp, each.step, run) for each in metrics]
    latest: dict[str, tuple[object, ...]] = {}
    for row in sorted(rows, key=lambda row: (row[4], row[3], row[1])):
        latest[row[0]] = row
    try:
        with closing(sqlite3.connect(file, timeout=20)) as connection:
            for table, columns in COLUMNS.items():
                if {row[1] for row in connection.execute(f"pragma table_info({table})")} != columns:
                    return False
            connection.execute("pragma synchronous = normal")  # which a log that is written ahead allows
            with connection as store:
                for table, some in (("metrics", rows), ("latest_metrics", list(latest.values()))):
                    names_of = "key, value, is_nan, timestamp, step, run_uuid"
                    store.executemany(f"insert into {table} ({names_of}) values (?, ?, ?, ?, ?, ?)", some)
                for table, said in (("params", params), ("tags", tags)):
                    store.executemany(
                        f"insert or replace into {table} (key, value, run_uuid) values (?, ?, ?)",
                        [(name, value, run) for name, value in said.items()],
                    )
                store.execute("update runs set status = ?, end_time = ? where run_uuid = ?", (status, ended, run))
        return True
    except (sqlite3.Error, OverflowError, ValueError):  # MLflow says better what is wrong, if anything is
        return False


def _kept(value: float) -> tuple[float, bool]:
    """A number as MLflow keeps it, and whether it is none."""
    if math.isnan(value):
        return 0.0, True
    return min(max(value, -LARGEST), LARGEST), False
