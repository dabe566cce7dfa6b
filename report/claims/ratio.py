"""How many times faster: the measurement behind every claim about how fast tasks are solved."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from .. import statistics
from ..statistics import Ratio, Stratum
from ..table import as_p
from ..words import listed
from .evidence import Counts, Question
from .verdict import Verdict, short

if TYPE_CHECKING:
    from .speed import Duel, Speed


class Measured(NamedTuple):
    """A duel and its ratio of times."""

    duel: "Duel"
    strata: Sequence[Stratum]
    ratio: Ratio


def measured(claim: "Speed", question: Question, duel: "Duel") -> Measured:
    """The statistic, in the one place where times become a ratio: the log-rank test, inverted; tasks are its strata."""
    strata = []
    for task in duel.tasks:
        base, rival = question.runs(task, duel.base), question.runs(task, duel.rival)
        if claim.paired:
            shared = base.index.intersection(rival.index)
            base, rival = base.loc[shared], rival.loc[shared]
        strata.append(statistics.stratum(base, rival))
    return Measured(duel, strata, statistics.time_ratio(strata, claim.paired))


def hardest(found: Sequence[Measured]) -> tuple[Measured, float]:
    """Of several duels that are all said to be won, the one that speaks most against it, and its p-value.

    Where all are won that is the largest p-value, which needs no correction. A duel that is lost was looked for among
    all of them: its p-value is multiplied by their number.
    """

    def won(one: Measured) -> tuple[float, float]:
        estimate, p = np.nan_to_num([one.ratio.estimate, one.ratio.p], nan=1.0, posinf=np.inf)
        return float(np.sign(estimate - 1) * (1 - p)), float(estimate)

    least = min(found, key=won)
    lost = least.ratio.estimate < 1
    return least, statistics.bonferroni(least.ratio.p, len(found)) if lost else least.ratio.p


def answer(claim: "Speed", question: Question) -> Verdict:
    """Every duel of a claim, judged by the one that speaks most against it."""
    if not (seeds := seeds_of(claim, question)):
        return question.not_run()
    found = [measured(claim, question, duel) for duel in claim.duels]
    one, p = hardest(found)
    solved = all(np.isfinite(statistics.medians(each.base, each.budget)[1]) for each in one.strata)
    return question.answer(
        partial(claim.decide, one.ratio, solved),
        claim.told(question, found, one),
        seeds=seeds,
        estimate=None if np.isnan(one.ratio.estimate) else one.ratio.estimate,
        interval=None if np.isnan(one.ratio.estimate) else one.ratio.interval,
        p=p,
        solved=solved_together(question),
        against=f"{one.duel.base} against {one.duel.rival} on {listed(one.duel.tasks)}",
        beside=beside(one.strata),
    )


def seeds_of(claim: "Speed", question: Question) -> int:
    """Seeds that had their full budget, of the arm that has fewest; of pairs those that both arms have."""
    if not claim.paired:
        return question.seeds(claim.arms)
    pairs = (
        [question.runs(task, name) for name in (duel.base, duel.rival)] for duel in claim.duels for task in duel.tasks
    )
    return min(len(base.index.intersection(rival.index)) for base, rival in pairs)


def solved_together(question: Question) -> Counts:
    """For each arm, runs solved within the smallest budget that an arm of the claim has on its task, and runs."""
    budgets = {arm: question.runs(*arm)["budget"].min() for arm in question.claim.arms}
    least = {on: min(budget for (task, _), budget in budgets.items() if task == on) for on, _ in budgets}
    return {arm: question.solved([arm], by=least[arm[0]])[arm] for arm in budgets}


def beside(strata: Sequence[Stratum]) -> dict[str, float]:
    """Of one task the ratio of medians, where neither is censored, and of restricted means."""
    if len(strata) > 1:
        return {}
    (low, high), means = of_medians(*strata), statistics.restricted_ratio(*strata[0])
    return {"ratio of medians": low if low == high else np.nan, "ratio of restricted means": means}


def of_medians(stratum: Stratum) -> tuple[float, float]:
    """The ratio of medians, as the two ends that it lies between where one is censored."""
    base, rival = (statistics.medians(times, stratum.budget) for times in stratum[:2])
    return float(rival[0] / base[1]), float(rival[1] / base[0])


def medians_told(stratum: Stratum) -> str:
    """``2.00``, ``at least 4.60``, ``at most 0.11`` or ``unknown``."""
    low, high = of_medians(stratum)
    if low == high:
        return short(low)
    if low > 0:
        return f"at least {short(low)}"
    return f"at most {short(high)}" if np.isfinite(high) else "unknown"


def ratio_told(ratio: Ratio) -> str:
    """``1.21 (0.90 to 1.88), p 0.20``."""
    low, high = ratio.interval or (np.nan, np.nan)
    end = f"from {short(low)}" if np.isinf(high) else f"{short(low)} to {short(high)}"
    known = f" ({end}), p {as_p(ratio.p)}" if ratio.interval else ""
    return f"{short(ratio.estimate) if 0 < ratio.estimate < np.inf else 'unknown'}{known}"


def steps_told(question: Question, task: str, names: Sequence[str]) -> str:
    """The median steps of some arms on a task, to the smallest of their budgets."""
    runs = {name: question.runs(task, name) for name in dict.fromkeys(names)}
    budget = float(min(mine["budget"].min() for mine in runs.values()))
    each = (f"{name} {_median(mine, budget)}" for name, mine in runs.items())
    return f"Median {question.facts.clock} to solve: {', '.join(each)}."


def _median(runs: pd.DataFrame, budget: float) -> str:
    times = runs["time"].to_numpy(float)
    times = np.where(times <= budget, times, np.inf)
    (low, high), solved = map(float, statistics.medians(times, budget)), np.isfinite(times).sum()
    said = f"{high:,.0f}" if np.isfinite(high) else f"beyond {low:,.0f}"
    return f"{said} ({solved} of {len(times)} solved)"


def tasks_told(found: Measured, paired: bool) -> str:
    """The ratio of each task alone, and of one test of all."""
    each = (
        f"{task} {ratio_told(statistics.time_ratio([one], paired))}"
        for task, one in zip(found.duel.tasks, found.strata, strict=True)
    )
    return listed(list(each))
