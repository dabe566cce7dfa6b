"""The engine of one machine: worker processes of one thread each, one run at a time.

A worker that dies takes only its run with it; a new one tries that run again, from its checkpoint. The parent alone
talks to listeners. Signals reach the parent; workers are asked to stop, and leave a checkpoint.
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event as Flag
from pathlib import Path
from types import FrameType
from typing import Any

from ..core import Run
from ..errors import UsageError
from ..events import Ended, Event, Status
from ..runner import Listener

TRIES = 3
"""How often a run is given to a worker before its deaths count as the run's failure."""

GRACE = 30.0
"""Seconds a worker is given to finish its step and its checkpoint once it is asked to stop."""


def devices(device: str, workers: int | None) -> list[str]:
    """The device of each worker.

    Raises:
        UsageError: No such device here.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {device!r}: accepted are auto, cpu, cuda")
    if device != "cpu":
        import torch

        if torch.cuda.is_available():
            names = [f"cuda:{n}" for n in range(torch.cuda.device_count())]
            return [names[n % len(names)] for n in range(workers or len(names))]
        if device == "cuda":
            raise UsageError("device cuda: there is none here, or this torch was built without it; accepted: auto, cpu")
    return ["cpu"] * (workers or len(os.sched_getaffinity(0)))


@dataclass
class Worker:
    """A process, its end of the pipe, and the run it is at."""

    process: BaseProcess
    pipe: Connection
    device: str
    run: Run | None = None


def run(
    due: Sequence[Run],
    suite: str,
    results: Path,
    listeners: Sequence[Listener],
    devices: Sequence[str],
    time_limit: float | None = None,
) -> tuple[dict[str, Status], bool]:
    """Run them all.

    Returns:
        How each run that was begun ended, by key; and whether a signal put an end to it.
    """
    if not due:
        return {}, False
    engine = Engine(due, suite, results, listeners, time_limit)
    with engine.signals():
        engine.loop(devices[: len(due)])
    return engine.ended, engine.interrupted


class Engine:
    """The parent's side."""

    def __init__(
        self,
        due: Sequence[Run],
        suite: str,
        results: Path,
        listeners: Sequence[Listener],
        time_limit: float | None,
    ) -> None:
        self.queue = deque(due)
        self.suite, self.results, self.listeners = suite, results, listeners
        self.until = None if time_limit is None else time.monotonic() + time_limit
        self.context = get_context("spawn")
        self.stop: Flag = self.context.Event()
        self.stopped: float | None = None
        self.interrupted = False
        self.ended: dict[str, Status] = {}
        self.tries: dict[str, int] = {}
        self.workers: list[Worker] = []

    def signals(self) -> "Signals":
        """Asks the workers to stop on SIGINT and SIGTERM, while it is entered."""
        return Signals(self)

    def ask_to_stop(self) -> None:
        """Let running trainings write a checkpoint and end."""
        self.queue.clear()
        if self.stopped is None:
            self.stopped = time.monotonic()
            self.stop.set()

    def loop(self, devices: Sequence[str]) -> None:
        """Hand out runs and pass on events until nothing is left."""
        try:
            self.workers = [self.hire(device) for device in devices]
            for worker in self.workers:
                self.give(worker)
            while busy := [worker for worker in self.workers if worker.run is not None]:
                for pipe in connection.wait([worker.pipe for worker in busy], timeout=0.5):
                    self.hear(next(worker for worker in busy if worker.pipe is pipe))
                now = time.monotonic()
                if self.until is not None and now > self.until:
                    self.ask_to_stop()
                if self.stopped is not None and now > self.stopped + GRACE:
                    break
        finally:
            for worker in self.workers:
                self.dismiss(worker)

    def hire(self, device: str) -> Worker:
        """Start a process."""
        ours, theirs = self.context.Pipe()
        arguments = (theirs, self.stop, self.suite, str(self.results), device)
        process = self.context.Process(target=work, args=arguments, daemon=True, name=f"bench {device}")
        process.start()
        theirs.close()
        return Worker(process, ours, device)

    def give(self, worker: Worker) -> None:
        """Hand the next run to a worker."""
        worker.run = self.queue.popleft() if self.queue else None
        if worker.run is None:
            return
        self.tries[worker.run.key] = self.tries.get(worker.run.key, 0) + 1
        try:
            worker.pipe.send(worker.run.key)
        except OSError:
            self.bury(worker)

    def hear(self, worker: Worker) -> None:
        """Take one message: an event, or that the run is over; or find that the worker died."""
        try:
            message: Event | Finished = worker.pipe.recv()
        except (EOFError, OSError):
            self.bury(worker)
            return
        if isinstance(message, Finished):
            if message.status is not None:
                self.ended[message.key] = message.status
            if message.fatal:
                self.ask_to_stop()
            if message.message:
                self.tell(Ended(message.key, message.status or "interrupted", 0, 0.0, message.message))
            self.give(worker)
        else:
            self.tell(message)

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        for listener in self.listeners:
            listener(event)

    def bury(self, worker: Worker) -> None:
        """A worker died: try its run again with a new one, or give the run up."""
        worker.process.join(5)
        code = worker.process.exitcode
        run, worker.run = worker.run, None
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if run is not None and self.stopped is None:
            if self.tries[run.key] < TRIES:
                self.queue.appendleft(run)
            else:
                self.ended[run.key] = "failed"
                self.tell(Ended(run.key, "failed", 0, 0.0, f"its process died {TRIES} times, last of {how}"))
        worker.pipe.close()
        if self.queue:
            fresh = self.hire(worker.device)
            self.workers[self.workers.index(worker)] = fresh
            self.give(fresh)

    def dismiss(self, worker: Worker) -> None:
        """End a worker: idle ones at once, others after the time they were given."""
        worker.pipe.close()
        worker.process.join(2 if worker.run is None else 0)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


class Signals:
    """SIGINT and SIGTERM ask the workers to stop; a second one stops waiting for them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self.engine.interrupted:
            raise KeyboardInterrupt
        self.engine.interrupted = True
        self.engine.ask_to_stop()

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Finished:
    """A worker is through with a run."""

    key: str
    status: Status | None  # None where another process has the run
    message: str = ""
    fatal: bool = False  # the results cannot be written: there is no sense in going on


def work(pipe: Connection, stop: Flag, suite: str, results: str, device: str) -> None:
    """The worker's side: take keys, perform them, send events back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to everybody; the parent decides
    mine = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: mine.set())
    parent = os.getppid()

    import torch

    from .. import records
    from ..perform import perform
    from ..suites import find

    torch.set_num_threads(1)
    found = find(suite)
    runs = {run.key: run for run in found.runs()}

    def stopping() -> bool:
        return mine.is_set() or stop.is_set() or os.getppid() != parent

    def tell(event: Event) -> None:
        try:
            pipe.send(event)
        except OSError:  # the parent is gone; the record has the event
            mine.set()

    while True:
        try:
            key = pipe.recv()
        except (EOFError, OSError):
            return
        path = records.path_of(Path(results), found.name, runs[key])
        try:
            finished = Finished(key, perform(runs[key], path, torch.device(device), tell, stopping))
        except records.Busy as error:
            finished = Finished(key, None, str(error))
        except OSError as error:
            what = f"{error.strerror or error} ({error.filename or path}); make room and run again, nothing is lost"
            finished = Finished(key, "failed", what, fatal=True)
        try:
            pipe.send(finished)
        except OSError:
            return
