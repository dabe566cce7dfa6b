"""The map as a table: for a terminal, and for a page, whose cells lead on."""

from collections.abc import Collection
from typing import NamedTuple

import pandas as pd

from ..figures.matrix import NO_RUN, asked, begun, heading, remarks, rows_of, words
from ..frames import Frames, SuiteFacts
from ..statistics.matrix import ranked
from ..table import NONE, Column, Table, as_count, as_duration


class Lead(NamedTuple):
    """What a cell of a page's map is sorted and coloured by, and where it leads to."""

    rank: int | None  # 1 for the arm that learns the task best; None without runs
    share: float  # of seeds that solved it
    curves: str  # names of figures of the page, empty where there is none
    trace: str
    records: str  # a folder beside the page, likewise


def table(cells: pd.DataFrame, facts: SuiteFacts, by: str = "model") -> Table:
    """A row for every model, or with ``by="arm"`` for every arm; a column for every task, then what it costs."""
    rows, there, tasks = [], asked(facts, by), begun(cells, facts)
    for name in rows_of(facts, by):
        mine = cells[cells[by] == name]
        said = {task: NO_RUN for task in tasks if (name, task) in there}
        said |= {cell["task"]: words(cell, by).replace("\n", " ") for cell in mine.to_dict("records")}
        costs = {cost: float(mine[cost].median()) for cost in ("seconds", "parameters", "state_size")}
        rows.append({"name": name, **{task: said.get(task) for task in tasks}, **costs})
    columns = {
        "name": Column("Arm" if by == "arm" else "Model", says=facts.label, words=True),
        **{task: Column(heading(task, facts)) for task in tasks},
        "seconds": Column("Run", "time a run takes, median over all tasks", as_duration),
        "parameters": Column("Parameters", "trained numbers", as_count),
        "state_size": Column("State", "floats carried from step to step", as_count),
    }
    note = (
        "A task's column: seeds that solved it; the median sequences trained on until then; the longest size tested to "
        f"which half of the seeds or more still solve it, with all shorter ones; {NONE} where there is none."
    )
    note += (
        f" {NO_RUN.capitalize()}: none has had its full budget."
        if (pd.DataFrame(rows) == NO_RUN).any(axis=None)
        else ""
    )
    note += "".join(f" {remark}." for remark in remarks(cells, facts))
    return Table("map", "Which architecture learns what", note, pd.DataFrame(rows, columns=list(columns)), columns)


def leads(
    cells: pd.DataFrame, facts: SuiteFacts, frames: Frames, figures: Collection[str]
) -> dict[tuple[str, str], Lead]:
    """Of every model and task where its cell leads to, among the figures of these names."""
    order = ranked(cells)
    ranks = dict(
        zip(zip(order["model"], order["task"], strict=True), order.groupby("task").cumcount() + 1, strict=True)
    )
    shares = dict(zip(zip(cells["model"], cells["task"], strict=True), cells["solved"] / cells["runs"], strict=True))
    begun = frames.runs[frames.runs["status"] != "new"]
    recorded = set(zip(begun["model"], begun["task"], strict=True))

    def drawn(name: str) -> str:
        return name if name in figures else ""

    found = {}
    for arm in facts.arms:
        place = (arm.model, arm.task)
        found[place] = Lead(
            ranks.get(place),
            float(shares.get(place, 0.0)),
            drawn(f"convergence-{arm.task}") if place in recorded else "",
            drawn(f"trace-{arm.task}-{arm.model}"),
            f"{arm.task}/{arm.model}/" if place in recorded else "",
        )
    return found
