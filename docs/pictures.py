"""Draws the pictures of these pages with the package's own code: python docs/pictures.py, from a clone's root."""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from membench.benchmarks.records.frames import frames_of
from membench.benchmarks.suites import find
from membench.ntm import addressing
from membench.report import statistics, trace
from membench.report.figures.style import COLOURS, GRID, MUTED, canvas, drawing, saved

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
BLUE, ORANGE = list(COLOURS)[:2]
TRACE = RESULTS / "collier2018/traces/copy/ntm-learned-cosine-8-20.npz"
ROWS = 12
TRICKS = {
    "basic": "the basic cell",
    "basic-with-clip": "clip gradients by their norm",
    "basic-with-memory": "a small constant memory",
    "basic-with-state": "learned first controller state",
    "basic-with-read": "learned first read vector",
    "basic-with-forget-bias": "forget gate's bias of 2",
    "basic-with-weighting": "learned first weightings",
    "basic-with-stack": "the post's controller: three LSTM layers behind a linear one",
}
"""Arms of schmidinger2019, in the words and the order of the table on the page."""


def memory(rows: int = ROWS, width: int = 6) -> torch.Tensor:
    """Some rows, drawn once: (1, rows, width)."""
    return torch.randn(1, rows, width, generator=torch.Generator().manual_seed(4))


def spike(row: int, rows: int = ROWS) -> torch.Tensor:
    """A weighting on one row: (1, 1, rows)."""
    return torch.nn.functional.one_hot(torch.tensor([[row]]), rows).float()


def bars(panels: list[tuple[str, torch.Tensor]]) -> Figure:
    """Weightings side by side, a bar a row."""
    figure, axes = canvas(1, len(panels), 2.2, 1.7, sharey=True)
    for ax, (title, weighting) in zip(axes[0], panels, strict=True):
        ax.bar(range(weighting.shape[-1]), weighting.flatten().numpy(), color=BLUE)
        ax.set_title(title)
        ax.set_xlabel("row")
        ax.set_ylim(0, 1.04)
    axes[0][0].set_ylabel("share")
    return figure


def content() -> Figure:
    """Eq. 5: the same key, close to row 7, asked for with more and more strength."""
    rows = memory()
    key = rows[:, 7:8] + 0.4 * torch.randn(1, 1, rows.shape[-1], generator=torch.Generator().manual_seed(1))
    strengths = (0.0, 1.0, 5.0, 20.0)
    return bars([(f"strength β = {b:g}", addressing.content(rows, key, torch.tensor([[[b]]]))) for b in strengths])


def interpolation() -> Figure:
    """Eq. 7: from where the head looked before (row 2) to what the content asks for (row 7)."""
    gates = (0.0, 0.5, 0.9, 1.0)
    return bars([(f"gate g = {g:g}", addressing.interpolate(spike(7), spike(2), torch.tensor([[[g]]]))) for g in gates])


def shifting() -> Figure:
    """Eq. 8: one row on, again and again, by a kernel that is not quite sure: the focus blurs."""
    kernel, weighting, panels = torch.tensor([[[0.1, 0.1, 0.8]]]), spike(2), [("before", spike(2))]
    for step in range(1, 6):
        weighting = addressing.shift(weighting, kernel)
        if step in (1, 3, 5):
            panels.append((f"after {step} shift{'s' * (step > 1)} by +1", weighting))
    return bars(panels)


def sharpening() -> Figure:
    """Eq. 9: the blurred weighting, made sharp again."""
    kernel, weighting = torch.tensor([[[0.1, 0.1, 0.8]]]), spike(2)
    for _ in range(5):
        weighting = addressing.shift(weighting, kernel)
    sharp = (1.0, 2.0, 5.0, 20.0)
    return bars(
        [
            (f"sharpness \N{GREEK SMALL LETTER GAMMA} = {g:g}", addressing.sharpen(weighting, torch.tensor([[[g]]])))
            for g in sharp
        ]
    )


