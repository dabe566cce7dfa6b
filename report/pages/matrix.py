"""The map as a table, for a terminal."""

import pandas as pd

from ..figures.matrix import rows_of, words
from ..frames import SuiteFacts
from ..table import Column, Table, as_count, as_duration


def table(cells: pd.DataFrame, facts: SuiteFacts, by: str = "model") -> Table:
    """A row for every model, or with ``by="arm"`` for every arm; a column for every task, then what it costs."""
    rows = []
    for name in rows_of(cells, facts, by):
        mine = cells[cells[by] == name]
        said = {cell["task"]: words(cell, by).replace("\n", " ") for cell in mine.to_dict("records")}
        costs = {cost: float(mine[cost].median()) for cost in ("seconds", "parameters", "state_size")}
        rows.append({"name": name, **{task: said.get(task) for task in facts.tasks}, **costs})
    columns = {
        "name": Column("Arm" if by == "arm" else "Model", says=facts.label, words=True),
        **{task: Column(task) for task in facts.tasks if (cells["task"] == task).any()},
        "seconds": Column("Run", "time a run takes, median over all tasks", as_duration),
        "parameters": Column("Parameters", "trained numbers", as_count),
        "state_size": Column("State", "floats carried from step to step", as_count),
    }
    note = (
        "A task's column: seeds that solved it; the median sequences trained on until then; the longest size tested to "
        "which half of the seeds or more still solve it, with all shorter ones."
    )
    return Table("map", "Which architecture learns what", note, pd.DataFrame(rows, columns=list(columns)), columns)
