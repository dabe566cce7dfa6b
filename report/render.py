"""From frames to pages: ``report`` for one suite, ``front`` for all. Equal records give equal bytes."""

import html
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # typing's own from Python 3.12 on, says pydantic

from . import attention, figures, inside, statistics, style, tables
from . import traces as traced
from .claims import judge
from .course import Course
from .effects import effects
from .forest import forest
from .frames import COMPLETE, Frames, SuiteFacts
from .summary import progress, summary
from .table import marked
from .trace import Trace
from .verdict import AGREES, CONTRADICTS, NOT_ESTIMABLE, NOT_RUN, SAME, UNDECIDED, VERDICTS, Verdict, said

MARKS = {AGREES: "✓", SAME: "≈", CONTRADICTS: "✗", UNDECIDED: "?", NOT_ESTIMABLE: "∅", NOT_RUN: "·"}
"""A sign beside each verdict, so that colour is never alone."""


class Counted(TypedDict):
    """How many runs a suite plans, and how many had their full budget."""

    planned: int
    complete: int


class Judged(TypedDict):
    """One of the verdicts."""

    verdict: str


class Document(TypedDict):
    """What the front page takes from a suite's ``claims.json``."""

    suite: str
    title: str
    paper: str
    progress: str
    summary: str
    runs: Counted
    verdicts: list[Judged]


DOCUMENT = TypeAdapter(Document)


@dataclass(frozen=True)
class Picture:
    """A figure that has been drawn."""

    name: str
    title: str
    caption: str
    svg: str
    png: bytes

    @property
    def inline(self) -> Markup:
        """For the page."""
        return Markup(style.inline(self.svg, self.name, html.escape(self.title, quote=True)))


