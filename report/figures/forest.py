"""The claims in one figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..claims.claim import ends
from ..claims.verdict import Verdict, claimed
from .axes import WIDTH, legend, ratios
from .style import FAINT, INK, MUTED, canvas, pens, tip


def papers(verdict: Verdict) -> tuple[float, ...]:
    """The paper's numbers: none, one, or the two ends of what it gives; none of a claim that is ours."""
    paper = None if verdict.claim.ours else verdict.claim.paper
    return () if paper is None else tuple(dict.fromkeys(ends(paper)))


def _end(verdict: Verdict) -> float:
    """Where one arm is never solved: the end of the interval that is known."""
    assert verdict.interval is not None  # else it has no number
    return verdict.interval.low if verdict.estimate else verdict.interval.high


def forest(verdicts: Sequence[Verdict]) -> Figure | None:
    """The claims that are ratios of times: ours with its interval under each reading, the paper's hollow.

    Readings differ in their marks and in grey, since colours are of arms.
    """
    drawn = [v for v in verdicts if v.unit == "ratio" and v.ours]
    if not drawn:
        return None
    ids = list(dict.fromkeys(v.claim.id for v in drawn))
    readings = list(dict.fromkeys(v.reading for v in verdicts if any(v.reading == d.reading for d in drawn)))
    greys = (INK, MUTED, FAINT)
    looks = {r: pen._replace(colour=greys[i % len(greys)]) for i, (r, pen) in enumerate(pens(readings).items())}
    figure, ((ax,),) = canvas(1, 1, 2 * WIDTH, 1.1 + 0.46 * len(ids))
    shown = [end for v in drawn for end in (v.interval or ()) if 0 < end < np.inf]
    shown += [v.estimate for v in drawn if v.estimate and np.isfinite(v.estimate)] + [1.0]
    shown += [number for v in drawn for number in papers(v)]
    left, right = min(shown) / 1.3, max(shown) * 1.5
    for v in drawn:
        among = [r for r in readings if any(w.reading == r and w.claim.id == v.claim.id for w in drawn)]
        y = ids.index(v.claim.id) + 0.16 * (among.index(v.reading) - (len(among) - 1) / 2) * 2 / max(1, len(among) - 1)
        pen = looks[v.reading]
        if v.interval is not None:
            low, high = max(v.interval.low, left), min(v.interval.high, right)
            ax.plot([low, high], [y, y], color=pen.colour, linewidth=1.4, solid_capstyle="butt")
            if np.isinf(v.interval.high):
                ax.plot(high, y, marker=">", color=pen.colour, markersize=5, clip_on=False)
            if v.interval.low < left:
                ax.plot(low, y, marker="<", color=pen.colour, markersize=5, clip_on=False)
        known = v.estimate is not None and 0 < v.estimate < np.inf
        place, face = (v.estimate, pen.colour) if known else (_end(v), "none")
        pointed = tip(f"{v.label}{f', {v.reading} reading' if v.reading else ''}: {v.ours}, {v.verdict}")
        look = {"marker": pen.marker, "markersize": 6, "linestyle": ""}
        ax.plot(place, y, color=pen.colour, markerfacecolor=face, gid=pointed, **look)
    for place, name in enumerate(ids):
        one = next(v for v in drawn if v.claim.id == name)
        above = (0.006, place - 0.38)
        ax.annotate(one.claim.sides, above, xycoords=("axes fraction", "data"), va="center", color=MUTED, fontsize=7.5)
        for number in papers(one):
            ax.plot(number, place, marker="D", color=INK, markerfacecolor="none", markersize=7, linestyle="")
        if one.claim.paper is not None:
            text, at = claimed(one.claim), (1.03, place)
            ax.annotate(text, at, xycoords=("axes fraction", "data"), va="center", color=MUTED, fontsize=8.5)
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
    if any(papers(v) for v in drawn):
        ax.plot([], [], marker="D", color=INK, markerfacecolor="none", linestyle="", label="the paper's number")
    rows = np.arange(len(ids))
    ax.vlines(np.ones(len(ids)), rows - 0.27, rows + 0.5, color=MUTED, linewidth=0.9)  # not through the words
    ax.set_xscale("log")
    ax.set_xlim(left, right)
    ratios(ax)
    ax.set_yticks(range(len(ids)), [next(v.label for v in drawn if v.claim.id == name) for name in ids])
    ax.set_ylim(len(ids) - 0.5, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("times as fast (1: no difference)")
    legend(figure, [[ax]])
    return figure
