"""What a sequence costs in bits, over training: the figure of those who count in cross-entropy."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .. import statistics
from ..frames import COMPLETE, Frames, SuiteFacts
from .axes import HEIGHT, Plan, behind, legend, outer, thousands
from .style import INK, tip

LEAST = 0.01
"""Bits below which a curve is drawn no lower: the axis is logarithmic."""


def costs(frames: Frames, facts: SuiteFacts, task: str) -> Figure:
    """Bits a sequence on the evaluation set, a panel a reading: medians over seeds, and their interquartile range.

    Where there is an optimum, what the best possible predictor needs of the same sequences is a dotted line.
    """
    plan = Plan(frames, facts)
    finished = frames.runs[frames.runs["status"].isin(COMPLETE) & (frames.runs["task"] == task)]
    mine = frames.evaluations.merge(finished[["task", "model", "seed"]])
    diverged = finished[finished["status"] == "diverged"]
    curves = {}
    for model, runs in mine.groupby("model"):
        curve = statistics.median_curve(
            runs.assign(errors=runs["loss"] / np.log(2)), diverged.loc[diverged["model"] == model, "seed"]
        )
        curves[str(model)] = curve.assign(**{name: curve[name].clip(lower=LEAST) for name in ("low", "median", "high")})
    figure, axes, panels = plan.lines(list(curves), task, HEIGHT + 0.35)
    for ax, models, others in panels:
        for other in others:
            ax.plot(curves[other]["step"], curves[other]["median"], **behind(others))
        for model, pen, name in models:
            curve = curves[model]
            ax.fill_between(curve["step"], curve["low"], curve["high"], color=pen.colour, alpha=0.2, linewidth=0)
            said = f"{facts.label(model)}: {curve['median'].iloc[-1]:.2f} bits at the end"
            ax.plot(curve["step"], curve["median"], color=pen.colour, linestyle=pen.dashes, label=name, gid=tip(said))
        if len(mine) and not facts.answer(task).counted.startswith("wrong"):
            optimum = float((mine["loss"] - mine["errors"]).median() / np.log(2))
            ax.axhline(optimum, color=INK, linestyle=":", linewidth=0.9, label="optimum")
        else:
            ax.set_ylim(bottom=LEAST)
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        thousands(ax, facts.clock)
    outer(figure, axes, "bits a sequence")
    legend(figure, axes)
    return figure
