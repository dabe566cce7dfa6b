"""The figures of a report: each a function of frames, giving a matplotlib figure; drawn within ``style.drawing()``.

An arm keeps its colour, dashes and marker in every figure and under every reading: ``ntm-constant-cosine`` and
``ntm-constant-dot`` are drawn alike, in panels side by side.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from . import statistics
from .frames import Frames, SuiteFacts, TrainedOn
from .style import INK, MUTED, SHADE, Pen, canvas, pens
from .verdict import Verdict, said

WIDTH, HEIGHT = 3.7, 2.7
"""Inches a panel."""
CROWD = 40
"""Seeds of an arm above which their thin lines are stored as pixels."""


class Plan:
    """What is common to the figures of a suite: panels, arms, and their pens."""

    def __init__(self, frames: Frames, facts: SuiteFacts) -> None:
        runs = frames.runs.drop_duplicates("model")
        self.reading = dict(zip(runs["model"], runs["reading"], strict=True))
        self.readings = [reading for reading in dict.fromkeys(self.reading.values()) if reading] or [""]
        self.models = [model for model in facts.models if model in self.reading]
        self.pens = pens(list(dict.fromkeys(self.arm(model) for model in facts.models)))

    def arm(self, model: str) -> str:
        """The model without its reading, as labelled."""
        return model.removesuffix(f"-{self.reading.get(model, '')}")

    def panel(self, reading: str) -> list[str]:
        """The models in a reading's panel: its own, and those that have no reading."""
        return [model for model in self.models if self.reading[model] in (reading, "")]

    def grid(self, models: Sequence[str]) -> list[list[str | None]]:
        """Models in rows: an arm's readings side by side; those that have none fill the rows below."""
        columns = len(self.readings) if self.readings != [""] else min(2, len(models))
        rows: dict[str, list[str | None]] = {}
        for model in models:
            if self.reading[model]:
                row = rows.setdefault(self.arm(model), [None] * columns)
                row[self.readings.index(self.reading[model])] = model
        single: list[str | None] = [model for model in models if not self.reading[model]]
        single += [None] * (-len(single) % columns)
        return [*rows.values(), *(single[i : i + columns] for i in range(0, len(single), columns))]

    def panels(self, axes: Sequence[Axes]) -> Iterator[tuple[Axes, str, list[tuple[str, Pen]]]]:
        """Each panel with its reading and its models with their pens."""
        for ax, reading in zip(axes, self.readings, strict=True):
            ax.set_title(f"{reading} reading" if reading else "")
            yield ax, reading, [(model, self.pens[self.arm(model)]) for model in self.panel(reading)]


def convergence(frames: Frames, facts: SuiteFacts, task: str, outcomes: pd.DataFrame) -> Figure:
    """Wrong bits over training, a panel an arm: every seed thin, their median and quartiles; other medians in grey.

    Rows are arms and columns readings; arms that have no reading fill the rows below.
    """
    plan = Plan(frames, facts)
    evaluations = frames.evaluations[frames.evaluations["task"] == task]
    complete = outcomes[outcomes["complete"] & (outcomes["task"] == task)]
    parts = {model: part for model, part in evaluations.groupby("model")}
    curves = {}
    for name, part in parts.items():
        seeds = complete.loc[complete["model"] == name, "seed"]
        curves[name] = statistics.median_curve(part[part["seed"].isin(seeds)])
    cells = plan.grid([name for name in plan.models if name in parts])
    figure, axes = canvas(len(cells), len(cells[0]), 2 * WIDTH / max(2, len(cells[0])), 1.45, sharex=True, sharey=True)
    for ax, model in zip(axes.flat, (model for row in cells for model in row), strict=True):
        if model is None:
            ax.remove()
            continue
        pen, curve = plan.pens[plan.arm(model)], curves[model]
        for other in (name for name in plan.panel(plan.reading[model]) if name in curves):
            ax.plot(curves[other]["step"], curves[other]["median"], color=MUTED, alpha=0.4, linewidth=1, zorder=1)
        runs = [run for _, run in parts[model].groupby("seed")]
        for run in runs:
            ax.plot(
                run["step"], run["errors"], color=pen.colour, linewidth=0.5, alpha=0.4, rasterized=len(runs) > CROWD
            )
        ax.fill_between(curve["step"], curve["low"], curve["high"], color=pen.colour, alpha=0.2, linewidth=0)
        ax.plot(curve["step"], curve["median"], color=pen.colour)
        mine = complete.loc[complete["model"] == model, "time"]
        ax.set_title(f"{model}: {np.isfinite(mine).sum()} of {len(mine)} solved")
        _bar(ax, facts.solved)
        _thousands(ax)
        ax.set_xlabel("")
    for ax in figure.axes:
        _symlog(ax, facts.solved)
        ax.label_outer()
    figure.supxlabel("training steps (thousands)", fontsize=9)
    figure.supylabel("wrong bits a sequence", fontsize=9)
    return figure


