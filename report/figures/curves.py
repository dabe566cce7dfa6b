"""The figures of a report: each a function of frames, giving a matplotlib figure; drawn within ``style.drawing()``.

An arm keeps its colour, dashes and marker in every figure and under every reading: ``ntm-constant-cosine`` and
``ntm-constant-dot`` are drawn alike, in panels side by side.
"""

import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil, log10
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .. import statistics
from ..answers import counted_of
from ..frames import Frames, SuiteFacts, TrainedOn
from ..statistics import survival
from .axes import HEIGHT, TITLE, WIDTH, Panel, Plan, bar, behind, legend, outer, ratios, symlog, thousands
from .style import MUTED, SHADE, canvas, tip

LETTER = 0.2
"""Width of a title's letter, in cells of the heat map."""

NAMED = 12
"""Arms up to which a figure of points names every one."""

UNSOLVED = 1.06
"""Where arms are drawn of which no run is solved, in budgets."""

CROWD = 40
"""Seeds of an arm above which their thin lines are stored as pixels."""


def convergence(frames: Frames, facts: SuiteFacts, task: str, outcomes: pd.DataFrame) -> Figure:
    """Errors over training, a panel an arm: every seed thin, their median and quartiles; other medians in grey.

    Rows are arms and columns readings; arms that have no reading fill the rows below.
    """
    plan = Plan(frames, facts)
    evaluations = frames.evaluations[frames.evaluations["task"] == task]
    complete = outcomes[outcomes["complete"] & (outcomes["task"] == task)]
    parts = {model: part for model, part in evaluations.groupby("model")}
    curves = {}
    for name, part in parts.items():
        runs = complete[complete["model"] == name]
        diverged = runs.loc[runs["status"] == "diverged", "seed"]
        curves[name] = statistics.median_curve(part[part["seed"].isin(runs["seed"])], diverged)
    figure, axes, shown = plan.arms([name for name in plan.models if name in parts])
    for model, ax in shown:
        pen, curve = plan.pens[plan.arm(model)], curves[model]
        others = [name for name in plan.panel(plan.reading[model]) if name in curves and name != model]
        for other in map(curves.__getitem__, others):
            ax.plot(other["step"], other["median"], **behind(others))
        seeds = [run for _, run in parts[model].groupby("seed")]
        for run in seeds:
            ax.plot(
                run["step"], run["errors"], color=pen.colour, linewidth=0.5, alpha=0.4, rasterized=len(seeds) > CROWD
            )
        ax.fill_between(curve["step"], curve["low"], curve["high"], color=pen.colour, alpha=0.2, linewidth=0)
        ax.plot(curve["step"], curve["median"], color=pen.colour)
        mine = complete.loc[complete["model"] == model, "time"]
        found = f"{np.isfinite(mine).sum()} of {len(mine)} solved" if len(mine) else "unfinished"
        gap = " " if len(model) + len(found) < TITLE else "\n"
        ax.set_title(f"{facts.label(model)}:{gap}{found}", pad=13)
        above: dict[str, Any] = {
            "xytext": (0, 3),
            "textcoords": "offset points",
            "va": "bottom",
            "color": MUTED,
            "fontsize": 6.5,
        }
        ax.annotate(_size(frames, task, model), (0, 1), xycoords="axes fraction", **above)
        bar(ax, facts.bar(task))
    for _, ax in shown:  # once all are drawn, since they share their limits
        symlog(ax, facts.bar(task))
        thousands(ax, facts.clock)
    outer(figure, axes, f"{facts.answer(task).counted} a sequence")
    return figure


def _size(frames: Frames, task: str, model: str) -> str:
    """How large an arm is, as far as its records say."""
    runs = frames.runs[(frames.runs["task"] == task) & (frames.runs["model"] == model)]
    counts = [(runs[name].max(), said) for name, said in (("parameters", "parameters"), ("state_size", "of state"))]
    return ", ".join(f"{count:,.0f} {said}" for count, said in counts if np.isfinite(count))


