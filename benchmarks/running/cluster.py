"""The engine of a cluster: every run is a task of Ray that yields the events of its training.

Only this process touches files. A task gets its snapshot with its arguments and sends back what happens, so nodes need
no shared folder, and the records are written as the local engine writes them. A node that is lost takes an interval of
its runs with it; they go on elsewhere, from the last snapshot. Nodes have the same membench installed.
"""

import math
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError, reason
from ..outside import packed
from ..records.checkpoints import Snapshot
from ..records.events import Ended, Event, Status
from .cluster_task import train_far
from .schedule import Cohort, Schedule, Silence
from .session import Session, opened, why

try:
    import ray
    from ray.exceptions import RayError
except ImportError:  # an extra
    ray = None


AHEAD = 4
"""Events, snapshots among them, that a task may be ahead of this process: what bounds the memory they take."""


@dataclass(frozen=True)
class Crew:
    """What a task is given, and how many there are at once.

    Attributes:
        gpu: The share of a GPU a task gets; 0 for a CPU core.
        workers: Tasks at once; None for as many as the cluster has room for, as it grows and shrinks.
    """

    gpu: float
    workers: int | None

    def now(self) -> int:
        """How many tasks there may be."""
        return self.workers or max(1, int(_resources("GPU") / self.gpu) if self.gpu else int(_resources("CPU")))


def crew(device: str, workers: int | None, address: str | None) -> Crew:
    """Join a cluster, or start one on this machine where no address is given and RAY_ADDRESS is not set.

    Raises:
        UsageError: There is no Ray, no such cluster, or no such device in it.
    """
    if ray is None:
        raise UsageError("engine ray: Ray is not installed; accepted: local, or pip install 'membench[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    alone = address is None and "RAY_ADDRESS" not in os.environ
    if alone:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    if not ray.is_initialized():
        try:
            ray.init(
                address=address,
                include_dashboard=False if alone else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise UsageError(f"ray address {address!r}: no cluster can be joined there ({reason(error)})") from None
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {device!r}: accepted are auto, cpu, cuda")
    gpus = _resources("GPU") if device != "cpu" else 0.0
    if device == "cuda" and not gpus:
        raise UsageError("device cuda: no node of this cluster has one; accepted: auto, cpu")
    return Crew(share(gpus, workers), workers)


def share(gpus: float, workers: int | None) -> float:
    """Of a GPU, for each of so many workers: whole parts, since a task's share lies on one GPU."""
    return math.floor(1e4 / math.ceil(max(workers or 0, gpus) / gpus)) / 1e4 if gpus else 0.0


def run(schedule: Schedule, sources: tuple[str, ...], crew: Crew) -> None:
    """Run what a schedule holds.

    Args:
        schedule: Told how everything ends.
        sources: What ``suites.find`` takes; files are sent along, with what they import from their folders.
        crew: From ``crew``.
    """
    with schedule:
        Driver(schedule, sources, crew).loop()


@dataclass
class Job:
    """A task, and the files of its runs."""

    cohort: Cohort
    files: ExitStack
    sessions: dict[str, Session]
    statuses: dict[str, Status | None]
    events: Any  # Ray's generator of references
    silence: Silence = field(default_factory=Silence)
    begun: bool = False  # a task that waits for a place is not silent


class Driver:
    """This process's side."""

    def __init__(self, schedule: Schedule, sources: tuple[str, ...], crew: Crew) -> None:
        self.schedule, self.crew = schedule, crew
        self.sources = packed(sources)
        options = {"num_cpus": 0 if crew.gpu else 1, "num_gpus": crew.gpu, "max_retries": 0}
        ahead = {"num_returns": "streaming", "_generator_backpressure_num_objects": AHEAD}
        self.task = ray.remote(train_far).options(**options, **ahead)
        self.jobs: list[Job] = []

    def loop(self) -> None:
        """Hand out runs and take in events until nothing is left."""
        schedule = self.schedule
        before = time.monotonic()
        try:
            while schedule.queue or self.jobs:
                while len(self.jobs) < self.crew.now() and (cohort := schedule.next()):
                    self.begin(cohort)
                if not self.jobs:
                    continue
                ready, _ = ray.wait([job.events for job in self.jobs], timeout=0.5)
                for job in [job for job in self.jobs if job.events in ready]:
                    self.hear(job)
                now = time.monotonic()
                for job in [job for job in self.jobs if job.begun and job.silence.hung(now - before)]:
                    self.lost(job, "it hung")
                before = now
                if schedule.until is not None and now > schedule.until:
                    schedule.stop()
                if schedule.stopped is not None:
                    break
        finally:
            for job in list(self.jobs):
                self.end(job)

    def begin(self, cohort: Cohort) -> None:
        """Submit the runs of a cohort that no other process has or has finished."""
        with ExitStack() as files:
            try:
                places = [(run, self.schedule.path_of(run)) for run in cohort]
                sessions, statuses = opened(
                    places, files, self.schedule.tell, self.schedule.patience(cohort), exact=not self.crew.gpu
                )
            except (OSError, UsageError) as error:
                self.schedule.hopeless(cohort, why(error))
                return
            if not sessions:
                self.schedule.finished(cohort, statuses)
                return
            members = {key: (session.run.digest, session.snapshot) for key, session in sessions.items()}
            events = self.task.remote(self.sources, members, bool(self.crew.gpu))
            self.jobs.append(Job(cohort, files.pop_all(), sessions, statuses, events))

    def hear(self, job: Job) -> None:
        """Take one event; or find that the runs are over, or that their process or node is gone."""
        try:
            event: Event | Snapshot = ray.get(next(job.events))
        except StopIteration:
            self.close(job)
            self.schedule.finished(job.cohort, job.statuses)
            return
        except RayError as error:
            self.lost(job, reason(getattr(error, "cause", None) or error))
            return
        job.begun = True
        if isinstance(event, Event):
            job.silence.broken(event)
        session = job.sessions[event.key]
        try:
            if (recorded := session.take(event)) is not None:
                self.schedule.tell(recorded, job.cohort)
        except OSError as error:
            self.close(job)
            self.schedule.hopeless(job.cohort, why(error))
            return
        if session.over is not None:
            job.statuses[event.key] = session.over.status
        if not isinstance(event, Ended) and all(each.over is not None for each in job.sessions.values()):
            self.close(job)  # it trains what is no run of this record
            self.schedule.finished(job.cohort, job.statuses)

    def lost(self, job: Job, how: str) -> None:
        """A task will say no more: those of its runs that have not ended are tried again."""
        self.close(job)
        over = [run for run in job.cohort if run.key not in job.sessions or job.statuses[run.key] is not None]
        self.schedule.finished(over, job.statuses)
        self.schedule.died([run for run in job.cohort if run not in over], how)

    def end(self, job: Job) -> None:
        """It is time to stop: its runs go on another time, from their last snapshot."""
        for key, session in job.sessions.items():
            if job.statuses[key] is None:
                ended = session.ended("interrupted")
                try:
                    session.take(ended)
                except OSError:
                    continue  # the record says as much by not having ended
                self.schedule.tell(ended)
                job.statuses[key] = "interrupted"
        self.close(job)
        self.schedule.finished(job.cohort, job.statuses)

    def close(self, job: Job) -> None:
        """Let go of a job's process and files."""
        self.jobs.remove(job)
        ray.cancel(job.events, force=True)
        job.files.close()


def _resources(kind: str) -> float:
    return float(ray.cluster_resources().get(kind, 0.0))