def solved_by(frames: Frames, facts: SuiteFacts, task: str, outcomes: pd.DataFrame) -> Figure:
    """The share of seeds solved by each step; a tick where a run ended unsolved (censored)."""
    plan = Plan(frames, facts)
    figure, axes = canvas(1, len(plan.readings), WIDTH, HEIGHT + 0.35, sharex=True, sharey=True)
    mine = outcomes[outcomes["task"] == task]
    budget = max(mine["budget"], default=1)
    for ax, _, models in plan.panels(axes[0]):
        for model, pen in models:
            runs = mine[mine["model"] == model]
            if runs.empty:
                continue
            times, reached = statistics.reached(runs)
            curve = statistics.solved_by(times, reached)
            steps, share = np.append(0, curve.steps), np.append(0, curve.fraction)
            ax.step(
                steps, share, where="post", color=pen.colour, linestyle=pen.dashes, label=plan.arm(model), clip_on=False
            )
            ends = np.unique(reached[np.isinf(times)])
            at = share[np.searchsorted(steps, ends, side="right") - 1]
            if len(ends):
                ax.plot(ends, at, linestyle="", marker="|", markersize=9, color=pen.colour, clip_on=False)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlim(0, budget)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _thousands(ax)
    axes[0, 0].set_ylabel("seeds solved")
    _legend(figure, axes)
    return figure


def lengths(frames: Frames, facts: SuiteFacts, task: str) -> Figure | None:
    """Wrong bits against the length of the sequence: rows the best and the final weights, columns the readings."""
    points = frames.generalisation[frames.generalisation["task"] == task]
    if points.empty:
        return None
    plan = Plan(frames, facts)
    rows = [weights for weights in ("best", "final") if (points["weights"] == weights).any()]
    figure, axes = canvas(len(rows), len(plan.readings), WIDTH, HEIGHT, sharex=True, sharey=True)
    ticks = points.drop_duplicates("size").sort_values("steps")
    for row, weights in zip(axes, rows, strict=True):
        for ax, reading, models in plan.panels(row):
            ax.set_title(f"{weights} weights{f', {reading} reading' if reading else ''}")
            _trained(ax, facts.trained.get(task))
            for i, (model, pen) in enumerate(models):
                mine = points[(points["model"] == model) & (points["weights"] == weights)]
                if mine.empty:
                    continue
                grouped = mine.groupby("steps")["errors"]
                low, middle, high = (grouped.quantile(q) for q in (0.25, 0.5, 0.75))
                aside = (i - (len(models) - 1) / 2) * 0.006 * np.ptp(ticks["steps"])
                ax.errorbar(
                    middle.index.to_numpy(float) + aside,
                    middle,
                    yerr=[middle - low, high - middle],
                    color=pen.colour,
                    linestyle=pen.dashes,
                    marker=pen.marker,
                    elinewidth=0.8,
                    label=plan.arm(model),
                )
            _symlog(ax, facts.solved)
            _sizes(ax, list(ticks["steps"]), list(ticks["size"]))
        row[0].set_ylabel("wrong bits a sequence")
    for ax in axes[-1]:
        ax.set_xlabel("size of the sequence")
    _legend(figure, axes)
    return figure


