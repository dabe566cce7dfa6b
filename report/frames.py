"""What the report is made of: four tables, and what is known of the suite besides.

The caller reads the records; nothing here knows a file. A table's columns and types are listed once, in ``COLUMNS``,
and ``frames`` builds the tables from plain rows, so an empty suite has the same columns as a full one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from .answers import Answer, Bar, Clock, bar_of

if TYPE_CHECKING:
    from .claims import Arm, Claim


COMPLETE = ("done", "diverged")
"""Statuses of a run that had its full budget: only these decide a claim."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    # One row for every planned run; ``new`` where there is no record.
    "runs": {
        "key": "str",  # copy/ntm-constant-cosine/7
        "task": "str",
        "model": "str",
        "reading": "str",  # of the paper: "cosine", "dot", or "" for an arm that has none
        "seed": "int64",
        "status": "str",  # one of COMPLETE, failed, interrupted, running, new, stale
        "step": "int64",  # last reached, by the suite's clock, as all steps of training below
        "steps": "int64",  # the budget
        "seconds": "float64",  # NaN where unknown
        "parameters": "float64",  # trainable floats; NaN where unknown
        "state_size": "float64",  # floats carried from step to step; NaN where unknown
        "digest": "str",
        "message": "str",
        "device": "str",  # several where it was resumed elsewhere, as for the next two
        "implementation": "str",
        "commit": "str",  # ten digits, with a plus where changed
        "cut": "bool",  # trained beyond the budget for another suite: its weights belong there
    },
    "evaluations": {
        "task": "str",
        "model": "str",
        "reading": "str",
        "seed": "int64",
        "step": "int64",
        "sequences": "int64",  # trained on so far
        "loss": "float64",  # nats a sequence
        "errors": "float64",  # a sequence, as counted in this task: wrong answers, or nats above the optimum
        "train_loss": "float64",  # NaN before the first step
        "gradient_norm": "float64",  # NaN before the first step
        "seconds": "float64",
    },
    "generalisation": {
        "task": "str",
        "model": "str",
        "reading": "str",
        "seed": "int64",
        "weights": "str",  # best or final
        "step": "int64",  # whose weights
        "size": "str",  # "40", "10x20"
        "steps": "int64",  # time steps of that size: the length axis
        "trained": "bool",  # inside the training range
        "sequences": "int64",
        "errors": "float64",  # as in an evaluation
        "bits": "float64",  # of which they are a share: scored answers a sequence, or nats when guessing
        "perfect": "float64",  # fraction of sequences without a wrong answer
    },
    # What else was measured of the best weights.
    "inspections": {
        "task": "str",
        "model": "str",
        "reading": "str",
        "seed": "int64",
        "step": "int64",  # whose weights
        "size": "str",
        "sequences": "int64",
        "number": "str",  # what it is, in words
        "value": "float64",
    },
}


class Frames(NamedTuple):
    """The records as tables; columns as in ``COLUMNS``. Stale runs have a row in ``runs`` and none elsewhere."""

    runs: pd.DataFrame
    evaluations: pd.DataFrame
    generalisation: pd.DataFrame
    inspections: pd.DataFrame


class TrainedOn(NamedTuple):
    """The sizes a task is trained on."""

    sizes: str  # as said to a reader: "1-20", "1-10 x 1-10"
    steps: tuple[int, int]  # time steps of the shortest and of the longest sequence


@dataclass(frozen=True)
class SuiteFacts:
    """What the report says of a suite that its records do not.

    Attributes:
        name: The suite's name.
        title: One line.
        paper: The reference, or empty.
        solved: The bar: fewer errors a sequence than this, of every task or of each by name.
        claims: What the paper says.
        arms: The cells of the table, in the suite's order.
        seeds: Planned for every arm.
        trained: What each task is trained on.
        factors: Where the arms form a grid: a model's level of each factor, e.g.
            ``{"ntm-a": {"memory": "constant", "first weighting": "one-hot"}}``.
        own: Where the arms form a grid: the model that is the paper's own.
        notes: Printed under the summary, plain text, one paragraph a line.
        provisional: Tasks whose settings are still to be chosen.
        remarks: Likewise, once a run has had its full budget.
        relapse: More errors than this, and a solved run has relapsed; likewise.
        answers: What each task asks for and what is counted as errors; of a task that is not named, wrong bits.
        added: Models that are not the suite's own but were added to it.
        clock: What steps of training are counted in.
        parameters: Trainable numbers of a task's model, where a claim speaks of them.
        found: What the command line finds it by, with the files of what was added; its name where empty.
    """

    name: str
    title: str
    paper: str
    solved: Bar
    claims: "tuple[Claim, ...]"
    arms: "tuple[Arm, ...]"
    seeds: tuple[int, ...]
    trained: Mapping[str, TrainedOn] = field(default_factory=dict)
    factors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own: str = ""
    notes: str = ""
    provisional: tuple[str, ...] = ()
    remarks: str = ""
    relapse: Bar = 1.0
    answers: Mapping[str, Answer] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    clock: Clock = "steps"
    parameters: Mapping[tuple[str, str], int] = field(default_factory=dict)
    found: str = ""

    def bar(self, task: str) -> float:
        """Of a task."""
        return bar_of(self.solved, task)

    def answer(self, task: str) -> Answer:
        """Of a task."""
        return self.answers.get(task, Answer())

    @property
    def every(self) -> Mapping[str, Answer]:
        """What each task asks for, all tasks named."""
        return {task: self.answer(task) for task in self.tasks}

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Task names, in the suite's order."""
        return tuple(dict.fromkeys(arm.task for arm in self.arms))

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Model names, in the suite's order, with their reading (``ntm-constant-cosine``)."""
        return tuple(dict.fromkeys(arm.model for arm in self.arms))

    def label(self, model: str) -> str:
        """A model as it is shown: marked where it was added."""
        return f"{model} (added)" if model in self.added else model


def frame(name: str, rows: Iterable[Mapping[str, Any]] = ()) -> pd.DataFrame:
    """One table from rows, with the columns, order and types of ``COLUMNS[name]``; None becomes NaN.

    Raises:
        ValueError: A row lacks a column or has one too many.
    """
    columns = COLUMNS[name]
    values: dict[str, list[Any]] = {column: [] for column in columns}
    for row in rows:
        if row.keys() != columns.keys():
            wrong = ", ".join(sorted(row.keys() ^ columns.keys()))
            raise ValueError(f"row of {name}: missing or unknown: {wrong}; columns are {', '.join(columns)}")
        for column, value in row.items():
            values[column].append(value)
    return pd.DataFrame({column: pd.Series(values[column], dtype=kind) for column, kind in columns.items()})


def frames(
    runs: Iterable[Mapping[str, Any]] = (),
    evaluations: Iterable[Mapping[str, Any]] = (),
    generalisation: Iterable[Mapping[str, Any]] = (),
    inspections: Iterable[Mapping[str, Any]] = (),
) -> Frames:
    """All four tables from rows; empty ones with the right columns where no rows are given."""
    given = {"runs": runs, "evaluations": evaluations, "generalisation": generalisation, "inspections": inspections}
    return Frames(**{name: frame(name, rows) for name, rows in given.items()})


def distinct(column: "pd.Series[str]") -> list[str]:
    """What a column of sessions names, each once: a row may name several, with semicolons between."""
    return sorted({one for several in column for one in several.split("; ") if one})
