"""One arm solves a task so many times faster than another."""

from dataclasses import dataclass
from typing import ClassVar

from .claim import Paper
from .speed import Duel, Speed


@dataclass(frozen=True)
class Faster(Speed):
    """The base solves the task faster than the rival: ``paper`` times, 1 for "about equal".

    Attributes:
        paired: The arms are so alike (a clip changed) that runs of one seed resemble each other.
    """

    kind: ClassVar[str] = "speed-ratio"

    task: str
    base: str
    rival: str
    paper: Paper = None
    paired: bool = False

    @property
    def duels(self) -> tuple[Duel, ...]:
        return (Duel((self.task,), self.base, self.rival),)
