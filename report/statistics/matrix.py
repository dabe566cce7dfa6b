"""Which architecture learns which task: what became of every arm's runs on every task, in a few numbers."""

from typing import Any

import numpy as np
import pandas as pd

from ..frames import COMPLETE, Frames, SuiteFacts

CELL = {
    "task": "str",
    "model": "str",
    "arm": "str",
    "reading": "str",
    "runs": "int64",  # that had their full budget
    "solved": "int64",  # of them
    "sequences": "float64",  # trained on until solved, median; inf where half of them or more are unsolved
    "mean": "float64",  # an unsolved run counting with its whole budget
    "area": "float64",  # mean errors a sequence over the budget
    "longest": "str",  # size to which half of the runs or more stay below the bar; empty where there is none
    "seconds": "float64",  # of a run, median
    "parameters": "float64",
    "state_size": "float64",
}


def matrix(frames: Frames, facts: SuiteFacts, outcomes: pd.DataFrame) -> pd.DataFrame:
    """A row for every arm on every task that has runs with their full budget: columns as in ``CELL``."""
    places = ["task", "model"]
    complete = {place: runs for place, runs in outcomes[outcomes["complete"]].groupby(places)}
    finished = frames.runs[frames.runs["status"].isin(COMPLETE)]
    costs = finished.groupby(places)[["seconds", "parameters", "state_size"]].median().to_dict("index")
    best = frames.generalisation[frames.generalisation["weights"] == "best"].merge(finished[[*places, "seed"]])
    points = {place: part for place, part in best.groupby(places)}
    last = frames.evaluations.groupby(places)[["step", "sequences"]].max()
    pace = last["sequences"] / last["step"].clip(lower=1)
    rows: list[dict[str, Any]] = []
    for arm in facts.arms:
        place = (arm.task, arm.model)
        if place not in complete:
            continue
        runs = complete[place]
        times = runs["time"].to_numpy(float)
        batch = float(pace.get(place, 1.0))
        rows.append(
            {
                "task": arm.task,
                "model": arm.model,
                "arm": arm.name,
                "reading": arm.reading,
                "runs": len(runs),
                "solved": int(np.isfinite(times).sum()),
                "sequences": batch * float(np.median(times)),
                "mean": batch * float(np.minimum(times, runs["budget"]).mean()),
                "area": float(runs["area"].mean()),
                "longest": longest(points.get(place, best[:0]), facts.bar(arm.task), len(runs)),
                **{str(name): value for name, value in costs[place].items()},
            }
        )
    return pd.DataFrame(rows, columns=list(CELL)).astype(CELL)


def longest(points: pd.DataFrame, bar: float, runs: int) -> str:
    """The longest size that was tested and, with all shorter ones, is below the bar in half of the runs or more."""
    found = ""
    for (_, size), part in points.groupby(["steps", "size"], sort=True):
        if 2 * (part["errors"] < bar).sum() < runs:
            break
        found = str(size)
    return found


def ranked(cells: pd.DataFrame) -> pd.DataFrame:
    """From the one that learns best on.

    Most runs solved; among equals fewest sequences to solve, an unsolved run counting with its whole budget; among
    equals fewest errors over the whole training; then the first. Readings of an arm that have fewer runs than others
    come after all that have them.
    """
    short = cells.groupby(["task", "arm"])["runs"].transform("max") > cells["runs"]
    placed = cells.assign(short=short, unsolved=1 - cells["solved"] / cells["runs"])
    return placed.sort_values(["short", "unsolved", "mean", "area"], kind="stable")[list(CELL)]


def best(cells: pd.DataFrame) -> pd.DataFrame:
    """Of every arm on every task the reading under which it learns best."""
    return ranked(cells).drop_duplicates(["task", "arm"]).sort_index(ignore_index=True)


def chosen(cells: pd.DataFrame, frames: Frames) -> dict[str, dict[str, str]]:
    """By task, of every arm the reading of ``best`` cells; tasks of which a run is missing are left out."""
    missing = set(frames.runs.loc[~frames.runs["status"].isin(COMPLETE), "task"])
    tried = cells[~cells["task"].isin(missing)].groupby("task", sort=False)
    return {str(task): dict(zip(mine["arm"], mine["reading"], strict=True)) for task, mine in tried}
