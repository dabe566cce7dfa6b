"""Recorded runs, trained again: is the curve the record's, and what did the heads do on the way?

Where it need not be to the last digit, it is compared with the curves of the arm's seeds. Nothing here writes to a
record.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.utils import vector_to_parameters

from ...report import watched as courses
from ...report.answers import bar_of
from ...report.statistics.solving import solved_at
from ...report.trace import measure
from ...report.watched import Course, Look
from ...report.words import size_text
from .. import records
from ..core import Run, Suite
from ..errors import UsageError
from ..objectives import Tokens
from ..protocols import largest, objective_of
from ..records import files
from ..records.checkpoints import Snapshot
from ..records.differences import Difference, counterpart, differs, reasons, said_of
from ..records.events import Ended, Evaluated, Event, Started, judged
from ..records.plan import chosen
from ..records.record import Record
from ..training.process import prepare
from ..training.train import train
from . import traces


class Rerun(NamedTuple):
    """A run that was trained again."""

    run: Run
    record: Record
    here: Mapping[str, Any]  # the provenance of this training
    evaluated: Mapping[int, Evaluated]  # by step, of this training
    steps: int  # how far it was to go
    compared: int  # evaluations and tests
    difference: Difference | None  # the first, where training stopped unless there are reasons
    reasons: list[str]  # why there may be one: see ``differences.reasons``
    course: Course | None  # if it was asked for, and the curve is the record's


class Spread(NamedTuple):
    """Where a training lies among the recorded seeds of its arm.

    Were it one more seed of theirs, it would lie outside of all by a chance of at most 2 in (seeds + 1).
    """

    what: str  # "steps until solved" of whole runs, or "loss at step 400"
    recorded: float
    found: float
    low: float  # of the seeds
    high: float
    seeds: int

    @property
    def within(self) -> bool:
        """Whether it is between the least and the largest of the seeds."""
        return self.low <= self.found <= self.high

    @property
    def chance(self) -> float:
        """Of being outside though nothing is wrong, at most."""
        return min(1.0, 2 / (self.seeds + 1))


UNLIKELY = 0.01
"""Chance below which so many trainings outside their seeds are no accident."""


def recorded(
    suite: Suite, results: Path, tasks: Sequence[str] = (), models: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[tuple[Run, Record]]:
    """The runs of a suite, or some of them, that were evaluated under its settings, with their records.

    Raises:
        UsageError: A task, model or seed the suite does not have, a damaged record, or no such run.
    """
    found, stale = [], 0
    for run in chosen(suite, tasks, models, seeds):
        record = records.read(records.path_of(results, suite.name, run), run.key)
        if record is None or record.started is None:
            continue
        if record.started.digest != run.digest:
            stale += 1
        elif max(record.evaluated, default=0) > 0:
            found.append((run, record))
    if not found and stale:
        raise UsageError(
            f"{suite.name}: {stale} records under {results} were made under other settings; accepted are those of this "
            f"suite: bench run {suite.options} --force makes them again"
        )
    if not found:
        raise UsageError(f"{suite.name}: no such run has a record under {results}; first: bench run {suite.options}")
    return found


def until(run: Run, record: Record, steps: int | None) -> int:
    """The step up to which a run is trained again: no further than asked, nor than its record goes.

    Anything but the whole run ends at an evaluation.
    """
    last = max(record.evaluated)
    if record.ended is not None and record.ended.status == "done":
        last = run.experiment.training.steps
    every = run.experiment.training.eval_every
    return last if steps is None or steps >= last else max(steps - steps % every, every)


def rerun(
    run: Run, record: Record, steps: int, watch: bool = False, tell: Callable[[Event], None] = lambda event: None
) -> Rerun:
    """Train a run again on one thread of the CPU, from its first weights.

    It ends at the first number that is not the record's, unless there are reasons why one need not be: then it goes on,
    so that ``among`` can compare it with the seeds of its arm.

    Args:
        run: The run.
        record: Its record.
        steps: See ``until``. If it is the whole run's, its tests are compared as well.
        watch: Look at the heads at every evaluation.
        tell: Given every event.

    Raises:
        UsageError: The example that is looked at would be too long.
    """
    prepare()
    assert record.started is not None  # it is one of ``recorded``
    whole = steps == run.experiment.training.steps
    compared, difference, looks = 0, None, []
    here: Mapping[str, Any] = {}
    why: list[str] = []
    evaluated: dict[int, Evaluated] = {}
    watcher = Watcher(run) if watch else None
    for event in train(run, torch.device("cpu")):  # the whole one, whatever its schedule: it is left on the way
        if isinstance(event, Snapshot):
            if watcher is not None and event.step in record.evaluated:
                looks.append(watcher.look(event))
            if not whole and event.step == steps:
                tell(Ended(run.key, "done", steps, event.seconds))
                break
            continue
        if isinstance(event, Started):
            here, why = event.provenance, reasons(record.sessions, event.provenance)
        if isinstance(event, Evaluated):
            evaluated[event.step] = event
        was = counterpart(event, record)
        difference = difference or differs(event, was)
        if difference is not None and not why:
            tell(Ended(run.key, "failed", steps, 0.0, "not as recorded"))
            break
        tell(event)
        compared += was is not None
    course = watcher.course(looks, record) if watcher is not None and difference is None else None
    return Rerun(run, record, here, evaluated, steps, compared, difference, why, course)


def among(suite: Suite, results: Path, one: Rerun) -> Spread | None:
    """Where a training that is not the record's, and need not be, lies among the seeds of its arm; None of any other.

    By the steps until solved if it was whole, else by its last loss. Seeds that did not get as far do not count.

    Raises:
        UsageError: A damaged record.
    """
    if one.difference is None or not one.reasons:
        return None
    experiment, training = one.run.experiment, one.run.experiment.training
    whole, last = one.steps == training.steps, one.steps - one.steps % training.eval_every

    def measured(evaluated: Mapping[int, Evaluated]) -> float:
        if not whole:
            return evaluated[last].loss if last in evaluated else inf
        steps = sorted(evaluated)
        heights = [judged(evaluated[step]) for step in steps]
        return solved_at(np.array(steps, float), np.array(heights), bar_of(suite.solved, experiment.task_name))

    arm = recorded(suite, results, [experiment.task_name], [experiment.model_name])
    seeds = [measured(record.evaluated) for _, record in arm if last in record.evaluated]
    seeds = seeds or [measured(one.record.evaluated)]
    what = "steps until solved" if whole else f"loss at step {last:,}"
    return Spread(what, measured(one.record.evaluated), measured(one.evaluated), min(seeds), max(seeds), len(seeds))


def accident(spreads: Sequence[Spread]) -> float:
    """The chance, at most, that as many trainings as these lie outside of their seeds though nothing is wrong."""
    exactly = np.ones(1)  # exactly[k]: that k of those so far do
    for spread in spreads:
        exactly = np.convolve(exactly, [1 - spread.chance, spread.chance])
    return float(exactly[sum(not spread.within for spread in spreads) :].sum())


class Watcher:
    """Looks at the heads of a run, on the example that its trace shows.

    Raises:
        UsageError: The example is too long to be looked at.
    """

    def __init__(self, run: Run) -> None:
        task = run.experiment.task
        self.run, self.size = run, largest(task)
        self.batch = traces.example(task, self.size)
        self.module = run.experiment.model.build(task.inputs, task.outputs, run.seed)

    def look(self, snapshot: Snapshot) -> Look:
        """The heads of a snapshot."""
        vector_to_parameters(snapshot.weights, self.module.parameters())
        objective = objective_of(self.run.experiment.task)
        outputs, seen = traces.look(self.module, self.batch, objective)
        inputs, targets, scored = (part[:, 0].numpy() for part in self.batch)
        return courses.look(
            snapshot.step, measure(inputs, targets, outputs, scored, seen, isinstance(objective, Tokens))
        )

    def course(self, looks: Sequence[Look], record: Record) -> Course:
        """All looks, at evaluations that are the record's."""
        loss = record.evaluated[looks[-1].step].loss
        return Course(
            *traces.names(self.run), self.run.digest, size_text(self.size), courses.rounded(loss), tuple(looks)
        )


