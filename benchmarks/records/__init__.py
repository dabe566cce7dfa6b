"""What is kept of every run: its record, line by line, and what is read out of records.

The record itself is at hand here: ``records.read(records.path_of(results, suite, run), run.key)``.
"""

from .record import (
    LARGEST,
    Busy,
    Record,
    Recorder,
    aside,
    checkpoint_of,
    free,
    locked,
    of_suite,
    path_of,
    read,
    trace_of,
    watched_of,
    weights_of,
)

__all__ = [
    "LARGEST",
    "Busy",
    "Record",
    "Recorder",
    "aside",
    "checkpoint_of",
    "free",
    "locked",
    "of_suite",
    "path_of",
    "read",
    "trace_of",
    "watched_of",
    "weights_of",
]
