"""From an estimate to a verdict: the rules.

1. **not run**: no seed has its full budget in every arm.
2. **undecided**: fewer than five such seeds, or an interval that spans no effect.
3. **not estimable**: the interval spans no effect because the base itself is mostly unsolved.
4. **contradicts**: the interval excludes no effect on the side that is not the paper's.
5. **agrees**: it excludes no effect on the paper's side and holds the paper's number, if there is one, within an
   interval that is no wider than fourfold; for "about equal" it lies inside 0.8 to 1.25; for "never" and "always" no
   run is an exception, and one half is excluded with 95 % confidence.
6. **same direction**: it excludes no effect on the paper's side, but not so much can be said of the size.

A side is decided alike whichever side it is, and whether an interval is wide or open: only an agreement on the size
needs a narrow one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any, Literal

from ..statistics.solving import ENOUGH, Estimate, Interval, clopper_pearson
from .claim import Claim, Paper, Unit

AGREES, SAME, CONTRADICTS = "agrees", "same direction", "contradicts"
UNDECIDED, NOT_ESTIMABLE, NOT_RUN = "undecided", "not estimable", "not run"
VERDICTS = (AGREES, SAME, CONTRADICTS, UNDECIDED, NOT_ESTIMABLE, NOT_RUN)

WIDEST = 4.0
"""Ratio of an interval's ends above which it says too little of the size."""
EQUAL = Interval(0.8, 1.25)
"""What counts as about equal."""

Reasoned = tuple[str, str]

MEANS = {
    "ratio": "Times as fast (95 % interval)",
    "fraction": "Share of runs (95 % interval)",
    "difference": "Difference in relapses, per 10,000 steps after solving (95 % interval)",
}


@dataclass(frozen=True)
class Verdict:
    """A claim under one reading of the paper.

    Attributes:
        claim: What is said.
        reading: Under which reading it was measured; empty where the arms have none.
        verdict: One of ``VERDICTS``.
        found: What was measured, in plain words.
        reason: Why the verdict follows.
        seeds: Paired seeds with their full budget, which decide.
        planned: Seeds planned.
        estimate: The number; None where there is none.
        bound: Of which side the estimate is only a bound, because medians lie beyond the budget: ``at least`` where the
            rival's does, ``at most`` where the base's does; else empty.
        interval: 95 %; None where there is none.
        p: The p-value of no effect, not corrected; None where there is none. It is not shown yet.
        solved: For each arm (``copy/ntm-constant-dot``), runs solved and runs that count.
        names: What the claim calls each of them: ``ntm-constant``.
        beside: Further numbers: geometric mean, log-rank p-value, median of the errors.
    """

    claim: Claim
    reading: str
    verdict: str
    found: str
    reason: str
    seeds: int
    planned: int
    estimate: float | None = None
    interval: Interval | None = None
    bound: Literal["", "at least", "at most"] = ""
    p: float | None = None
    solved: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def unit(self) -> Unit:
        """What the estimate is."""
        return self.claim.unit

    @property
    def ours(self) -> str:
        """The number as text, ``1.76× (1.28 to 2.00)``; empty where there is none."""
        if self.estimate is None or isnan(self.estimate):
            return ""
        say = SAY[self.unit]
        number = (
            BOUNDS[self.bound]
            + say(self.estimate)
            + {"ratio": "\N{MULTIPLICATION SIGN}", "fraction": " %"}.get(self.unit, "")
        )
        if self.interval is None:
            return number
        low, high = self.interval
        if isfinite(high):
            return f"{number} ({say(low)} to {say(high)})"
        return f"{number} (from {say(low)})" if low > 0 else f"{number} (unbounded)"

    @property
    def interim(self) -> bool:
        """Whether it was reached before all planned seeds were there, which may move it."""
        return self.verdict in (AGREES, SAME, CONTRADICTS) and self.seeds < self.planned

    @property
    def sentence(self) -> str:
        """All of it in plain words."""
        number = f"{MEANS[self.unit]}: {self.ours}." if self.ours else ""
        so_far = f"Interim: {self.seeds} of {self.planned} planned seeds." if self.interim else ""
        return " ".join(part for part in (self.found, number, self.reason, so_far) if part)

    @property
    def counts(self) -> str:
        """The solved fraction of each arm, as text."""
        by_task: dict[str, list[str]] = {}
        for arm, (count, runs) in self.solved.items():
            by_task.setdefault(arm.partition("/")[0], []).append(f"{self.names[arm]} {count} of {runs}")
        tasks = [", ".join(arms) if len(by_task) == 1 else f"{t}: {', '.join(arms)}" for t, arms in by_task.items()]
        return "; ".join(tasks)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is infinite or unknown is null."""

        def number(value: float | None) -> float | None:
            return float(f"{value:.6g}") if value is not None and isfinite(value) else None

        claim = self.claim
        return {
            "id": claim.id,
            "text": claim.text,
            "source": claim.source,
            "measure": claim.kind,
            "primary": claim.primary,
            "paper": list(claim.paper) if isinstance(claim.paper, tuple) else claim.paper,
            "reading": self.reading,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "unit": self.unit,
            "estimate": number(self.estimate),
            "bound": self.bound or None,
            "interval": [number(end) for end in self.interval] if self.interval else None,
            "seeds": self.seeds,
            "planned": self.planned,
            "interim": self.interim,
            "solved": {arm: list(counts) for arm, counts in self.solved.items()},
            "beside": {name: number(value) for name, value in self.beside.items()},
        }


def short(value: float) -> str:
    """A ratio for people: 0.83, 3.50, 12.0, 140."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


