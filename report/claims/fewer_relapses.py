"""Once a task is solved, an arm loses it again less often than others."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .claim import Claim, Unit

if TYPE_CHECKING:
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
        counts = question.solved(self.arms)
        runs = {m: question.runs(self.task, m)[["relapses", "after"]].to_numpy(float).T for m in (base, *rivals)}
        rates = {m: float(statistics.relapse_rate(*runs[m])) for m in runs}
        each = ", ".join(
            f"{m} {f'{rate:.2f} ' if np.isfinite(rate) else ''}"
            f"({counts[self.task, m][0]} of {counts[self.task, m][1]} solved)"
            for m, rate in rates.items()
        )
        found = f"Relapses per {statistics.PER:,} {question.facts.clock} after solving: {each}."
        others = [m for m in rivals if np.isfinite(rates[m])]
        left_out = [m for m in rivals if m not in others]
        if np.isnan(rates[base]) or not others:
            verdict = NOT_ESTIMABLE if seeds >= statistics.ENOUGH else UNDECIDED
            reason = "Without solved runs on both sides there are no relapses to compare."
            return question.answer((verdict, reason), found, seeds=seeds, solved=counts)
        alone = {m: statistics.relapse_p(runs[base], runs[m]) for m in others}
        hardest = min(others, key=lambda m: _won(rates[m] - rates[base], alone[m]))
        estimate = statistics.relapse_difference(runs[base], runs[hardest], question.chance)
        p = alone[hardest]
        if estimate.low <= 0:  # looked for among all
            p = statistics.bonferroni(p, len(others))
        found += f" Compared with {hardest}, which speaks most against it." if len(others) > 1 else ""
        found += f" Not compared, since unsolved: {', '.join(left_out)}." if left_out else ""
        return question.answer(
            partial(decide_relapses, estimate.low, alone=p),
            found,
            seeds=seeds,
            estimate=estimate.low,
            interval=estimate.interval,
            p=p,
            solved=counts,
        )


def _won(difference: float, p: float) -> tuple[float, float]:
    """How much speaks for a difference above zero: from -1, surely below, to 1, surely above."""
    return float(np.sign(difference) * (1 - p)) if np.isfinite(p) else 0.0, difference