def report(
    frames: Frames, facts: SuiteFacts, folder: Path, traces: Sequence[Trace] = (), courses: Sequence[Course] = ()
) -> Path:
    """Write a suite's report into its folder: pages, claims, tables and figures.

    Args:
        frames: The records.
        facts: What is known of the suite besides.
        folder: The suite's.
        traces: Those to be shown.
        courses: Likewise.

    Returns:
        The page, ``report.html``.
    """
    outcomes = statistics.outcomes(frames, facts.solved)
    verdicts = judge(frames, facts)
    pictures = [*draw(frames, facts, outcomes, verdicts, courses), *draw_traces(traces)]
    shown = [
        tables.claims(verdicts),
        tables.solving(frames, facts, outcomes),
        effects(outcomes, facts),
        tables.beyond(frames, facts),
        tables.lengths(frames, facts),
        traced.table(traces),
        attention.table(courses, outcomes),
        tables.cost(frames, facts),
        tables.runs(frames, outcomes),
    ]
    partial, paragraph = progress(frames), summary(frames, facts, verdicts)
    values = {
        "facts": facts,
        "partial": partial,
        "summary": paragraph,
        "claims": grouped(verdicts),
        "readings": list(dict.fromkeys(v.reading for v in verdicts if v.reading)),
        "pictures": pictures,
        "tables": {table.name: table if len(table.frame) else None for table in shown},
        "unfinished": unfinished(frames),
        "commits": sorted({commit for several in frames.runs["commit"] for commit in several.split(", ") if commit}),
        "devices": sorted({device for device in frames.runs["device"] if device}),
        "colours": style.variables(),
        "dark": style.COLOURS,
    }
    for table in shown:
        _write(folder / "tables" / f"{table.name}.csv", table.csv())
        _write(folder / "tables" / f"{table.name}.tex", table.latex())
    for picture in pictures:
        _write(folder / "figures" / f"{picture.name}.svg", picture.svg)
        _write(folder / "figures" / f"{picture.name}.png", picture.png)
    counts = frames.runs["status"].value_counts()
    document = {
        "suite": facts.name,
        "title": facts.title,
        "paper": facts.paper,
        "solved": facts.solved,
        "partial": bool(partial),
        "progress": partial,
        "summary": paragraph,
        "runs": {"planned": len(frames.runs), "complete": int(frames.runs["status"].isin(COMPLETE).sum())}
        | {str(status): int(count) for status, count in sorted(counts.items())},
        "verdicts": [verdict.to_json() for verdict in verdicts],
    }
    _write(folder / "claims.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    _write(folder / "report.md", _template("report.md.jinja", values))
    return _write(folder / "report.html", _template("report.html.jinja", values))


def front(results: Path) -> Path:
    """Write ``index.html`` over all suites whose reports lie under ``results``.

    Returns:
        The page.
    """
    suites, unreadable = [], []
    for path in sorted(results.glob("*/claims.json")):
        try:
            document = DOCUMENT.validate_json(path.read_bytes())
        except ValidationError:
            unreadable.append(path.parent.name)
            continue
        found = [verdict["verdict"] for verdict in document["verdicts"]]
        counts = [(verdict, found.count(verdict)) for verdict in VERDICTS if verdict in found]
        suites.append({**document, "folder": path.parent.name, "counts": counts})
    values = {"suites": suites, "unreadable": unreadable, "colours": style.variables(), "dark": style.COLOURS}
    return _write(results / "index.html", _template("index.html.jinja", values))


def draw(
    frames: Frames,
    facts: SuiteFacts,
    outcomes: pd.DataFrame,
    verdicts: Sequence[Verdict],
    courses: Sequence[Course] = (),
) -> list[Picture]:
    """All figures that these records allow, in the order of the page."""
    pictures: list[Picture] = []

    def add(name: str, title: str, caption: str, drawn: Callable[[], Figure | None]) -> None:
        figure = drawn()
        if figure is not None:
            pictures.append(Picture(name, title, " ".join(caption.split()), *style.saved(figure)))

    tasks = [task for task in facts.tasks if (frames.evaluations["task"] == task).any()]
    bar = f"{facts.solved:g} wrong bits a sequence"
    with style.drawing():
        add(
            "claims",
            "Claims that are ratios of time",
            """Ours with its 95 % interval, from five seeds on, under each reading; hollow diamond, and at the right as
            a number, the paper's. A hollow mark of ours is only a bound, and an arrow says that the interval goes on,
            because too many runs of one side were not solved within their budget. Vertical line: no difference.""",
            lambda: forest(verdicts),
        )
        for task in tasks:
            tested = outcomes[outcomes["task"] == task]
            n = seeds_said(tested[tested["complete"]])
            add(
                f"convergence-{task}",
                f"Learning {task}",
                f"""Wrong bits a sequence on the evaluation set, a panel an arm. Thick: median over the seeds that had
                their full budget, a diverged one counting as untrained; band: their middle half; thin: every seed,
                unfinished ones too; grey: the medians of the other arms. Dotted: the bar, {bar}; the scale is
                logarithmic above it and linear below. In the corner: trained floats, and floats carried from step to
                step. {n}""",
                lambda task=task: figures.convergence(frames, facts, task, outcomes),  # type: ignore[misc]
            )
            add(
                f"solved-{task}",
                f"Seeds that have solved {task}",
                f"""The share of seeds that have solved it by each step (Kaplan-Meier). A tick marks where runs ended
                unsolved: how long they would have taken is not known. Unfinished runs count up to where they are.
                {seeds_said(tested)}""",
                lambda task=task: figures.solved_by(frames, facts, task, outcomes),  # type: ignore[misc]
            )
        cut = tables.CUT if frames.runs["cut"].any() else ""
        for task in tasks:
            points = frames.generalisation[frames.generalisation["task"] == task]
            n, on = seeds_said(points), "" if points["trained"].any() else ", by the evaluation set"
            whole = "" if points["trained"].any() else " (its lowest error, on that set, for best weights)"
            trained = f" ({facts.trained[task].sizes})" if task in facts.trained else ""
            add(
                f"lengths-{task}",
                f"Longer sequences: {task}",
                f"""Wrong bits a sequence for sizes in the order of their length; shaded: what it was trained
                on{trained}{on}{whole}. Points: median over the seeds; whiskers: their middle half. Best weights are
                those of the lowest evaluation error, final ones those after the last step. {n}{cut}""",
                lambda task=task: figures.lengths(frames, facts, task),  # type: ignore[misc]
            )
        add(
            "heat",
            "Every tested model at every size",
            f"""Wrong bits a sequence of the best weights, median over the seeds; darker: a larger share of all bits
            (50 % is guessing).{cut}""",
            lambda: figures.heat(frames, facts),
        )
        for task in tasks:
            add(
                f"factorial-{task}",
                f"All combinations: {task}",
                "Seeds solved of those that had their full budget, and below it the median steps it took.",
                lambda task=task: figures.factorial(facts, task, outcomes),  # type: ignore[misc]
            )
        for task in tasks:
            add(
                f"attention-{task}",
                f"How the heads came to look: {task}",
                """Mean entropy of the heads' weightings at every evaluation, on one sequence: 0 where one row has all
                attention, the logarithm of the rows where all have the same. Solid: read heads, in the answer; dotted:
                write heads, before it; a line a seed. Dot: solved.""",
                lambda task=task: attention.picture(courses, frames, facts, task, outcomes),  # type: ignore[misc]
            )
        add(
            "cost",
            "Cost against speed of learning",
            f"""The time a run takes (median) against the mean steps to solve the task, an unsolved run counting with
            its whole budget: lower left is better. {seeds_said(outcomes[outcomes["complete"]])}""",
            lambda: figures.cost(frames, facts, outcomes),
        )
    return pictures


def draw_traces(traces: Sequence[Trace]) -> list[Picture]:
    """Inside the memory: a figure a trace."""
    pictures = []
    with style.drawing():
        for trace in traces:
            task, model = trace.origin.task, trace.origin.model
            drawn = style.saved(inside.picture(trace))
            pictures.append(Picture(f"trace-{task}-{model}", f"{model}: {task}", traced.sentence(trace), *drawn))
    return pictures


def seeds_said(table: pd.DataFrame) -> str:
    """How many seeds an arm of these rows has, as a sentence."""
    counts = table.groupby("model")["seed"].nunique()
    if counts.empty:
        return "No run has had its full budget."
    low, high = int(counts.min()), int(counts.max())
    return f"n = {low} seed{'s' * (low != 1)} an arm." if low == high else f"n = {low} to {high} seeds an arm."


def grouped(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts by claim, for the page."""
    claims: dict[str, dict[str, Any]] = {}
    for v in verdicts:
        paper = said(v.claim.paper) if v.claim.paper is not None else ""
        entry = claims.setdefault(v.claim.id, {"claim": v.claim, "paper": paper, "verdicts": {}})
        entry["verdicts"][v.reading] = v
    return list(claims.values())


def unfinished(frames: Frames) -> list[tuple[str, list[str]]]:
    """Runs to be told about, by status: all that are not simply done."""
    told = {"diverged": "diverged", "failed": "failed", "interrupted": "interrupted", "running": "running"}
    told |= {"stale": "stale", "new": "not started"}
    runs = frames.runs
    return [
        (name, list(runs.loc[runs["status"] == s, "key"])) for s, name in told.items() if (runs["status"] == s).any()
    ]


def sortable(value: Any) -> str:
    """A cell's value as a script reads numbers: unsolved is infinite, unknown is empty and comes last."""
    if value is None or value != value:
        return ""
    return "Infinity" if value == float("inf") else str(value)


def _template(name: str, values: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"mark": MARKS.__getitem__, "sortable": sortable, "cell": marked}
    return environment.get_template(name).render(values)


def _write(path: Path, content: str | bytes) -> Path:
    """All of it or nothing: a kill, or a full disk, leaves the page that was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
