"""Inside the memory: the figure of a trace, as Graves et al. 2014 draw it (figures 6 and 12).

What is written stands on the left and what is read on the right, over the same time axis; where there is nothing but
what layers read, the first of them are on the left.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from ..trace import Array, Trace
from .style import GRID, MUTED, pens

BLUE, ORANGE = to_rgb("#0173b2"), to_rgb("#d55e00")
"""From transparent to these, so that a map's zero is the page, light or dark."""

SHARE = LinearSegmentedColormap.from_list("share", [(*BLUE, 0), (*BLUE, 1)])
WRONG = LinearSegmentedColormap.from_list("wrong", [(*ORANGE, 0), (*ORANGE, 1)])
SIGNED = LinearSegmentedColormap.from_list(
    "signed", [(0, (*ORANGE, 1)), (0.5, (*ORANGE, 0)), (0.5, (*BLUE, 0)), (1, (*BLUE, 1))]
)

LEFT, RIGHT, GAP, WIDE = 0.5, 0.12, 0.55, 7.4
"""Inches: margins, between the columns, the whole."""

ATTENDED = 0.2
"""Rows that no head ever attends to as much as this are cut off, below and above the others."""


class Panel(NamedTuple):
    """One axes to be: what is in it, (time, heads or channels), and how it is drawn."""

    title: str
    values: Array
    height: float  # inches
    kind: str  # line, gate, map, wrong, rows, shift, mode
    numbers: NDArray[np.int64] | None = None  # of the rows


def picture(trace: Trace, noun: str) -> Figure:
    """A trace over time: inputs, targets, outputs and errors above what the heads do, panel by panel.

    Args:
        trace: What is drawn.
        noun: What an answer is called: bit, token.
    """
    errors = np.abs(trace.outputs - trace.targets) * trace.scored[:, None]
    wrong = trace.origin.moment.numbers.wrong
    columns = [
        [vectors("inputs", trace.inputs), vectors("targets", trace.targets)],
        [
            vectors("outputs", trace.outputs),
            vectors(f"errors ({wrong} wrong {noun}{'s' * (wrong != 1)})", errors, "wrong"),
        ],
    ]
    numbers, rows = attended(trace)
    half = 0 if any(name.startswith("write") for name in trace.seen) else len(trace.seen) // 2
    for n, (name, values) in enumerate(trace.seen.items()):
        columns[name.startswith("read") and n >= half] += panels(name, values, numbers, rows)
    top, title, bottom = 0.08, 0.22, 0.42
    tall = top + bottom + max(sum(panel.height + title for panel in column) for column in columns)
    figure = Figure(figsize=(WIDE, tall))
    width = (WIDE - LEFT - GAP - RIGHT) / 2
    for n, column in enumerate(columns):
        x, y = LEFT + n * (width + GAP), tall - top
        for panel in column:
            y -= panel.height + title
            ax = figure.add_axes((x / WIDE, y / tall, width / WIDE, panel.height / tall))
            draw(ax, panel)
            time(ax, trace, last=panel is column[-1])
    return figure


def vectors(title: str, values: Array, kind: str = "map") -> Panel:
    """Vectors over time."""
    return Panel(title, values, float(np.clip(0.07 * values.shape[1], 0.3, 0.9)), kind)


def panels(name: str, values: Array, numbers: NDArray[np.int64], rows: int) -> list[Panel]:
    """What was seen under a name, (time, heads, size): numbers share a panel, maps have one a head."""
    heads, size = values.shape[1:]
    if size == 1:
        title = f"{name}, heads" if heads > 1 else name
        return [Panel(title, values[:, :, 0], 0.42, "gate" if name.endswith("gate") else "line")]
    said = [f"{name}, head {n}" if heads > 1 else name for n in range(1, heads + 1)]
    each = values.swapaxes(0, 1)
    if name.endswith("vector"):
        return [vectors(title, part) for title, part in zip(said, each, strict=True)]
    height = 1.25 if heads == 1 else 0.8
    if name.endswith("attention"):
        steps = np.arange(size)
        return [Panel(title, part, height, "rows", steps) for title, part in zip(said, each, strict=True)]
    if size != rows:
        kind = "shift" if name.endswith("shift") else "mode" if name.endswith("mode") else "map"
        return [Panel(title, part, max(0.36, 0.13 * size), kind) for title, part in zip(said, each, strict=True)]
    cut = f" (rows {numbers[0]} to {numbers[-1]} of {rows})" if len(numbers) < rows else f" ({rows} rows)"
    return [Panel(t + cut, p[:, numbers], height, "rows", numbers) for t, p in zip(said, each, strict=True)]