def keep(suite: Suite, results: Path, run: Run, course: Course) -> Path:
    """Write a course beside the traces, but not in the place of one that goes further.

    Raises:
        UsageError: It cannot be written, or what is there is damaged.
    """
    path = records.watched_of(records.path_of(results, suite.name, run), largest(run.experiment.task))
    before = published_course(suite, results, run)
    if before is None or before.looks[-1].step <= course.looks[-1].step:
        files.put({path: courses.dump(course)})
    return path


def published_course(suite: Suite, results: Path, run: Run) -> Course | None:
    """The course of a run, if there is one of this record.

    Raises:
        UsageError: The course or the record is damaged.
    """
    path = records.watched_of(records.path_of(results, suite.name, run), largest(run.experiment.task))
    one = files.taken(path, courses.LARGEST, courses.load, "bench rerun --watch")
    if one is None or one.run != (*traces.names(run), run.digest):
        return None
    record = records.read(records.path_of(results, suite.name, run), run.key)
    last = record.evaluated.get(one.looks[-1].step) if record is not None else None
    return one if last is not None and courses.rounded(last.loss) == one.loss else None


def shown(suite: Suite, results: Path) -> Iterator[Course]:
    """The courses that a report shows: of the records that are there, up to the suite's budget, in its order;
    their steps by its clock.

    Raises:
        UsageError: A course or a record is damaged.
    """
    for run in suite.runs():
        one, budget = published_course(suite, results, run), suite.counts(run.experiment)
        if one is not None and one.looks[0].step <= budget:
            pace, looks = suite.pace(run.experiment), (look for look in one.looks if look.step <= budget)
            yield replace(one, looks=tuple(replace(look, step=look.step * pace) for look in looks))


