"""From a measurement to a verdict: the rules.

Whether there is an effect is decided by the p-value, corrected for the number of claims that are asked together (see
``judge``); how large it is by the estimate and its 95 % interval, which is not corrected.

1. **not run**: an arm has no run that had its full budget.
2. **undecided**: fewer than five seeds, or a corrected p of 5 % or more.
3. **not estimable**: likewise undecided, and the base itself is mostly unsolved.
4. **contradicts**: there is an effect, and not on the claimed side.
5. **agrees**: there is one on the claimed side, and the claimed number, if there is one, lies in an interval that is no
   wider than fourfold; for "about equal" the interval lies inside 0.8 to 1.25; for "never" and "always" no run is an
   exception.
6. **same direction**: there is one on the claimed side, but not so much can be said of the size.

A side is decided alike whichever side it is, and whether an interval is wide or open: only an agreement on the size
needs a narrow one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite, isnan, nan
from typing import Any

from ..answers import Clock
from ..statistics.multiplicity import ALPHA, bonferroni
from ..statistics.ratio import Ratio
from ..statistics.solving import ENOUGH, Interval, against_half, clopper_pearson
from ..table import as_p
from .claim import Claim, Number, Paper, Unit, ends

AGREES, SAME, CONTRADICTS = "agrees", "same direction", "contradicts"
UNDECIDED, NOT_ESTIMABLE, NOT_RUN = "undecided", "not estimable", "not run"
DECIDED = (AGREES, SAME, CONTRADICTS)
VERDICTS = (*DECIDED, UNDECIDED, NOT_ESTIMABLE, NOT_RUN)

WIDEST = 4.0
"""Ratio of an interval's ends above which it says too little of the size."""
EQUAL = Interval(0.8, 1.25)
"""What counts as about equal."""

Reasoned = tuple[str, str]
"""A verdict, and why it follows."""

Decide = Callable[[float], Reasoned]
"""The verdict that follows from a corrected p-value; from NaN where there is none."""

MEANS = {
    "ratio": "Times as fast (95 % interval)",
    "fraction": "Share of runs (95 % interval)",
    "difference": "Difference in relapses, per 10,000 {clock} after solving (95 % interval)",
    "bits": "Bits a sequence (95 % interval)",
    "errors": "Fewer errors a sequence (95 % interval)",
    "count": "Trainable numbers",
}


