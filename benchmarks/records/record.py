"""Records: one append-only file of JSON lines a run, ``<results>/<suite>/<task>/<model>/<seed>.jsonl``.

The record is the truth of a run; MLflow and reports are drawn from it. A line is written once: a training that was set
back to a checkpoint repeats what it said, and the repetition is dropped here. A line ends with a checksum of itself, so
that a damaged disk shows no wrong number. Records from elsewhere are data: bounded, checked, never executed.
"""

import contextlib
import errno
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...report.words import size_text
from ..core import Run, Suite
from ..errors import UsageError
from ..protocols import Size
from .checkpoints import previous_of
from .encoding import from_line, to_line
from .events import Ended, Evaluated, Event, Generalised, Inspected, Resumed, Started, rank
from .locks import lock

LONGEST = 1 << 20
"""Bytes of the longest line that is read: ours have a few thousand."""

LARGEST = 1 << 28
"""Bytes of the largest record that is read: ours have some 100,000."""


@dataclass(frozen=True)
class Record:
    """What a file says of its run."""

    path: Path
    events: tuple[Event, ...]
    torn: bool = False  # ended within a line, as a kill or a full disk leaves it; that line is not among the events
    whole: int = 0  # bytes of the lines before
    crc: int = 0  # CRC-32 of these

    @property
    def started(self) -> Started | None:
        """The first line, if there is any."""
        return self.events[0] if self.events and isinstance(self.events[0], Started) else None

    @property
    def sessions(self) -> list[Mapping[str, Any]]:
        """The provenance of each that said something; one that began anew and only came to the same does not count."""
        found: list[Mapping[str, Any]] = []
        waiting: Mapping[str, Any] | None = None
        for event in self.events:
            if isinstance(event, Started) or (isinstance(event, Resumed) and event.step > 0):
                found.append(event.provenance)
            waiting = event.provenance if isinstance(event, Resumed) and event.step == 0 else waiting
            if waiting is not None and isinstance(event, Evaluated | Generalised):
                found.append(waiting)
                waiting = None
        return found

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
    def best(self) -> Evaluated | None:
        """The evaluation whose weights are kept as the best: see ``rank``; None before the first."""
        return min(self.evaluated.values(), key=rank, default=None)

    @property
    def generalised(self) -> dict[tuple[str, tuple[int, ...]], Generalised]:
        """Generalisation points by weights and size."""
        return {(e.weights, tuple(e.size)): e for e in self.events if isinstance(e, Generalised)}

    @property
    def inspected(self) -> dict[tuple[str, tuple[int, ...]], Inspected]:
        """What else was measured, by kind and size."""
        return {(e.what, tuple(e.size)): e for e in self.events if isinstance(e, Inspected)}


def place_of(suite: str, run: Run) -> str:
    """Where a run's record is within the results folder: in that of the suite that it is at home in."""
    return f"{run.experiment.home or suite}/{run.key}.jsonl"


def path_of(results: Path, suite: str, run: Run) -> Path:
    """Where a run's record is.

    Raises:
        UsageError: A link leads out of the results folder, as one in an unpacked archive may.
    """
    path = results / place_of(suite, run)
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(results)):
        raise UsageError(
            f"{path}: a link out of the results folder, to {real}; remove it, or give its end as --results"
        )
    return path


def checkpoint_of(record: Path) -> Path:
    """Where a run's resumable state and kept weights are."""
    return record.with_suffix(".pt")


def weights_of(record: Path) -> Path:
    """Where a run's best weights are published: ``<suite>/weights/<task>/<model>-<seed>.npz``."""
    return record.parents[2] / "weights" / record.parents[1].name / f"{record.parent.name}-{record.stem}.npz"


def trace_of(record: Path, size: Size, final: bool = False) -> Path:
    """Where a run's trace on an example of a size is: ``<suite>/traces/<task>/<model>-<seed>-<size>.npz``.

    Args:
        record: The run's.
        size: Of the example.
        final: Of the last weights, not of the best.
    """
    name = f"{record.parent.name}-{record.stem}-{size_text(size)}{'-final' * final}.npz"
    return record.parents[2] / "traces" / record.parents[1].name / name


