"""What a sequence costs in bits, over training: the figure of those who count in cross-entropy."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .. import statistics
from ..frames import COMPLETE, Frames, SuiteFacts
from .axes import HEIGHT, WIDTH, Plan, legend, thousands
from .style import INK, canvas

LEAST = 0.01
"""Bits below which a curve is drawn no lower: the axis is logarithmic."""


def costs(frames: Frames, facts: SuiteFacts, task: str) -> Figure:
    """Bits a sequence on the evaluation set, a panel a reading: medians over seeds, and their middle half.

    Where there is an optimum, what the best possible predictor needs of the same sequences is a dotted line.
    """
    plan = Plan(frames, facts)
    finished = frames.runs[frames.runs["status"].isin(COMPLETE) & (frames.runs["task"] == task)]
    mine = frames.evaluations.merge(finished[["task", "model", "seed"]])
    diverged = finished[finished["status"] == "diverged"]
    figure, axes = canvas(1, len(plan.readings), WIDTH, HEIGHT + 0.35, sharex=True, sharey=True)
    for ax, _, models in plan.panels(axes[0]):
        for model, pen in models:
            runs = mine[mine["model"] == model]
            if runs.empty:
                continue
            curve = statistics.median_curve(
                runs.assign(errors=runs["loss"] / np.log(2)), diverged.loc[diverged["model"] == model, "seed"]
            )
            low, middle, high = (curve[name].clip(lower=LEAST) for name in ("low", "median", "high"))
            ax.fill_between(curve["step"], low, high, color=pen.colour, alpha=0.2, linewidth=0)
            ax.plot(curve["step"], middle, color=pen.colour, linestyle=pen.dashes, label=plan.arm(model))
        if len(mine) and not facts.answer(task).counted.startswith("wrong"):
            optimum = float((mine["loss"] - mine["errors"]).median() / np.log(2))
            ax.axhline(optimum, color=INK, linestyle=":", linewidth=0.9, label="optimum")
        else:
            ax.set_ylim(bottom=LEAST)
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        thousands(ax, facts.clock)
    axes[0, 0].set_ylabel("bits a sequence")
    legend(figure, axes)
    return figure