def solved_by(frames: Frames, facts: SuiteFacts, task: str, outcomes: pd.DataFrame) -> Figure:
    """The share of seeds solved by each step; a tick where a run ended unsolved (censored)."""
    plan = Plan(frames, facts)
    mine = outcomes[outcomes["task"] == task]
    budget = max(mine["budget"], default=1)
    ended, curves = {}, {}
    for model, runs in mine.groupby("model"):
        times, reached = ended[str(model)] = survival.reached(runs)
        curve = survival.solved_by(times, reached)
        steps, share = np.append(0, curve.steps), np.append(0, curve.fraction)
        if share[-1] == 1:  # all solved, and so they stay
            steps, share = np.append(steps, budget), np.append(share, 1)
        curves[str(model)] = steps, share
    figure, axes, panels = plan.lines(list(curves), task, HEIGHT + 0.35)
    for ax, models, others in panels:
        for other in others:
            ax.step(*curves[other], where="post", **behind(others))
        for model, pen, name in models:
            (times, reached), (steps, share) = ended[model], curves[model]
            said = f"{facts.label(model)}: {np.isfinite(times).sum()} of {len(times)} solved"
            said += f", half of them by {np.median(times):,.0f} {facts.clock}" if np.isfinite(np.median(times)) else ""
            look = {"color": pen.colour, "linestyle": pen.dashes, "clip_on": False}
            ax.step(steps, share, where="post", label=name, gid=tip(said), **look)
            ends = np.unique(reached[np.isinf(times)])
            at = share[np.searchsorted(steps, ends, side="right") - 1]
            if len(ends):
                ax.plot(ends, at, linestyle="", marker="|", markersize=9, color=pen.colour, clip_on=False)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlim(0, budget)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        thousands(ax, facts.clock)
    outer(figure, axes, "seeds solved")
    legend(figure, axes)
    return figure


def lengths(frames: Frames, facts: SuiteFacts, task: str) -> Figure | None:
    """Errors against the size of the sequence, evenly spaced, for best and final weights under each reading.

    Where no size inside the training range was tested, the evaluation set stands for all of them.
    """
    points = frames.generalisation[frames.generalisation["task"] == task]
    if points.empty:
        return None
    if task in facts.trained and not points["trained"].any():
        points = pd.concat([_evaluated(frames, points, facts.trained[task]), points])
    plan = Plan(frames, facts)
    shown = [weights for weights in ("best", "final") if (points["weights"] == weights).any()]
    sizes = points.drop_duplicates("size").sort_values("steps", kind="stable")
    place = {size: i for i, size in enumerate(sizes["size"])}
    inside = int(sizes["trained"].sum())
    found = {}
    for (model, weights), part in points.groupby(["model", "weights"]):
        errors = part["errors"].groupby(part["size"].map(place))
        found[str(model), str(weights)] = [errors.quantile(q) for q in (0.25, 0.5, 0.75)]
    models = list(dict.fromkeys(points["model"]))
    panels: list[tuple[str, Panel]] = []
    if plan.crowded(models):
        figure, axes, alone = plan.lines(models, task, HEIGHT)
        panels = [(shown[0], panel) for panel in alone]
    else:
        readings = plan.among(models)
        cells = [(weights, reading) for weights in shown for reading in readings]
        rows, columns = (len(shown), len(readings)) if len(readings) > 1 else (1, len(shown))
        figure, axes = canvas(rows, columns, WIDTH, HEIGHT, sharex=True, sharey=True)
        for ax, (weights, reading) in zip(axes.flat, cells, strict=True):
            ax.set_title(f"{weights} weights{f', {reading} reading' if reading else ''}")
            entries = [(model, plan.pens[plan.arm(model)], plan.arm(model)) for model in plan.panel(reading)]
            panels.append((weights, Panel(ax, entries, [])))
    for weights, (ax, entries, others) in panels:
        ax.axvspan(-0.5, inside - 0.5, color=SHADE, linewidth=0, zorder=0)
        for other in others:
            if (other, weights) in found:
                middle = found[other, weights][1]
                ax.plot(middle.index.to_numpy(float), middle, **behind(others))
        for i, (model, pen, name) in enumerate(entries):
            if (model, weights) not in found:
                continue
            low, middle, high = found[model, weights]
            line, *_ = ax.errorbar(
                middle.index.to_numpy(float) + 0.3 * ((i + 0.5) / len(entries) - 0.5),
                middle,
                yerr=[middle - low, high - middle],
                color=pen.colour,
                linestyle=pen.dashes,
                marker=pen.marker,
                elinewidth=0.8,
                label=name,
            )
            each = ", ".join(f"{size}: {middle[at]:.2f}" for size, at in place.items() if at in middle.index)
            line.set_gid(tip(f"{facts.label(model)}, {weights} weights, median {facts.answer(task).counted}: {each}"))
    for _, (ax, _, _) in panels:  # once all are drawn, since they share their limits
        symlog(ax, facts.bar(task))
        ax.set_xlabel("size of the sequence")
        ax.set_xticks(range(len(place)), list(place))
        ax.set_xlim(-0.5, len(place) - 0.5)
    outer(figure, axes, f"{facts.answer(task).counted} a sequence")
    legend(figure, axes)
    return figure


