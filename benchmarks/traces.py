"""Inside the memory: one example through a trained model, from the weights that are kept beside its record.

A module that can be looked into has a method ``watch(inputs)``, which gives the logits and by name what is to be seen,
each (time, batch, heads, size); of any other, a trace has outputs and errors alone.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

from ..ntm import stream
from ..report import inside, statistics, style, traces
from ..report.frames import Frames
from ..report.trace import LARGEST, LONGEST, Array, Moment, Origin, Trace, measure, pack, unpack
from . import checkpoints, records, runner, tables
from .checkpoints import Snapshot
from .core import Batch, Run, Size, Suite, Task, largest, said
from .errors import UsageError
from .evaluate import identity

Weights = Literal["best", "final"]


@runtime_checkable
class Watchable(Protocol):
    """A module that can be looked into."""

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]: ...


class Traced(NamedTuple):
    """A trace, and the files it was written to."""

    trace: Trace
    files: tuple[Path, ...]  # packed, SVG, PNG


def trace(
    suite: Suite, results: Path, task: str, model: str, seed: int, size: Size | None = None, weights: Weights = "best"
) -> Traced:
    """Trace a run on one example, the same for every model, and draw it.

    Args:
        suite: The suite.
        results: The results folder.
        task: A task of the suite.
        model: A model of the suite.
        seed: A seed of the suite.
        size: Of the example; the largest that training draws, if not given.
        weights: Those of the lowest evaluation error, or the last.

    Raises:
        UsageError: The suite has no such run, there is no record of it, its weights are not kept, the task has no such
            size, or the trace cannot be written.
    """
    run = runner.plan(suite, results, [task], [model], [seed])[0].run
    size = size or largest(run.experiment.task)
    batch = example(run.experiment.task, size)
    try:
        made = _trace(run, kept(suite, results, run), batch, size, weights)
        packed = pack(made)
    except ValueError as error:
        raise UsageError(f"{run.key}, size {said(size)}: {error}") from None
    with style.drawing():
        drawing, pixels = style.saved(inside.picture(made))
    path = path_of(suite, results, run, size, weights)
    files = {path: packed, path.with_suffix(".svg"): drawing.encode(), path.with_suffix(".png"): pixels}
    put(files)
    return Traced(made, tuple(files))


def put(files: Mapping[Path, bytes]) -> None:
    """Write some files.

    Raises:
        UsageError: One cannot be written.
    """
    for path, written in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


def typical(
    suite: Suite, results: Path, tasks: Sequence[str] = (), models: Sequence[str] = (), seed: int | None = None
) -> list[Run]:
    """The run of every arm, or of some arms, that is worth tracing: of this seed, or else the median one.

    Raises:
        UsageError: A task, model or seed the suite does not have, a damaged record, or no run to choose from.
    """
    runs = [p.run for p in runner.plan(suite, results, tasks, models, () if seed is None else [seed])]
    if seed is None:
        seeds = traces.medians(statistics.outcomes(tables.load(results, suite), suite.solved))
        runs = [r for r in runs if seeds.get((r.experiment.task_name, r.experiment.model_name)) == r.seed]
    if not runs:
        raise UsageError(
            f"{suite.name}: no run has had its full budget, so none is the median; accepted: --seed, for a run with a "
            f"record, or first: bench run --suite {suite.name}"
        )
    return runs


def shown(suite: Suite, results: Path, frames: Frames) -> list[Trace]:
    """The traces that a report shows: of every arm the median run's, where there is one, in the suite's order.

    A trace of other settings than the suite's, or of weights beyond its budget, says nothing.

    Raises:
        UsageError: A file is damaged.
    """
    seeds = traces.medians(statistics.outcomes(frames, suite.solved))
    found = []
    for experiment in suite.experiments:
        seed = seeds.get((experiment.task_name, experiment.model_name))
        if seed is None:
            continue
        run = Run(experiment, seed)
        one = read(path_of(suite, results, run, largest(experiment.task)))
        if one is not None and one.origin.run == (*names(run), run.digest):
            budget = suite.budget or experiment.training.steps
            found += [one] if one.origin.moment.step <= budget else []
    return found


def read(path: Path) -> Trace | None:
    """The trace of a file, or None where there is none.

    Raises:
        UsageError: The file is damaged, or no trace.
    """
    return taken(path, LARGEST, unpack, "bench trace")


Content = TypeVar("Content")


def taken(path: Path, largest: int, unpacked: Callable[[bytes], Content], maker: str) -> Content | None:
    """What is in a file of at most so many bytes, or None where there is none.

    Raises:
        UsageError: The file is damaged; says what makes it again.
    """
    try:
        if not path.is_file():
            return None
        if (size := path.stat().st_size) > largest:
            raise ValueError(f"{size} bytes, at most {largest} are read")
        return unpacked(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}; remove it, or make it again with {maker}") from None


def path_of(suite: Suite, results: Path, run: Run, size: Size, weights: Weights = "best") -> Path:
    """Where a run's trace is: ``<suite>/traces/<task>/<model>-<seed>-<size>.npz``, where the suite's records are."""
    record = records.path_of(results, suite.name, run)
    task, model = names(run)[:2]
    last = "-final" if weights == "final" else ""
    return record.parents[2] / "traces" / task / f"{model}-{run.seed}-{said(size)}{last}.npz"


def kept(suite: Suite, results: Path, run: Run) -> Snapshot:
    """The weights of a run.

    Raises:
        UsageError: There is no record, it was made under other settings, or the weights are not there.
    """
    path = records.path_of(results, suite.name, run)
    task, model, seed = names(run)
    again = f"bench run --suite {suite.name} --task {task} --model {model} --seed {seed} --results {results}"
    status = runner.state(run, path).status
    if status == "new":
        raise UsageError(f"{run.key}: no record at {path}; make it with: {again}")
    if status == "stale":
        raise UsageError(f"{run.key}: {path} was made under other settings; make it again with: {again} --force")
    good = (one for one in checkpoints.kept(records.checkpoint_of(path)) if one.digest == run.digest)
    snapshot = next(good, None)
    if snapshot is None or snapshot.best is None:
        raise UsageError(
            f"{run.key}: no weights at {records.checkpoint_of(path)}; they stay on the machine that trained them, or "
            f"make them again with: {again} --force"
        )
    return snapshot


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
        raise UsageError(f"size {said(size)} takes {steps} time steps; accepted are up to {LONGEST}")
    return task.sample(size, 1, stream("trace", identity(task), said(size)))


def look(module: nn.Module, batch: Batch) -> tuple[Array, dict[str, Array]]:
    """Probabilities (time, outputs) and what is to be seen, each (time, heads, size), of a batch of one."""
    with torch.no_grad():
        logits, seen = module.watch(batch.inputs) if isinstance(module, Watchable) else (module(batch.inputs), {})
    return torch.sigmoid(logits)[:, 0].numpy(), {name: part[:, 0].numpy() for name, part in seen.items()}


def _trace(run: Run, snapshot: Snapshot, batch: Batch, size: Size, weights: Weights) -> Trace:
    """The trace of some weights, and the same numbers from all that are kept.

    Raises:
        ValueError: The weights do not fit the model.
    """
    task = run.experiment.task
    module = run.experiment.model.build(task.inputs, task.outputs, run.seed)  # its first weights follow from the seed
    inputs, targets, scored = (part[:, 0].numpy() for part in batch)
    assert snapshot.best is not None  # the caller looked
    vectors = {"first": (0, None), "best": (snapshot.best.step, snapshot.best.weights)}
    vectors |= {"final": (snapshot.step, snapshot.weights)}
    moments, views = [], {}
    for name, (step, vector) in vectors.items():
        if vector is not None:
            if len(vector) != (count := sum(p.numel() for p in module.parameters())):
                raise ValueError(f"{len(vector)} kept weights do not fit a model of {count}")
            vector_to_parameters(vector, module.parameters())
        views[name] = look(module, batch)
        moments.append(Moment(name, step, measure(inputs, targets, views[name][0], scored, views[name][1])))
    origin = Origin(*names(run), run.digest, said(size), weights, tuple(moments))
    outputs, seen = views[weights]
    return Trace(origin, inputs, targets, outputs, scored, seen)


def names(run: Run) -> tuple[str, str, int]:
    """Task, model and seed."""
    return run.experiment.task_name, run.experiment.model_name, run.seed
