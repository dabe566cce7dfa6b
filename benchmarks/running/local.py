"""The engine of one machine: worker processes of one thread each, one run at a time.

A worker that dies or hangs takes only its run with it; another tries that run again, from its checkpoint. The parent
alone talks to listeners. Signals reach the parent; workers are asked to stop, and leave a checkpoint.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import UsageError
from ..records.events import Event
from .schedule import TRIES, Cohort, Schedule, Silence
from .worker import GRACE, Finished, work


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
    return ["cpu"] * (workers or cores())


def cores() -> int:
    """The cores this process may use; all there are where the system does not say, as macOS does not."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class Worker:
    """A process, its end of the pipe, and the runs it is at."""

    process: BaseProcess
    pipe: Connection
    device: str
    cohort: Cohort = ()
    silence: Silence = field(default_factory=Silence)
    asked: bool = False
    hung: bool = False

    def ask_to_stop(self) -> None:
        """Once: it takes a checkpoint first."""
        if not self.asked:
            self.process.terminate()
            self.asked = True


def run(schedule: Schedule, sources: tuple[str, ...], devices: Sequence[str]) -> None:
    """Run what a schedule holds.

    Args:
        schedule: Told how everything ends.
        sources: What ``suites.find`` takes: workers find their runs in it.
        devices: One a worker.
    """
    with schedule:
        Engine(schedule, sources).loop(devices[: len(schedule.queue)])


class Engine:
    """The parent's side."""

    def __init__(self, schedule: Schedule, sources: tuple[str, ...]) -> None:
        self.schedule, self.sources = schedule, sources
        # A server that has imported everything forks a worker in milliseconds, and they share its memory.
        self.context: Any = get_context("forkserver" if sys.platform == "linux" else "spawn")
        self.workers: list[Worker] = []

    def loop(self, devices: Sequence[str]) -> None:
        """Hand out runs and pass on events until nothing is left."""
        schedule = self.schedule
        try:
            self.context.set_forkserver_preload(["membench.benchmarks.running.session", "numba"])
            self.workers = [self.hire(device) for device in devices]
            self.give()
            before = time.monotonic()
            while busy := [worker for worker in self.workers if worker.cohort]:
                for pipe in connection.wait([worker.pipe for worker in busy], timeout=0.5):
                    self.hear(next(worker for worker in busy if worker.pipe is pipe))
                now = time.monotonic()
                for worker in busy:
                    if worker.cohort and worker.silence.hung(now - before):
                        worker.hung = True
                        worker.process.kill()  # its pipe says so, at the next turn
                before = now
                if schedule.until is not None and now > schedule.until:
                    schedule.stop()
                if schedule.stopped is not None:
                    for worker in busy:
                        worker.ask_to_stop()
                    if now > schedule.stopped + GRACE:
                        break
                self.give()
        finally:
            for worker in self.workers:
                self.dismiss(worker)

    def hire(self, device: str) -> Worker:
        """Start a process."""
        ours, theirs = self.context.Pipe()
        arguments = (theirs, self.sources, str(self.schedule.results), device)
        for tries in range(TRIES):
            process: BaseProcess = self.context.Process(target=work, args=arguments, daemon=True)
            try:
                with quiet(), short_names():  # the server, which the first one starts, or the worker inherits it
                    process.start()
                break
            except (EOFError, OSError):  # the server was killed; once it is seen to be gone, it is started again
                if tries + 1 == TRIES:
                    raise
                time.sleep(1.0)
        theirs.close()
        return Worker(process, ours, device)

    def give(self) -> None:
        """Hand runs to every worker that has none, while there are any; a new one takes the place of one that died."""
        while (idle := self.idle()) is not None and (cohort := self.schedule.next()):
            worker = self.workers[idle]
            if worker.pipe.closed or not worker.process.is_alive():
                worker = self.workers[idle] = self.hire(worker.device)
            worker.cohort, worker.silence = cohort, Silence()
            digests = {run.key: run.digest for run in cohort}
            try:
                worker.pipe.send((digests, self.schedule.patience(cohort)))
            except OSError:
                self.bury(worker)

    def idle(self) -> int | None:
        """The place of a worker that has no runs."""
        return next((place for place, worker in enumerate(self.workers) if not worker.cohort), None)

    def hear(self, worker: Worker) -> None:
        """Take one message: an event, or that the runs are over; or find that the worker died."""
        try:
            message: Event | Finished = worker.pipe.recv()
        except (EOFError, OSError):
            self.bury(worker)
            return
        if isinstance(message, Event):
            worker.silence.broken(message)
            self.schedule.tell(message, worker.cohort)
            return
        cohort, worker.cohort = worker.cohort, ()
        if "failed" in message.statuses.values():  # a GPU that was led astray answers its process never again
            self.dismiss(worker)
        if message.hopeless:
            self.schedule.hopeless(cohort, message.hopeless)
        else:
            self.schedule.finished(cohort, message.statuses)

    def bury(self, worker: Worker) -> None:
        """A worker died: its runs are tried again."""
        worker.process.join(5)
        cohort, worker.cohort = worker.cohort, ()
        self.schedule.died(cohort, "it hung" if worker.hung else ending(worker.process.exitcode))
        worker.pipe.close()

    def dismiss(self, worker: Worker) -> None:
        """End a worker: idle ones at once, others after the time they were given."""
        worker.pipe.close()
        worker.process.join(0 if worker.cohort else 2)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code == -signal.SIGKILL:
        return "killed (signal 9), as a machine out of memory does: fewer --workers need less"
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


SOCKET = 100
"""Bytes of the longest name a socket may have; systems allow 103 or 107."""


@contextmanager
def short_names() -> Iterator[None]:
    """A server that is started meanwhile listens at a name that a socket may have, however long TMPDIR is.

    Raises:
        UsageError: No folder has a name short enough.
    """
    before = tempfile.tempdir
    name = len("/pymp-12345678/listener-12345678")
    places = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    fit = [place for place in places if len(os.fsencode(place)) + name <= SOCKET and os.access(place, os.W_OK)]
    if not fit:
        raise UsageError(f"TMPDIR {places[0]}: too long for a socket's name; accepted: a folder of a shorter one")
    tempfile.tempdir = fit[0]
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextmanager
def quiet() -> Iterator[None]:
    """Processes started meanwhile make no threads of their own, and take no modules from the folder they start in."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONSAFEPATH")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