def _evaluated(frames: Frames, points: pd.DataFrame, trained: TrainedOn) -> pd.DataFrame:
    """Errors on the evaluation set of the runs that were tested, as points of the whole training range."""
    tested = points[["task", "model", "seed"]].drop_duplicates()
    runs = frames.evaluations.merge(tested).sort_values("step").groupby(["model", "seed"])["errors"]
    parts = [
        errors.reset_index().assign(weights=weights)
        for weights, errors in (("best", runs.min()), ("final", runs.last()))
    ]
    return pd.concat(parts).assign(size=trained.sizes, steps=trained.steps[1], trained=True)


def heat(frames: Frames, facts: SuiteFacts) -> Figure | None:
    """Model x length: the share of errors of the best weights, median over seeds; errors as numbers."""
    points = frames.generalisation[frames.generalisation["weights"] == "best"]
    if points.empty:
        return None
    tasks = [task for task in facts.tasks if (points["task"] == task).any()]
    models = [model for model in facts.models if (points["model"] == model).any()]
    points = points.assign(share=points["errors"] / points["bits"])
    widths = [max(points.loc[points["task"] == task, "size"].nunique(), LETTER * len(task)) for task in tasks]
    width = 1.3 + 0.08 * max(map(len, models)) + 0.55 * sum(widths)
    height = max(2.4, 0.9 + 0.3 * len(models))
    figure = Figure(figsize=(max(WIDTH, width), height), layout="constrained")
    axes = figure.subplots(1, len(tasks), squeeze=False, width_ratios=widths)[0]
    said = f"share of {counted_of([facts.answer(each) for each in tasks])}"
    for ax, task in zip(axes, tasks, strict=True):
        mine = points[points["task"] == task]
        sizes = list(mine.sort_values("steps")["size"].unique())
        share, errors = (
            mine.pivot_table(index="model", columns="size", values=name, aggfunc="median").reindex(models)[sizes]
            for name in ("share", "errors")
        )
        text = errors.map(partial(cell_text, bar=facts.bar(task)))
        sns.heatmap(
            share.astype(float).rename(index=facts.label),
            annot=text,
            fmt="",
            vmin=0,
            vmax=max(facts.answer(each).chance for each in tasks),
            cmap="mako_r",
            ax=ax,
            linewidths=1.5,
            linecolor="none",
            cbar=ax is axes[-1],
            cbar_kws={
                "label": textwrap.fill(said, int(12 * height)),  # about so many letters are as long as the bar
                "format": PercentFormatter(1, decimals=0),
                "aspect": 12,
            },
            annot_kws={"fontsize": 8},
        )
        ax.set(title=task, xlabel="", ylabel="")
        ax.tick_params(length=0)
        ax.tick_params(axis="y", rotation=0, labelleft=ax is axes[0])
        ax.tick_params(axis="x", rotation=0)
        ax.grid(False)
    figure.supxlabel("size of the sequence", fontsize=9)
    return figure


def cell_text(errors: float, bar: float) -> str:
    """A number of errors, to so many decimals that one below the bar is told from the bar."""
    if np.isnan(errors):
        return ""
    return f"{errors:.{max(1, ceil(-log10(bar)))}f}" if errors < 99.95 else f"{errors:.0f}"