def attended(trace: Trace) -> tuple[NDArray[np.int64], int]:
    """The rows that are worth drawing, round the end of the memory if need be, and how many rows there are."""
    weightings = [part for name, part in trace.seen.items() if name.endswith("weighting")]
    size = max((part.shape[2] for part in weightings), default=0)  # of several memories, the largest
    mine = [part.max(axis=(0, 1)) for part in weightings if part.shape[2] == size]
    most = np.max(mine, axis=0) if mine else np.zeros(0)
    rows, there = len(most), np.flatnonzero(most >= ATTENDED)
    if not len(there):
        return np.arange(rows), rows
    gaps = np.diff(there, append=there[0] + rows)  # from each to the next, round the end
    widest = int(gaps.argmax())
    first, count = there[(widest + 1) % len(there)] - 1, rows - gaps[widest] + 3  # and a row on either side
    return (np.arange(rows) if count >= rows else (first + np.arange(count)) % rows), rows


def draw(ax: Axes, panel: Panel) -> None:
    """One panel, without its time axis."""
    values, kind = panel.values.astype(float), panel.kind
    ax.set_title(panel.title, fontsize=8.5, fontweight="normal", pad=3)
    ax.tick_params(labelsize=7.5, length=2)
    if kind in ("line", "gate"):
        lines = pens([str(n) for n in range(values.shape[1])])
        for n, pen in enumerate(lines.values()):
            ax.plot(values[:, n], color=pen.colour, linestyle=pen.dashes, linewidth=1.2, label=str(n + 1))
        top = 1.0 if kind == "gate" else max(1.0, float(values.max()))
        ax.set_ylim(-0.06 * top, 1.06 * top)
        ax.yaxis.set_major_locator(FixedLocator([0, 1]) if kind == "gate" else MaxNLocator(2, integer=True))
        if values.shape[1] > 1:
            above = {"loc": "lower right", "bbox_to_anchor": (1, 0.93), "ncols": values.shape[1]}
            ax.legend(fontsize=6.5, borderpad=0, handlelength=1.8, handletextpad=0.4, columnspacing=1, **above)
        return
    signed = float(values.min()) < 0
    most = scale(values) if signed else max(1.0, float(values.max()))
    if signed:
        ax.set_title(f"{panel.title} (up to \N{PLUS-MINUS SIGN}{most:.2g})", fontsize=8.5, fontweight="normal", pad=3)
    norm = Normalize(-most, most) if signed else PowerNorm(0.5, 0, most) if kind == "rows" else Normalize(0, most)
    ax.imshow(
        values.T,
        cmap=WRONG if kind == "wrong" else SIGNED if signed else SHARE,
        norm=norm,
        aspect="auto",
        interpolation="none",
        origin="lower" if kind in ("rows", "shift") else "upper",
    )
    ax.grid(False)
    ax.spines[:].set(visible=True, color=GRID)
    if panel.numbers is not None:
        numbers = panel.numbers
        every = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1000, 10**9) if len(numbers) <= 5 * step)
        at = np.flatnonzero(numbers % every == 0)
        at = at[np.diff(at, append=len(numbers) + every) > every / 2]  # round the end, two may be neighbours
        ax.set_yticks(at, [str(number) for number in numbers[at]])
    elif kind in ("shift", "mode"):
        ax.set_yticks(range(values.shape[1]), choices(kind, values.shape[1]))
    else:
        ax.set_yticks([])


def scale(values: Array) -> float:
    """Where the colours of signed numbers end: a few large ones must not hide the others."""
    sizes = np.abs(values)
    return max(float(np.quantile(sizes, 0.95)), float(sizes.max()) / 3, 1e-3)


def choices(kind: str, size: int) -> list[str]:
    """What a distribution over a few things is a distribution over."""
    if kind == "shift":
        return [f"{n - size // 2:+d}".replace("+0", "0") for n in range(size)]
    linked = [f"{way}{n}" for way in ("back", "fwd") for n in ([""] if size == 3 else range(1, size // 2 + 1))]
    return [*linked, "key"]


def time(ax: Axes, trace: Trace, last: bool) -> None:
    """The time axis: numbers below the last panel, and dots where the answer begins and ends."""
    steps = len(trace.scored)
    ax.set_xlim(-0.5, steps - 0.5)
    for edge in np.flatnonzero(np.diff(trace.scored > 0.5)):
        ax.axvline(edge + 0.5, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.tick_params(axis="x", bottom=last, labelbottom=last)
    if last:
        ax.set_xlabel("time step", fontsize=8, labelpad=2)
