"""What a GPU says of a plan before it is carried out: how many seeds it has room for, and how fast they are there."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from ..core import Run
from ..errors import UsageError, reason
from .slots import Room, cohorts

BUDGET = 60.0
"""Seconds after which no other arm is tried."""

STEPS = 50
"""Steps of a trial."""


@dataclass(frozen=True)
class Trial:
    """What was found.

    Attributes:
        room: What a worker has room for.
        seconds: A step of a run in its cohort, by arm; only of the arms that were tried.
    """

    room: Room
    seconds: Mapping[str, float] = field(default_factory=dict)


def trial(
    sources: tuple[str, ...], due: Sequence[Run], devices: Sequence[str], known: Sequence[str], budget: float = BUDGET
) -> Trial:
    """Try the arms that are due in a process of its own, so that this one takes no memory of the GPU.

    Args:
        sources: What ``suites.find`` takes.
        due: The runs.
        devices: One a worker.
        known: Arms whose speed is known, which are not tried.
        budget: Seconds after which no other arm is tried; 0 to ask for room alone.

    Raises:
        UsageError: The GPU cannot be used.
    """
    keys = [run.key for run in due]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as aside:
        try:
            return aside.submit(tried, sources, keys, list(devices), list(known), budget).result()
        except Exception as error:
            raise UsageError(f"device {devices[0]}: cannot be used ({reason(error)}); accepted: cpu") from None


def tried(
    sources: tuple[str, ...], keys: Sequence[str], devices: Sequence[str], known: Sequence[str], budget: float
) -> Trial:
    """The other process."""
    from ..suites import find
    from ..training.memory import free, release
    from ..training.process import prepare
    from ..training.timing import timing

    prepare()
    room, seconds, until = Room(free(devices)), dict[str, float](), time.monotonic() + budget
    due = [run for run in find(*sources).runs() if run.key in set(keys)]
    for cohort in cohorts(due, devices, room):
        arm = cohort[0].experiment.key
        if arm in seconds or arm in known or time.monotonic() > until:
            continue
        try:
            seconds[arm] = timing(cohort, devices[0], STEPS).seconds / len(cohort)
        except Exception:  # the run itself will say what is wrong, or be tried in smaller cohorts
            continue
        finally:
            release(devices[0])
    return Trial(room, seconds)
