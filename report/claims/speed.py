"""What the claims about how fast tasks are solved have in common."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .claim import Claim, Unit

if TYPE_CHECKING:
    from ..statistics.solving import Estimate
    from .evidence import Question
    from .verdict import Reasoned, Verdict


class Contest(NamedTuple):
    """On a task, the slowest of some arms against the fastest of others."""

    task: str
    bases: tuple[str, ...]
    rivals: tuple[str, ...]


@dataclass(frozen=True)
class Speed(Claim):
    """How many times faster some arms solve a task, or several tasks, than others; a kind says which, in contests."""

    unit: ClassVar[Unit] = "ratio"
    pooled: ClassVar[bool] = False
    """Whether several tasks are parts of one test; else their ratios are averaged."""

    @property
    @abstractmethod
    def contests(self) -> tuple[Contest, ...]:
        """One a task."""

    @property
    def paired(self) -> bool:
        """Whether runs of one seed are alike in both arms, in kinds that have a field for it."""
        return False

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return tuple((c.task, name) for c in self.contests for name in (*c.bases, *c.rivals))

    @property
    def sides(self) -> str:
        """E.g. ``copy: ntm-constant / ntm-learned``."""
        tasks = dict.fromkeys(contest.task for contest in self.contests)
        bases = dict.fromkeys(name for contest in self.contests for name in contest.bases)
        rivals = dict.fromkeys(name for contest in self.contests for name in contest.rivals)
        return f"{', '.join(tasks)}: {', '.join(bases)} / {', '.join(rivals)}"

    def measure(self, question: "Question") -> "Verdict":
        from . import ratio

        return ratio.answer(self, question)

    def decide(self, estimate: "Estimate", solved: bool) -> "Reasoned":
        """The verdict on the ratio.

        Args:
            estimate: Of the ratio.
            solved: Whether the median run of the bases is solved.
        """
        from .verdict import decide_ratio

        return decide_ratio(estimate, self.paper, solved)
