"""Permutation tests: a statistic of two groups of runs, against what it is when the same runs are dealt otherwise.

Where arms do not differ, which run is in which of them is chance alone: every deal is as likely as the one that was
had. So the p-value is exact with few runs too, whatever their times, ties and censoring, where that of a normal
approximation is not.
"""

from functools import lru_cache
from itertools import combinations, product
from math import comb, prod

import numpy as np

from .solving import Array

EVERY = 20_000
"""Deals up to which all are counted: eight runs against eight have 12,870, fourteen pairs 16,384."""
DRAWN = 20_000
"""Deals drawn where there are more; always the same ones, so that p-values of neighbouring ratios are comparable.

Where both groups are of one size, they are made so that the result is the same whichever is called the first.
"""
EQUAL = 1e-9
"""Sums no further apart are equal: they differ by rounding alone."""


@lru_cache(maxsize=8)
def deals(sizes: tuple[tuple[int, int], ...], paired: bool = False) -> Array:
    """Ways to deal runs to two groups: (deals, runs), 1 where a run is in the first group.

    Runs are those of the first stratum, group by group, then those of the next; they are dealt within a stratum only.
    The first deal is the one that was had. The array is read-only.

    Args:
        sizes: Runs of the first and of the second group, for each stratum.
        paired: Run i of both groups is a pair, of which each group has one.

    Raises:
        ValueError: Pairs are asked of groups that are not of one size.
    """
    if paired and any(first != second for first, second in sizes):
        raise ValueError(f"pairs need as many runs on both sides, not {', '.join(f'{a} and {b}' for a, b in sizes)}")
    ways = [2**first if paired else comb(first + second, first) for first, second in sizes]
    if prod(ways) <= EVERY:
        rows = np.indices(ways).reshape(len(ways), -1)
        dealt = [_every(*size, paired)[row] for size, row in zip(sizes, rows, strict=True)]
    else:
        generator = np.random.default_rng(0)
        dealt = [_drawn(*size, paired, generator) for size in sizes]
    labels = np.concatenate(dealt, axis=1)
    labels.setflags(write=False)
    return labels


def _every(first: int, second: int, paired: bool) -> Array:
    if paired:
        own = np.array(list(product((1.0, 0.0), repeat=first)))
        return np.concatenate([own, 1 - own], axis=1)
    chosen = np.array(list(combinations(range(first + second), first)))
    labels = np.zeros((len(chosen), first + second))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return labels


def _drawn(first: int, second: int, paired: bool, generator: np.random.Generator) -> Array:
    labels = np.zeros((DRAWN, first + second))
    labels[:, :first] = 1
    if paired:
        swapped = generator.integers(2, size=(DRAWN - 1, first)).astype(bool)
        labels[1:] = np.where(np.tile(swapped, 2), 1 - labels[1:], labels[1:])
    else:
        labels[1:] = generator.permuted(labels[1:], axis=1)
    if first == second:
        some = labels[: DRAWN // 4]
        turned = np.roll(some, first, axis=1)
        return np.concatenate([some, 1 - some, turned, 1 - turned])
    return labels


def two_sided(dealt: Array) -> Array:
    """The p-values of statistics (deals, ...), the first of which were had: the smaller tail, doubled."""
    tails = [(dealt >= dealt[0] - EQUAL).mean(axis=0), (dealt <= dealt[0] + EQUAL).mean(axis=0)]
    return np.asarray(np.minimum(2 * np.minimum(*tails), 1.0))
