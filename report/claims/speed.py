"""What the claims about how fast tasks are solved have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .claim import Claim, Unit

if TYPE_CHECKING:
    from ..statistics.ratio import Ratio
    from .evidence import Question
    from .ratio import Measured
    from .verdict import Reasoned, Verdict


class Duel(NamedTuple):
    """One arm against another: on a task, or on several in one test."""

    tasks: tuple[str, ...]
    base: str
    rival: str


@dataclass(frozen=True)
class Speed(Claim):
    """How many times faster some arms solve a task, or several tasks, than others; a kind says which, in duels."""

    unit: ClassVar[Unit] = "ratio"

    @property
    @abstractmethod
    def duels(self) -> tuple[Duel, ...]:
        """Those that the base is said to win, all of them."""

    @property
    def paired(self) -> bool:
        """Whether runs of one seed are alike in both arms, in kinds that have a field for it."""
        return False

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        both = ((task, name) for duel in self.duels for task in duel.tasks for name in (duel.base, duel.rival))
        return tuple(dict.fromkeys(both))

    @property
    def sides(self) -> str:
        """E.g. ``copy: ntm-constant / ntm-learned``."""
        tasks, bases, rivals = (
            ", ".join(dict.fromkeys(names))
            for names in (
                [task for duel in self.duels for task in duel.tasks],
                [duel.base for duel in self.duels],
                [duel.rival for duel in self.duels],
            )
        )
        return f"{tasks}: {bases} / {rivals}"

    def measure(self, question: "Question") -> "Verdict":
        from . import ratio

        return ratio.answer(self, question)

    def told(self, question: "Question", found: "Sequence[Measured]", hardest: "Measured") -> str:
        """What was measured, in words: median steps on one task, else the ratio of each task."""
        from . import ratio
        from .verdict import short

        tasks = hardest.duel.tasks
        if len(tasks) > 1:
            return f"Task by task, times as fast: {ratio.tasks_told(hardest, self.paired)}."
        said = ratio.steps_told(question, tasks[0], [name for _, name in self.arms])
        if len(found) > 1:
            each = (f"{one.duel.base} / {one.duel.rival} {ratio.ratio_told(one.ratio)}" for one in found)
            return f"{said} Each pair, times as fast: {'; '.join(each)}. The weakest of them decides."
        means = hardest.strata[0]
        return (
            f"{said} Ratio of medians {ratio.medians_told(means)}, "
            f"of restricted means {short(ratio.beside([means])['ratio of restricted means'])}."
        )

    def by_curves(self, times: Mapping[tuple[str, str], float]) -> list[tuple[str, float, float]]:
        """The paper's reading: for each task when the median curve of the slowest base and of the fastest rival cross.

        Args:
            times: Of each task and arm, inf where it never does.
        """
        tasks = dict.fromkeys(task for duel in self.duels for task in duel.tasks)
        return [
            (
                task,
                max(times[task, duel.base] for duel in self.duels if task in duel.tasks),
                min(times[task, duel.rival] for duel in self.duels if task in duel.tasks),
            )
            for task in tasks
        ]

    def decide(self, ratio: "Ratio", solved: bool, p: float) -> "Reasoned":
        """The verdict on the ratio.

        Args:
            ratio: As measured.
            solved: Whether the median run of the base is solved.
            p: That there is no difference, corrected.
        """
        from .verdict import decide_ratio

        return decide_ratio(ratio, self.paper, solved, p)
