"""One arm solves tasks so many times faster, on average, than a rival of each task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .claim import Paper
from .speed import Duel, Speed

if TYPE_CHECKING:
    from ..statistics.ratio import Ratio
    from .evidence import Question
    from .ratio import Measured
    from .verdict import Reasoned


@dataclass(frozen=True)
class MeanFaster(Speed):
    """The base solves the tasks faster than each one's own rival: the mean of the ratios.

    Such a mean is no statistic: one task can make it, and its parts hold of nothing together. So it is told as its
    parts and by the paper's arithmetic, and decided by one test of all tasks against each of the rivals, of which the
    one that speaks most against it counts.

    The rivals are named beforehand: to take whichever turns out to be the fastest would favour the rivals.
    """

    kind: ClassVar[str] = "mean-speed-ratio"
    sums_up: ClassVar[bool] = True

    tasks: tuple[str, ...]
    base: str
    rivals: tuple[str, ...]
    paper: Paper = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.rivals) != len(self.tasks):
            raise self.wrong(f"rivals={self.rivals!r}: one for each of the tasks {', '.join(self.tasks)} is needed")

    @property
    def duels(self) -> tuple[Duel, ...]:
        return tuple(Duel(self.tasks, self.base, rival) for rival in dict.fromkeys(self.rivals))

    @property
    def parts(self) -> tuple[Duel, ...]:
        """Each task with its own rival."""
        return tuple(Duel((task,), self.base, rival) for task, rival in zip(self.tasks, self.rivals, strict=True))

    @property
    def sides(self) -> str:
        """E.g. ``copy, recall: ntm-constant / the harder of ntm-learned, ntm-random``."""
        rivals = dict.fromkeys(self.rivals)
        harder = "the harder of " if len(rivals) == 2 else "the hardest of " if len(rivals) > 2 else ""
        return f"{', '.join(self.tasks)}: {self.base} / {harder}{', '.join(rivals)}"

    def told(self, question: "Question", found: "Sequence[Measured]", hardest: "Measured") -> str:
        from . import ratio
        from .verdict import short

        parts = [ratio.measured(self, question, part) for part in self.parts]
        each = (f"{part.duel.tasks[0]} {ratio.ratio_told(part.ratio)} against {part.duel.rival}" for part in parts)
        tests = (f"against {one.duel.rival} {ratio.ratio_told(one.ratio)}" for one in found)
        ends = [ratio.of_medians(part.strata[0]) for part in parts]
        low, high = (sum(end) / len(parts) for end in zip(*ends, strict=True))
        mean = "unknown"
        if all(end[0] > 0 for end in ends):
            mean = f"{'' if low == high else 'at least '}{short(low)}"
        return (
            f"Its parts, times as fast: {'; '.join(each)}. One test of all tasks: {'; '.join(tests)}. "
            f"By the paper's arithmetic, the mean of the ratios of medians: {mean}."
        )

    def by_curves(self, times: "Mapping[tuple[str, str], float]") -> list[tuple[str, float, float]]:
        return [
            (part.tasks[0], times[part.tasks[0], part.base], times[part.tasks[0], part.rival]) for part in self.parts
        ]

    def decide(self, ratio: "Ratio", solved: bool, p: float) -> "Reasoned":
        from .verdict import AGREES, SAME, decide_ratio

        verdict, reason = decide_ratio(ratio, None, solved, p)
        if verdict == AGREES:
            return SAME, "Against each rival the order is as claimed; of the size its parts speak."
        return verdict, reason
