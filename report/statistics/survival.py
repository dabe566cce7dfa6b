"""Times to solve as survival analysis sees them: unsolved runs are censored where they were last seen."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .solving import Array


def reached(runs: pd.DataFrame) -> tuple[Array, Array]:
    """Times to solve (inf where unsolved) and the steps at which each run was solved, or else was last seen unsolved.

    A diverged run is final: it is unsolved up to its budget.
    """
    times = runs["time"].to_numpy(float)
    last = np.where(runs["complete"], runs["budget"], runs["step"]).astype(float)
    return times, np.where(np.isfinite(times), times, last)


class SolvedBy(NamedTuple):
    """The fraction solved by each step (one less the Kaplan-Meier estimate), a staircase: constant after each step."""

    steps: Array
    fraction: Array


def censored(times: Array, reached: Array) -> Any:
    """Times to solve as SciPy's censored data: unsolved runs are known to take longer than they have ``reached``."""
    solved = np.isfinite(times)
    return stats.CensoredData(uncensored=times[solved], right=reached[~solved])


def solved_by(times: Array, reached: Array) -> SolvedBy:
    """The solved-by curve.

    Args:
        times: (runs,), inf where unsolved.
        reached: (runs,), steps trained; where unsolved, the step at which the run is censored.
    """
    survival = stats.ecdf(censored(times, reached)).sf
    return SolvedBy(np.asarray(survival.quantiles, dtype=float), 1 - np.asarray(survival.probabilities, dtype=float))


def restricted_mean(times: Array, reached: Array, budget: float) -> float:
    """Mean steps to solve, of at most the budget: the area above the solved-by curve up to there."""
    curve = solved_by(times, reached)
    inside = curve.steps < budget
    edges = np.concatenate([[0.0], curve.steps[inside], [budget]])
    unsolved = np.concatenate([[1.0], 1 - curve.fraction[inside]])
    return float((np.diff(edges) * unsolved).sum())


def logrank(times: Array, reached: Array, other_times: Array, other_reached: Array, most: int = 20_000) -> float:
    """The p-value that two groups of runs have the same solved-by curve; NaN where none is solved or a group is of one.

    That of the log-rank test by permutation: among all ways to deal the runs to groups of these sizes (at most so many,
    drawn at random where there are more), the share that sets them as far apart to the one side, doubled for both. The
    usual p-value is of many runs; of five against five it can be a fifth of this one.
    """
    runs, solved = np.append(reached, other_reached), np.isfinite(np.append(times, other_times))
    if not solved.any() or min(len(times), len(other_times)) < 2:
        return np.nan
    steps, count = np.unique(runs[solved], return_counts=True)
    hazard = count / (runs >= steps[:, None]).sum(axis=1)
    scores = solved - np.where(runs >= steps[:, None], hazard[:, None], 0.0).sum(axis=0)  # in sum: observed - expected
    groups = np.split(scores.round(9), [len(times)])  # equal sums are equal
    options = {"permutation_type": "independent", "vectorized": True, "n_resamples": most, "random_state": 0}
    return float(stats.permutation_test(groups, lambda a, b, axis: a.sum(axis=axis), **options).pvalue)