def cost(frames: Frames, facts: SuiteFacts, outcomes: pd.DataFrame) -> Figure | None:
    """Cost against speed of learning: the time a run takes, and the mean steps to solve of at most the budget.

    Arms of which no run is solved lie above all others. Where arms are many, those that ``lead`` a task are named.
    """
    complete = outcomes[outcomes["complete"] & (outcomes["seconds"] > 0)]
    if complete.empty:
        return None
    plan, budget = Plan(frames, facts), float(complete["budget"].max())
    points: dict[str, dict[str, tuple[float, float]]] = {}
    for task in facts.tasks:
        for model in plan.models:
            runs = complete[(complete["task"] == task) & (complete["model"] == model)]
            if len(runs):
                mean = survival.restricted_mean(*survival.reached(runs), float(runs["budget"].max()))
                solved = np.isfinite(runs["time"]).any()
                points.setdefault(task, {})[model] = runs["seconds"].median() / 60, mean if solved else np.inf
    named = {model for each in points.values() for model in each}
    if len(named) > NAMED:
        named = {model for each in points.values() for model in lead(each)}
    columns = min(3, len(points))
    rows, width = -(-len(points) // columns), 2 * WIDTH / max(2, columns)
    figure, axes = canvas(rows, columns, width, HEIGHT + 0.35, sharex=True, sharey=True)
    for ax in axes.flat[len(points) :]:
        ax.remove()
    for ax, (task, each) in zip(axes.flat, points.items(), strict=False):
        for model, (minutes, mean) in sorted(each.items(), key=lambda item: item[0] in named):  # these on top
            pen, reading = plan.pens[plan.arm(model)], plan.reading[model]
            said = f"{mean:,.0f} {facts.clock} to solve" if np.isfinite(mean) else "no run solved"
            colour = pen.colour if model in named else MUTED
            ax.plot(
                minutes,
                mean if np.isfinite(mean) else UNSOLVED * budget,
                gid=tip(f"{facts.label(model)}: {minutes:.1f} minutes a run, {said}"),
                linestyle="",
                marker=pen.marker,
                markersize=6.5 if model in named else 4.5,
                alpha=1 if model in named else 0.45,
                color=colour,
                markerfacecolor="none" if reading and reading != plan.readings[0] else colour,
                markeredgewidth=1.4,
                label=(f"{plan.arm(model)} ({reading})" if reading else plan.arm(model)) if model in named else "",
                clip_on=False,
            )
        ax.set_title(task)
        ax.set_xlabel("minutes a run")
    every = complete.groupby(["task", "model"])["seconds"].median() / 60
    ticks = [tick for tick in MaxNLocator(6).tick_values(0, budget) if tick <= budget]
    for ax in axes.flat[: len(points)]:
        ax.set_xscale("log")
        ax.set_xlim(every.min() / 1.6, every.max() * 1.6)
        ax.set_ylim(0, (2 * UNSOLVED - 1) * budget)
        ax.axhline(budget, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
        ax.set_yticks([*ticks, UNSOLVED * budget], [*(f"{tick / 1000:g}" for tick in ticks), "unsolved"])
        ratios(ax)
    outer(figure, axes, f"mean {facts.clock} to solve (thousands)")
    legend(figure, axes)
    return figure


def lead(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The arm that learns a task soonest, then each whose run is a tenth shorter than of all that learn it sooner.

    Args:
        points: Of every arm minutes a run, and the mean time to solve, inf where no run is solved.
    """
    found: list[str] = []
    least = np.inf
    for name, (minutes, mean) in sorted(points.items(), key=lambda item: item[1][::-1]):
        if np.isfinite(mean) and minutes < 0.9 * least:
            found, least = [*found, name], minutes
    return found


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
    width = 1.6 + 0.08 * max(map(len, rows)) + max(1.2, 0.09 * max(map(len, columns))) * len(columns)
    figure, ((ax,),) = canvas(1, 1, max(WIDTH, width), max(2.4, 1.1 + 0.45 * len(rows)))
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
