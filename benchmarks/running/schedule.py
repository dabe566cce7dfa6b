"""What every engine keeps: what is due, how often it was tried, how it ended, and whether it is time to stop."""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from .. import records
from ..core import Run
from ..records.events import Ended, Evaluated, Event, Generalised, Status
from .session import give_up

TRIES = 3
"""How often in a row a run's process may die before its next evaluation, until that counts as the run's failure."""

LINGER = 10.0
"""Seconds that one waits for another process's run, where nothing else is left: that one may be about to end."""

FIRST = 6 * 3600.0
"""Seconds of silence after which a process counts as hung, while nobody knows how long an interval takes."""

FLOOR = 900.0
"""Seconds of silence that are always allowed."""

SLOWER = 20.0
"""Times the longest interval so far that are always allowed."""

Listener = Callable[[Event], None]
"""Told what happens."""

Cohort = tuple[Run, ...]
"""Runs that one process trains at once; mostly one."""


class Schedule:
    """The runs of one call, and the parent's side of their events.

    Use it as a context manager: while it is entered, SIGINT and SIGTERM ask for a stop; a second one raises
    ``KeyboardInterrupt``.

    Args:
        due: What to run.
        suite: The suite's name, which is its folder's.
        results: The results folder.
        listeners: Told every event.
        time_limit: Seconds after which to stop.

    Attributes:
        ended: How the runs that were begun ended, by key, as listeners were told.
        elsewhere: How many runs were left to another process, which has them.
        interrupted: Whether a signal put an end to it.
        stopped: When stopping was asked for, as ``time.monotonic`` counts; None while it was not.
    """

    def __init__(
        self,
        due: Sequence[Cohort],
        suite: str,
        results: Path,
        listeners: Sequence[Listener],
        time_limit: float | None,
    ) -> None:
        self.queue = deque(due)
        self.suite, self.results, self.listeners = suite, results, listeners
        self.until = None if time_limit is None else time.monotonic() + time_limit
        self.ended: dict[str, Status] = {}
        self.elsewhere = 0
        self.interrupted = False
        self.stopped: float | None = None
        self._tries: dict[str, int] = {}
        self._passed: set[str] = set()
        self._before: dict[signal.Signals, Any] = {}

    def path_of(self, run: Run) -> Path:
        """Where a run's record is."""
        return records.path_of(self.results, self.suite, run)

    def next(self) -> Cohort | None:
        """What to run next; None where nothing is left, or it is time to stop."""
        if self.until is not None and time.monotonic() > self.until:
            self.stop()
        return self.queue.popleft() if self.queue else None

    def patience(self, cohort: Cohort) -> float:
        """Seconds to wait for these runs: none, unless they were passed over once, since another process had them."""
        return LINGER if any(run.key in self._passed for run in cohort) else 0.0

    def stop(self) -> None:
        """Begin nothing more."""
        self.queue.clear()
        if self.stopped is None:
            self.stopped = time.monotonic()

    def tell(self, event: Event, cohort: Sequence[Run] = ()) -> None:
        """Pass an event on; but not yet that a run failed in a cohort of several: ``finished`` has it tried again."""
        if isinstance(event, Evaluated | Generalised):
            self._tries.pop(event.key, None)  # it got on
        if isinstance(event, Ended):
            if event.status == "failed" and len(cohort) > 1 and self.stopped is None:
                return
            self.ended[event.key] = event.status
        for listener in self.listeners:
            listener(event)

    def finished(self, cohort: Sequence[Run], statuses: Mapping[str, Status | None]) -> None:
        """A process is through with its runs. Those that failed together are tried again, in two halves."""
        failed = []
        for run in cohort:
            status = statuses[run.key]
            if status is None and run.key not in self._passed and self.stopped is None:
                self._passed.add(run.key)
                self.queue.append((run,))
            elif status is None:
                self.elsewhere += 1
            elif status == "failed" and run.key not in self.ended and self.stopped is None:
                failed.append(run)  # perhaps through another's fault, or for want of memory for them all
            elif status == "interrupted" and self.stopped is None:  # somebody stopped that one process
                self.died((run,), "asked to stop")
        half = (len(failed) + 1) // 2
        self.queue.extend(tuple(part) for part in (failed[:half], failed[half:]) if part)

    def died(self, cohort: Sequence[Run], how: str) -> None:
        """A process ended before its runs did: they are tried again, one by one, or given up."""
        for run in reversed(cohort):
            tries = self._tries[run.key] = self._tries.get(run.key, 0) + 1
            if self.stopped is not None:
                continue
            if tries < TRIES:
                self.queue.appendleft((run,))
                continue
            message = f"its process ended {TRIES} times without getting on, the last time: {how}"
            self.tell(give_up(run, self.path_of(run), message))

    def hopeless(self, cohort: Sequence[Run], message: str) -> None:
        """There is no sense in going on, for this reason: results cannot be written, say."""
        first = self.stopped is None
        self.stop()
        for run in cohort:
            if self.ended.get(run.key) in ("done", "diverged"):
                continue
            self.ended[run.key] = "failed"
            if first:
                self.tell(Ended(run.key, "failed", 0, 0.0, message))

    def __enter__(self) -> "Schedule":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.stop()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Silence:
    """How long a process has said nothing, against how long it may.

    Counted in the turns of its parent's loop rather than by the clock: a machine that slept, or a parent that was
    stopped together with its workers, is no silence.
    """

    def __init__(self) -> None:
        self._seconds = self._longest = 0.0
        self._evaluations = 0

    def broken(self, event: Event) -> None:
        """It spoke."""
        if self._evaluations:
            self._longest = max(self._longest, self._seconds)
        self._evaluations += isinstance(event, Evaluated)
        self._seconds = 0.0

    def hung(self, seconds: float) -> bool:
        """Whether, after this many seconds more, it counts as hung."""
        self._seconds += min(seconds, 1.0)
        return self._seconds > (max(FLOOR, SLOWER * self._longest) if self._evaluations > 1 else FIRST)
