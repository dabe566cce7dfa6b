"""The pictures of a page: every figure that the records allow, drawn, with its title and caption."""

import html
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from ..answers import bar_said, counted_of, guessing, noun_of
from ..claims.verdict import Verdict
from ..figures import attention, bits, curves, heads, matrix, style
from ..figures.axes import LINES, Plan
from ..figures.curves import NAMED
from ..figures.forest import forest
from ..frames import COMPLETE, Frames, SuiteFacts
from ..statistics.matrix import matrix as cells_of
from ..table import NONE
from ..trace import Trace
from ..watched import Course
from . import tables
from . import trace_words as traced

MAPPED = 4
"""Tasks from which on a page has a map of them all."""

HEAVY = 100_000
"""Characters of a figure above which a page does not hold it itself."""


@dataclass(frozen=True)
class Picture:
    """A figure that has been drawn."""

    name: str
    title: str
    caption: str
    svg: str
    png: bytes
    folded: bool = False
    """Whether the page shows it only when it is asked for."""

    @property
    def apart(self) -> bool:
        """Whether the page leaves it in a file of its own, and loads that when it comes into view."""
        return self.folded or len(self.svg) > HEAVY

    @property
    def inline(self) -> Markup:
        """For the page."""
        return Markup(style.inline(self.svg, self.name, html.escape(self.title, quote=True)))

    @property
    def box(self) -> str:
        """The room that its file takes in the page, in CSS."""
        return style.box(self.svg)


def first(names: Collection[str]) -> list[str]:
    """The figures that a page begins with: the map, of the grid, of the claims, or of how many seeds have solved it."""
    kinds = ([name for name in names if name.startswith(kind)] for kind in ("map", "factorial-", "claims", "solved-"))
    return next((found for found in kinds if found), [])


