"""Two models of a suite, side by side: what counts, and who is faster."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np

from membench.report.frames import Frames
from membench.report.pages.compare import compare_models
from membench.report.statistics import outcomes, stratum, time_ratio

SIMULATED = runpy.run_path(str(Path(__file__).with_name("simulated.py")))
simulate, facts, arms = (SIMULATED[name] for name in ("simulate", "facts", "arms"))

A, B = "ntm-constant-dot", "lstm"
BUDGET = 8000


def shortened(model: str) -> Frames:
    """Copy of ten seeds, on which this model has had a smaller budget than the other."""
    tables = simulate(10, tasks=("copy",), models=(A, B))
    mine, seen = tables.runs["model"] == model, tables.evaluations
    runs = tables.runs.assign(**{name: tables.runs[name].where(~mine, BUDGET) for name in ("step", "steps")})
    return tables._replace(runs=runs, evaluations=seen[(seen["model"] != model) | (seen["step"] <= BUDGET)])


def row(tables: Frames) -> dict[str, Any]:
    (found,) = compare_models(tables, facts(10, arms=arms(("copy",), (A, B))), A, B).frame.to_dict("records")
    return dict(found)


def test_both_sides_are_compared_over_the_smaller_budget() -> None:
    """A run of the longer budget that solves after the shorter one ends has not been beaten by it."""
    whole, short = row(simulate(10, tasks=("copy",), models=(A, B))), row(shortened(A))
    assert (whole["solved_a"], short["solved_a"]) != (whole["solved_b"], short["solved_b"])
    assert whole["solved_b"] != "0 of 10" and short["solved_b"] == "0 of 10", "none of the lstm's is so early"
    assert np.isinf(short["median_b"]) and short["ratio_high"] == np.inf and short["estimate"] == np.inf
    assert short["high"] == np.inf and short["low"] < whole["low"]


def test_the_numbers_are_those_of_the_statistics() -> None:
    tables = simulate(10, tasks=("copy",), models=(A, B))
    every = outcomes(tables, 0.1)
    ours = stratum(every[every["model"] == A], every[every["model"] == B])
    expected, found = time_ratio([ours]), row(tables)
    assert (found["estimate"], found["logrank"], (found["low"], found["high"])) == (
        expected.estimate,
        expected.p,
        expected.interval,
    )
    assert found["means"] == np.minimum(ours.rival, 31250).mean() / np.minimum(ours.base, 31250).mean()
    assert found["decided"] == "A is faster"
