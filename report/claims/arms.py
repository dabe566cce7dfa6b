"""The arms of a suite, and which of them a claim means by a name."""

from collections.abc import Iterable
from typing import NamedTuple


class Arm(NamedTuple):
    """One cell of a suite's table, as claims and labels speak of it."""

    task: str
    model: str  # ntm-constant-cosine: its records lie under this name
    name: str  # ntm-constant: the same under every reading of the paper
    reading: str = ""  # cosine; empty where it has none
    sizes: tuple[tuple[int, ...], ...] = ()  # tested at the end
    inspected: tuple[tuple[str, tuple[int, ...]], ...] = ()  # what else is measured at the end, and at which size
    floored: bool = False  # whether the task knows what the best possible predictor needs


def meant(arms: Iterable[Arm], task: str, name: str, reading: str) -> Arm | None:
    """The arm that a name stands for on a task: under this reading, else without one, else the model of that name."""
    here = [arm for arm in arms if arm.task == task]
    named = {arm.reading: arm for arm in here if arm.name == name}
    return named.get(reading) or named.get("") or {arm.model: arm for arm in here}.get(name)


def readings_of(arms: Iterable[Arm]) -> list[str]:
    """The readings under which arms stand, in the order of the table; one that is empty where they have none."""
    return list(dict.fromkeys(arm.reading for arm in arms if arm.reading)) or [""]
