"""Where the arms form a grid: what each factor does by itself, and what two do together.

An effect is measured on matched runs, which differ in that factor alone: same task, same seed, same levels of all
other factors. Every combination of the other factors weighs the same, however many seeds of it are there yet. Matches
of one seed share data and the controller's first weights, so seeds are what varies by chance: an interval is Student's
over seeds, each with all its matches. Of five seeds it holds the truth as often as it says, a bootstrap over seeds in
82 to 88 of 100 cases (``simulate``); sign flips of five seeds could never exclude "no effect".
"""

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ..frames import SuiteFacts
from .permutation import EQUAL
from .solving import ENOUGH, LEVEL, Array

Cell = tuple[str, ...]
"""A level of every factor."""

Values = Mapping[tuple[int, Cell], float]
"""Something of a run, by seed and cell."""


class Effect(NamedTuple):
    """An effect, its 95 % interval and the two-sided p-value that there is none; NaN with fewer than ``ENOUGH`` seeds.

    An interval without width says that all seeds agree, not that the effect is known exactly.
    """

    value: float
    low: float
    high: float
    p: float


def grid(outcomes: pd.DataFrame, facts: SuiteFacts, task: str) -> dict[tuple[int, Cell], tuple[float, float]]:
    """Time to solve (inf where unsolved) and budget of the grid's runs that had their full budget."""
    mine = outcomes[outcomes["complete"] & (outcomes["task"] == task) & outcomes["model"].isin(list(facts.factors))]
    cells = {model: tuple(levels.values()) for model, levels in facts.factors.items()}
    runs = mine.to_dict("records")
    return {(run["seed"], cells[run["model"]]): (run["time"], float(run["budget"])) for run in runs}


def name_of(facts: SuiteFacts, at: int) -> str:
    """The name of a factor."""
    return list(next(iter(facts.factors.values())))[at]


def contrasts(facts: SuiteFacts) -> Iterator[tuple[tuple[int, str, str], ...]]:
    """Every factor's levels against its first, then those of every two factors; each as (factor, base, level)."""
    columns = list(zip(*(levels.values() for levels in facts.factors.values()), strict=True))
    levels = [list(dict.fromkeys(column)) for column in columns]
    for together in (1, 2):
        for factors in combinations(range(len(levels)), together):
            for chosen in product(*(levels[at][1:] for at in factors)):
                yield tuple((at, levels[at][0], level) for at, level in zip(factors, chosen, strict=True))


def matched(values: Values, changes: tuple[tuple[int, str, str], ...]) -> Array:
    """Values at the bases, then with the last, first and all factors changed: (2 or 4, other factors, seeds).

    NaN where a seed does not have all of them; other factors and seeds of which there is no match are left out.
    """
    found: dict[tuple[Cell, int], list[float]] = {}
    for seed, cell in sorted(values):
        if all(cell[at] == base for at, base, _ in changes):
            places = []
            for changed in product((False, True), repeat=len(changes)):
                other = list(cell)
                for (at, _, level), change in zip(changes, changed, strict=True):
                    other[at] = level if change else other[at]
                places.append((seed, tuple(other)))
            if all(place in values for place in places):
                found[cell, seed] = [values[place] for place in places]
    cells, seeds = sorted({cell for cell, _ in found}), sorted({seed for _, seed in found})
    missing = [np.nan] * 2 ** len(changes)
    rows = [[found.get((cell, seed), missing) for seed in seeds] for cell in cells]
    return np.array(rows, dtype=float).reshape(len(cells), len(seeds), 2 ** len(changes)).transpose(2, 0, 1)


def average(matches: Array) -> Array:
    """The mean over seeds, then over the other factors: (values, other factors, seeds, ...) to (values, ...)."""
    known = np.isfinite(matches)
    count = known.sum(axis=2)
    each = np.where(known, matches, 0.0).sum(axis=2) / np.maximum(count, 1)
    return np.asarray(each.sum(axis=1) / np.maximum((count > 0).sum(axis=1), 1))  # those without a seed are 0


def signs(factors: int) -> Array:
    """What turns matched values into a difference (one factor) or a difference of differences (two)."""
    return np.array([-1.0, 1.0] if factors == 1 else [1.0, -1.0, -1.0, 1.0])


def fewest(matches: Array) -> int:
    """Seeds of the combination of other factors that has fewest of them."""
    return int(np.isfinite(matches[0]).sum(axis=1).min())


def difference(matches: Array) -> Effect:
    """What a change does to a mean, or of two changes their interaction.

    Args:
        matches: (2 or 4, other factors, seeds), as ``matched`` gives them; of shares, so it is 2 at most.
    """
    factors = {2: 1, 4: 2}[len(matches)]
    means, parts = deviations(matches)
    found = student(float(signs(factors) @ means), signs(factors) @ parts, fewest(matches))
    return found._replace(
        low=float(np.clip(found.low, -factors, factors)), high=float(np.clip(found.high, -factors, factors))
    )


def mean_ratio(matches: Array) -> Effect:
    """The ratio of two means, the base's over the other's; its interval is Student's for the logarithm.

    Args:
        matches: (2, other factors, seeds), above zero.
    """
    means, parts = deviations(matches)
    base, level = parts / means[:, None]
    found = student(float(np.log(means[0] / means[1])), base - level, fewest(matches))
    value, low, high = np.exp(found[:3]).tolist()
    return Effect(value, low, high, found.p)


def deviations(matches: Array) -> tuple[Array, Array]:
    """Means as ``average`` takes them (values,), and what each seed adds to their deviation by chance (values, seeds).

    With as many seeds everywhere that is a seed's own mean less that of all, divided by the number of seeds.
    """
    known = np.isfinite(matches)
    count = np.maximum(known.sum(axis=2, keepdims=True), 1)
    each = np.where(known, matches, 0.0).sum(axis=2, keepdims=True) / count
    parts = np.where(known, matches - each, 0.0) / count / max(matches.shape[1], 1)
    return average(matches), np.asarray(parts.sum(axis=1))


def student(value: float, parts: Array, seeds: int) -> Effect:
    """Student's interval and p-value of a value that is off by the sum of ``parts`` (seeds,), each of them chance."""
    if seeds < ENOUGH:
        return Effect(value, np.nan, np.nan, np.nan)
    error = float(np.sqrt(seeds / (seeds - 1) * (parts**2).sum()))
    if error < EQUAL:
        return Effect(value, value, value, float(abs(value) < EQUAL))
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, seeds - 1))
    return Effect(value, value - half, value + half, 2 * float(stats.t.sf(abs(value) / error, seeds - 1)))
