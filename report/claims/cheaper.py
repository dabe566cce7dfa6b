"""An arm does with fewer bits, or with fewer wrong answers at a size, than another."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..words import size_text
from .arms import Arm
from .claim import Claim, Paper, Unit, ends
from .generalises import tested_at

if TYPE_CHECKING:
    import pandas as pd

    from .evidence import Named, Question
    from .verdict import Reasoned, Verdict


@dataclass(frozen=True)
class Cheaper(Claim):
    """At the end of the smaller budget a sequence costs the base fewer bits than the rival: ``paper`` fewer.

    The bits are the cross-entropy on the evaluation set, which is the same for all arms of a task.
    """

    kind: ClassVar[str] = "cost-difference"
    unit: ClassVar[Unit] = "bits"

    task: str
    base: str
    rival: str
    paper: Paper = None

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return ((self.task, self.base), (self.task, self.rival))

    @property
    def sides(self) -> str:
        """``copy: ntm / lstm``."""
        return f"{self.task}: {self.base} / {self.rival}"

    def measure(self, question: "Question") -> "Verdict":
        if not question.seeds(self.arms):
            return question.not_run()
        until = min(question.budget(*arm) for arm in self.arms)
        base, rival = (question.costs(*arm, until) for arm in self.arms)
        return lower(self, question, base, rival, f"bits a sequence after {until:,} {question.facts.clock}")


@dataclass(frozen=True)
class FewerErrors(Cheaper):
    """The base's best weights make fewer errors at a size than the rival's, solved or not."""

    kind: ClassVar[str] = "error-difference"
    unit: ClassVar[Unit] = "errors"

    size: tuple[int, ...] = ()

    def check(self, arms: Sequence[Arm]) -> None:
        """See ``Claim``; the size has to be one that both arms are tested on."""
        super().check(arms)
        for _, name in self.arms:
            tested_at(self, arms, self.task, name, self.size)

    def measure(self, question: "Question") -> "Verdict":
        if not question.seeds(self.arms):
            return question.not_run()
        size = size_text(self.size)
        base, rival = (self.errors(question, arm, size) for arm in self.arms)
        if base.empty or rival.empty:
            return question.not_measured(f"size {size}")
        return lower(self, question, base, rival, f"{question.facts.answer(self.task).counted} at size {size}")

    def errors(self, question: "Question", arm: "Named", size: str) -> "pd.Series[float]":
        """Of every run of an arm; one that diverged before it was tested guesses."""
        runs = question.runs(*arm)
        errors = question.tested(*arm, size).reindex(runs.index)
        return errors.where(
            errors.notna() | (runs["status"] != "diverged"), question.guessing(self.task, size)
        ).dropna()


def lower(
    claim: Cheaper, question: "Question", base: "pd.Series[float]", rival: "pd.Series[float]", what: str
) -> "Verdict":
    """How much lower one arm's runs lie than another's: means over seeds, which are not paired (Welch's t)."""
    from scipy import stats

    from ..statistics import ENOUGH, LEVEL, Interval

    found = f"Mean {what}: {claim.base} {base.mean():.2f} of {len(base)} runs, {claim.rival} {rival.mean():.2f}"
    difference, interval, p = float(rival.mean() - base.mean()), None, None
    seeds = min(len(base), len(rival))
    if seeds >= ENOUGH:
        flat = bool(np.ptp(base) == np.ptp(rival) == 0)  # nothing varies, and so there is nothing to infer from
        test = None if flat else stats.ttest_ind(rival, base, equal_var=False)
        bounds = (difference, difference) if test is None else test.confidence_interval(LEVEL)
        interval, p = Interval(*map(float, bounds)), None if test is None else float(test.pvalue)
    return question.answer(
        partial(decide, interval, claim.paper, p),
        f"{found} of {len(rival)}.",
        seeds=seeds,
        estimate=difference,
        interval=interval,
        p=p,
        solved=question.solved(claim.arms),
    )


def decide(interval: "tuple[float, float] | None", paper: Paper, alone: float | None, p: float) -> "Reasoned":
    """The verdict on a difference that is above zero where the paper is right.

    Args:
        interval: Of the difference; None where there are too few seeds.
        paper: The difference that it prints.
        alone: The p-value of no difference; None where nothing varies.
        p: The same, corrected for the number of claims.
    """
    from ..statistics import ENOUGH
    from .verdict import AGREES, CONTRADICTS, SAME, UNDECIDED, decided, paper_text, weak

    if interval is None:
        return UNDECIDED, f"Fewer than {ENOUGH} runs of one arm count."
    low, high = interval
    if low <= 0 <= high:
        return UNDECIDED, "The interval includes 0 (no difference)."
    if alone is not None and not decided(p):
        return UNDECIDED, weak(alone, p)
    if high < 0:
        return CONTRADICTS, "The order is the reverse of the claimed one."
    if paper is None:
        return AGREES, "The interval excludes 0 (no difference)."
    least, most = ends(paper)
    if low <= most and least <= high:
        return AGREES, f"The interval excludes 0 and holds the claimed {paper_text(paper)}."
    return SAME, f"The direction is as claimed, the size is not: that is {paper_text(paper)}."
