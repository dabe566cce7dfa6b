"""The map: which architecture learns which task, and at what cost."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..frames import SuiteFacts
from ..table import NONE, as_short
from .style import INK, MUTED

ROW, COLUMN, SIDE = 0.4, 0.86, 0.8
"""Inches of a row, of a task's column, and of a column at the side."""

SOLVED = "#01619b"
"""Where all seeds have solved it: none of the colours of ``style``, which change with the page's theme."""

COSTS = {"seconds": "minutes", "parameters": "parameters", "state_size": "state"}
"""What stands at the side, and how it is called."""

NO_RUN = "no run"
"""In a cell of which no run has had its full budget."""

PROVISIONAL = "* Settings of this task are provisional"


def picture(cells: pd.DataFrame, facts: SuiteFacts, by: str = "model") -> Figure | None:
    """Architecture x task: the solved share as colour, in words how soon and how far, costs at the side.

    Args:
        cells: Of ``statistics.matrix``.
        facts: What is known of the suite.
        by: What a row is: ``model``; or ``arm``, where there is one reading of each, which is then said.
    """
    if cells.empty:
        return None
    rows, tasks, there = rows_of(facts, by), begun(cells, facts), asked(facts, by)
    cells = cells.assign(
        share=cells["solved"] / cells["runs"], text=[words(cell, by) for cell in cells.to_dict("records")]
    )
    share, text = (
        cells.pivot(index=by, columns="task", values=name).reindex(index=rows, columns=tasks)
        for name in ("share", "text")
    )
    left = 0.3 + 0.08 * max(len(facts.label(row)) for row in rows)
    widths = [COLUMN * len(tasks), SIDE * len(COSTS) + 0.2]
    figure = Figure(figsize=(left + sum(widths) + 0.9, 1.5 + ROW * len(rows)), layout="constrained")
    ax, side = figure.subplots(1, 2, width_ratios=widths, sharey=True)
    sns.heatmap(
        share.astype(float).rename(index=facts.label),
        annot=text.astype(object).where(share.notna(), ""),
        fmt="",
        vmin=0,
        vmax=1,
        cmap=sns.light_palette(SOLVED, as_cmap=True),
        ax=ax,
        linewidths=1.5,
        linecolor="white",
        cbar_kws={
            "label": "seeds solved",
            "format": PercentFormatter(1, decimals=0),
            "location": "bottom",
            "fraction": 0.035,
            "shrink": 0.35,
            "pad": 0.01,
        },
        annot_kws={"fontsize": 7},
    )
    for row, column in np.argwhere(share.isna().to_numpy()):
        if (rows[row], tasks[column]) in there:
            ax.text(column + 0.5, row + 0.5, NO_RUN, ha="center", va="center", fontsize=7, color=MUTED)
    ax.set_ylabel("")
    ax.set_xlabel("\n".join(remarks(cells, facts)), loc="left", fontsize=7.5, color=MUTED)
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False, labelsize=8.5)
    ax.tick_params(axis="y", rotation=0)
    ax.set_xticks(
        ax.get_xticks(), [heading(task, facts) for task in tasks], rotation=25, ha="left", rotation_mode="anchor"
    )
    ax.grid(False)
    costs = cells.groupby(by)[list(COSTS)].median().reindex(rows)
    for column, (name, called) in enumerate(COSTS.items()):
        side.text(column + 1, -0.15, called, ha="right", va="bottom", fontsize=8, color=MUTED)
        for row, value in enumerate(costs[name] / (60 if name == "seconds" else 1)):
            said = "" if np.isnan(value) else f"{value:.1f}" if name == "seconds" else as_short(value)
            side.text(column + 1, row + 0.5, said, ha="right", va="center", fontsize=8, color=INK)
    side.set_xlim(0, len(COSTS))
    side.axis("off")
    return figure


def rows_of(facts: SuiteFacts, by: str) -> list[str]:
    """The models, or arms, in the order of the suite."""
    return list(dict.fromkeys(arm.model if by == "model" else arm.name for arm in facts.arms))


def begun(cells: pd.DataFrame, facts: SuiteFacts) -> list[str]:
    """The tasks of which a run has had its full budget, in the order of the suite; all, where there is no run."""
    return [task for task in facts.tasks if cells.empty or (cells["task"] == task).any()]


def remarks(cells: pd.DataFrame, facts: SuiteFacts) -> list[str]:
    """What is to be said of tasks: which are marked, and which are left out."""
    shown = begun(cells, facts)
    left_out = [task for task in facts.tasks if task not in shown]
    said = [PROVISIONAL] if set(facts.provisional) & set(shown) else []
    return said + ([f"Not run yet: {', '.join(left_out)}"] if left_out else [])


def asked(facts: SuiteFacts, by: str) -> set[tuple[str, str]]:
    """The rows and tasks that the suite has a cell for: not every model need be on every task."""
    return {(arm.model if by == "model" else arm.name, arm.task) for arm in facts.arms}


def heading(task: str, facts: SuiteFacts) -> str:
    """A task, marked where its settings are provisional."""
    return f"{task} *" if task in facts.provisional else task


def words(cell: Mapping[Hashable, Any], by: str) -> str:
    """What is written in a cell: seeds solved, then how soon and how far, each a dash where that is not known."""
    soon, far = cell["sequences"], cell["longest"]
    under = f"{cell['reading']}: " if by == "arm" and cell["reading"] else ""
    parts = [as_short(soon) if np.isfinite(soon) else NONE, f"to {far}" if far else NONE]
    return f"{under}{cell['solved']}/{cell['runs']}\n{NONE if parts == [NONE, NONE] else ', '.join(parts)}"
