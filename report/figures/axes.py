"""Panels: which arm is drawn where and with which pen, and the axes that figures share."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from ..answers import Clock
from ..claims.arms import readings_of
from ..frames import Frames, SuiteFacts
from .style import DASHES, MUTED, Pen, canvas, pens

WIDTH, HEIGHT = 3.7, 2.7
"""Inches a panel."""

TITLE = 40
"""Letters of a title that fit above it."""

LINES = 8
"""Arms that may share a panel as lines."""


class Panel(NamedTuple):
    """A panel of curves: its axes, its models with their pens and names, and those that are grey behind them."""

    ax: Axes
    models: list[tuple[str, Pen, str]]
    others: list[str]


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

    def among(self, models: Sequence[str]) -> list[str]:
        """The readings that these models stand under; of models without one, all."""
        own = {self.reading[model] for model in models}
        return [reading for reading in self.readings if reading in own] or list(self.readings)

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

    def crowded(self, models: Sequence[str]) -> bool:
        """Whether a panel of a reading would have more lines than eyes can follow."""
        return max((len(set(self.panel(reading)) & set(models)) for reading in self.readings), default=0) > LINES

    def lines(self, models: Sequence[str], task: str, height: float) -> tuple[Figure, Any, list[Panel]]:
        """A figure of curves of shared axes: it, all its axes, and its panels.

        A panel is a reading. Where arms are many it is an arm under all its readings, which differ in their dashes,
        with the other arms in grey; the figure is then headed by its task.
        """
        drawn = [model for model in self.models if model in models]
        if not self.crowded(drawn):
            readings = self.among(drawn)
            figure, axes = canvas(1, len(readings), WIDTH, height, sharex=True, sharey=True)
            found = []
            for ax, reading in zip(axes[0], readings, strict=True):
                ax.set_title(f"{reading} reading" if reading else "")
                mine = [model for model in self.panel(reading) if model in drawn]
                found.append(Panel(ax, [(m, self.pens[self.arm(m)], self.arm(m)) for m in mine], []))
            return figure, axes, found
        arms: dict[str, list[str]] = {}
        for model in drawn:
            arms.setdefault(self.arm(model), []).append(model)
        columns = 3
        figure, axes = canvas(-(-len(arms) // columns), columns, 2 * WIDTH / columns, 1.4, sharex=True, sharey=True)
        figure.suptitle(task, x=0.01, ha="left", fontsize=11, fontweight="bold")
        found = []
        for ax, (name, mine) in zip(axes.flat, arms.items(), strict=False):
            ax.set_title(textwrap.fill(name, TITLE - 6), fontsize=7.5, fontweight="normal", pad=3)
            entries = []
            for model in mine:
                reading = self.reading[model]
                dashes = DASHES[self.readings.index(reading)] if reading else DASHES[0]
                entries.append((model, self.pens[name]._replace(dashes=dashes), ""))
            found.append(Panel(ax, entries, [model for model in drawn if model not in mine]))
        for reading, dashes in zip(self.readings, DASHES, strict=False):
            axes.flat[0].plot([], [], color=MUTED, linestyle=dashes, label=f"{reading} reading" if reading else "")
        for ax in axes.flat[len(arms) :]:
            ax.remove()
        return figure, axes, found


def behind(others: Sequence[str]) -> dict[str, Any]:
    """How the other arms are drawn, all of them at all their points; where they are many, stored as pixels."""
    many = len(others) >= LINES
    return {"color": MUTED, "alpha": 0.2 if many else 0.4, "linewidth": 1, "zorder": 1, "rasterized": many}


def bar(ax: Axes, solved: float) -> None:
    ax.axhline(solved, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)


def symlog(ax: Axes, solved: float) -> None:
    """Logarithmic above the bar, linear from the bar to zero, so that zero has a place."""
    ax.set_yscale("symlog", linthresh=solved, linscale=0.6)
    top = max(ax.get_ylim()[1], 11 * solved)
    ax.set_ylim(0, top)
    ticks = [10.0**k for k in range(-6, 7) if solved <= 10.0**k <= top]
    if len(ticks) < 2:  # one alone would say little
        ticks = [n * 10.0**k for k in range(-6, 7) for n in (1, 2, 5) if solved <= n * 10.0**k <= top]
    ax.set_yticks([0, *ticks])
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


def outer(figure: Figure, axes: Any, height: str) -> None:
    """What panels share is said once: along the lowest of every column, and what heights are beside the first."""
    for place, column in enumerate(axes.T):
        shown = [ax for ax in column if ax in figure.axes]
        for ax in shown:
            ax.tick_params(labelbottom=ax is shown[-1], labelleft=place == 0)
            ax.set_xlabel(ax.get_xlabel() if ax is shown[-1] else "")
    figure.supylabel(height, fontsize=9)


def legend(figure: Figure, axes: Any) -> None:
    """One legend under the panels, in the order of first appearance."""
    entries: dict[str, Any] = {}
    for ax in np.ravel(axes):
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    entries.pop("", None)
    if entries:
        widest = 0.55 + 0.075 * max(map(len, entries))  # inches of an entry: handle, gap and letters
        columns = max(1, int(figure.get_figwidth() // widest))
        rows = -(-len(entries) // columns)
        figure.set_figheight(figure.get_figheight() + 0.19 * max(0, rows - 2))  # so that panels keep their height
        figure.legend(entries.values(), entries, loc="outside lower left", ncols=min(columns, len(entries)))