@dataclass(frozen=True)
class Verdict:
    """A claim under one reading of the paper.

    Attributes:
        claim: What is said.
        reading: Under which reading it was measured; empty where the arms have none.
        decide: The rule by which the corrected p-value decides.
        found: What was measured, in plain words.
        seeds: With their full budget, of the arm that has fewest.
        planned: Seeds planned.
        estimate: The number; None where there is none. A ratio may be inf, where the rival is never solved, or 0.
        interval: 95 %, not corrected; None where there is none.
        p: Of no effect, alone; None where there is none.
        corrected: The same, corrected for the number of claims; NaN where there is none.
        solved: For each arm (``copy/ntm-constant-dot``), runs solved and runs that count.
        names: What the claim calls each of them: ``ntm-constant``.
        against: Of a ratio, the two arms that decide: ``ntm-constant against ntm-learned on copy``.
        beside: Further numbers: ratio of medians, of restricted means, median of the errors.
        judged_otherwise: What it would be by another bar, another hold, another clock; of primary claims.
        median_curves: What it would be as the paper's figures are read, in words; of primary claims.
        clock: What the suite counts in.
        called: What a page calls the claim: ``C2``; empty for its whole id.
    """

    claim: Claim
    reading: str
    decide: Decide = field(compare=False, repr=False)
    found: str
    seeds: int
    planned: int
    estimate: float | None = None
    interval: Interval | None = None
    p: float | None = None
    corrected: float = nan
    solved: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    against: str = ""
    beside: Mapping[str, float] = field(default_factory=dict)
    judged_otherwise: Mapping[str, "Verdict"] = field(default_factory=dict)
    median_curves: str = ""
    clock: Clock = "steps"
    called: str = ""

    @property
    def label(self) -> str:
        """What a page calls the claim."""
        return self.called or self.claim.id

    @property
    def verdict(self) -> str:
        """One of ``VERDICTS``."""
        return self.decide(self.corrected)[0]

    @property
    def reason(self) -> str:
        """Why the verdict follows."""
        return self.decide(self.corrected)[1]

    @property
    def unit(self) -> Unit:
        """What the estimate is."""
        return self.claim.unit

    @property
    def ours(self) -> str:
        """The number as text, ``1.76× (1.28 to 2.00)``; empty where there is none."""
        if self.estimate is None or isnan(self.estimate):
            return ""
        say, sign = (
            SAY[self.unit],
            {"ratio": "\N{MULTIPLICATION SIGN}", "fraction": " %", "bits": " bits"}.get(self.unit, ""),
        )
        low, high = self.interval or (0.0, float("inf"))
        if self.unit == "ratio" and self.estimate in (0, float("inf")):  # one arm is never solved: only an end is known
            if self.estimate and low > 0:
                return f"\N{GREATER-THAN OR EQUAL TO}{say(low)}{sign}"
            return f"\N{LESS-THAN OR EQUAL TO}{say(high)}{sign}" if not self.estimate and isfinite(high) else ""
        number = say(self.estimate) + sign
        if self.interval is None:
            return number
        if isfinite(high):
            return f"{number} ({say(low)} to {say(high)})"
        return f"{number} (from {say(low)})" if low > 0 else f"{number} (unbounded)"

    @property
    def chance(self) -> str:
        """The p-values as text, ``p 0.048, corrected 0.19``; empty where there is none."""
        if self.p is None or isnan(self.p):
            return ""
        return f"p {as_p(self.p)}" + ("" if isnan(self.corrected) else f", corrected {as_p(self.corrected)}")

    @property
    def interim(self) -> bool:
        """Whether it was reached before all planned seeds were there, which may move it."""
        return self.verdict != NOT_RUN and self.seeds < self.planned

    @property
    def so_far(self) -> str:
        """``interim, 12 of 50 seeds``; empty where it is final."""
        return f"interim, {self.seeds} of {self.planned} seeds" if self.interim else ""

    @property
    def sentence(self) -> str:
        """All of it in plain words."""
        number = f"{MEANS[self.unit].format(clock=self.clock)}: {self.ours}." if self.ours else ""
        chance = f"If there were no effect: {self.chance}." if self.chance else ""
        so_far = f"{self.so_far.capitalize()}." if self.interim else ""
        return " ".join(part for part in (self.found, number, chance, self.reason, so_far) if part)

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
            "interval": [number(end) for end in self.interval] if self.interval else None,
            "ours": self.ours,
            "against": self.against,
            "p": number(self.p),
            "corrected": number(self.corrected),
            "seeds": self.seeds,
            "planned": self.planned,
            "interim": self.interim,
            "solved": {arm: list(counts) for arm, counts in self.solved.items()},
            "beside": {name: number(value) for name, value in self.beside.items()},
            "judged_otherwise": {
                name: {
                    "verdict": other.verdict,
                    "estimate": number(other.estimate),
                    "interval": [number(end) for end in other.interval] if other.interval else None,
                    "p": number(other.p),
                    "corrected": number(other.corrected),
                }
                for name, other in self.judged_otherwise.items()
            },
            "median_curves": self.median_curves,
        }


def short(value: float) -> str:
    """A ratio for people: 0.83, 3.50, 12.0, 140; 1.005 where 1.00 would be read as no difference."""
    if value != 1 and f"{value:.2f}" == "1.00":
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


SAY: Mapping[str, Callable[[float], str]] = {
    "ratio": short,
    "fraction": lambda value: f"{100 * value:.0f}",
    "difference": lambda value: f"{value:+.2f}".replace("-", "\N{MINUS SIGN}"),
    "bits": lambda value: f"{value:.2f}".replace("-", "\N{MINUS SIGN}"),
    "errors": lambda value: f"{value:.2f}".replace("-", "\N{MINUS SIGN}"),
    "count": lambda value: f"{value:,.0f}",
}


def paper_text(paper: Number) -> str:
    """The paper's number as text."""
    return " to ".join(f"{end:,}" if end >= 10_000 else f"{end:g}" for end in dict.fromkeys(ends(paper)))


def claimed(claim: Claim) -> str:
    """The number that a claim says, as text, marked where it is no paper's; empty where it says none."""
    return "" if claim.paper is None else f"{paper_text(claim.paper)}{' (our claim)' * claim.ours}"


def decided(p: float) -> bool:
    """Whether a corrected p-value decides."""
    return p < ALPHA


FEW = f"Fewer than {ENOUGH} seeds have their full budget in every arm."
"""Said where nothing can be decided yet."""


