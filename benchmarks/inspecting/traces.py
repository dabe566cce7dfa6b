"""Inside the memory: one example through a trained model, from the weights that were kept.

A module that can be looked into has a method ``watch(inputs)``, which gives the logits and by name what is to be seen,
each (time, batch, heads, size); of any other, a trace has outputs and errors alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import nn

from ...ntm import stream
from ...report import statistics
from ...report.figures import heads, style
from ...report.frames import Frames
from ...report.pages import trace_words
from ...report.trace import LARGEST, LONGEST, Array, Moment, Origin, Trace, alike, measure, pack, unpack
from ...report.words import size_text
from .. import records
from ..core import Run, Suite
from ..errors import UsageError
from ..objectives import Objective, Tokens
from ..protocols import Batch, Size, Task, largest, objective_of
from ..records import files
from ..records.frames import frames_of
from ..records.plan import plan
from ..training.evaluate import identity, watched
from ..training.learner import built
from . import weights
from .weights import Kept, Weights


class Traced(NamedTuple):
    """A trace, and the files it was written to."""

    trace: Trace
    files: tuple[Path, ...]  # packed, SVG, PNG; and the weights, if published


def trace(
    suite: Suite, results: Path, task: str, model: str, seed: int, size: Size | None = None, which: Weights = "best"
) -> Traced:
    """Trace a run on one example, the same for every model, and draw it.

    Args:
        suite: The suite.
        results: The results folder.
        task: A task of the suite.
        model: A model of the suite.
        seed: A seed of the suite.
        size: Of the example; the largest that training draws, if not given.
        which: The weights of the lowest evaluation error, or the last.

    Raises:
        UsageError: The suite has no such run, there is no record of it, its weights are not kept, the task has no such
            size, or the trace cannot be written.
    """
    run = plan(suite, results, [task], [model], [seed])[0].run
    size = size or largest(run.experiment.task)
    batch = example(run.experiment.task, size)
    path = records.trace_of(records.path_of(results, suite.name, run), size, which == "final")
    try:
        made, before = _trace(run, weights.kept(suite, results, run), batch, size, which), _before(path)
        if before is not None:
            made = _remembering(made, before)
        packed = pack(made)
        if before is not None and alike(unpack(packed), before):
            packed = path.read_bytes()  # a published one stays as it is, whatever machine makes it again
    except ValueError as error:
        raise UsageError(f"{run.key}, size {size_text(size)}: {error}") from None
    with style.drawing():
        drawing, pixels = style.saved(heads.picture(made, objective_of(run.experiment.task).noun))
    written = {path: packed, path.with_suffix(".svg"): drawing.encode(), path.with_suffix(".png"): pixels}
    files.put(written)
    return Traced(made, tuple(written))


def typical(
    suite: Suite, results: Path, tasks: Sequence[str] = (), models: Sequence[str] = (), seed: int | None = None
) -> list[Run]:
    """The run of every arm, or of some arms, that is worth tracing: of this seed, or else the median one.

    Raises:
        UsageError: A task, model or seed the suite does not have, a damaged record, or no run to choose from.
    """
    runs = [p.run for p in plan(suite, results, tasks, models, () if seed is None else [seed])]
    if seed is None:
        seeds = trace_words.medians(statistics.outcomes(frames_of(results, suite), suite.solved, suite.relapse))
        runs = [r for r in runs if seeds.get((r.experiment.task_name, r.experiment.model_name)) == r.seed]
    if not runs:
        raise UsageError(
            f"{suite.name}: no run has had its full budget, so none is the median; accepted: --seed, for a run with a "
            f"record, or first: bench run {suite.options}"
        )
    return runs


def shown(suite: Suite, results: Path, frames: Frames) -> list[Trace]:
    """The traces that a report shows: of every arm the median run's, where there is one, in the suite's order.

    A trace of other settings than the suite's, or of weights beyond its budget, says nothing.

    Raises:
        UsageError: A file is damaged.
    """
    seeds = trace_words.medians(statistics.outcomes(frames, suite.solved, suite.relapse))
    found = []
    for experiment in suite.experiments:
        seed = seeds.get((experiment.task_name, experiment.model_name))
        if seed is None:
            continue
        run = Run(experiment, seed)
        one = read(records.trace_of(records.path_of(results, suite.name, run), largest(experiment.task)))
        if one is not None and one.origin.run == (*names(run), run.digest):
            found += [one] if one.origin.moment.step <= suite.counts(experiment) else []
    return found


def read(path: Path) -> Trace | None:
    """The trace of a file, or None where there is none.

    Raises:
        UsageError: The file is damaged, or no trace.
    """
    return files.taken(path, LARGEST, unpack, "bench trace")


def example(task: Task, size: Size) -> Batch:
    """The one sequence of a size that all traces show.

    Raises:
        UsageError: The task has no such size, or it is too long to be drawn.
    """
    try:
        steps = task.steps(size)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if steps > LONGEST:
        raise UsageError(f"size {size_text(size)} takes {steps} time steps; accepted are up to {LONGEST}")
    return task.sample(size, 1, stream("trace", identity(task), size_text(size)))


def look(module: nn.Module, batch: Batch, objective: Objective) -> tuple[Array, dict[str, Array]]:
    """Probabilities (time, outputs) and what is to be seen, each (time, heads, size), of a batch of one."""
    logits, seen = watched(module, batch.inputs)
    outputs = objective.probabilities(logits)[:, 0].numpy()
    return outputs, {name: part[:, 0].numpy() for name, part in seen.items()}


def _trace(run: Run, kept: Mapping[Weights, Kept], batch: Batch, size: Size, which: Weights) -> Trace:
    """The trace of some weights, and the same numbers from all that are kept.

    Raises:
        UsageError: These are not kept, or do not fit the model.
    """
    if which not in kept:
        raise UsageError(
            f"{run.key}: no {which} weights; accepted: {', '.join(kept)}, which are published; others are in its "
            "checkpoint, on the machine that trained it"
        )
    module, objective = built(run), objective_of(run.experiment.task)
    symbols = isinstance(objective, Tokens)
    inputs, targets, scored = (part[:, 0].numpy() for part in batch)
    moments, views = [], {}
    for name, step, vector in (("first", 0, None), *((name, *each) for name, each in kept.items())):
        if vector is not None:
            weights.fill(module, vector, run)
        views[name] = outputs, seen = look(module, batch, objective)
        moments.append(Moment(name, step, measure(inputs, targets, outputs, scored, seen, symbols)))
    origin = Origin(*names(run), run.digest, size_text(size), which, tuple(moments))
    outputs, seen = views[which]
    return Trace(origin, inputs, targets, outputs, scored, seen)


def _before(path: Path) -> Trace | None:
    """What the file to be overwritten holds; None where it is damaged, too."""
    try:
        return read(path)
    except UsageError:
        return None


def _remembering(made: Trace, before: Trace) -> Trace:
    """The trace, with the numbers of weights that are kept no more, where the one before has them."""
    now = made.origin
    if (before.origin.run, before.origin.moment.step) != (now.run, now.moment.step):
        return made
    had = {moment.weights for moment in now.moments}
    more = tuple(moment for moment in before.origin.moments if moment.weights not in had)
    return replace(made, origin=replace(now, moments=(*now.moments, *more)))


def names(run: Run) -> tuple[str, str, int]:
    """Task, model and seed."""
    return run.experiment.task_name, run.experiment.model_name, run.seed