def draw(
    frames: Frames,
    facts: SuiteFacts,
    outcomes: pd.DataFrame,
    verdicts: Sequence[Verdict],
    courses: Sequence[Course] = (),
) -> list[Picture]:
    """All figures that these records allow, in the order of the page."""
    pictures: list[Picture] = []

    def add(name: str, title: str, caption: str, figure: Figure | None) -> None:
        if figure is not None:
            pictures.append(Picture(name, title, " ".join(caption.split()), *style.saved(figure)))

    plan = Plan(frames, facts)
    grey = f"A panel an arm, since they are more than {LINES}; grey: the others"
    grey += "; readings differ in their dashes. " if len(plan.readings) > 1 else ". "
    few = """Named are the arm that learns a task soonest, and each whose run is a tenth shorter than of all that learn
    it sooner; grey: the others, of which the table tells. """
    few *= frames.runs.loc[frames.runs["status"].isin(COMPLETE), "model"].nunique() > NAMED
    best = "Only best weights are drawn; final ones are in the table of every size. "
    tasks = [task for task in facts.tasks if (frames.evaluations["task"] == task).any()]
    with style.drawing():
        add(
            "claims",
            "Claims that are ratios of time",
            """How many times as fast the first named solves the task as the second. Ours with its 95 % interval, from
            five seeds on, not corrected, under each reading; hollow diamond, and at the right as a number, the
            paper's; of a claim of our own the number alone. A hollow mark of ours is only a bound, since one arm is
            never solved; an arrow says that the interval goes on, because too many runs were not solved within their
            budget. Vertical line: no difference.""",
            forest(verdicts),
        )
        if mapped(facts):
            add(
                "map",
                "Which architecture learns what",
                f"""Colour and first line: seeds that have solved the task. Second line: the median sequences trained on
                until then, and the longest size tested to which half of the seeds or more still solve it, with all
                shorter ones; {NONE} where there is none. At the side medians over all tasks: minutes of a run, trained
                numbers, and numbers carried from step to step. {seeds_said(outcomes[outcomes["complete"]])}""",
                matrix.picture(cells_of(frames, facts, outcomes), facts),
            )
        for task in tasks:
            tested = outcomes[outcomes["task"] == task]
            n = seeds_said(tested[tested["complete"]])
            crowd = grey if plan.crowded(list(tested["model"])) else ""
            counted, bar = facts.answer(task).counted, bar_said(facts.solved, {task: facts.answer(task)})
            add(
                f"convergence-{task}",
                f"Learning {task}",
                f"""{counted.capitalize()} a sequence on the evaluation set, a panel an arm. Thick: median over the
                seeds that had their full budget, a diverged one counting as untrained; band: their interquartile
                range; thin: every seed, unfinished ones too; grey: the medians of the other arms. Dotted: the bar,
                {bar} a sequence; the scale is logarithmic above it and linear below. Over each panel: trained numbers,
                and numbers carried from step to step (state). {n}""",
                curves.convergence(frames, facts, task, outcomes),
            )
            if facts.clock == "sequences":
                add(
                    f"bits-{task}",
                    f"What a sequence of {task} costs",
                    f"""Cross-entropy of a sequence's answers on the evaluation set, in bits, by the sequences trained
                    on: median over the seeds that had their full budget, and their interquartile range.
                    {crowd}{n}""",
                    bits.costs(frames, facts, task),
                )
            add(
                f"solved-{task}",
                f"Seeds that have solved {task}",
                f"""The share of seeds that have solved it, over the training (Kaplan-Meier). A tick marks where runs
                ended unsolved: how long they would have taken is not known. Unfinished runs count up to where they are.
                {crowd}{seeds_said(tested)}""",
                curves.solved_by(frames, facts, task, outcomes),
            )
        cut = tables.CUT if frames.runs["cut"].any() else ""
        for task in tasks:
            points = frames.generalisation[frames.generalisation["task"] == task]
            crowd = grey if plan.crowded(list(points["model"])) else ""
            n, on = seeds_said(points), "" if points["trained"].any() else ", by the evaluation set"
            whole = "" if points["trained"].any() else " (its lowest error, on that set, for best weights)"
            trained = f" ({facts.trained[task].sizes})" if task in facts.trained else ""
            add(
                f"lengths-{task}",
                f"Longer sequences: {task}",
                f"""{facts.answer(task).counted.capitalize()} a sequence for sizes in the order of their length; shaded:
                what it was trained on{trained}{on}{whole}. Points: median over the seeds; whiskers: their interquartile
                range. Best weights are those of the lowest evaluation error, final ones those after the last step.
                {crowd}{best if crowd else ""}{n}{cut}""",
                curves.lengths(frames, facts, task),
            )
        add(
            "heat",
            "Every tested model at every size",
            f"""{counted_of(facts.every.values()).capitalize()} a sequence of the best weights, median over the seeds;
            darker: a larger share of all {noun_of(facts.every.values())}s ({guessing(facts.every)}).{cut}""",
            curves.heat(frames, facts),
        )
        for task in tasks:
            add(
                f"factorial-{task}",
                f"All combinations: {task}",
                f"""Seeds solved of those that had their full budget, and below it the median {facts.clock} it
                took.""",
                curves.factorial(facts, task, outcomes),
            )
        for task in tasks:
            add(
                f"attention-{task}",
                f"How the heads came to look: {task}",
                """Mean entropy of the heads' weightings at every evaluation, on one sequence: 0 where one row has all
                attention, the logarithm of the rows where all have the same. Solid: read heads, in the answer; dotted:
                write heads, before it; a line a seed. Dot: solved.""",
                attention.picture(courses, frames, facts, task, outcomes),
            )
        add(
            "cost",
            "Cost against speed of learning",
            f"""The time a run takes (median) against the mean {facts.clock} to solve the task, an unsolved run counting
            with its whole budget: lower left is better. Above the dotted line, the budget: arms of which no run solved
            it. {few}{seeds_said(outcomes[outcomes["complete"]])}""",
            curves.cost(frames, facts, outcomes),
        )
    return pictures


def draw_traces(traces: Sequence[Trace], facts: SuiteFacts) -> list[Picture]:
    """Inside the memory: a figure a trace."""
    pictures = []
    with style.drawing():
        for trace in traces:
            task, model = trace.origin.task, trace.origin.model
            name, noun = f"trace-{task}-{model}", facts.answer(task).noun
            drawn = style.saved(heads.picture(trace, noun))
            pictures.append(Picture(name, f"{model}: {task}", traced.sentence(trace, noun), *drawn, folded=True))
    return pictures


def mapped(facts: SuiteFacts) -> bool:
    """Whether a page begins with the map: there are many tasks, and every model is an arm on every one."""
    return len(facts.tasks) >= MAPPED and len(facts.arms) == len(facts.tasks) * len(facts.models)


def seeds_said(table: pd.DataFrame) -> str:
    """How many seeds an arm of these rows has, as a sentence."""
    counts = table.groupby(["task", "model"])["seed"].nunique()
    if counts.empty:
        return "No run has had its full budget."
    low, high = int(counts.min()), int(counts.max())
    return f"n = {low} seed{'s' * (low != 1)} an arm." if low == high else f"n = {low} to {high} seeds an arm."
