"""A memory can solve a task, or cannot: asked of its best arm, since one learning rate or one seed proves nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from .claim import Claim, Unit

if TYPE_CHECKING:
    from .evidence import Named, Question
    from .verdict import Verdict


@dataclass(frozen=True)
class Solves(Claim):
    """The runs of one of these arms, the one that does best, solve the task.

    Attributes:
        models: One memory at several learning rates, or in several sizes.
        within: By when, in what the suite counts in; None: the budget.
    """

    kind: ClassVar[str] = "solves"
    unit: ClassVar[Unit] = "fraction"

    task: str
    models: tuple[str, ...]
    within: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.within is not None and self.within < 1:
            raise self.wrong(f"within={self.within!r}: at least 1 is needed, or None")

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return tuple((self.task, model) for model in self.models)

    @property
    def among(self) -> int:
        return len(self.models)

    def measure(self, question: "Question") -> "Verdict":
        from .verdict import FEW, UNDECIDED, decide_fraction, half_p, open_yet, share

        if not (seeds := question.seeds(self.arms)):
            return question.not_run()
        counts = question.solved(self.arms, by=self.within)
        best = most({arm: runs for arm, (_, runs) in counts.items()}, lambda arm: counts[arm][0] / counts[arm][1])
        found = f"{counts[best][0]} of {counts[best][1]} runs of {best[1]} solve it within {_budget(self, question)}"
        found += f", the most of {len(counts)} arms." if counts.keys() - {best} else "."
        if open_yet(*counts[best], seeds):
            return question.answer((UNDECIDED, FEW), found, seeds=seeds, solved=counts, **share(*counts[best]))
        p = half_p(*counts[best], self.among)
        rule = partial(decide_fraction, *counts[best], True, p)
        return question.answer(rule, found, seeds=seeds, p=p, solved=counts, **share(*counts[best]))


@dataclass(frozen=True)
class CannotSolve(Solves):
    """No run of any of these arms solves the task: a single one that does refutes it."""

    kind: ClassVar[str] = "cannot-solve"

    @property
    def among(self) -> int:
        return 1

    def measure(self, question: "Question") -> "Verdict":
        from .verdict import CONTRADICTS, decide_fraction, half_p, share

        counts, seeds = question.solved(self.arms, by=self.within), question.seeds(self.arms)
        solved, runs = (sum(each) for each in zip(*counts.values(), strict=True))
        if not solved and not seeds:
            return question.not_run()
        among = "" if len(counts) == 1 else f" of {len(counts)} arms"
        found = f"{solved} of {runs} runs{among} solve it within {_budget(self, question)}."
        numbers = {"seeds": seeds, "solved": counts, **share(solved, runs)}
        if solved:
            enough = "One run that solves it is enough against a claim that none can."
            return question.answer((CONTRADICTS, enough), found, **numbers)
        p = half_p(0, seeds)
        return question.answer(partial(decide_fraction, 0, seeds, False, p), found, p=p, **numbers)


def most(runs: "Mapping[Named, int]", height: "Callable[[Named], Any]") -> "Named":
    """The arm that does best, of those that have enough runs to tell, if any has."""
    from ..statistics import ENOUGH

    enough = [arm for arm, count in runs.items() if count >= ENOUGH]
    return max(enough or runs, key=height)


def _budget(claim: Solves, question: "Question") -> str:
    budget = max(question.runs(*arm)["budget"].max() for arm in claim.arms if len(question.runs(*arm)))
    return f"{budget if claim.within is None else min(claim.within, budget):,} {question.facts.clock}"