def writing() -> Figure:
    """Eqs 3 and 4: a row is erased, then a vector is added to it."""
    before, at = memory(rows=8), spike(3, rows=8)
    width = before.shape[-1]
    erase, add = torch.ones(1, 1, width), torch.linspace(-2, 2, width)[None, None]
    erased = addressing.write(before, at, erase, torch.zeros_like(add))
    after = addressing.write(before, at, erase, add)
    figure, axes = canvas(1, 3, 2.4, 2.0, sharey=True)
    for ax, (title, rows) in zip(axes[0], [("before", before), ("erased", erased), ("added", after)], strict=True):
        ax.imshow(rows[0].numpy(), cmap="RdBu", vmin=-2.2, vmax=2.2, aspect="auto", interpolation="none")
        ax.set_title(title)
        ax.set_xlabel("column")
        ax.grid(False)
    axes[0][0].set_ylabel("row")
    return figure


def at_work() -> Figure:
    """A trained copy from inside, from its committed trace."""
    seen = trace.unpack(TRACE.read_bytes())
    writes, reads = (seen.seen[name][:, 0] for name in ("write weighting", "read weighting"))
    rows = slice(35, 63)
    panels = [
        ("1. what comes in: twenty vectors of eight bits", seen.inputs.T, 0.9),
        ("2. which row it writes to (rows 35, at the bottom, to 62 of 128)", writes.T[rows], 1.7),
        ("3. which row it reads from", reads.T[rows], 1.7),
        ("4. what comes out: the same vectors, no bit wrong", (seen.outputs * seen.scored[:, None]).T, 0.8),
    ]
    figure = Figure(figsize=(6.4, 5.8), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=[height for _, _, height in panels])
    steps = int(np.flatnonzero(seen.scored)[0])
    for ax, (title, values, _) in zip(axes, panels, strict=True):
        ax.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="none", origin="lower")
        ax.axvline(steps - 0.5, color=MUTED, linestyle=":", linewidth=1)
        ax.set_title(title, fontweight="normal")
        ax.set_yticks([])
        ax.spines[:].set(visible=True, color=GRID)
        ax.grid(False)
    axes[-1].set_xlabel("time step; from the dotted line on the input is silent and the answer is read")
    return figure


def tricks() -> Figure:
    """Steps to solve of every seed of schmidinger2019: each trick added to the basic cell alone, as in the table."""
    suite = find("schmidinger2019")
    runs = statistics.outcomes(frames_of(RESULTS, suite), suite.solved, suite.relapse)
    figure, axes = canvas(1, 1, 6.4, 0.36 * len(TRICKS) + 0.7)
    ax, budget = axes[0][0], int(runs["budget"].max())
    for height, arm in enumerate(reversed(TRICKS)):
        times = runs.loc[runs["model"] == arm, "time"].to_numpy()
        solved = times[np.isfinite(times)]
        ax.plot(solved, np.full(len(solved), height), "o", color=BLUE, alpha=0.75)
        missed = len(times) - len(solved)
        if missed:
            ax.text(budget * 1.04, height, f"{missed} unsolved", color=ORANGE, va="center", fontsize=8)
    ax.set_yticks(range(len(TRICKS)), [textwrap.fill(said, 32) for said in reversed(TRICKS.values())])
    ax.set_xlim(0, budget * 1.25)
    ax.set_ylim(-0.5, len(TRICKS) - 0.5)
    ax.set_xlabel(f"steps to solve copy, a dot a seed (budget {budget:,})")
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "content": content,
    "interpolation": interpolation,
    "shift": shifting,
    "sharpening": sharpening,
    "writing": writing,
    "memory-at-work": at_work,
    "tricks": tricks,
}


def main(folder: Path) -> None:
    """Draw all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with drawing():
        for name, draw in PICTURES.items():
            (folder / f"{name}.png").write_bytes(saved(draw())[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "images")
