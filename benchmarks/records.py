"""Records: one append-only file of JSON lines a run, ``<results>/<suite>/<task>/<model>/<seed>.jsonl``.

The record is the truth of a run; MLflow and reports are drawn from it. A line is written once: a training that was set
back to a checkpoint repeats what it said, and the repetition is dropped here.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .core import Run, Suite
from .errors import UsageError
from .events import Ended, Evaluated, Event, Generalised, Started, from_json, to_json

LONGEST = 1 << 20
"""Bytes of the longest line that is read: ours have a few thousand."""


@dataclass(frozen=True)
class Record:
    """What a file says of its run."""

    path: Path
    events: tuple[Event, ...]
    torn: bool = False  # ended within a line, as a kill or a full disk leaves it; that line is not among the events
    whole: int = 0  # bytes of the lines before

    @property
    def started(self) -> Started | None:
        """The first line, if there is any."""
        return self.events[0] if self.events and isinstance(self.events[0], Started) else None

    @property
    def ended(self) -> Ended | None:
        """How the last session ended; None while it runs, or where it was killed."""
        return self.events[-1] if self.events and isinstance(self.events[-1], Ended) else None

    @property
    def step(self) -> int:
        """The last step the record speaks of."""
        return max((event.step for event in self.events if isinstance(event, Evaluated | Ended)), default=0)

    @property
    def evaluated(self) -> dict[int, Evaluated]:
        """Evaluations by step."""
        return {event.step: event for event in self.events if isinstance(event, Evaluated)}

    @property
    def generalised(self) -> dict[tuple[str, tuple[int, ...]], Generalised]:
        """Generalisation points by weights and size."""
        return {(e.weights, tuple(e.size)): e for e in self.events if isinstance(e, Generalised)}


def path_of(results: Path, suite: str, run: Run) -> Path:
    """Where a run's record is, in the folder of the suite that it is at home in."""
    return results / (run.experiment.home or suite) / f"{run.key}.jsonl"


def checkpoint_of(record: Path) -> Path:
    """Where a run's resumable state and kept weights are."""
    return record.with_suffix(".pt")


def read(path: Path, key: str) -> Record | None:
    """The record of a file, or None where there is none. A torn last line is left out.

    Raises:
        UsageError: The file is no record: a line in it is not an event, or the first is not ``started``.
    """
    events: list[Event] = []
    whole = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
                if not line.endswith(b"\n") and len(line) < LONGEST:
                    return Record(path, tuple(events), torn=True, whole=whole)
                try:
                    events.append(_event(line, key))
                except (ValueError, RecursionError) as error:
                    raise UsageError(_damaged(path, number, str(error))) from None
                if number == 1 and not isinstance(events[0], Started):
                    raise UsageError(_damaged(path, 1, "a record begins with 'started'"))
                whole += len(line)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    return Record(path, tuple(events), whole=whole)


def _event(line: bytes, key: str) -> Event:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return from_json(value, key)


def _damaged(path: Path, line: int, why: str) -> str:
    return f"{path}, line {line}: damaged ({why}); move the file away, or run with --force, which keeps it as .old"


class Busy(Exception):
    """Another process is writing this record."""


class Recorder:
    """The one writer of a record, holding its lock; use it as a context manager.

    Args:
        path: The record; it and its folders are made if need be.
        key: The run's.
        wait: Seconds to wait for another process to let go of it.

    Raises:
        Busy: Another process is writing it.
        UsageError: The file is damaged.
    """

    def __init__(self, path: Path, key: str, wait: float = 5.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        try:
            self._lock(path, wait)
            record = read(path, key) or Record(path, ())
            if record.torn:
                self._file.truncate(record.whole)
        except BaseException:
            self._file.close()
            raise
        self.record = record
        self._said = {_identity(event) for event in record.events} - {None}

    def _lock(self, path: Path, wait: float) -> None:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Busy(f"{path} is being written by another process") from None
                time.sleep(0.1)

    def write(self, event: Event) -> bool:
        """Append the event and see it to the disk; False where the record says it already."""
        identity = _identity(event)
        if identity is not None and identity in self._said:
            return False
        line = json.dumps(to_json(event), allow_nan=False).encode() + b"\n"
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:  # half a line may be there: a full disk must not leave one
            with contextlib.suppress(OSError):
                self._file.truncate(size)
            raise
        if identity is not None:
            self._said.add(identity)
        return True

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def _identity(event: Event) -> tuple[Any, ...] | None:
    """What makes a line the same line; None for lines that every session writes."""
    if isinstance(event, Started):
        return ("started",)
    if isinstance(event, Evaluated):
        return ("evaluated", event.step)
    if isinstance(event, Generalised):
        return ("generalised", event.weights, tuple(event.size))
    return None


def aside(path: Path) -> Path | None:
    """Move a record and its checkpoint out of the way, losing nothing; gives the record's new name."""
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.name}.old{number}")).exists():
        number += 1
    path.rename(kept)
    checkpoint = checkpoint_of(path)
    if checkpoint.exists():
        checkpoint.rename(checkpoint.with_name(f"{checkpoint.name}.old{number}"))
    return kept


def of_suite(results: Path, suite: Suite) -> Iterator[tuple[Run, Record | None]]:
    """Every run the suite plans, with its record.

    Raises:
        UsageError: A record is damaged.
    """
    for run in suite.runs():
        yield run, read(path_of(results, suite.name, run), run.key)