SAY: Mapping[str, Callable[[float], str]] = {
    "ratio": short,
    "fraction": lambda value: f"{100 * value:.0f}",
    "difference": lambda value: f"{value:+.2f}".replace("-", "\N{MINUS SIGN}"),
}


def said(paper: Paper) -> str:
    """The paper's number as text."""
    return " to ".join(f"{end:g}" for end in paper) if isinstance(paper, tuple) else f"{paper:g}"


BOUNDS = {"": "", "at least": "\N{GREATER-THAN OR EQUAL TO}", "at most": "\N{LESS-THAN OR EQUAL TO}"}


def decide_ratio(estimate: Estimate, paper: Paper, base_solved: bool) -> Reasoned:
    """The verdict on a ratio of times, above 1 where the base is faster.

    Args:
        estimate: Of the ratio; its ends differ where a median lies beyond the budget.
        paper: The paper's ratio; 1 for "about equal"; None where it only says that the base is faster.
        base_solved: Whether the base's median run is solved.
    """
    if estimate.interval is None:
        return UNDECIDED, f"Fewer than {ENOUGH} seeds have their full budget in every arm."
    low, high = estimate.interval
    lowest, highest = paper if isinstance(paper, tuple) else (paper, paper)
    equal = lowest == highest == 1
    nothing = EQUAL if equal else Interval(1, 1)
    unknown = "The arm said to be faster is itself mostly unsolved: its median time is unknown."
    if equal and EQUAL.low <= low and high <= EQUAL.high:
        return AGREES, "The interval lies inside 0.8 to 1.25: about equal."
    if low <= nothing.high and nothing.low <= high:
        if not base_solved:
            return NOT_ESTIMABLE, unknown
        spans = "reaches beyond 0.8 to 1.25, which would be about equal" if equal else "includes 1 (no difference)"
        without = lowest is not None and highest is not None and not equal and (high < lowest or highest < low)
        size = f", but not the paper's {said(paper)}" if without else ""
        return UNDECIDED, f"The interval {spans}{size}."
    if equal:
        return CONTRADICTS, "The paper says about equal; the interval lies wholly outside 0.8 to 1.25."
    if (low > 1) != (lowest is None or lowest > 1):
        return CONTRADICTS, "The order is the reverse of the paper's." + ("" if base_solved else f" {unknown}")
    if lowest is None or highest is None:
        return AGREES, "The interval excludes 1 (no difference)."
    if estimate.low < estimate.high:
        return SAME, f"The paper says {said(paper)}; ours is a bound, since one arm is mostly unsolved."
    if low <= highest and lowest <= high:
        if high > WIDEST * low:
            return SAME, f"The interval excludes 1, but is too wide to tell whether it is the paper's {said(paper)}."
        return AGREES, f"The interval excludes 1 and holds the paper's {said(paper)}."
    return SAME, f"The direction is the paper's, the size is not: it says {said(paper)}."


def decide_differs(estimate: Estimate) -> Reasoned:
    """The verdict on "it matters": a ratio of times that is not 1, whichever arm is faster."""
    if estimate.interval is None:
        return UNDECIDED, f"Fewer than {ENOUGH} seeds have their full budget in every arm."
    low, high = estimate.interval
    if low > 1 or high < 1:
        return AGREES, "The interval excludes 1 (no difference)."
    if EQUAL.low <= low and high <= EQUAL.high:
        return CONTRADICTS, "The interval lies inside 0.8 to 1.25: about equal."
    return UNDECIDED, "The interval includes 1 (no difference) and reaches beyond 0.8 to 1.25."


def decide_fraction(count: int, runs: int, always: bool) -> Reasoned:
    """The verdict on "never" (or "always"): whether fewer (more) than half of all seeds would do it.

    The authors plot the median of ten runs, so "does not solve" says that fewer than half of the seeds do. Each side
    is tested alone, with an exact bound at 95 %.

    Args:
        count: Runs of which it is true.
        runs: Runs that count.
        always: The claim is that it is true of all, not of none.
    """
    if runs < ENOUGH:
        return UNDECIDED, f"Fewer than {ENOUGH} seeds count."
    low, high = clopper_pearson(count, runs, level=0.9)  # 5 % beyond either end
    if low <= 0.5 <= high:
        return UNDECIDED, "One half is not excluded with 95 % confidence (one-sided)."
    side = f"With 95 % confidence (one-sided) {'more' if low > 0.5 else 'fewer'} than half of all seeds do"
    if (low > 0.5) != always:
        return CONTRADICTS, f"{side}; the paper says {'all' if always else 'none'}."
    if count == (runs if always else 0):
        return AGREES, f"{side}, and no run is an exception."
    return SAME, f"{side}, but not {'all' if always else 'none'}, as the paper says."


def share(count: int, runs: int) -> dict[str, Any]:
    """A fraction of runs and its exact interval, as fields of a verdict."""
    return {"estimate": count / runs, "interval": clopper_pearson(count, runs)}


def decide_relapses(estimate: Estimate, seeds: int) -> Reasoned:
    """The verdict on a difference that the paper says is above zero."""
    if seeds < ENOUGH or estimate.interval is None:
        return UNDECIDED, f"Fewer than {ENOUGH} solved runs an arm can be compared."
    low, high = estimate.interval
    if low <= 0 <= high:
        return UNDECIDED, "The interval includes 0 (no difference)."
    if low > 0:
        return AGREES, "The interval excludes 0 (no difference)."
    return CONTRADICTS, "The order is the reverse of the paper's."
