"""Some arms all solve a task before another does."""

from dataclasses import dataclass
from typing import ClassVar

from .speed import Contest, Speed


@dataclass(frozen=True)
class Order(Speed):
    """The slowest of the first arms solves the task before the last one does."""

    kind: ClassVar[str] = "order"

    task: str
    first: tuple[str, ...]
    last: str

    @property
    def contests(self) -> tuple[Contest, ...]:
        return (Contest(self.task, self.first, (self.last,)),)
