"""The statistics of the report, as pure functions of arrays and frames.

A run that is not solved within its budget is *censored*: its time to solve is beyond the budget, not missing. Times
are therefore ``inf`` where unsolved, and medians and ratios are kept as a pair of ends between which they must lie.
Every bootstrap takes its seed, so the same records give the same interval.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..answers import Bar, bar_of
from ..frames import COMPLETE, Frames

Array = NDArray[np.float64]

HOLD = 3
"""Evaluations after the first one below the bar that must be below it too, for a run to count as solved."""
ENOUGH = 5
"""Seeds below which nothing is decided and no interval is given: resampling two or three covers far less than 95 %."""
RELAPSE = 1.0
"""Errors a sequence above which a solved run has relapsed, where no other bar is given."""
RESAMPLES = 5000
LEVEL = 0.95

OUTCOME = {
    "task": "str",
    "model": "str",
    "reading": "str",
    "seed": "int64",
    "status": "str",
    "step": "int64",  # last reached
    "complete": "bool",  # had its full budget
    "budget": "int64",
    "time": "float64",  # to solve; inf where unsolved
    "first": "float64",  # evaluation below the bar, held or not: the authors' flag; inf where there is none
    "relapses": "float64",  # a divergence is one; NaN where unsolved
    "after": "float64",  # steps trained after it was solved; NaN where unsolved
    "relapsed": "float64",  # share of the evaluations after solving above its bar; NaN where unsolved
    "area": "float64",  # mean errors a sequence over the budget; NaN where never evaluated
    "last": "float64",  # errors a sequence at the last evaluation; NaN where there is none
    "seconds": "float64",
}


class Interval(NamedTuple):
    """A confidence interval; ``high`` is inf where the records bound it on one side only."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A number that censoring may bound on one side only: it lies between ``low`` and ``high``."""

    low: float
    high: float
    interval: Interval | None  # None with fewer than ``ENOUGH`` seeds


def solved_at(steps: Array, errors: Array, bar: float, hold: int = HOLD) -> float:
    """The time to solve: the step of the first evaluation below the bar that holds for the next ``hold``, or inf."""
    below = errors < bar
    if len(below) <= hold:
        return np.inf
    held = np.lib.stride_tricks.sliding_window_view(below, hold + 1).all(axis=1)
    return float(steps[held.argmax()]) if held.any() else np.inf


def count_relapses(steps: Array, errors: Array, time: float, bar: float = RELAPSE) -> int:
    """How often a run solved at ``time`` rises above a bar afterwards (a long spell counts once)."""
    above = errors[steps >= time] > bar
    return int((above[1:] & ~above[:-1]).sum())


def mean_height(steps: Array, errors: Array, budget: float, diverged: bool = False) -> float:
    """Area under a curve, divided by the budget: its mean height.

    The last value is carried to the budget; of a run that diverged, its first, untrained.
    """
    if len(steps) == 0:
        return np.nan
    if steps[-1] < budget:
        rest = errors[0] if diverged else errors[-1]
        steps, errors = np.append(steps, [steps[-1], budget]), np.append(errors, [rest, rest])
    return float(np.trapezoid(errors, steps) / (steps[-1] - steps[0])) if len(steps) > 1 else float(errors[0])


def outcomes(
    frames: Frames, solved: Bar, relapse: Bar = RELAPSE, hold: int = HOLD, clock: Literal["steps", "seconds"] = "steps"
) -> pd.DataFrame:
    """What became of every run that was evaluated or diverged: columns as in ``OUTCOME``, in the order of the runs.

    Args:
        frames: The records.
        solved: The bar a run has to come below, of every task or of each.
        relapse: The bar it must not rise above afterwards.
        hold: Evaluations that must be below the bar after the first one.
        clock: What times, budgets, areas and steps after solving are counted in. A budget in seconds is what the budget
            in steps takes at the run's own pace, so it differs from run to run; seconds are of the machine a run was
            trained on.
    """
    names = ["task", "model", "seed"]
    evaluations = frames.evaluations.sort_values([*names, "step"], kind="stable")
    curves = {
        key: tuple(part[column].to_numpy(float) for column in ("step", "seconds", "errors"))
        for key, part in evaluations.groupby(names, sort=False)
    }
    rows: list[dict[str, Any]] = []
    for run in frames.runs.to_dict("records"):
        diverged = run["status"] == "diverged"
        curve = curves.get((run["task"], run["model"], run["seed"]))
        if run["status"] == "stale" or (curve is None and not diverged):
            continue
        steps, seconds, errors = curve if curve is not None else (np.empty(0),) * 3
        last, budget = run["step"], float(run["steps"])
        if clock == "seconds":
            last = seconds[-1] if len(seconds) else run["seconds"]
            budget *= last / max(steps[-1] if len(steps) else run["step"], 1)
            steps = seconds
        bar, over = bar_of(solved, run["task"]), bar_of(relapse, run["task"])
        time = solved_at(steps, errors, bar, hold)
        relapses = count_relapses(steps, errors, time, over) + diverged
        rows.append(
            {
                **{name: run[name] for name in ("task", "model", "reading", "seed", "status", "step")},
                "complete": run["status"] in COMPLETE,
                "budget": budget,
                "time": time or 1.0,  # a ratio needs it above zero
                "first": float(min(steps[errors < bar], default=np.inf)),
                "relapses": relapses if np.isfinite(time) else np.nan,
                "after": last - time if np.isfinite(time) else np.nan,
                "relapsed": (errors[steps >= time] > over).mean() if np.isfinite(time) else np.nan,
                "area": mean_height(steps, errors, budget, diverged),
                "last": float(errors[-1]) if len(errors) else np.nan,
                "seconds": run["seconds"],
            }
        )
    kinds = OUTCOME if clock == "steps" else {**OUTCOME, "budget": "float64"}
    return pd.DataFrame(rows, columns=list(OUTCOME)).astype(kinds)


