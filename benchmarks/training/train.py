"""Training as a generator of events: it touches no file, no tracker and no terminal.

``list(train(run, device))`` is a whole training; whoever consumes the events decides what to keep. Everything random
is a function of (task, seed, step), so a training resumed from a snapshot goes on exactly as if it had never stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from ...ntm import stream
from ..core import Experiment, Run
from ..protocols import Batch, Size, pad
from ..records.checkpoints import Snapshot
from ..records.events import Event
from .ahead import ahead
from .evaluate import evaluation_set, identity, inspect, test_set
from .learner import Learner, built, on_gpu
from .trainee import Trainee


def train(
    run: Run,
    device: torch.device,
    snapshot: Snapshot | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event | Snapshot]:
    """Train and test one run: a cohort of one, of which see ``train_together``."""
    return train_together([run], device, [snapshot] if snapshot is not None else [], stop)


def train_together(
    runs: Sequence[Run],
    device: torch.device,
    snapshots: Sequence[Snapshot] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event | Snapshot]:
    """Train and test a cohort, runs that differ in their seed alone, in lockstep.

    Args:
        runs: What to train.
        device: Where.
        snapshots: Where to go on from, one a run and all of the same step; none to begin.
        stop: Asked before every step (every few of them, in a cohort on a GPU); once true, the training hands out a
            snapshot of every run and ends as ``interrupted``.

    Yields:
        For every run ``Started`` or ``Resumed``; an ``Evaluated`` and a ``Snapshot`` every ``eval_every`` steps, from
        step 0 on; ``Generalised`` for best and final weights at every test size, ``Inspected`` for what else is
        asked of the best; ``Ended``.

    Raises:
        ValueError: The runs are of several experiments or at different steps.
    """
    experiment, training = runs[0].experiment, runs[0].experiment.training
    steps = {snapshot.step for snapshot in snapshots} or {0}
    if any(run.experiment != experiment for run in runs) or len(steps) > 1 or len(snapshots) not in (0, len(runs)):
        raise ValueError(f"{', '.join(run.key for run in runs)}: a cohort is of one experiment and at one step")
    (step,) = steps
    learner = Learner(runs, device)
    tester = learner if experiment.tested is None else Learner([tested(run) for run in runs], device)
    if tester.weights.shape != learner.weights.shape:
        raise ValueError(f"{runs[0].key}: what is tested has other weights than what is trained")
    members = []
    for row, (run, snapshot) in enumerate(zip_longest(runs, snapshots)):
        members.append(Trainee(run, learner, row, snapshot))
        yield members[-1].begin(snapshot)
    if snapshots:
        learner.go_on(snapshots)
    batches = evaluation_set(experiment.task, training, device)
    drawn = identity(experiment.task)
    fresh = not snapshots

    def make(first: int) -> list[Batch]:
        return learner.laid_out(drawn_batches(runs, drawn, first, learner.ahead))

    gpu = on_gpu(device)
    with ahead(make, gpu) as data:
        while left := [member for member in members if not member.over]:
            said: list[Event | Snapshot] = []
            if fresh and step % training.eval_every == 0:  # a snapshot between two evaluations is not evaluated again
                scores = learner.evaluate(batches)
                said = [event for member in left for event in member.evaluated(step, scores[member.row])]
                left = [member for member in left if not member.over]
            if not gpu:
                yield from said
                said = []
            fresh = True
            over = step >= training.steps
            if over or stop():
                yield from said
                if over:
                    break
                for member in left:
                    yield member.snapshot(step)
                    yield member.end("interrupted", step)
                return
            found = learner.train(data(step))  # a GPU has only begun with them, while files are written:
            yield from said
            losses, norms = (part.cpu() for part in found)  # and is waited for, once for all steps and members
            for member in left:
                yield from member.trained(step, losses[:, member.row].tolist(), norms[:, member.row].tolist())
            step += len(losses)

    left = [member for member in left if not member.over]
    if step % training.eval_every:
        yield from (member.snapshot(step) for member in left)
    if left:
        yield from generalise(left, learner, tester, step, device)
        for member in left:
            yield from inspections(member)
    yield from (member.end("done", step, member.remark()) for member in left)


def tested(run: Run) -> Run:
    """A run of what the trained weights are tested in."""
    model = run.experiment.tested or run.experiment.model
    return replace(run, experiment=replace(run.experiment, model=model, tested=None))


def generalise(
    members: Sequence[Trainee], learner: Learner, tester: Learner, step: int, device: torch.device
) -> Iterator[Event]:
    """Test the learner's best and final weights, in the tester, on every test size."""
    task, training = members[0].run.experiment.task, members[0].run.experiment.training
    final, best = learner.weights.clone(), learner.weights.clone()
    for member in members:
        assert member.best is not None  # step 0 was evaluated
        best[member.row] = member.best.weights
    kept: tuple[tuple[Literal["best", "final"], Tensor], ...] = (("best", best), ("final", final))
    for size in task.test:
        batches = test_set(task, size, training.test_sequences, device)
        for name, weights in kept:
            tester.put(weights)
            scores = tester.evaluate(batches)
            yield from (member.generalised(name, step, size, scores[member.row]) for member in members)
    learner.put(final)


def inspections(member: Trainee) -> Iterator[Event]:
    """Measure what else the suite asks of the best weights, on the CPU."""
    run, best = member.run, member.best
    assert best is not None  # step 0 was evaluated
    if not run.experiment.inspections:
        return
    module = built(tested(run))
    vector_to_parameters(best.weights, module.parameters())
    for each in run.experiment.inspections:
        yield member.inspected(type(each).__name__, each.size, inspect(module, run.experiment.task, each))


def drawn_batches(runs: Sequence[Run], drawn: str, first: int, steps: int) -> list[list[Batch]]:
    """The data of so many steps, a batch a run each, or of those up to the next evaluation or the end."""
    experiment, training = runs[0].experiment, runs[0].experiment.training
    until = min(first + steps, first - first % training.eval_every + training.eval_every, training.steps)
    return [[training_batch(experiment, drawn, run.seed, step) for run in runs] for step in range(first, until)]


def training_batch(experiment: Experiment, drawn: str, seed: int, step: int) -> Batch:
    """The batch of a step: the same for every model, of sizes uniform over the training ranges of the step."""
    generator = stream("training", drawn, seed, step)
    task, training = experiment.task, experiment.training
    sizes = task.train if training.sizes is None else training.sizes.at(step)
    if not training.mixed_sizes:
        return task.sample(draw_size(sizes, generator), training.batch, generator)
    return pad([task.sample(draw_size(sizes, generator), 1, generator) for _ in range(training.batch)])


def draw_size(ranges: Sequence[range], generator: torch.Generator) -> Size:
    """A size, each dimension uniform over its range."""
    return tuple(sizes[int(torch.randint(len(sizes), (), generator=generator))] for sizes in ranges)
