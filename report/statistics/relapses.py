"""How often solved runs forget again: rates of relapses, and how two arms differ in them."""

import numpy as np

from .permutation import deals, two_sided
from .solving import ENOUGH, RESAMPLES, Array, Estimate, percentiles

PER = 10_000
"""Steps after solving, or whatever else times are in, that relapses are counted by."""


def relapse_rate(relapses: Array, after: Array) -> Array:
    """Relapses per ``PER`` steps after solving, over the last axis; NaN where no run was solved."""
    solved = np.isfinite(relapses)
    steps = np.where(solved, after, 0.0).sum(axis=-1)
    return np.asarray(
        np.where(steps > 0, PER * np.where(solved, relapses, 0.0).sum(axis=-1) / np.fmax(steps, 1), np.nan)
    )


def relapse_difference(base: Array, rival: Array, seed: int) -> Estimate:
    """The rival's rate of relapses less the base's.

    Args:
        base: (2, runs), relapses and steps after solving, NaN where unsolved.
        rival: (2, runs).
        seed: Of the bootstrap over each arm's runs; a resample in which an arm has no solved run is left out.

    Returns:
        Without an interval where an arm has fewer than ``ENOUGH`` solved runs.
    """

    def difference(base: Array, rival: Array) -> Array:
        return relapse_rate(*rival) - relapse_rate(*base)

    value = float(difference(base, rival))
    if min(int(np.isfinite(arm[0]).sum()) for arm in (base, rival)) < ENOUGH or np.isnan(value):
        return Estimate(value, value, None)
    generator = np.random.default_rng(seed)
    ours, others = (arm[:, generator.integers(arm.shape[-1], size=(RESAMPLES, arm.shape[-1]))] for arm in (base, rival))
    values = difference(ours, others)
    values = values[np.isfinite(values)]
    return Estimate(value, value, percentiles(values, values) if len(values) else None)


def relapse_p(base: Array, rival: Array) -> float:
    """The p-value that solved runs of both arms relapse alike: the difference of rates, over all ways to deal them.

    Args:
        base: (2, runs), relapses and steps after solving, NaN where unsolved: those say nothing of relapses.
        rival: (2, runs)

    Returns:
        Two-sided; NaN with fewer than ``ENOUGH`` solved runs on a side.
    """
    base, rival = (arm[:, np.isfinite(arm).all(axis=0)] for arm in (base, rival))
    sizes = base.shape[1], rival.shape[1]
    if min(sizes) < ENOUGH:
        return np.nan
    runs = np.concatenate([base, rival], axis=1)
    labels = deals((sizes,))
    rates = [relapses / np.fmax(after, 1) for relapses, after in ((own @ runs.T).T for own in (labels, 1 - labels))]
    return float(two_sided(rates[1] - rates[0]))
