"""Times to solve as survival analysis sees them: unsolved runs are censored where they were last seen."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from .permutation import deals, two_sided
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


def restricted_ratio(base: Array, rival: Array, budget: float) -> float:
    """The rival's restricted mean over the base's, both to one budget, above 1 where the base is faster.

    An unsolved run counts with the whole budget, so the ratio is drawn towards 1 where many are unsolved.

    Args:
        base: (runs,), times to solve, inf where unsolved.
        rival: (runs,)
        budget: What every run has had.
    """
    base_mean, rival_mean = (float(np.minimum(times, budget).mean()) for times in (base, rival))
    return rival_mean / base_mean


def scores(times: Array, solved: NDArray[np.bool_]) -> Array:
    """The log-rank scores: whether a run was solved, less how often it was expected to be (its cumulative hazard).

    Summed over a group: its observed less its expected number of solved runs, above 0 where it is the faster.

    Args:
        times: (..., runs), when each run was solved, or else last seen unsolved.
        solved: (..., runs)
    """
    no_later = times[..., None, :] <= times[..., :, None]  # (..., i, j): run j was solved or left by the time of i
    hazard = solved / no_later.sum(axis=-2)  # of the runs at risk when j was solved
    return np.asarray(solved - (no_later @ hazard[..., None])[..., 0])


def logrank(times: Array, reached: Array, other_times: Array, other_reached: Array) -> float:
    """The p-value that two groups of runs have the same solved-by curve; NaN where none is solved or a group is of one.

    That of the log-rank test by permutation: among all ways to deal the runs to groups of these sizes (or of many, some
    drawn at random), the share that sets them as far apart to the one side, doubled for both. The usual p-value is of
    many runs; of five against five it can be a fifth of this one.
    """
    solved = np.isfinite(np.append(times, other_times))
    sizes = len(times), len(other_times)
    if not solved.any() or min(sizes) < 2:
        return np.nan
    each = scores(np.append(reached, other_reached), solved)
    return float(two_sided(deals((sizes,)) @ each))
