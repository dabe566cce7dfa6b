"""How many times faster one arm solves than another: the log-rank test, inverted.

If the base is r times as fast as the rival, its times multiplied by r are distributed as the rival's. So for every
ratio r the base's times are multiplied, both arms are cut where the first of them ends, and the log-rank permutation
test asks whether they still differ. The interval holds every ratio that is not rejected. It takes censoring as it is,
needs no form of the distributions, and is bounded where the records bound it.

Between two neighbouring *break points* (a time, or the budget, of the rival over one of the base) the order of the runs
stays the same and so does the test. All that can happen is therefore asked: every break point, where runs tie, and one
ratio between each two. An end of the interval lies half way (of logarithms) from the last ratio that is kept to the
first that is rejected; 1 is among those asked, so an interval that ends there cannot be.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .permutation import EQUAL, deals, two_sided
from .solving import ENOUGH, LEVEL, Array, Interval
from .survival import scores

MOST = 500
"""Break points of which all are asked; of more so many, evenly spaced in rank."""
AT_ONCE = 4_000_000
"""Numbers held at once, which bounds memory."""


class Stratum(NamedTuple):
    """Two arms on one task. Times to solve, inf where unsolved; none counts beyond the budget that both have had."""

    base: Array
    rival: Array
    budget: float


class Ratio(NamedTuple):
    """How many times faster the base is than the rival.

    Attributes:
        estimate: Where the log-rank statistic changes sign. inf where no larger ratio speaks against itself, since the
            rival is never solved; 0 where the base never is; NaN where neither is.
        interval: Every ratio that is not rejected and all between them; from 0, or to inf, where the records do not
            bound it. None with fewer than ``ENOUGH`` runs in an arm.
        p: That both are equally fast, two-sided; NaN with fewer than ``ENOUGH`` runs in an arm.
    """

    estimate: float
    interval: Interval | None
    p: float


def stratum(base: pd.DataFrame, rival: pd.DataFrame) -> Stratum:
    """Two arms from their rows of ``outcomes``, cut at the smallest of their runs' budgets.

    A run of the longer budget that solves after the shorter one ends has not been beaten by it.
    Rows stay in their order: for a paired test both arms are to be given seed by seed.
    """
    budget = float(min(base["budget"].min(), rival["budget"].min()))
    ours, others = (arm["time"].to_numpy(float) for arm in (base, rival))
    return Stratum(np.where(ours <= budget, ours, np.inf), np.where(others <= budget, others, np.inf), budget)


def time_ratio(strata: Sequence[Stratum], paired: bool = False) -> Ratio:
    """The ratio of times to solve, with its interval; several tasks are strata of one test.

    Args:
        strata: One for each task. The ratio is taken to be the same on all; runs are dealt within a stratum only.
        paired: Run i of both arms belong together, as near-identical arms of one seed do; only such pairs are swapped.
            Five pairs reject nothing at 95 %: of 32 ways to swap them, 2 are as far apart as can be. Six are needed.

    Raises:
        ValueError: There is no stratum, a time or budget is not above zero, a budget is not finite, or pairs are asked
            of arms that are not of one size.
    """
    _check(strata)
    numerators, denominators, lower, upper = _candidates(strata)
    p, statistic = _tested(strata, numerators, denominators, paired)
    faster, slower = np.flatnonzero(statistic > EQUAL), np.flatnonzero(statistic < -EQUAL)
    least = upper[faster[-1]] if len(faster) else 0.0
    most = lower[slower[0]] if len(slower) else np.inf
    estimate = float(np.sqrt(least) * np.sqrt(most)) if (least, most) != (0, np.inf) else np.nan
    if min(min(len(each.base), len(each.rival)) for each in strata) < ENOUGH:
        return Ratio(estimate, None, np.nan)
    kept = np.flatnonzero((p > 1 - LEVEL) | (p == p.max()))
    ratios = numerators / denominators
    between = np.concatenate([[0.0], np.sqrt(ratios[:-1] * ratios[1:]), [np.inf]])
    ends = float(between[kept[0]]), float(between[kept[-1] + 1])
    # With few deals a tie of p-values may leave the estimate, where the statistic changes sign, beside the interval.
    interval = Interval(*ends) if np.isnan(estimate) else Interval(min(ends[0], estimate), max(ends[1], estimate))
    return Ratio(estimate, interval, float(p[np.flatnonzero(ratios == 1)[0]]))


def ratio_p(strata: Sequence[Stratum], ratio: float = 1.0, paired: bool = False) -> float:
    """The two-sided p-value that the base is ``ratio`` times as fast; 1 where nothing is solved in time."""
    _check(strata)
    p, _ = _tested(strata, np.array([ratio]), np.ones(1), paired)
    return float(p[0])


def _check(strata: Sequence[Stratum]) -> None:
    if not strata:
        raise ValueError("no stratum: a ratio needs one task at least")
    for base, rival, budget in strata:
        if not (np.isfinite(budget) and budget > 0 and (base > 0).all() and (rival > 0).all()):
            least = np.concatenate([base, rival]).min(initial=np.inf)
            raise ValueError(f"budget {budget:g}, least time {least:g}: a ratio needs a finite budget, all above zero")


def _candidates(strata: Sequence[Stratum]) -> tuple[Array, Array, Array, Array]:
    """Ratios to be asked, in order, as numerator and denominator, and the two ends of what each stands for.

    A break point is a quotient of two times, so that the products which are compared are equal to the last bit.
    """
    tops, bottoms = [np.ones(1)], [np.ones(1)]
    for base, rival, budget in strata:
        ends = [np.append(times[times <= budget], budget) for times in (rival, base)]
        top, bottom = np.meshgrid(*ends)
        tops.append(top.ravel())
        bottoms.append(bottom.ravel())
    top, bottom = np.concatenate(tops), np.concatenate(bottoms)
    points, first = np.unique(top / bottom, return_index=True)
    if len(points) > MOST:
        some = np.linspace(0, len(points) - 1, MOST).round().astype(int)
        some = np.unique(np.append(some, np.searchsorted(points, 1.0)))
        points, first = points[some], first[some]
    lower, upper = np.append(0.0, points), np.append(points, np.inf)
    between = np.sqrt(np.append(points[0] / 4, points) * np.append(points, points[-1] * 4))
    count = len(points)
    order = np.argsort(np.append(2 * np.arange(count + 1), 2 * np.arange(count) + 1))
    numerators = np.append(between, top[first])[order]
    denominators = np.append(np.ones(count + 1), bottom[first])[order]
    return numerators, denominators, np.append(lower, points)[order], np.append(upper, points)[order]


def _tested(strata: Sequence[Stratum], numerators: Array, denominators: Array, paired: bool) -> tuple[Array, Array]:
    """For each ratio the p-value, and the statistic: above 0 where the base is faster still."""
    labels = deals(tuple((len(each.base), len(each.rival)) for each in strata), paired)
    held = max(len(labels), max(len(each.base) + len(each.rival) for each in strata) ** 2)
    parts = np.array_split(np.arange(len(numerators)), np.ceil(len(numerators) * held / AT_ONCE))
    p, statistic = [], []
    for part in parts:
        each = [scores(*_scaled(one, numerators[part], denominators[part])) for one in strata]
        dealt = labels @ np.concatenate(each, axis=1).T
        p.append(two_sided(dealt))
        statistic.append(dealt[0])
    return np.concatenate(p), np.concatenate(statistic)


def _scaled(stratum: Stratum, numerators: Array, denominators: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Times of both arms with the base's multiplied by each ratio, and which are solved, both cut at a common end."""
    base, rival, budget = stratum
    times = np.concatenate([np.outer(numerators, base), np.outer(denominators, rival)], axis=1)
    end = budget * np.minimum(numerators, denominators)[:, None]  # the base ends at budget * ratio, the rival at budget
    return np.minimum(times, end), times <= end
