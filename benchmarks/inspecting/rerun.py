"""Recorded runs, trained again: is the curve the record's, and what did the heads do on the way?

Nothing here writes to a record.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn.utils import vector_to_parameters

from ...report import watched as courses
from ...report.trace import measure
from ...report.watched import Course, Look
from .. import records
from ..core import Run, Suite, largest, objective_of, said
from ..errors import UsageError
from ..objectives import Tokens
from ..records import files
from ..records.checkpoints import Snapshot
from ..records.differences import Difference, counterpart, differs, said_of
from ..records.events import Ended, Event
from ..records.plan import chosen
from ..records.provenance import processor, rounding
from ..records.record import Record
from ..training.train import train
from . import traces


class Rerun(NamedTuple):
    """A run that was trained again."""

    run: Run
    provenance: Mapping[str, Any]  # of the record
    compared: int  # evaluations and tests
    difference: Difference | None  # where training stopped, if there is one
    course: Course | None  # if it was asked for, and the curve is the record's


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
            f"suite: bench run --suite {suite.name} --force makes them again"
        )
    if not found:
        raise UsageError(
            f"{suite.name}: no such run has a record under {results}; first: bench run --suite {suite.name}"
        )
    return found


def alike(found: Sequence[tuple[Run, Record]]) -> tuple[list[tuple[Run, Record]], str]:
    """Those recorded with the instructions of this process, and a sentence about the others, if any.

    Older records do not name theirs; most were made with AVX2.
    """
    here = rounding(processor())
    accepted = {here, ""} if here == "AVX2" else {here}
    same = [(run, record) for run, record in found if {rounding(device) for device in record.devices} <= accepted]
    if len(same) == len(found):
        return same, ""
    hint = "; --avx2 trains those that were made without AVX512" if here == "AVX512" else ""
    left = f"{len(found) - len(same)} of {len(found)} records are left out"
    return same, f"{left}: not made with {here or 'the instructions of this processor'}, they round otherwise{hint}"


def until(run: Run, record: Record, steps: int | None) -> int:
    """The step up to which a run is trained again: no further than asked, nor than its record goes.

    Anything but the whole run ends at an evaluation.
    """
    last = max(record.evaluated)
    if record.ended is not None and record.ended.status == "done":
        last = run.experiment.training.steps
    every = run.experiment.training.eval_every
    return last if steps is None or steps >= last else max(steps - steps % every, every)


def shortened(run: Run, steps: int) -> Run:
    """The same training, ended after so many steps."""
    training = replace(run.experiment.training, steps=steps)
    return replace(run, experiment=replace(run.experiment, training=training))


def rerun(
    run: Run, record: Record, steps: int, watch: bool = False, tell: Callable[[Event], None] = lambda event: None
) -> Rerun:
    """Train a run again on one thread of the CPU, from its first weights, for as long as it is as recorded.

    Args:
        run: The run.
        record: Its record.
        steps: See ``until``. If it is the whole run's, its tests are compared as well.
        watch: Look at the heads at every evaluation.
        tell: Given every event.

    Raises:
        UsageError: The example that is looked at would be too long.
    """
    torch.set_num_threads(1)  # as a worker does
    assert record.started is not None  # it is one of ``recorded``
    whole = steps == run.experiment.training.steps
    compared, difference, looks = 0, None, []
    watcher = Watcher(run) if watch else None
    for event in train(shortened(run, steps), torch.device("cpu")):
        if isinstance(event, Snapshot):
            if watcher is not None and event.step in record.evaluated:
                looks.append(watcher.look(event))
            if not whole and event.step == steps:
                tell(Ended(run.key, "done", steps, event.seconds))
                break
            continue
        was = counterpart(event, record)
        difference = differs(event, was)
        if difference is not None:
            tell(Ended(run.key, "failed", steps, 0.0, "not as recorded"))
            break
        tell(event)
        compared += was is not None
    course = watcher.course(looks, record) if watcher is not None and difference is None else None
    return Rerun(run, record.started.provenance, compared, difference, course)


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
        return Course(*traces.names(self.run), self.run.digest, said(self.size), courses.rounded(loss), tuple(looks))


def keep(suite: Suite, results: Path, run: Run, course: Course) -> Path:
    """Write a course beside the traces, but not in the place of one that goes further.

    Raises:
        UsageError: It cannot be written, or what is there is damaged.
    """
    path = records.watched_of(records.path_of(results, suite.name, run), largest(run.experiment.task))
    before = kept(suite, results, run)
    if before is None or before.looks[-1].step <= course.looks[-1].step:
        files.put({path: courses.dump(course)})
    return path


def kept(suite: Suite, results: Path, run: Run) -> Course | None:
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
    """The courses that a report shows: of the records that are there, up to the suite's budget, in its order.

    Raises:
        UsageError: A course or a record is damaged.
    """
    for run in suite.runs():
        one, budget = kept(suite, results, run), suite.budget or run.experiment.training.steps
        if one is not None and one.looks[0].step <= budget:
            yield replace(one, looks=tuple(look for look in one.looks if look.step <= budget))


def answer(one: Rerun) -> dict[str, Any]:
    """For programs."""
    difference = one.difference._asdict() if one.difference is not None else None
    same = {"key": one.run.key, "compared": one.compared, "equal": difference is None}
    return {**same, "difference": difference, "provenance": one.provenance}


def sentence(one: Rerun) -> str:
    """For people."""
    if one.difference is None:
        return f"{one.run.key}: equal in all {one.compared} evaluations and tests"
    return f"{one.run.key}: {said_of(one.difference, one.provenance)}"
