"""Where runs are trained: processes of this machine, or a cluster."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from ..core import Run

Name = Literal["local", "ray"]

MEMBERS = 16
"""Runs of the largest cohort, where nobody knows what it has room for."""

SHARE = 0.8
"""Of the memory that is free: the rest is for what libraries take."""


@dataclass(frozen=True)
class Room:
    """What a worker's share of a GPU has room for.

    Attributes:
        free: Bytes that it may take.
    """

    free: int
    _needs: dict[str, int | None] = field(default_factory=dict, compare=False, repr=False)

    def needs(self, run: Run) -> int | None:
        """Bytes that a run takes as a member of a cohort, at most; None where its model cannot be tried."""
        from ..training.memory import needs

        arm = run.experiment.key
        if arm not in self._needs:
            try:
                self._needs[arm] = needs(run)
            except Exception:  # the run itself says what is wrong with its model
                self._needs[arm] = None
        return self._needs[arm]

    def members(self, run: Run) -> int:
        """Runs of a cohort, at most."""
        needs = self.needs(run)
        return MEMBERS if needs is None else max(1, int(SHARE * self.free / needs))

    def said(self, run: Run) -> str:
        """E.g. ``12 MB a member, 60 GB free``."""
        needs = self.needs(run)
        return "" if needs is None else f": {size(needs)} a member, {size(self.free)} free"


def size(count: float) -> str:
    """Bytes as one says them: ``12 MB``, ``1.5 GB``."""
    if count < 1e9:
        return f"{max(round(count / 1e6), 1)} MB"
    return f"{count / 1e9:.1f} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"


def slots(engine: Name, device: str, workers: int | None, address: str | None = None) -> list[str]:
    """The device of every worker there will be.

    Raises:
        UsageError: No such device or cluster.
    """
    if engine == "ray":
        from . import cluster

        crew = cluster.crew(device, workers, address)
        return ["cuda" if crew.gpu else "cpu"] * crew.now()
    from . import local

    return local.devices(device, workers)


def cohorts(due: Sequence[Run], slots: Sequence[str], room: Room | None = None) -> list[tuple[Run, ...]]:
    """Who is trained at once: on a CPU each run alone; on a GPU the seeds of an experiment, in equal parts.

    As few parts as there is room for, but as many as leave no slot idle.
    """
    busy = math.ceil(len(due) / len(slots))
    if slots[0] == "cpu" or busy <= 1:
        return [(run,) for run in due]
    seeds: dict[str, list[Run]] = {}
    for run in due:
        seeds.setdefault(run.experiment.key, []).append(run)
    found = []
    for runs in seeds.values():
        parts = math.ceil(len(runs) / min(busy, MEMBERS if room is None else room.members(runs[0])))
        ends = [len(runs) * part // parts for part in range(parts + 1)]
        found += [tuple(runs[start:end]) for start, end in pairwise(ends)]
    return found


def together(cohorts: Sequence[Sequence[Run]], room: Room | None = None) -> dict[str, str]:
    """What a plan says of an arm's cohorts: ``cohorts of 50: 12 MB a member, 60 GB free``; nothing of runs alone."""
    largest: dict[str, Sequence[Run]] = {}
    for cohort in cohorts:
        arm = cohort[0].experiment.key
        if len(cohort) > len(largest.get(arm, ())):
            largest[arm] = cohort
    return {
        arm: f"cohorts of {len(runs)}" + (room.said(runs[0]) if room is not None else "")
        for arm, runs in largest.items()
        if len(runs) > 1
    }