def decide_ratio(ratio: Ratio, paper: Paper, base_solved: bool, p: float) -> Reasoned:
    """The verdict on a ratio of times, above 1 where the base is faster.

    Args:
        ratio: As measured.
        paper: The paper's ratio; 1 for "about equal"; None where it only says that the base is faster.
        base_solved: Whether the base's median run is solved.
        p: That there is no difference, corrected.
    """
    if ratio.interval is None:
        return UNDECIDED, FEW
    low, high = ratio.interval
    equal = paper is not None and ends(paper) == (1, 1)
    if equal and _alike(ratio.interval):
        return AGREES, "The interval lies inside 0.8 to 1.25: about equal."
    if not decided(p) or (equal and low <= EQUAL.high and EQUAL.low <= high):
        if not base_solved and (paper is None or ends(paper)[0] > 1):
            return NOT_ESTIMABLE, "The arm said to be faster is itself mostly unsolved: its median time is unknown."
        spans = "reaches beyond 0.8 to 1.25, which would be about equal" if equal else "includes 1"
        alone = not equal and not low <= 1 <= high
        return UNDECIDED, weak(ratio.p, p) if alone else f"The interval {spans}."
    if equal:
        return CONTRADICTS, "Claimed is about equal; the interval lies wholly outside 0.8 to 1.25."
    if (low > 1) != (paper is None or ends(paper)[0] > 1):
        return CONTRADICTS, "The order is the reverse of the claimed one."
    if paper is None:
        return AGREES, "The order is as claimed."
    lowest, highest = ends(paper)
    if low <= highest and lowest <= high:
        if high > WIDEST * low:
            return (
                SAME,
                f"The order is as claimed; the interval is too wide to tell whether it is {paper_text(paper)}.",
            )
        return AGREES, f"The order is as claimed, and the interval holds the claimed {paper_text(paper)}."
    return SAME, f"The order is as claimed, the size is not: that is {paper_text(paper)}."


def decide_differs(ratio: Ratio, p: float) -> Reasoned:
    """The verdict on "it matters": a ratio of times that is not 1, whichever arm is faster."""
    if ratio.interval is None:
        return UNDECIDED, FEW
    if decided(p):
        return AGREES, "The interval excludes 1 (no difference)."
    if _alike(ratio.interval):
        return CONTRADICTS, "The interval lies inside 0.8 to 1.25: about equal."
    low, high = ratio.interval
    if low > 1 or high < 1:
        return UNDECIDED, weak(ratio.p, p)
    return UNDECIDED, "The interval includes 1 and reaches beyond 0.8 to 1.25."


def _alike(interval: Interval) -> bool:
    return EQUAL.low <= interval.low and interval.high <= EQUAL.high


def weak(p: float, corrected: float) -> str:
    """Why what excludes no effect alone decides nothing."""
    return (
        f"Alone it would decide (p {as_p(p)}); corrected for the claims asked with it, it does not ({as_p(corrected)})."
    )


def half_p(count: int, runs: int, among: int = 1) -> float:
    """The p-value of "never" (or "always"): that half of all seeds do it, on the side where the count lies.

    The authors plot the median of ten runs, so "does not solve" says that fewer than half of the seeds do. Each side is
    tested alone, exactly. NaN with fewer than ``ENOUGH`` runs.

    Args:
        among: Arms of which this one was chosen, by these runs, since the most do it: that they are many was looked for
            among as many, so the p-value is multiplied by their number. That they are few was not.
    """
    if runs < ENOUGH:
        return nan
    return min(bonferroni(against_half(count, runs, True), among), against_half(count, runs, False))


def open_yet(count: int, runs: int, seeds: int) -> bool:
    """Whether an arm that does best so far, but not in more than half of its runs, may yet be overtaken.

    Args:
        count: Runs of the arm of which it is true.
        runs: Runs of the arm.
        seeds: Of the arm that has fewest.
    """
    return seeds < ENOUGH and 2 * count <= runs


def decide_fraction(count: int, runs: int, always: bool, alone: float, p: float) -> Reasoned:
    """The verdict on "never" (or "always"): whether fewer (more) than half of all seeds would do it.

    Args:
        count: Runs of which it is true.
        runs: Runs that count.
        always: The claim is that it is true of all, not of none.
        alone: As ``half_p`` gives it.
        p: The same, corrected.
    """
    if runs < ENOUGH:
        return UNDECIDED, f"Fewer than {ENOUGH} seeds count."
    if not decided(p):
        return UNDECIDED, weak(alone, p) if decided(alone) else "It may as well be half of all seeds."
    side = f"{'More' if 2 * count > runs else 'Fewer'} than half of all seeds do"
    if (2 * count > runs) != always:
        return CONTRADICTS, f"{side}; the claim says {'all' if always else 'none'}."
    if count == (runs if always else 0):
        return AGREES, f"{side}, and no run is an exception."
    return SAME, f"{side}; the claim says {'all' if always else 'none'}."


def share(count: int, runs: int) -> dict[str, Any]:
    """A fraction of runs and its exact interval, as fields of a verdict."""
    return {"estimate": count / runs, "interval": clopper_pearson(count, runs)}


def decide_relapses(difference: float, p: float, alone: float) -> Reasoned:
    """The verdict on a difference that the paper says is above zero, by its p-value, corrected and alone."""
    if isnan(alone):
        return UNDECIDED, f"Fewer than {ENOUGH} solved runs an arm can be compared."
    if not decided(p):
        return UNDECIDED, weak(alone, p) if decided(alone) else "Dealt to the arms by chance, runs differ as much."
    return (
        (AGREES, "The order is as claimed.")
        if difference > 0
        else (CONTRADICTS, "The order is the reverse of the claimed one.")
    )
