"""What a suite still has to run, and running it."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import records
from .core import Run, Suite
from .errors import UsageError
from .events import Event
from .records import Record

Plan = Literal["new", "done", "diverged", "unfinished", "failed", "stale"]
Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Planned:
    """A run, and what its record says."""

    run: Run
    status: Plan
    step: int = 0

    @property
    def due(self) -> bool:
        """Whether there is something left to do."""
        return self.status in ("new", "unfinished", "failed")


@dataclass(frozen=True)
class Outcome:
    """How it went, over the runs that were planned."""

    done: int  # now or before
    diverged: int
    failed: int
    left: int  # not finished: the time limit came, it was interrupted, or another process has them
    interrupted: bool
    elsewhere: int = 0  # of those left, the ones that another process has


def plan(
    suite: Suite,
    results: Path,
    tasks: Sequence[str] = (),
    models: Sequence[str] = (),
    seeds: Sequence[int] = (),
    *,
    shard: tuple[int, int] = (1, 1),
    force: bool = False,
) -> list[Planned]:
    """The suite's runs, or a selection of them, in the order they will be run.

    Args:
        suite: The suite.
        results: The results folder.
        tasks: Only these; none for all.
        models: Only these.
        seeds: Only these.
        shard: (2, 8) for the second of eight parts, by place: the same whatever is done already. Where the number of
            parts divides the number of experiments, all seeds of an experiment are in one part.
        force: Damaged records count as stale ones.

    Raises:
        UsageError: A task, model, seed or part the suite does not have, or a damaged record.
    """
    part, parts = shard
    if not 1 <= part <= parts:
        raise UsageError(f"shard {part}/{parts}: accepted is one of so many parts, 1/8 to 8/8 for eight")
    planned = []
    for run in chosen(suite, tasks, models, seeds)[part - 1 :: parts]:
        try:
            planned.append(state(run, records.path_of(results, suite.name, run)))
        except UsageError:
            if not force:
                raise
            planned.append(Planned(run, "stale"))
    return planned


def chosen(suite: Suite, tasks: Sequence[str] = (), models: Sequence[str] = (), seeds: Sequence[int] = ()) -> list[Run]:
    """The suite's runs of these tasks, models and seeds; none for all.

    Raises:
        UsageError: One that the suite does not have, or no run of all of them.
    """
    _known("task", tasks, dict.fromkeys(e.task_name for e in suite.experiments))
    _known("model", models, dict.fromkeys(e.model_name for e in suite.experiments))
    _known("seed", seeds, suite.seeds)
    runs = [
        run
        for run in suite.runs()
        if (not tasks or run.experiment.task_name in tasks)
        and (not models or run.experiment.model_name in models)
        and (not seeds or run.seed in seeds)
    ]
    if not runs:
        raise UsageError(f"suite {suite.name}: no experiment joins task {_join(tasks)} and model {_join(models)}")
    return runs


def refuse_stale(planned: Sequence[Planned]) -> None:
    """Nothing is trained beside records of other settings.

    Raises:
        UsageError: There is a stale one.
    """
    if stale := [each.run.key for each in planned if each.status == "stale"]:
        raise UsageError(
            f"{len(stale)} of {len(planned)} records are stale, made under other settings ({_join(stale[:3])}"
            f"{', ...' if len(stale) > 3 else ''}); accepted: --force, which keeps them as .old, or another --results"
        )


def state(run: Run, path: Path) -> Planned:
    """What a run's record says of it."""
    record = records.read(path, run.key)
    if record is None or record.started is None:
        return Planned(run, "new")
    if record.started.digest != run.digest:
        return Planned(run, "stale", record.step)
    return Planned(run, _status(run, record), record.step)


def _status(run: Run, record: Record) -> Plan:
    ended = record.ended
    if ended is None or ended.status == "interrupted":
        return "unfinished"
    if ended.status == "done" and missing(run, record) and records.checkpoint_of(record.path).exists():
        return "unfinished"  # a test size was added since; the kept weights can answer
    return ended.status


def missing(run: Run, record: Record) -> bool:
    """Whether a test size of the suite was never measured."""
    return any(
        (weights, size) not in record.generalised for weights in ("best", "final") for size in run.experiment.task.test
    )


def execute(
    planned: Sequence[Planned],
    suite: str,
    results: Path,
    listeners: Iterable[Listener] = (),
    *,
    workers: int | None = None,
    device: str = "auto",
    time_limit: float | None = None,
    force: bool = False,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
) -> Outcome:
    """Do what is due.

    Args:
        planned: From ``plan``.
        suite: Name or path, as ``suites.find`` takes it: workers find their runs in it.
        results: The results folder.
        listeners: Called with every event that a record did not hold before, in this process; but of a run that
            failed in a cohort only once it has failed alone as well.
        workers: Processes; None for one a core, or one a GPU. More than there are GPUs share them.
        device: ``auto``, ``cpu`` or ``cuda``.
        time_limit: Seconds after which running trainings are stopped, resumable.
        force: Run everything again; records that are there are kept under another name.
        engine: ``local`` for processes of this machine, ``ray`` for a cluster.
        ray_address: The cluster's; None for RAY_ADDRESS, or for one of this machine.

    Raises:
        UsageError: A stale record without ``force``, no such device, or results that cannot be written.
    """
    from . import engines
    from .engines.schedule import Schedule
    from .suites import find

    found = find(suite)
    if not force:
        refuse_stale(planned)
    writable(results)
    slots = engines.slots(engine, device, workers, ray_address)
    if force:
        paths = [records.path_of(results, found.name, each.run) for each in planned]
        try:
            for path in paths:  # all are moved, or none
                records.free(path)
            for path in paths:
                records.aside(path)
        except records.Busy as error:
            raise UsageError(f"{error}; let it finish, or stop it") from None
        planned = [Planned(each.run, "new") for each in planned]
    due = engines.cohorts([each.run for each in planned if each.due], slots)
    schedule = Schedule(due, found.name, results, list(listeners), time_limit)
    if due and engine == "ray":
        from .engines import ray

        ray.run(schedule, suite, ray.crew(device, workers, ray_address))
    elif due:
        from .engines import local

        local.run(schedule, suite, slots)
    before = [each.status for each in planned if not each.due]
    statuses = [*before, *schedule.ended.values()]
    done, diverged, failed = (statuses.count(status) for status in ("done", "diverged", "failed"))
    left = len(planned) - done - diverged - failed
    return Outcome(done, diverged, failed, left, schedule.interrupted, schedule.elsewhere)


def writable(folder: Path) -> None:
    """Make the results folder.

    Raises:
        UsageError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"results folder {folder}: cannot be made ({error.strerror})") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"results folder {folder}: not writable")


def _known(what: str, asked: Sequence[object], there: Iterable[object]) -> None:
    there = list(there)
    if unknown := [name for name in asked if name not in there]:
        raise UsageError(f"no {what} {_join(unknown)} in this suite; there are {_join(there)}")


def _join(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "any"