def heat(frames: Frames, facts: SuiteFacts) -> Figure | None:
    """Model x length: the share of wrong bits of the best weights, median over seeds; wrong bits as numbers."""
    points = frames.generalisation[frames.generalisation["weights"] == "best"]
    if points.empty:
        return None
    tasks = [task for task in facts.tasks if (points["task"] == task).any()]
    models = [model for model in facts.models if (points["model"] == model).any()]
    points = points.assign(share=points["errors"] / points["bits"])
    widths = [points.loc[points["task"] == task, "size"].nunique() for task in tasks]
    figure = Figure(figsize=(1.6 + 0.55 * sum(widths), 0.9 + 0.3 * len(models)), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False, width_ratios=widths)[0]
    for ax, task in zip(axes, tasks, strict=True):
        mine = points[points["task"] == task]
        sizes = list(mine.sort_values("steps")["size"].unique())
        share, errors = (
            mine.pivot_table(index="model", columns="size", values=name, aggfunc="median").reindex(models)[sizes]
            for name in ("share", "errors")
        )
        text = errors.map(lambda bits: "" if np.isnan(bits) else f"{bits:.1f}" if bits < 99.95 else f"{bits:.0f}")
        sns.heatmap(
            share.astype(float),
            annot=text,
            fmt="",
            vmin=0,
            vmax=0.5,
            cmap="mako_r",
            ax=ax,
            linewidths=1.5,
            linecolor="none",
            cbar=ax is axes[-1],
            cbar_kws={"label": "share of wrong bits", "format": PercentFormatter(1, decimals=0), "aspect": 12},
            annot_kws={"fontsize": 8},
        )
        ax.set(title=task, xlabel="", ylabel="")
        ax.tick_params(length=0)
        ax.tick_params(axis="y", rotation=0, labelleft=ax is axes[0])
        ax.tick_params(axis="x", rotation=0)
        ax.grid(False)
    figure.supxlabel("size of the sequence", fontsize=9)
    return figure


def cost(frames: Frames, facts: SuiteFacts, outcomes: pd.DataFrame) -> Figure | None:
    """Cost against speed of learning: the time a run takes, and the mean steps to solve of at most the budget."""
    complete = outcomes[outcomes["complete"] & (outcomes["seconds"] > 0)]
    if complete.empty:
        return None
    plan = Plan(frames, facts)
    tasks = [task for task in facts.tasks if (complete["task"] == task).any()]
    figure, axes = canvas(1, len(tasks), 2 * WIDTH / max(2, len(tasks)), HEIGHT + 0.35, sharex=True, sharey=True)
    for ax, task in zip(axes[0], tasks, strict=True):
        for model in plan.models:
            runs = complete[(complete["task"] == task) & (complete["model"] == model)]
            if runs.empty:
                continue
            pen, reading = plan.pens[plan.arm(model)], plan.reading[model]
            budget = float(runs["budget"].max())
            ax.plot(
                runs["seconds"].median() / 60,
                statistics.restricted_mean(*statistics.reached(runs), budget),
                linestyle="",
                marker=pen.marker,
                markersize=6.5,
                color=pen.colour,
                markerfacecolor="none" if reading and reading != plan.readings[0] else pen.colour,
                markeredgewidth=1.4,
                label=f"{plan.arm(model)} ({reading})" if reading else model,
                clip_on=False,
            )
        ax.set_title(task)
        ax.set_xscale("log")
        ax.set_ylim(bottom=0)
        ax.margins(x=0.2)
        ax.set_xlabel("minutes a run")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
    for ax in axes[0]:
        _ratios(ax)
    axes[0, 0].set_ylabel("mean steps to solve (thousands)")
    _legend(figure, axes)
    return figure


