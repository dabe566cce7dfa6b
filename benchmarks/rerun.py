"""Recorded runs, trained again: is the curve the record's, and what did the heads do on the way?

Nothing here writes to a record.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn.utils import vector_to_parameters

from ..report import course as courses
from ..report.course import Course, Look
from ..report.trace import measure
from . import records, traces
from .checkpoints import Snapshot
from .core import Run, Suite, largest, said
from .errors import UsageError
from .events import Ended, Evaluated, Event, Generalised
from .records import Record
from .runner import chosen
from .train import train

COMPARED = ("loss", "errors", "train_loss", "gradient_norm", "perfect")
"""What an evaluation or a test says that has to be equal, to the last digit."""


class Difference(NamedTuple):
    """The first number that is not the record's."""

    where: str  # "step 200", "size 40, best weights"
    what: str  # a field of the event
    recorded: float | None
    found: float | None


class Rerun(NamedTuple):
    """A run that was trained again."""

    run: Run
    commit: str  # of the code that recorded it
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
    found = []
    for run in chosen(suite, tasks, models, seeds):
        record = records.read(records.path_of(results, suite.name, run), run.key)
        if record is not None and record.evaluated and record.started and record.started.digest == run.digest:
            found.append((run, record))
    if not found:
        raise UsageError(
            f"{suite.name}: no such run has a record under {results}; first: bench run --suite {suite.name}"
        )
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
        tell(event)
        difference = differs(event, record)
        if difference is not None:
            tell(Ended(run.key, "failed", steps, 0.0, "not as recorded"))
            break
        compared += isinstance(event, Evaluated | Generalised)
    course = watcher.course(looks) if watcher is not None and difference is None else None
    commit = str(record.started.provenance.get("commit") or "") if record.started is not None else ""
    return Rerun(run, commit, compared, difference, course)


def differs(event: Event, record: Record) -> Difference | None:
    """The first number of an event that is not the record's; None where all are, or it is of something else."""
    was: Event | None
    if isinstance(event, Evaluated):
        was, where = record.evaluated.get(event.step), f"step {event.step:,}"
    elif isinstance(event, Generalised):
        size = tuple(event.size)
        was, where = record.generalised.get((event.weights, size)), f"size {said(size)}, {event.weights} weights"
    else:
        return None
    for name in COMPARED if was is not None else ():
        before, now = getattr(was, name, None), getattr(event, name, None)
        if before != now:
            return Difference(where, name, before, now)
    return None


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
        outputs, seen = traces.look(self.module, self.batch)
        inputs, targets, scored = (part[:, 0].numpy() for part in self.batch)
        return courses.look(snapshot.step, measure(inputs, targets, outputs, scored, seen))

    def course(self, looks: Sequence[Look]) -> Course:
        """All looks."""
        return Course(*traces.names(self.run), self.run.digest, said(self.size), tuple(looks))


def keep(suite: Suite, results: Path, run: Run, course: Course) -> Path:
    """Write a course beside the traces.

    Raises:
        UsageError: It cannot be written.
    """
    path = path_of(suite, results, run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(courses.dump(course))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def shown(suite: Suite, results: Path) -> Iterator[Course]:
    """The courses that a report shows: of the suite's settings, up to its budget, in its order.

    Raises:
        UsageError: A file is damaged.
    """
    for run in suite.runs():
        path = path_of(suite, results, run)
        try:
            if not path.is_file():
                continue
            if (size := path.stat().st_size) > courses.LARGEST:
                raise ValueError(f"{size} bytes, at most {courses.LARGEST} are read")
            one = courses.load(path.read_bytes())
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: {error}; remove it, or make it again with bench rerun --watch") from None
        if one.run == (*traces.names(run), run.digest):
            budget = suite.budget or run.experiment.training.steps
            yield replace(one, looks=tuple(look for look in one.looks if look.step <= budget))


def path_of(suite: Suite, results: Path, run: Run) -> Path:
    """Where a run's course is: beside its traces."""
    return traces.path_of(suite, results, run, largest(run.experiment.task)).with_suffix(".json")


def answer(one: Rerun) -> dict[str, Any]:
    """For programs."""
    difference = one.difference and one.difference._asdict()
    equal = one.difference is None
    return {
        "key": one.run.key, "compared": one.compared, "equal": equal, "difference": difference, "commit": one.commit
    }  # fmt: skip


def sentence(one: Rerun) -> str:
    """For people."""
    if one.difference is None:
        return f"{one.run.key}: equal in all {one.compared} evaluations and tests"
    where, what, before, now = one.difference
    by = f", by the code at {one.commit[:10]}" if one.commit else ""
    return f"{one.run.key}: differs at {where}: {what} {now}, recorded {before}{by}"
