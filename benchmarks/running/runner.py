"""Doing what is due: from a plan to workers, here or on a cluster."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import records
from ..errors import UsageError
from ..records.plan import Planned, refuse_stale
from .schedule import Listener, Schedule
from .slots import Room


@dataclass(frozen=True)
class Outcome:
    """How it went, over the runs that were planned."""

    done: int  # now or before
    diverged: int
    failed: int
    left: int  # not finished: the time limit came, it was interrupted, or another process has them
    interrupted: bool
    elsewhere: int = 0  # of those left, the ones that another process has


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
    added: Sequence[str] = (),
    room: Room | None = None,
    name: str = "",
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
        added: Files whose arms are planned beside the suite's own.
        room: What a worker's share of a GPU has room for; None to ask the GPUs of this machine.
        name: The suite's; empty to find the suite, which executes a user's files again.

    Raises:
        UsageError: A stale record without ``force``, no such device, or results that cannot be written.
    """
    from ..suites import find
    from .slots import cohorts, slots
    from .trial import trial

    sources = (suite, *added)
    name = name or find(*sources).name
    if not force:
        refuse_stale(planned)
    writable(results)
    places = slots(engine, device, workers, ray_address)
    if force:
        paths = [records.path_of(results, name, each.run) for each in planned]
        try:
            for path in paths:  # all are moved, or none
                records.free(path)
            for path in paths:
                records.aside(path)
        except records.Busy as error:
            raise UsageError(f"{error}; let it finish, or stop it") from None
        planned = [Planned(each.run, "new") for each in planned]
    wanted = [each.run for each in planned if each.due]
    if room is None and engine == "local" and wanted and places[0] != "cpu":
        room = trial(sources, wanted, places, (), budget=0.0).room
    due = cohorts(wanted, places, room)
    schedule = Schedule(due, name, results, list(listeners), time_limit)
    if due and engine == "ray":
        from . import cluster

        cluster.run(schedule, sources, cluster.crew(device, workers, ray_address))
    elif due:
        from . import local

        local.run(schedule, sources, places)
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
