"""How many times faster: the measurement behind every claim about how fast tasks are solved."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import statistics
from ..statistics import survival
from ..statistics.solving import ENOUGH, Array, Estimate
from .evidence import Question
from .verdict import AGREES, SAME, UNDECIDED, Verdict, short

if TYPE_CHECKING:
    from .speed import Speed


class Measured(NamedTuple):
    """A ratio of times."""

    estimate: Estimate
    p: float | None  # of no difference


def measured(claim: "Speed", bases: Array, rivals: Array, budgets: Array, seed: int) -> Measured:
    """The statistic: the one place where times become a ratio.

    Today it is the bootstrap of medians, which resamples seeds jointly whether the claim is ``paired`` or not, averages
    the ratios of several tasks (geometrically where they are ``pooled``), and gives no p-value.

    Args:
        claim: Says whether seeds are ``paired`` and tasks ``pooled``.
        bases: (tasks, arms, seeds), times to solve, inf where unsolved.
        rivals: (tasks, arms, seeds).
        budgets: (tasks,), the steps after which a run is censored.
        seed: Of what is drawn at random.
    """
    return Measured(statistics.speed_ratio(bases, rivals, budgets, seed, geometric=claim.pooled), None)


def answer(claim: "Speed", question: Question) -> Verdict:
    """Median times, task by task: the slowest of each contest's bases against the fastest of its rivals."""
    contests = claim.contests
    tasks = [contest.task for contest in contests]
    seeds = question.seeds(claim.arms)
    if not seeds:
        return question.not_run()
    runs = {arm: question.runs(*arm).loc[seeds] for arm in claim.arms}
    budgets = np.asarray([min(runs[arm]["budget"].max() for arm in runs if arm[0] == task) for task in tasks], float)

    def times_of(sides: list[tuple[str, ...]]) -> Array:
        rows = [[runs[task, name]["time"] for name in each] for task, each in zip(tasks, sides, strict=True)]
        times = np.asarray(rows, dtype=float)
        return np.where(times <= budgets[:, None, None], times, np.inf)  # to the smallest of the arms' budgets

    base, rival = times_of([contest.bases for contest in contests]), times_of([contest.rivals for contest in contests])
    estimate, p = measured(claim, base, rival, budgets, question.chance)
    slow = [end.max(axis=1) for end in statistics.medians(base, budgets[:, None])]
    fast = [end.min(axis=1) for end in statistics.medians(rival, budgets[:, None])]
    solved = bool(np.isfinite(slow[1]).all())
    verdict, reason = claim.decide(estimate, solved)
    beside = {}
    if len(tasks) == 1:
        sides = [*zip(contests[0].bases, base[0], strict=True), *zip(contests[0].rivals, rival[0], strict=True)]
        each = (f"{name} {_median(times, budgets[0])}" for name, times in sides)
        found = f"Median steps to solve: {', '.join(each)}."
        if len(sides) == 2:
            alike = _logrank(base[0, 0], rival[0, 0], budgets[0])
            beside = {"log-rank p": alike}
            found += f" Log-rank p {alike:.2g}." if len(seeds) >= ENOUGH and np.isfinite(alike) else ""
    else:
        each = (f"{task} {_times(*ends)}" for task, *ends in zip(tasks, *slow, *fast, strict=True))
        found = f"Task by task: {', '.join(each)} ({_seeds(len(seeds))})."
        if not claim.pooled:
            geometric = statistics.speed_ratio(base, rival, budgets, question.chance, geometric=True)
            more = " or more" if geometric.high > geometric.low else ""
            beside = {"geometric mean": geometric.low} if solved else {}
            found += f" Geometric mean {short(geometric.low)}{more}." if solved else ""
            # The arithmetic mean is never below the geometric one, so only a verdict for the base can hang on one task.
            if verdict in (AGREES, SAME) and _side(geometric) != _side(estimate):
                verdict, reason = UNDECIDED, "The mean excludes 1, but not the geometric mean: one task decides it."
    known = estimate.low if solved else estimate.high if np.isfinite(estimate.high) else None
    return question.answer(
        verdict,
        found,
        reason,
        seeds=len(seeds),
        estimate=known,
        interval=estimate.interval if known is not None else None,
        bound="" if known is None or estimate.low == estimate.high else "at least" if solved else "at most",
        p=p,
        solved=question.solved(claim.arms, seeds),
        beside=beside,
    )


def _side(ratio: Estimate) -> int:
    """On which side of 1 the interval lies; 0 where it includes it."""
    return 0 if ratio.interval is None else (ratio.interval.low > 1) - (ratio.interval.high < 1)


def _logrank(base: Array, rival: Array, budget: float) -> float:
    return survival.logrank(base, np.minimum(base, budget), rival, np.minimum(rival, budget))


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count != 1 else ''}"


def _median(times: Array, budget: float) -> str:
    (low, high), solved = map(float, statistics.medians(times, budget)), np.isfinite(times).sum()
    said = f"{high:,.0f}" if np.isfinite(high) else f"beyond {low:,.0f}"
    return f"{said} ({solved} of {len(times)} solved)"


def _times(base_low: float, base_high: float, rival_low: float, rival_high: float) -> str:
    """The ratio of medians that lie between these ends."""
    if np.isinf(base_high):
        return f"at most {short(rival_high / base_low)}" if np.isfinite(rival_high) else "not estimable"
    return f"{'' if np.isfinite(rival_high) else 'at least '}{short(rival_low / base_high)}"
