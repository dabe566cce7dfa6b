"""How the heads came to look where they look: entropies of their weightings over the training, from courses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .. import statistics
from ..answers import Clock
from ..frames import Frames, SuiteFacts
from ..table import Column, Table, as_bits, as_count, as_steps
from ..watched import Course
from .axes import Plan, legend, outer, thousands
from .style import MUTED

SHARP = 1.0
"""Bits of entropy below which heads are sharp: as of two rows that count the same."""

SIDES = {"write": "writing", "read": "reading"}
DASHES: Mapping[str, Any] = {"write": (0, (1, 1.2)), "read": "-"}


def table(courses: Sequence[Course], facts: SuiteFacts, outcomes: pd.DataFrame) -> Table:
    """For every run that was watched, when its heads became sharp and when it was solved."""
    times = outcomes.set_index(["task", "model", "seed"])["time"]
    rows = []
    for course in with_heads(courses):
        row: dict[str, Any] = {
            "task": course.task,
            "model": course.model,
            "seed": course.seed,
            "watched": course.looks[-1].step,
            "solved": float(times.get((course.task, course.model, course.seed), np.nan)),
        }
        for side in SIDES:
            steps, bits = entropy(course, side)
            row[f"{side}_sharp"] = sharp(steps, bits)
            until = bits[steps <= row["solved"]]
            row[f"{side}_entropy"] = until[-1] if len(until) else np.nan
        rows.append(row)
    columns = {
        "task": Column("Task"),
        "model": Column("Model", words=True),
        "seed": Column("Seed", says=as_count),
        "watched": Column("Watched up to", f"{facts.clock.capitalize()}.", as_count),
        "write_sharp": Column(
            "Write heads sharp",
            f"{facts.clock.capitalize()} from which on they are below {SHARP:g} bit, for four looks or to the last.",
            as_sharp,
        ),
        "read_sharp": Column("Read heads sharp", "Likewise.", as_sharp),
        "solved": Column("Solved", f"{facts.clock.capitalize()} to solve.", as_steps),
        "write_entropy": Column("Write entropy then", "In bits; at the last look, where not solved by it.", as_bits),
        "read_entropy": Column("Read entropy then", "Likewise.", as_bits),
    }
    numbers = [name for name, column in columns.items() if column.says not in (None, as_count)]
    frame = pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(numbers, float))
    tallies = [f"On {task}, {tally(runs, facts.clock)}" for task, runs in frame.groupby("task")]
    note = (
        "Runs that were trained again and watched, equal to their records as far as that: the mean entropy of the "
        "heads' weightings at every evaluation, on the example of the traces, while writing before the answer and "
        f"reading in it. Sharp: below {SHARP:g} bit, that of two rows that count the same, at an evaluation and the "
        f"next {statistics.HOLD}, as far as watched. {' '.join(tallies)}"
    )
    return Table("attention", "While learning", note, frame, columns)


def sharp(steps: statistics.Array, bits: statistics.Array) -> float:
    """The first time from which heads are sharp as long as has to be seen, or to the last look; inf where none is."""
    steps, bits = (np.pad(each, (0, statistics.HOLD), "edge") for each in (steps, bits))
    return statistics.solved_at(steps, bits, SHARP)


def tally(runs: pd.DataFrame, clock: Clock) -> str:
    """Which came first, and whether the one goes without the other: a sentence or two about runs of one task."""
    solved = runs["solved"] <= runs["watched"]
    both = runs[["write_sharp", "read_sharp"]].max(axis=1)
    before = solved & (both <= runs["solved"])
    rest, others = runs[~solved], int(np.isfinite(both[~solved]).sum())
    later = int(np.isfinite(rest["solved"]).sum())
    lead = (runs["solved"] - both)[before].median()
    by = f", by a median of {lead:,.0f} {clock}" if before.any() else ""
    return (
        f"of {len(runs)} runs {int(solved.sum())} were solved while watched; in {int(before.sum())} of these write and "
        f"read heads were sharp by then{by}. Of the other {len(rest)}, {others} had both sharp while watched; {later} "
        "were solved later."
    )


def with_heads(courses: Sequence[Course]) -> list[Course]:
    """Those of models whose heads were to be seen."""
    return [course for course in courses if any(look.writing or look.reading for look in course.looks)]


def as_sharp(step: float) -> str:
    return "not seen" if np.isinf(step) else as_count(step)


def entropy(course: Course, side: str) -> tuple[statistics.Array, statistics.Array]:
    """Times, and mean entropies of the write or the read heads there; infinite where they never look at all."""
    focuses = [(look.step, getattr(look, SIDES[side])) for look in course.looks]
    bits = [np.inf if focus is None else focus.entropy for _, focus in focuses]
    return np.array([step for step, _ in focuses], float), np.array(bits, float)


def picture(
    courses: Sequence[Course], frames: Frames, facts: SuiteFacts, task: str, outcomes: pd.DataFrame
) -> Figure | None:
    """Entropies over training, a panel an arm: a seed's read heads solid, write heads dotted, a dot where solved."""
    mine = [course for course in with_heads(courses) if course.task == task]
    if not mine:
        return None
    plan = Plan(frames, facts)
    times = outcomes[outcomes["task"] == task].set_index(["model", "seed"])["time"]
    figure, axes, shown = plan.arms([course.model for course in mine])
    for model, ax in shown:
        colour = plan.pens[plan.arm(model)].colour
        for course in (one for one in mine if one.model == model):
            solved = times.get((model, course.seed), np.inf)
            for side in SIDES:
                steps, bits = entropy(course, side)
                ax.plot(steps, bits, color=colour, linestyle=DASHES[side], linewidth=0.9, alpha=0.8)
                if side == "read" and solved <= steps[-1]:
                    ax.plot(solved, np.interp(solved, steps, bits), "o", color=colour, markersize=4)
        ax.set_title(model)
    for _, ax in shown:  # once all are drawn, since they share their limits
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        thousands(ax, facts.clock)
    for side in SIDES:
        shown[0][1].plot([], [], color=MUTED, linestyle=DASHES[side], linewidth=0.9, label=f"{side} heads")
    legend(figure, axes)
    outer(figure, axes, "entropy (bits)")
    return figure
