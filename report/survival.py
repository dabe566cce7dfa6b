"""Times to solve as survival analysis sees them: unsolved runs are censored where they were last seen."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .statistics import Array


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


def logrank(times: Array, reached: Array, other_times: Array, other_reached: Array) -> float:
    """The p-value that two groups of runs have the same solved-by curve; NaN where nothing was solved in either."""
    if not (np.isfinite(times).any() or np.isfinite(other_times).any()):
        return np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(stats.logrank(censored(times, reached), censored(other_times, other_reached)).pvalue)
