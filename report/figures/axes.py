"""Panels: which arm is drawn where and with which pen, and the axes that figures share."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from ..answers import Clock
from ..claims.arms import readings_of
from ..frames import Frames, SuiteFacts
from .style import MUTED, Pen, canvas, pens

WIDTH, HEIGHT = 3.7, 2.7
"""Inches a panel."""

TITLE = 40
"""Letters of a title that fit above it."""


class Plan:
    """What is common to the figures of a suite: panels, arms, and their pens."""

    def __init__(self, frames: Frames, facts: SuiteFacts) -> None:
        planned = set(frames.runs["model"])
        arms = [arm for arm in facts.arms if arm.model in planned]
        self.reading = {arm.model: arm.reading for arm in arms}
        self.readings = readings_of(arms)
        self.models = [model for model in facts.models if model in planned]
        self.names = {arm.model: facts.label(arm.name) for arm in facts.arms}
        self.pens = pens(list(dict.fromkeys(self.names.values())))

    def arm(self, model: str) -> str:
        """The model without its reading, as labelled."""
        return self.names[model]

    def panel(self, reading: str) -> list[str]:
        """The models in a reading's panel: its own, and those that have no reading."""
        return [model for model in self.models if self.reading[model] in (reading, "")]

    def grid(self, models: Sequence[str]) -> list[list[str | None]]:
        """Models in rows: an arm's readings side by side, where there are several; the others fill the rows below."""
        found = {self.reading[model] for model in models} - {""}
        readings = [reading for reading in self.readings if reading in found] if len(found) > 1 else []
        columns = len(readings) or min(2, len(models))
        rows: dict[str, list[str | None]] = {}
        single: list[str | None] = []
        for model in models:
            if self.reading[model] in readings:
                row = rows.setdefault(self.arm(model), [None] * columns)
                row[readings.index(self.reading[model])] = model
            else:
                single.append(model)
        single += [None] * (-len(single) % columns)
        return [*rows.values(), *(single[i : i + columns] for i in range(0, len(single), columns))]

    def arms(self, models: Sequence[str]) -> tuple[Figure, Any, list[tuple[str, Axes]]]:
        """A figure with a panel an arm, in a ``grid`` of shared axes: it, all its axes, and the models with theirs."""
        cells = self.grid([model for model in self.models if model in models])
        width, height = 2 * WIDTH / max(2, len(cells[0])), 1.45 if len(cells) > 1 else HEIGHT
        figure, axes = canvas(len(cells), len(cells[0]), width, height, sharex=True, sharey=True)
        found = []
        for ax, model in zip(axes.flat, (model for row in cells for model in row), strict=True):
            if model is None:
                ax.remove()
            else:
                found.append((model, ax))
        return figure, axes, found

    def panels(self, axes: Sequence[Axes]) -> Iterator[tuple[Axes, str, list[tuple[str, Pen]]]]:
        """Each panel with its reading and its models with their pens."""
        for ax, reading in zip(axes, self.readings, strict=True):
            ax.set_title(f"{reading} reading" if reading else "")
            yield ax, reading, [(model, self.pens[self.arm(model)]) for model in self.panel(reading)]


def bar(ax: Axes, solved: float) -> None:
    ax.axhline(solved, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)


def symlog(ax: Axes, solved: float) -> None:
    """Logarithmic above the bar, linear from the bar to zero, so that zero has a place."""
    ax.set_yscale("symlog", linthresh=solved, linscale=0.6)
    top = max(ax.get_ylim()[1], 11 * solved)
    ax.set_ylim(0, top)
    decades = [10.0**k for k in range(int(np.ceil(np.log10(solved))), 7) if 10.0**k <= top]
    ax.set_yticks([0, *decades])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def ratios(ax: Axes) -> None:
    """Plain ticks on a logarithmic axis, at 1, 2 and 5 times powers of ten."""
    low, high = ax.get_xlim()
    ax.set_xticks([n * 10.0**k for k in range(-3, 6) for n in (1, 2, 5) if low <= n * 10.0**k <= high])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def thousands(ax: Axes, clock: Clock) -> None:
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
    ax.set_xlabel(f"training {clock} (thousands)")
    ax.set_xlim(left=0)


def outer(figure: Figure, axes: Any, height: str, clock: Clock) -> None:
    """Steps, or what the clock counts, along the lowest panel of every column, heights beside the first column."""
    for place, column in enumerate(axes.T):
        shown = [ax for ax in column if ax in figure.axes]
        for ax in shown:
            thousands(ax, clock)
            ax.tick_params(labelbottom=ax is shown[-1], labelleft=place == 0)
            ax.set_xlabel(ax.get_xlabel() if ax is shown[-1] else "")
    figure.supylabel(height, fontsize=9)


def legend(figure: Figure, axes: Any) -> None:
    """One legend under the panels, in the order of first appearance."""
    entries: dict[str, Any] = {}
    for ax in np.ravel(axes):
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        widest = 0.55 + 0.075 * max(map(len, entries))  # inches of an entry: handle, gap and letters
        columns = max(1, int(figure.get_figwidth() // widest))
        rows = -(-len(entries) // columns)
        figure.set_figheight(figure.get_figheight() + 0.19 * max(0, rows - 2))  # so that panels keep their height
        figure.legend(entries.values(), entries, loc="outside lower left", ncols=min(columns, len(entries)))