def forest(verdicts: Sequence[Verdict]) -> Figure | None:
    """The claims that are ratios of times: ours with its interval under each reading, the paper's hollow."""
    drawn = [v for v in verdicts if v.unit == "ratio" and v.estimate is not None]
    if not drawn:
        return None
    ids = list(dict.fromkeys(v.claim.id for v in drawn))
    readings = list(dict.fromkeys(v.reading for v in verdicts if any(v.reading == d.reading for d in drawn)))
    looks = pens([*readings])
    figure, ((ax,),) = canvas(1, 1, 2 * WIDTH, 1.1 + 0.36 * len(ids))
    ends = [end for v in drawn for end in (v.interval or ()) if 0 < end < np.inf]
    ends += [v.estimate for v in drawn if v.estimate] + [1.0]
    left, right = min(ends) / 1.3, max(ends) * 1.5
    for v in drawn:
        among = [r for r in readings if any(w.reading == r and w.claim.id == v.claim.id for w in drawn)]
        y = ids.index(v.claim.id) + 0.22 * (among.index(v.reading) - (len(among) - 1) / 2) * 2 / max(1, len(among) - 1)
        pen = looks[v.reading]
        if v.interval is not None:
            low, high = max(v.interval.low, left), min(v.interval.high, right)
            ax.plot([low, high], [y, y], color=pen.colour, linewidth=1.4, solid_capstyle="butt")
            if np.isinf(v.interval.high):
                ax.plot(high, y, marker=">", color=pen.colour, markersize=5, clip_on=False)
            if v.interval.low < left:
                ax.plot(low, y, marker="<", color=pen.colour, markersize=5, clip_on=False)
        ax.plot(v.estimate, y, marker=pen.marker, color=pen.colour, markersize=6, linestyle="")
    for place, name in enumerate(ids):
        paper = next(v.claim.paper for v in drawn if v.claim.id == name)
        for number in paper if isinstance(paper, tuple) else () if paper is None else (paper,):
            ax.plot(number, place, marker="D", color=INK, markerfacecolor="none", markersize=7, linestyle="")
        if paper is not None:
            ax.annotate(
                said(paper), (1.03, place), xycoords=("axes fraction", "data"), va="center", color=MUTED, fontsize=8.5
            )
    for reading in readings:
        pen = looks[reading]
        ax.plot(
            [],
            [],
            color=pen.colour,
            marker=pen.marker,
            linewidth=1.4,
            label=f"ours, {reading} reading" if reading else "ours",
        )
    ax.plot([], [], marker="D", color=INK, markerfacecolor="none", linestyle="", label="the paper's number")
    ax.axvline(1, color=MUTED, linewidth=0.9)
    ax.set_xscale("log")
    ax.set_xlim(left, right)
    _ratios(ax)
    ax.set_yticks(range(len(ids)), [name.rpartition("-")[2] for name in ids])
    ax.set_ylim(len(ids) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("times as fast (1: no difference)")
    _legend(figure, [[ax]])
    return figure


def factorial(facts: SuiteFacts, task: str, outcomes: pd.DataFrame) -> Figure | None:
    """Where the arms form a grid: seeds solved for every combination of the factors' levels."""
    mine = outcomes[outcomes["complete"] & (outcomes["task"] == task)]
    mine = mine[mine["model"].isin(list(facts.factors))]
    if mine.empty:
        return None
    factors = list(next(iter(facts.factors.values())))
    down, across = factors[: (len(factors) + 1) // 2], factors[(len(factors) + 1) // 2 :]

    def cell(model: str, names: Sequence[str]) -> str:
        return ", ".join(facts.factors[model][name] for name in names)

    cells: dict[tuple[str, str], tuple[float, str]] = {}
    for model in facts.factors:
        runs = mine[mine["model"] == model]
        if runs.empty:
            continue
        solved, median = np.isfinite(runs["time"]), runs["time"].median()
        when = f"\n{median:,.0f}" if np.isfinite(median) else ""
        cells[cell(model, down), cell(model, across)] = (float(solved.mean()), f"{solved.sum()}/{len(runs)}{when}")
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    shares = pd.DataFrame([[cells.get((r, c), (np.nan, ""))[0] for c in columns] for r in rows], rows, columns)
    texts = pd.DataFrame([[cells.get((r, c), (np.nan, ""))[1] for c in columns] for r in rows], rows, columns)
    figure, ((ax,),) = canvas(1, 1, 2.6 + 1.2 * len(columns), 1.1 + 0.45 * len(rows))
    sns.heatmap(
        shares,
        annot=texts,
        fmt="",
        vmin=0,
        vmax=1,
        cmap="mako",
        ax=ax,
        linewidths=1.5,
        linecolor="none",
        cbar_kws={"label": "seeds solved", "format": PercentFormatter(1, decimals=0)},
        annot_kws={"fontsize": 8},
    )
    ax.set(title=task, xlabel=", ".join(across), ylabel=", ".join(down))
    ax.tick_params(length=0, rotation=0)
    ax.grid(False)
    return figure


def _bar(ax: Axes, solved: float) -> None:
    ax.axhline(solved, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)


def _symlog(ax: Axes, solved: float) -> None:
    """Logarithmic above the bar, linear from the bar to zero, so that zero has a place."""
    ax.set_yscale("symlog", linthresh=solved, linscale=0.6)
    top = max(ax.get_ylim()[1], 2 * solved)
    ax.set_ylim(0, top)
    decades = [10.0**k for k in range(int(np.ceil(np.log10(solved))), 7) if 10.0**k <= top]
    ax.set_yticks([0, *decades])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _ratios(ax: Axes) -> None:
    """Plain ticks on a logarithmic axis, at 1, 2 and 5 times powers of ten."""
    low, high = ax.get_xlim()
    ax.set_xticks([n * 10.0**k for k in range(-3, 6) for n in (1, 2, 5) if low <= n * 10.0**k <= high])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _thousands(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
    ax.set_xlabel("training steps (thousands)")
    ax.set_xlim(left=0)


def _trained(ax: Axes, trained: TrainedOn | None) -> None:
    if trained is not None:
        ax.axvspan(*trained.steps, color=SHADE, linewidth=0, zorder=0)
        ax.annotate(
            "trained on", (np.mean(trained.steps), 0.97), xycoords=("data", "axes fraction"), ha="center", va="top",
            fontsize=8, color=MUTED,
        )  # fmt: skip


def _sizes(ax: Axes, steps: list[float], sizes: list[str]) -> None:
    """Ticks at the sizes; those that would overlap share one."""
    gap = 0.06 * max(np.ptp([*steps, ax.get_xlim()[0]]), 1)
    groups: list[tuple[list[float], list[str]]] = []
    for step, size in zip(steps, sizes, strict=True):
        if groups and step - groups[-1][0][-1] < gap:
            groups[-1][0].append(step)
            groups[-1][1].append(size)
        else:
            groups.append(([step], [size]))
    ax.set_xticks([float(np.mean(at)) for at, _ in groups], ["\n".join(names) for _, names in groups])


def _legend(figure: Figure, axes: Any) -> None:
    """One legend under the panels, in the order of first appearance."""
    entries: dict[str, Any] = {}
    for ax in np.ravel(axes):
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        widest = 0.55 + 0.075 * max(map(len, entries))  # inches of an entry: handle, gap and letters
        columns = max(1, int(figure.get_figwidth() // widest))
        figure.legend(entries.values(), entries, loc="outside lower left", ncols=min(columns, len(entries)))
