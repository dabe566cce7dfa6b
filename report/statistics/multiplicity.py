"""Many claims at once: p-values corrected for how many there are.

A p-value that is NaN belongs to a claim that could not be tested yet. It stays NaN, and counts as one that failed: that
a claim is still open must not make the others easier to decide.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from .solving import Array

ALPHA = 0.05
"""Corrected p-values below this decide."""


def holm(p: Sequence[float] | Array) -> Array:
    """Holm's adjusted p-values: those below 5 % have, all together, a chance of 5 % that any is a false one."""
    given = np.asarray(p, dtype=float)
    order = np.argsort(np.nan_to_num(given, nan=1.0), kind="stable")
    steps = np.nan_to_num(given, nan=1.0)[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return np.where(np.isnan(given), np.nan, adjusted)


def bonferroni(p: float, count: int) -> float:
    """The p-value of a result that was looked for among so many; NaN stays."""
    return float(np.minimum(1.0, count * p))


def benjamini_hochberg(p: Sequence[float] | Array) -> Array:
    """Benjamini and Hochberg's adjusted p-values: of those below 5 % about one in twenty is expected to be false."""
    given = np.asarray(p, dtype=float)
    adjusted = stats.false_discovery_control(np.nan_to_num(given, nan=1.0)) if len(given) else given
    return np.where(np.isnan(given), np.nan, adjusted)