def median_curve(evaluations: pd.DataFrame, diverged: Iterable[int] = ()) -> pd.DataFrame:
    """Median and quartiles of the errors over seeds, at each step that every seed has: step, low, median, high.

    Seeds that diverged count from there on with what they had at first, untrained.
    """
    wide = evaluations.pivot_table(index="step", columns="seed", values="errors")
    for seed in set(diverged) & set(wide.columns):
        wide[seed] = wide[seed].fillna(wide[seed].iloc[0])
    wide = wide.dropna()
    if wide.empty:
        return pd.DataFrame({"step": [], "low": [], "median": [], "high": []}, dtype=float)
    low, median, high = np.quantile(wide.to_numpy(), [0.25, 0.5, 0.75], axis=1)
    return pd.DataFrame({"step": wide.index.to_numpy(float), "low": low, "median": median, "high": high})


def crossing(curve: pd.DataFrame, bar: float) -> float:
    """The step at which a median curve is first below the bar (how the authors' figures read), or inf."""
    below = curve["step"].to_numpy(float)[curve["median"].to_numpy(float) < bar]
    return float(below[0]) if len(below) else np.inf


def crossings(frames: Frames, solved: Bar) -> pd.DataFrame:
    """The paper's reading: for each arm the step at which the median of its curves is first below its bar, or inf.

    The median is taken step by step over the runs that had their full budget, so no run need be solved by then, nor
    stay so; and it is one number an arm, without an interval. Columns task, model, seeds, time.
    """
    runs = frames.runs[frames.runs["status"].isin(COMPLETE)]
    rows = []
    for (task, model), arm in runs.groupby(["task", "model"], sort=False):
        every = frames.evaluations
        own = every[(every["task"] == task) & (every["model"] == model) & every["seed"].isin(arm["seed"])]
        curve = median_curve(own, arm.loc[arm["status"] == "diverged", "seed"])
        rows.append(
            {"task": task, "model": model, "seeds": len(arm), "time": crossing(curve, bar_of(solved, str(task)))}
        )
    kinds = {"task": "str", "model": "str", "seeds": "int64", "time": "float64"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def against_half(count: int, runs: int, always: bool) -> float:
    """The exact p-value of "never" or "always": that half of all seeds do it, against fewer (``always``: more).

    One-sided, by the binomial distribution; the other side's claim has the other ``always``. NaN without runs.
    """
    if runs == 0:
        return np.nan
    return float(stats.binomtest(count, runs, 0.5, "greater" if always else "less").pvalue)


def clopper_pearson(successes: int, trials: int) -> Interval:
    """The exact interval of a fraction (Clopper & Pearson 1934)."""
    tail = (1 - LEVEL) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.ppf(1 - tail, successes + 1, trials - successes))
    return Interval(low, high)


def medians(times: Array, budget: Array | float) -> tuple[Array, Array]:
    """Median times over the last axis, as the two ends between which they lie where some are censored."""
    ordered = np.sort(times, axis=-1)
    count = times.shape[-1]
    middle = ordered[..., [(count - 1) // 2, count // 2]]
    return np.minimum(middle, np.asarray(budget)[..., None]).mean(axis=-1), middle.mean(axis=-1)


def percentiles(lows: Array, highs: Array) -> Interval:
    """The percentile interval of bootstrapped ends; without interpolation, since some may be infinite."""
    tail = (1 - LEVEL) / 2
    return Interval(
        float(np.quantile(lows, tail, method="lower")), float(np.quantile(highs, 1 - tail, method="higher"))
    )


def iqm(scores: Array) -> float:
    """The interquartile mean of all scores: the mean of the middle half (Agarwal et al. 2021)."""
    return float(stats.trim_mean(scores, 0.25, axis=None))


def iqm_estimate(strata: Sequence[Array], seed: int) -> Estimate:
    """The interquartile mean over tasks and seeds with its stratified bootstrap: seeds are resampled within a task.

    Args:
        strata: For each task the scores of its seeds, bounded (a share of wrong answers).
        seed: Of the bootstrap.
    """
    value = iqm(np.concatenate(strata))
    if min(len(scores) for scores in strata) < ENOUGH:
        return Estimate(value, value, None)
    generator = np.random.default_rng(seed)
    drawn = [scores[generator.integers(len(scores), size=(RESAMPLES, len(scores)))] for scores in strata]
    values = np.asarray(stats.trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1))
    return Estimate(value, value, percentiles(values, values))
