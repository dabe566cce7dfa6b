"""Once a task is solved, an arm loses it again less often than others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .claim import Claim, Unit

if TYPE_CHECKING:
    from ..statistics import Estimate
    from .evidence import Question
    from .verdict import Verdict


@dataclass(frozen=True)
class FewerRelapses(Claim):
    """After solving, the base relapses less often than each rival."""

    kind: ClassVar[str] = "fewer-relapses"
    unit: ClassVar[Unit] = "difference"

    task: str
    base: str
    rivals: tuple[str, ...]

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return tuple((self.task, name) for name in (self.base, *self.rivals))

    def measure(self, question: "Question") -> "Verdict":
        from .. import statistics
        from .verdict import NOT_ESTIMABLE, UNDECIDED, decide_relapses

        base, rivals = self.base, self.rivals
        seeds = question.seeds(self.arms)
        if not seeds:
            return question.not_run()
        counts = question.solved(self.arms, seeds)
        runs = {
            m: question.runs(self.task, m).loc[seeds, ["relapses", "after"]].to_numpy(float).T for m in (base, *rivals)
        }
        rates = {m: float(statistics.relapse_rate(*runs[m])) for m in runs}
        each = ", ".join(
            f"{m} {f'{rate:.2f} ' if np.isfinite(rate) else ''}({counts[self.task, m][0]} of {len(seeds)} solved)"
            for m, rate in rates.items()
        )
        found = f"Relapses per {statistics.PER:,} steps after solving: {each}."
        others = [m for m in rivals if np.isfinite(rates[m])]
        left_out = [m for m in rivals if m not in others]
        if np.isnan(rates[base]) or not others:
            verdict = NOT_ESTIMABLE if len(seeds) >= statistics.ENOUGH else UNDECIDED
            reason = "Without solved runs on both sides there are no relapses to compare."
            return question.answer(verdict, found, reason, seeds=len(seeds), solved=counts)
        solved = min(counts[self.task, m][0] for m in (base, *others))
        estimates = {m: statistics.relapse_difference(runs[base], runs[m], question.chance) for m in others}
        hardest = _hardest(estimates)
        estimate = estimates[hardest]
        verdict, reason = decide_relapses(estimate, solved)
        found += f" Compared with {hardest}, which speaks most against it." if len(others) > 1 else ""
        reason += f" Not compared, since unsolved: {', '.join(left_out)}." if left_out else ""
        return question.answer(
            verdict,
            found,
            reason,
            seeds=len(seeds),
            estimate=estimate.low,
            interval=estimate.interval,
            solved=counts,
        )


def _hardest(estimates: "Mapping[str, Estimate]") -> str:
    """Of several differences that are all said to be above zero, the one that most speaks against it.

    Each has an interval of its own; the smallest of them, resampled, would be biased downwards.
    """

    def lowest(model: str) -> tuple[bool, float, float]:
        value, _, interval = estimates[model]
        return (not interval or interval.high >= 0, interval.low if interval else value, value)

    return min(estimates, key=lowest)
