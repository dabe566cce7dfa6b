"""How often the intervals hold the truth, by simulation: run by anyone, from any folder.

``python -m membench.report.statistics.simulate > tests/oracles/coverage.json`` takes five minutes of one core.

Times to solve are drawn from three families, of which the second solves early or late and the third has two kinds of
runs: lognormal (sigma 0.7), exponential, and a mixture of 70 % early and 30 % five times as late. The base's median is
near 5,000 steps, the rival takes twice as long. Both are seen at evaluations only, every 200 steps, and up to a
budget that leaves a given share of the rival's runs unsolved. A ratio is covered if the test does not reject it; this
is what an interval is made of.

For effects in a grid, times are lognormal in each combination of other choices, with a part that all runs of one seed
share; 10 to 60 % of the base's runs never solve, whatever the budget, and 10 points less at the other level.
"""

import argparse
import json
import math
from itertools import product

import numpy as np

from .effects import difference, mean_ratio
from .ratio import Stratum, ratio_p
from .solving import Array

COMPARISONS = 2000
"""Simulated for each number: a share of 0.95 is then known to 0.01, twice its standard error."""
EVERY = 200.0
"""Steps between evaluations."""
RATIO = 2.0
NEVER = 1e9
"""A budget that no run needs."""
FAMILIES = ("lognormal", "exponential", "mixture")
SEEDS = (5, 7, 10, 50)
UNSOLVED = (0.0, 0.15, 0.3)
GRIDS = ((3, 5), (12, 5), (3, 10), (12, 10))
"""Combinations of other choices, and seeds."""


def main() -> None:
    """Print the table as JSON."""
    parser = argparse.ArgumentParser(description="Coverage of the 95 % intervals, as JSON.")
    parser.add_argument("--comparisons", type=int, default=COMPARISONS, help="simulated for each number")
    count = parser.parse_args().comparisons
    cases = [*product((1,), FAMILIES, SEEDS, UNSOLVED), *product((3,), FAMILIES, SEEDS, UNSOLVED[1:2])]
    table = {
        "made": "python -m membench.report.statistics.simulate",
        "comparisons": count,
        "ratio": [
            {
                "family": family,
                "seeds": seeds,
                "unsolved": unsolved,
                "tasks": tasks,
                "coverage": ratio_coverage(family, seeds, unsolved, tasks, count),
            }
            for tasks, family, seeds, unsolved in cases
        ],
        "effects": [
            {"combinations": cells, "seeds": seeds, **effect_coverage(cells, seeds, count)} for cells, seeds in GRIDS
        ],
    }
    print(json.dumps(table, indent=1))


def ratio_coverage(family: str, seeds: int, unsolved: float, tasks: int = 1, comparisons: int = COMPARISONS) -> float:
    """The share of comparisons of two arms in which the true ratio is not rejected.

    Args:
        family: One of ``FAMILIES``.
        seeds: Of each arm.
        unsolved: Share of the rival's runs that the budget leaves unsolved.
        tasks: Strata, all alike.
        comparisons: How many are simulated.
    """
    generator = np.random.default_rng([FAMILIES.index(family), seeds, round(100 * unsolved), tasks])
    budget = RATIO * float(np.quantile(draw(family, (200_000,), generator), 1 - unsolved)) if unsolved else NEVER
    kept = 0
    for _ in range(comparisons):
        times = draw(family, (tasks, 2, seeds), generator) * [[1.0], [RATIO]]
        seen = np.ceil(times / EVERY) * EVERY
        kept += ratio_p([Stratum(base, rival, budget) for base, rival in seen], RATIO) > 0.05
    return kept / comparisons


def draw(family: str, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Times to solve, between evaluations too, with a median near 5,000 steps."""
    if family == "exponential":
        return generator.exponential(5000 / math.log(2), shape)
    times = generator.lognormal(math.log(5000), 0.7 if family == "lognormal" else 0.4, shape)
    return times if family == "lognormal" else np.where(generator.random(shape) < 0.7, times, 5 * times)


def effect_coverage(combinations: int, seeds: int, comparisons: int = COMPARISONS) -> dict[str, float]:
    """The share of grids in which the interval holds the true effect, for both scales; of a bootstrap the same."""
    generator = np.random.default_rng([combinations, seeds])
    many = matched_runs(1, combinations, 400_000, generator)[0]
    truth = np.diff(np.isfinite(many).mean(axis=(1, 2)))[0], np.divide(*np.minimum(many, BUDGET).mean(axis=(1, 2)))
    held = np.zeros(4)
    for runs in matched_runs(comparisons, combinations, seeds, generator):
        solved, steps = np.isfinite(runs).astype(float), np.minimum(runs, BUDGET)
        again = generator.integers(seeds, size=(1000, seeds))
        (base, level), (slow, fast) = (values[:, :, again].mean(axis=(1, 3)) for values in (solved, steps))
        ends = (
            difference(solved)[1:3],
            mean_ratio(steps)[1:3],
            *(np.quantile(values, [0.025, 0.975]) for values in (level - base, slow / fast)),
        )
        held += [low <= true <= high for (low, high), true in zip(ends, 2 * truth, strict=True)]
    names = ("difference", "ratio", "difference by bootstrap", "ratio by bootstrap")
    return dict(zip(names, (held / comparisons).tolist(), strict=True))


BUDGET = 15_600.0


def matched_runs(grids: int, combinations: int, seeds: int, generator: np.random.Generator) -> Array:
    """Times to solve, inf where unsolved: (grids, 2, combinations, seeds), the base first, which is the slower."""
    middle = np.geomspace(2000, 10_000, combinations)[:, None] * np.array([1.4, 1.0])[:, None, None]
    odds = np.linspace(0.4, 0.9, combinations)[:, None] + np.array([0.0, 0.1])[:, None, None]
    shared = generator.normal(0, 0.2, (grids, 1, 1, seeds))
    times = middle * np.exp(shared + generator.normal(0, 0.7, (grids, 2, combinations, seeds)))
    times = np.ceil(times / EVERY) * EVERY
    return np.where((generator.random(times.shape) < odds) & (times <= BUDGET), times, np.inf)


if __name__ == "__main__":
    main()
