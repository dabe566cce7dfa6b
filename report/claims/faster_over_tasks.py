"""One arm solves several tasks faster than another, tested once."""

from dataclasses import dataclass
from typing import ClassVar

from .claim import Paper
from .speed import Duel, Speed


@dataclass(frozen=True)
class FasterOverTasks(Speed):
    """The base solves the tasks faster than the rival, by one ratio for all: the tasks are strata of one test.

    Attributes:
        paired: As in ``Faster``.
    """

    kind: ClassVar[str] = "speed-ratio-over-tasks"

    tasks: tuple[str, ...]
    base: str
    rival: str
    paper: Paper = None
    paired: bool = False

    @property
    def duels(self) -> tuple[Duel, ...]:
        return (Duel(self.tasks, self.base, self.rival),)
