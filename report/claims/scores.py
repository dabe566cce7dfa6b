"""How much of the answers is right at sizes that were tested at the end, of the median and of the best seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ..words import size_text
from .arms import Arm
from .claim import Claim, Unit
from .generalises import tested_at
from .solves import most

if TYPE_CHECKING:
    import pandas as pd

    from .evidence import Named, Question
    from .verdict import Decide, Reasoned, Verdict


@dataclass(frozen=True)
class Scores(Claim):
    """The best weights of one of these arms, the one that does best, reach a share of right answers.

    The score of a run is the mean over these sizes. Papers that give the best of many seeds are answered by what stands
    beside it: the maximum, next to the median.

    Attributes:
        models: One memory at several learning rates, or in several sizes.
        sizes: In the task's own terms: ``((40,), (80,))``.
        least: The share to reach.
    """

    kind: ClassVar[str] = "scores"
    unit: ClassVar[Unit] = "fraction"

    task: str
    models: tuple[str, ...]
    sizes: tuple[tuple[int, ...], ...]
    least: float = 0.9

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return tuple((self.task, model) for model in self.models)

    @property
    def among(self) -> int:
        return len(self.models)

    def check(self, arms: Sequence[Arm]) -> None:
        """See ``Claim``; every size has to be one that the arms are tested on."""
        super().check(arms)
        if not self.sizes or not 0 < self.least <= 1:
            raise self.wrong(f"sizes={self.sizes!r}, least={self.least!r}: some sizes, and a share up to 1, are needed")
        for model in self.models:
            for size in self.sizes:
                tested_at(self, arms, self.task, model, size)

    def measure(self, question: "Question") -> "Verdict":
        if not question.seeds(self.arms):
            return question.not_run()
        scores = {arm: self.scores(question, arm) for arm in self.arms}
        if any(one.empty for one in scores.values()):
            return question.not_measured(f"sizes {', '.join(map(size_text, self.sizes))}")
        best = most({arm: len(one) for arm, one in scores.items()}, lambda arm: self.height(scores[arm]))
        return self.answered(question, scores, (best,))

    def height(self, scores: "pd.Series[float]") -> tuple[float, float]:
        """How well an arm does: the share of its runs that reach the score; among equals the median."""
        return float((scores >= self.least).mean()), float(scores.median())

    def scores(self, question: "Question", arm: "Named") -> "pd.Series[float]":
        """Of every run that had its full budget, by seed; none is right where it was not tested, since it diverged.

        Runs that are still to be tested, at a size that was added later, are left out.
        """
        parts = [question.right(*arm, size_text(size)) for size in self.sizes]
        mean: pd.Series[float] = sum(parts[1:], parts[0]) / len(parts)
        runs = question.runs(*arm)
        mean = mean.reindex(runs.index)
        return mean.where(mean.notna() | (runs["status"] != "diverged"), 0.0).dropna()

    def decided(self, count: int, runs: int, seeds: int) -> "tuple[Decide | Reasoned, float | None]":
        """The rule of the verdict and its p-value, when so many of the runs reach the share."""
        from .verdict import FEW, UNDECIDED, decide_fraction, half_p, open_yet

        if open_yet(count, runs, seeds):
            return (UNDECIDED, FEW), None
        p = half_p(count, runs, self.among)
        return partial(decide_fraction, count, runs, True, p), p

    def answered(
        self, question: "Question", scores: "dict[Named, pd.Series[float]]", asked: "Sequence[Named]"
    ) -> "Verdict":
        """The verdict on some of the arms; median and best of every one are said."""
        from .verdict import share

        every = [score for arm in asked for score in scores[arm]]
        count, runs = sum(score >= self.least for score in every), len(every)
        seeds = min(map(len, scores.values()))
        rule, p = self.decided(count, runs, seeds)
        over = ", ".join(map(size_text, self.sizes))
        who = asked[0][1] if len(asked) == 1 else f"{len(asked)} arms"
        found = f"Over sizes {over}, {count} of {runs} runs of {who} get {100 * self.least:g} % right ("
        found += "; ".join(
            f"{model}: median {100 * one.median():.0f} %, best {100 * one.max():.0f} %"
            for (_, model), one in scores.items()
        )
        beside = {"median": max(one.median() for one in scores.values())}
        beside["maximum"] = max(one.max() for one in scores.values())
        solved = question.solved(self.arms)
        return question.answer(rule, f"{found}).", seeds=seeds, p=p, solved=solved, beside=beside, **share(count, runs))


@dataclass(frozen=True)
class FallsShort(Scores):
    """No run of any of these arms reaches a share of right answers: a single one that does refutes it."""

    kind: ClassVar[str] = "falls-short"

    @property
    def among(self) -> int:
        return 1

    def measure(self, question: "Question") -> "Verdict":
        if not question.seeds(self.arms):
            return question.not_run()
        scores = {arm: self.scores(question, arm) for arm in self.arms}
        if any(one.empty for one in scores.values()):
            return question.not_measured(f"sizes {', '.join(map(size_text, self.sizes))}")
        return self.answered(question, scores, self.arms)

    def decided(self, count: int, runs: int, seeds: int) -> "tuple[Decide | Reasoned, float | None]":
        """See ``Scores``."""
        from .verdict import CONTRADICTS, decide_fraction, half_p

        if count:
            return (CONTRADICTS, "One run that gets so far is enough against a claim that none can."), None
        p = half_p(0, seeds)
        return partial(decide_fraction, 0, seeds, False, p), p
