"""Two models of a suite, or two folders of results, by the statistics of the report.

For people who bring an architecture or runs of their own: both sides have the same seeds, unsolved runs are censored,
and every number stands beside the solved fraction it rests on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .. import statistics
from ..answers import counted_of
from ..claims.verdict import short
from ..frames import Frames, SuiteFacts
from ..statistics.solving import ENOUGH
from ..table import Column, Table, as_percent, as_steps, framed, interval_text


class Cell(NamedTuple):
    """One comparison: a task, and the model on either side."""

    task: str
    a: str
    b: str


def compare_models(frames: Frames, facts: SuiteFacts, a: str, b: str) -> Table:
    """Two models of one suite, on every task that both have."""
    return _compare(frames, frames, facts, [Cell(task, a, b) for task in facts.tasks], f"{a} against {b}")


def compare_results(a: Frames, b: Frames, facts: SuiteFacts) -> Table:
    """Two folders of results of one suite: every arm against itself."""
    cells = [Cell(task, model, model) for task in facts.tasks for model in facts.models]
    return _compare(a, b, facts, cells, "A against B")


def _compare(a: Frames, b: Frames, facts: SuiteFacts, cells: Sequence[Cell], title: str) -> Table:
    outcomes = [statistics.outcomes(side, facts.solved, facts.relapse) for side in (a, b)]
    rows = []
    for cell in cells:
        mine, other = (
            table[table["complete"] & (table["task"] == cell.task) & (table["model"] == model)].set_index("seed")
            for table, model in zip(outcomes, (cell.a, cell.b), strict=True)
        )
        seeds = sorted(set(mine.index) & set(other.index))
        if not seeds:
            continue
        mine, other = mine.loc[seeds], other.loc[seeds]
        sides = statistics.stratum(mine, other)
        solved, solved_b = (int(np.isfinite(times).sum()) for times in sides[:2])
        (low_a, median), (low_b, median_b) = (statistics.medians(times, sides.budget) for times in sides[:2])
        ratio = statistics.time_ratio([sides])
        low, high = ratio.interval or (np.nan, np.nan)
        rows.append(
            {
                "task": cell.task,
                "model": cell.a if cell.a == cell.b else "",
                "seeds": len(seeds),
                "solved_a": f"{solved} of {len(seeds)}",
                "solved_b": f"{solved_b} of {len(seeds)}",
                "median_a": float(median),
                "median_b": float(median_b),
                "estimate": ratio.estimate,
                "low": low,
                "high": high,
                "interval": interval_text(low, high, short) if ratio.interval else None,
                "logrank": ratio.p,
                "ratio_low": float(low_b / median),
                "ratio_high": float(median_b / low_a),
                "ratio": _ends(float(low_b / median), float(median_b / low_a)),
                "means": statistics.restricted_ratio(*sides),
                "beyond_a": _beyond(a, cell.task, cell.a, seeds),
                "beyond_b": _beyond(b, cell.task, cell.b, seeds),
                "decided": _decided(len(seeds), low, high),
            }
        )
    longer = f"{counted_of(facts.every.values())} on sizes longer than trained, best weights"
    columns = {
        "task": Column("Task"),
        **({"model": Column("Model")} if any(row["model"] for row in rows) else {}),
        "seeds": Column("Seeds", "with their full budget on both sides; reports count all of a side", str),
        "solved_a": Column("A solved"),
        "solved_b": Column("B solved"),
        "median_a": Column(f"A {facts.clock}", "median to solve", as_steps),
        "median_b": Column(f"B {facts.clock}", "median to solve", as_steps),
        "estimate": Column("B over A", "ratio of times, above 1 where A is faster; by the log-rank test", _ratio),
        "interval": Column("95 % interval", "every ratio that the log-rank permutation test does not reject"),
        "logrank": Column(
            "p",
            "that both are equally fast, by the same test; p alone, not corrected for many claims as reports do",
            lambda value: f"{value:.2g}",
        ),
        "ratio": Column("of medians", "ratio of the medians; a bound where one is unsolved"),
        "means": Column(
            "of means", f"ratio of mean {facts.clock}, an unsolved run counting with its whole budget", short
        ),
        "beyond_a": Column("A longer", longer, as_percent),
        "beyond_b": Column("B longer", longer, as_percent),
        "decided": Column("So", "by this interval alone"),
    }
    return Table("compare", title, "", framed(rows, columns), columns)


def _beyond(frames: Frames, task: str, model: str, seeds: Sequence[int]) -> float:
    """The interquartile mean over seeds of the share of errors beyond the training range, or NaN."""
    points = frames.generalisation
    mine = points[
        (points["task"] == task)
        & (points["model"] == model)
        & points["seed"].isin(seeds)
        & (points["weights"] == "best")
        & ~points["trained"]
    ]
    if mine.empty:
        return float("nan")
    return statistics.iqm((mine["errors"] / mine["bits"]).groupby(mine["seed"]).mean().to_numpy(float))


def _ratio(value: float) -> str:
    """A ratio that is 0 or inf where one side is never solved."""
    return short(value) if 0 < value < np.inf else "unbounded"


def _ends(low: float, high: float) -> str | None:
    """A ratio that censoring may leave open at one end, or at both."""
    if low == high:
        return short(low)
    if low == 0:
        return None if np.isinf(high) else f"at most {short(high)}"
    return f"at least {short(low)}"


def _decided(seeds: int, low: float, high: float) -> str:
    if seeds < ENOUGH:
        return f"undecided: fewer than {ENOUGH} seeds"
    return "A is faster" if low > 1 else "B is faster" if high < 1 else "undecided: the interval includes 1"
