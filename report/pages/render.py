"""From frames to pages: ``report`` for one suite, ``front`` for all. Equal records give equal bytes."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # typing's own from Python 3.12 on, says pydantic

from .. import statistics
from ..answers import Clock, bar_said
from ..claims.claim import Unit
from ..claims.judge import judge
from ..claims.summary import finding, progress, summary
from ..claims.verdict import AGREES, CONTRADICTS, NOT_ESTIMABLE, NOT_RUN, SAME, UNDECIDED, VERDICTS, Verdict, claimed
from ..figures import attention, style
from ..files import write
from ..frames import COMPLETE, Frames, SuiteFacts, distinct
from ..statistics.matrix import matrix as cells_of
from ..table import marked
from ..trace import Trace
from ..watched import Course
from . import leftovers, matrix, tables
from . import trace_words as traced
from .choices import alone, deciding, effects
from .drawings import draw, draw_traces, first, mapped

MARKS = {AGREES: "✓", SAME: "≈", CONTRADICTS: "✗", UNDECIDED: "?", NOT_ESTIMABLE: "∅", NOT_RUN: "·"}
"""A sign beside each verdict, so that colour is never alone."""

MEANINGS = {
    AGREES: "an effect on the claimed side, of the claimed size",
    SAME: "on the claimed side, of another size or one not known well",
    CONTRADICTS: "an effect on the other side",
    UNDECIDED: "no effect shown by these seeds",
    NOT_ESTIMABLE: "likewise, and the arm that should be faster is mostly unsolved",
    NOT_RUN: "an arm has no run with its full budget",
}
"""Each verdict in a few words, for the top of a page."""


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
    finding: str
    summary: str
    runs: Counted
    verdicts: list[Judged]


DOCUMENT = TypeAdapter(Document)


def report(
    frames: Frames, facts: SuiteFacts, folder: Path, traces: Sequence[Trace] = (), courses: Sequence[Course] = ()
) -> Path:
    """Write a suite's report into its folder, pages, claims, tables and figures, in place of an earlier one.

    Args:
        frames: The records.
        facts: What is known of the suite besides.
        folder: The suite's.
        traces: Those to be shown.
        courses: Likewise.

    Returns:
        The page, ``report.html``.
    """
    outcomes = statistics.outcomes(frames, facts.solved, facts.relapse)
    verdicts = judge(frames, facts)
    pictures = [*draw(frames, facts, outcomes, verdicts, courses), *draw_traces(traces, facts)]
    cells = cells_of(frames, facts, outcomes)
    choices, own = effects(outcomes, facts), alone(outcomes, facts)
    shown = [
        *([matrix.table(cells, facts)] if mapped(facts) else []),
        tables.claims(verdicts),
        tables.otherwise(verdicts, facts),
        tables.solving(frames, facts, outcomes),
        choices,
        own,
        tables.beyond(frames, facts),
        tables.lengths(frames, facts),
        traced.table(traces, facts),
        attention.table(courses, facts, outcomes),
        tables.cost(frames, facts),
        tables.runs(frames, facts, outcomes),
    ]
    # of the map, a column is a task, and how all models do there is what one looks for
    narrow = {table.name: table if table.name == "map" else table.narrowed() for table in shown}
    partial, paragraph = progress(frames), summary(frames, facts, verdicts)
    found = finding(frames, facts, verdicts, deciding(choices, own))
    every, entries = facts.every, grouped(verdicts)
    waiting = [entry for entry in entries if all(v.verdict == NOT_RUN for v in entry["verdicts"].values())]
    leading = first([picture.name for picture in pictures])
    values = {
        "facts": facts,
        "solved": bar_said(facts.solved, every),
        "relapse": bar_said(facts.relapse, every),
        "kinds": {word for answer in every.values() for word in answer.counted.split()},
        "partial": partial,
        "finding": found,
        "summary": paragraph,
        "notes": [
            line for line in [*facts.notes.splitlines(), *(facts.remarks.splitlines() if paragraph else [])] if line
        ],
        "claims": [entry for entry in entries if entry not in waiting],
        "waiting": waiting,
        "legend": legend({v.claim.unit for v in verdicts if v.verdict != NOT_RUN}, facts.clock),
        "printed": any(v.claim.paper is not None for v in verdicts),  # a number by the paper
        "readings": list(dict.fromkeys(v.reading for v in verdicts if v.reading and v.verdict != NOT_RUN)),
        "pictures": pictures,
        "first": [picture for picture in pictures if picture.name in leading],
        "rest": [picture for picture in pictures if picture.name not in leading],
        "verdicts": [(verdict, MEANINGS[verdict]) for verdict in VERDICTS if verdict in {v.verdict for v in verdicts}],
        "tables": {name: table if len(table.frame) else None for name, table in narrow.items()},
        "leads": matrix.leads(cells, facts, frames, {picture.name for picture in pictures}),
        "unfinished": unfinished(frames),
        "commits": distinct(frames.runs["commit"]),
        "devices": distinct(frames.runs["device"]),
        "colours": style.variables(),
        "dark": style.COLOURS,
    }
    written = []
    for table in shown:
        written += [_write(folder / "tables" / f"{table.name}.csv", table.csv())]
        written += [_write(folder / "tables" / f"{table.name}.tex", table.latex())]
    for picture in pictures:
        written += [_write(folder / "figures" / f"{picture.name}.svg", picture.svg)]
        written += [_write(folder / "figures" / f"{picture.name}.png", picture.png)]
    counts = frames.runs["status"].value_counts()
    document = {
        "suite": facts.name,
        "title": facts.title,
        "paper": facts.paper,
        "solved": dict(facts.solved) if isinstance(facts.solved, Mapping) else facts.solved,
        "partial": bool(partial),
        "progress": partial,
        "finding": found,
        "summary": paragraph,
        "runs": {"planned": len(frames.runs), "complete": int(frames.runs["status"].isin(COMPLETE).sum())}
        | {str(status): int(count) for status, count in sorted(counts.items())},
        "verdicts": [verdict.to_json() for verdict in verdicts],
    }
    _write(folder / "claims.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    _write(folder / "report.md", _template("report.md.jinja", values))
    page = _write(folder / "report.html", style.classed(_template("report.html.jinja", values)))
    for path in leftovers.drawn(folder, facts.tasks):
        if path not in written:
            path.unlink()
    return page


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
        drawn = first(sorted(file.stem for file in path.parent.glob("figures/*.png")))
        picture = drawn[0] if drawn else None
        suites.append({**document, "folder": path.parent.name, "counts": counts, "picture": picture})
    values = {"suites": suites, "unreadable": unreadable, "colours": style.variables(), "dark": style.COLOURS}
    return _write(results / "index.html", _template("index.html.jinja", values))


def grouped(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts by claim, for the page."""
    claims: dict[str, dict[str, Any]] = {}
    for v in verdicts:
        said = ["decisive"] * v.claim.primary + ["our claim"] * v.claim.ours
        marks = f" ({', '.join(said)})" if said else ""
        new = {"claim": v.claim, "label": v.label, "marks": marks, "paper": claimed(v.claim), "verdicts": {}}
        claims.setdefault(v.claim.id, new)["verdicts"][v.reading] = v
    return list(claims.values())


def legend(units: Collection[Unit], clock: Clock) -> str:
    """How the numbers of claims of these units are to be read."""
    said = {
        "ratio": "\N{MULTIPLICATION SIGN}: how many times as fast the first named is.",
        "fraction": "%: share of runs.",
        "difference": f"+: the first named relapses less often, by so many per 10,000 {clock} after solving; "
        "\N{MINUS SIGN}: more often.",
        "bits": "Bits: how many fewer a sequence costs the first named; below 0 it costs more.",
        "errors": "Fewer errors: of the first named, a sequence; below 0 it makes more.",
    }
    return " ".join(text for unit, text in said.items() if unit in units)


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
    write(path, content.encode() if isinstance(content, str) else content)
    return path