def summary(spreads: Sequence[Spread]) -> str:
    """What to add to the number of equal trainings, if there are others."""
    if not spreads:
        return ""
    within = sum(spread.within for spread in spreads)
    verdict = "" if accident(spreads) >= UNLIKELY else f": fewer than chance explains ({accident(spreads):.1g})"
    return f"; of {len(spreads)} that need not be, {within} lie among their arm's seeds{verdict}"


def answer(one: Rerun, spread: Spread | None) -> dict[str, Any]:
    """For programs."""
    assert one.record.started is not None
    numbers = None
    if spread is not None:
        finite = {name: None if value == inf else value for name, value in spread._asdict().items()}
        numbers = {**finite, "within": spread.within}
    return {
        "key": one.run.key,
        "compared": one.compared,
        "equal": one.difference is None,
        "difference": one.difference._asdict() if one.difference is not None else None,
        "reasons": one.reasons,
        "spread": numbers,
        "provenance": one.record.started.provenance,
    }


def sentence(one: Rerun, spread: Spread | None) -> str:
    """For people."""
    assert one.record.started is not None
    if one.difference is None:
        return f"{one.run.key}: equal in all {one.compared} evaluations and tests"
    if spread is None:
        return f"{one.run.key}: {said_of(one.difference, one.record.started.provenance, one.here)}"
    where, what, before, now = one.difference
    return (
        f"{one.run.key}: differs from {where} on ({what} {now} instead of {before}), as it may: "
        f"{'; '.join(one.reasons)}. Its {spread.what}: {number(spread.found)}, recorded {number(spread.recorded)}; "
        f"{'within' if spread.within else 'OUTSIDE'} the {number(spread.low)} to {number(spread.high)} "
        f"of the arm's {spread.seeds} recorded seeds"
    )


def number(value: float) -> str:
    """As people read it."""
    return "never" if value == inf else f"{value:,.6g}"
