"""A number other than errors, measured of the best weights at the end: how large it is, and whether it falls."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING, ClassVar

from ..words import size_text
from .arms import Arm
from .claim import Claim, Unit
from .generalises import of_runs

if TYPE_CHECKING:
    from .evidence import Question
    from .verdict import Verdict


@dataclass(frozen=True)
class Shows(Claim):
    """A number of the best weights of solved runs reaches a bar, or stays below one.

    Attributes:
        number: As the suite's inspections call it: "share of attention on one row".
        size: Where it was measured.
        least: What it reaches.
        below: What it does not reach; one of the two is given.
        unsolved: Whether runs count, too, that did not solve the task.
    """

    kind: ClassVar[str] = "shows"
    unit: ClassVar[Unit] = "fraction"

    task: str
    model: str
    number: str
    size: tuple[int, ...]
    least: float = 0.0
    below: float = inf
    unsolved: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.least > 0) == (self.below < inf):
            raise self.wrong(f"least={self.least}, below={self.below}: one of the two is needed")

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return ((self.task, self.model),)

    def check(self, arms: Sequence[Arm]) -> None:
        """See ``Claim``; the number has to be measured of the arm, at this size."""
        super().check(arms)
        inspected_at(self, arms, self.task, self.model, self.number, self.size)

    def measure(self, question: "Question") -> "Verdict":
        size = size_text(self.size)
        values = question.inspected(self.task, self.model, self.number, size)
        bar = f"{self.least:g} or more" if self.least > 0 else f"below {self.below:g}"
        holds = (values >= self.least) & (values < self.below)

        def said(runs: str, median: float) -> str:
            return f"At size {size}, {self.number}: {bar} in {runs}; the median is {median:.2f}."

        return of_runs(question, values, holds, said, f"size {size}", self.number, self.unsolved)


@dataclass(frozen=True)
class Shrinks(Claim):
    """A number of the best weights falls as sizes grow, by the line fitted to it; unsolved runs count too.

    Attributes:
        number: As the suite's inspections call it.
        sizes: Where it was measured, three of them or more, the smallest first.
    """

    kind: ClassVar[str] = "shrinks"
    unit: ClassVar[Unit] = "fraction"

    task: str
    model: str
    number: str
    sizes: tuple[tuple[int, ...], ...]

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return ((self.task, self.model),)

    def check(self, arms: Sequence[Arm]) -> None:
        """See ``Claim``; the number has to be measured of the arm, at every size."""
        super().check(arms)
        lengths = [prod(size) for size in self.sizes]
        if len(lengths) < 3 or lengths != sorted(set(lengths)):
            raise self.wrong(f"sizes={self.sizes!r}: three or more are needed, the smallest first")
        for size in self.sizes:
            inspected_at(self, arms, self.task, self.model, self.number, size)

    def measure(self, question: "Question") -> "Verdict":
        import pandas as pd

        names = [*map(size_text, self.sizes)]
        each = {size: question.inspected(self.task, self.model, self.number, size) for size in names}
        table = pd.concat(each, axis=1).dropna()
        lengths = pd.Series([float(prod(size)) for size in self.sizes], names)
        lengths -= lengths.mean()
        slopes = (table * lengths).sum(axis=1) / (lengths**2).sum()
        medians = ", ".join(f"{value:.1f} at {size}" for size, value in table.median().items())

        def said(runs: str, median: float) -> str:
            return f"Median {self.number} by size: {medians}; the line fitted to it falls in {runs}."

        return of_runs(question, slopes, slopes < 0, said, f"sizes {', '.join(names)}", "slope", every=True)


def inspected_at(claim: Claim, arms: Sequence[Arm], task: str, model: str, number: str, size: tuple[int, ...]) -> None:
    """Refuse a number that is not measured of an arm at a size.

    Raises:
        ValueError: It is not; it says which are.
    """
    for arm in arms:
        if arm.task == task and model in (arm.name, arm.model) and (number, size) not in arm.inspected:
            there = ", ".join(f"{each!r} at {at}" for each, at in arm.inspected) or "nothing"
            raise claim.wrong(f"number={number!r}, size={size!r}: of {arm.model} on {task} is measured {there}")