def watched_of(record: Path, size: Size) -> Path:
    """Where it is kept how a run's heads came to look on an example of a size: beside its trace."""
    return trace_of(record, size).with_suffix(".json")


def read(path: Path, key: str) -> Record | None:
    """The record of a file, or None where there is none. A torn last line is left out.

    Raises:
        UsageError: The file is no record: a line in it is not an event, or the first is not ``started``.
    """
    events: list[Event] = []
    whole = crc = 0
    try:
        if not path.is_file():
            if os.path.lexists(path):
                raise UsageError(f"{path}: not a file; move it away")
            return None
        if (size := path.stat().st_size) > LARGEST:
            raise UsageError(f"{path}: {size} bytes are no record; at most {LARGEST} are read; move it away")
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
                if not line.endswith(b"\n") and len(line) < LONGEST:
                    return Record(path, tuple(events), torn=True, whole=whole, crc=crc)
                try:
                    events.append(from_line(line, key, crc))
                except (ValueError, RecursionError) as error:
                    raise UsageError(_damaged(path, number, str(error))) from None
                if number == 1 and not isinstance(events[0], Started):
                    raise UsageError(_damaged(path, 1, "a record begins with 'started'"))
                whole, crc = whole + len(line), zlib.crc32(line, crc)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    return Record(path, tuple(events), whole=whole, crc=crc)


def _damaged(path: Path, line: int, why: str) -> str:
    return (
        f"{path}, line {line}: damaged ({why}); move the file away, or run this run again with --force, which keeps "
        "it as .old"
    )


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

    def __init__(self, path: Path, key: str, wait: float = 0.0) -> None:
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
        self._crc = record.crc
        self._said = {_identity(event) for event in record.events} - {None}

    def _lock(self, path: Path, wait: float) -> None:
        if not lock(self._file, wait):
            raise Busy(f"{path} is being written by another process")
        if not path.exists() or not os.path.samestat(os.fstat(self._file.fileno()), path.stat()):
            raise Busy(f"{path} was moved by another process")

    @property
    def begun(self) -> bool:
        """Whether there is a first line."""
        return ("started",) in self._said

    def write(self, event: Event) -> bool:
        """Append the event and see it to the disk; False where the record says it already."""
        identity = _identity(event)
        if identity is not None and identity in self._said:
            return False
        line = to_line(event, self._crc)
        size = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:  # half a line may be there: a full disk must not leave one
            with contextlib.suppress(OSError):
                self._file.truncate(size)
            raise
        self._crc = zlib.crc32(line, self._crc)
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
    if isinstance(event, Inspected):
        return ("inspected", event.what, tuple(event.size))
    return None


def aside(path: Path) -> Path | None:
    """Move a record and its checkpoints out of the way, losing nothing; gives the record's new name.

    The record goes last: a kill in between leaves no checkpoint behind for another record to overwrite.

    Raises:
        Busy: A process is writing it.
    """
    if not path.exists():
        return None
    with held(path):
        files, number = (previous_of(checkpoint_of(path)), checkpoint_of(path), path), 1
        while any(_old(file, number).exists() for file in files):
            number += 1
        for file in files:
            if file.exists():
                file.rename(_old(file, number))
    return _old(path, number)


def _old(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.old{number}")


def free(path: Path) -> None:
    """See that nobody writes a record, if there is one.

    Raises:
        Busy: A process is writing it.
    """
    if path.exists():
        with held(path):
            pass


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep everybody from writing a record meanwhile.

    Raises:
        Busy: A process is writing it.
    """
    with path.open("ab") as file:
        if not lock(file):
            raise Busy(f"{path} is being written by another process")
        yield


def locked(path: Path) -> bool:
    """Whether a process is writing a record."""
    with path.open("rb") as file:
        return not lock(file, shared=True)


def of_suite(results: Path, suite: Suite) -> Iterator[tuple[Run, Record | None]]:
    """Every run the suite plans, with its record.

    Raises:
        UsageError: A record is damaged.
    """
    for run in suite.runs():
        yield run, read(path_of(results, suite.name, run), run.key)
