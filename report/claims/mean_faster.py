"""One arm solves tasks so many times faster, on average, than a rival of each task."""

from dataclasses import dataclass
from typing import ClassVar

from .claim import Paper
from .speed import Contest, Speed


@dataclass(frozen=True)
class MeanFaster(Speed):
    """The base solves the tasks faster than each one's own rival: the mean of the ratios.

    The rivals are named beforehand: to take whichever turns out to be the fastest would favour the rivals.
    """

    kind: ClassVar[str] = "mean-speed-ratio"

    tasks: tuple[str, ...]
    base: str
    rivals: tuple[str, ...]
    paper: Paper = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.rivals) != len(self.tasks):
            raise self.wrong(f"rivals={self.rivals!r}: one for each of the tasks {', '.join(self.tasks)} is needed")

    @property
    def contests(self) -> tuple[Contest, ...]:
        return tuple(Contest(task, (self.base,), (rival,)) for task, rival in zip(self.tasks, self.rivals, strict=True))

    @property
    def sides(self) -> str:
        """E.g. ``mean of copy, recall: ntm-constant / ntm-learned``."""
        return f"mean of {super().sides}"
