"""Where runs are trained: processes of this machine, or a cluster."""

from collections.abc import Sequence
from typing import Literal

from ..core import Run

Name = Literal["local", "ray"]

MEMBERS = 16
"""Runs of the largest cohort."""


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


def cohorts(due: Sequence[Run], slots: Sequence[str]) -> list[tuple[Run, ...]]:
    """Who is trained at once: on a GPU seeds of an experiment, as many as leave none idle; on a CPU each run alone."""
    most = 1 if slots[0] == "cpu" else min(MEMBERS, -(-len(due) // len(slots)))
    seeds: dict[str, list[Run]] = {}
    for run in due:
        seeds.setdefault(run.experiment.key if most > 1 else run.key, []).append(run)
    return [tuple(runs[start : start + most]) for runs in seeds.values() for start in range(0, len(runs), most)]
