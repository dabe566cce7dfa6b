"""Some arms all solve a task before another does."""

from dataclasses import dataclass
from typing import ClassVar

from .speed import Duel, Speed


@dataclass(frozen=True)
class Order(Speed):
    """Each of the first arms solves the task before the last one does."""

    kind: ClassVar[str] = "order"

    task: str
    first: tuple[str, ...]
    last: str

    @property
    def duels(self) -> tuple[Duel, ...]:
        return tuple(Duel((self.task,), base, self.last) for base in self.first)
