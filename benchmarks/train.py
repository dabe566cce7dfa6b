"""Training as a generator of events: it touches no file, no tracker and no terminal.

``list(train(run, device))`` is a whole training; whoever consumes the events decides what to keep. Everything random is
a function of (task, seed, step), so a training resumed from a snapshot goes on exactly as if it had never stopped.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from ..ntm import stream
from .checkpoints import Best, Snapshot
from .core import Batch, Experiment, Run, Size, Task, pad
from .evaluate import evaluate, evaluation_set, identity, nats, test_set
from .events import Ended, Evaluated, Event, Generalised, Resumed, Started
from .provenance import provenance


class Learner:
    """A model whose trainable values lie in one vector, and one step of its training."""

    def __init__(self, run: Run, device: torch.device) -> None:
        experiment = run.experiment
        task = experiment.task
        self.training = experiment.training
        self.module: nn.Module = experiment.model.build(task.inputs, task.outputs, run.seed).to(device)
        self.parameters = list(self.module.parameters())
        self.weights = torch.cat([p.detach().reshape(-1) for p in self.parameters])[None]  # (1, parameters)
        self.point()
        self.moments = self.training.optimizer.begin(self.weights)

    def point(self) -> None:
        """Make the module's parameters views of the vector."""
        start = 0
        for parameter in self.parameters:
            parameter.data = self.weights[0, start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()

    def put(self, weights: Tensor) -> None:
        """Overwrite all trainable values."""
        self.weights[0].copy_(weights)

    def kept(self) -> Tensor:
        """A copy of all trainable values (parameters,), on the CPU."""
        return self.weights[0].detach().to("cpu", copy=True)

    def gradients(self, batch: Batch) -> tuple[float, Tensor]:
        """The training loss and its gradient (1, parameters)."""
        each = nats(self.module(batch.inputs), batch)
        if self.training.reduction == "sum":
            loss = each.mean()
        else:
            loss = each.sum() / (batch.scored.sum() * batch.targets.shape[2])
        parts = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        return float(loss.detach()), torch.cat([part.reshape(-1) for part in parts])[None]

    def step(self, batch: Batch) -> tuple[float, float]:
        """Train on one batch, if loss and gradient are finite; gives the loss and the norm before clipping."""
        loss, gradients = self.gradients(batch)
        norms = torch.linalg.vector_norm(gradients, dim=-1, keepdim=True)
        norm = float(norms)
        if math.isfinite(loss) and math.isfinite(norm):
            if self.training.clip is not None:
                gradients = self.training.clip.clip(gradients, norms)
            self.moments = self.training.optimizer.step(self.weights, gradients, self.moments)
        return loss, norm


def train(
    run: Run,
    device: torch.device,
    snapshot: Snapshot | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event | Snapshot]:
    """Train and test one run.

    Args:
        run: What to train.
        device: Where.
        snapshot: Where to go on from.
        stop: Asked before every step; once true, the training hands out a snapshot and ends as ``interrupted``.

    Yields:
        ``Started`` or ``Resumed``; an ``Evaluated`` and a ``Snapshot`` every ``eval_every`` steps, from step 0 on;
        ``Generalised`` for best and final weights at every test size; ``Ended``.
    """
    experiment, training = run.experiment, run.experiment.training
    learner = Learner(run, device)
    batches = evaluation_set(experiment.task, training, device)
    drawn = identity(experiment.task)
    began = time.perf_counter()
    before, step, best, losses, largest = 0.0, 0, None, [], 0.0
    if snapshot is None:
        yield started(run, learner.module, device)
    else:
        before, step, best = snapshot.seconds, snapshot.step, snapshot.best
        losses, largest = list(snapshot.losses), snapshot.gradient_norm
        learner.put(snapshot.weights)
        if snapshot.moments is not None:
            learner.moments = snapshot.moments.copy(device)
        yield Resumed(run.key, step, provenance(learner.module, device))

    def seconds() -> float:
        return round(before + time.perf_counter() - began, 3)

    def now() -> Snapshot:
        moments = None if step >= training.steps else learner.moments.copy("cpu")
        return Snapshot(run.key, run.digest, step, seconds(), learner.kept(), moments, best, tuple(losses), largest)

    fresh = snapshot is None
    while True:
        if fresh and step % training.eval_every == 0:  # a snapshot between two evaluations is not evaluated again
            loss, errors, _, _ = evaluate(learner.module, batches)
            if not math.isfinite(loss):
                yield Ended(run.key, "diverged", step, seconds(), "the evaluation loss is not finite")
                return
            if best is None or (errors, loss) < (best.errors, best.loss):
                best = Best(step, errors, loss, learner.kept())
            mean = sum(losses) / len(losses) if losses else None
            norm = largest if losses else None
            losses, largest = [], 0.0
            yield Evaluated(run.key, step, step * training.batch, loss, errors, mean, norm, seconds())
            yield now()
        fresh = True
        if step >= training.steps:
            break
        if stop():
            yield now()
            yield Ended(run.key, "interrupted", step, seconds())
            return
        batch = training_batch(experiment, drawn, run.seed, step)
        loss, norm = learner.step(Batch(*(part.to(device) for part in batch)))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "loss" if not math.isfinite(loss) else "gradient"
            yield Ended(run.key, "diverged", step, seconds(), f"the training {what} is not finite")
            return
        step += 1
        losses.append(loss)
        largest = max(largest, norm)

    assert best is not None  # step 0 was evaluated
    if step % training.eval_every:
        yield now()
    yield from generalise(run, learner, best, step, device)
    yield Ended(run.key, "done", step, seconds())


def generalise(run: Run, learner: Learner, best: Best, step: int, device: torch.device) -> Iterator[Event]:
    """Test the best and the final weights on every test size."""
    final = learner.weights[0].clone()
    kept: tuple[tuple[Literal["best", "final"], int, Tensor], ...] = (
        ("best", best.step, best.weights),
        ("final", step, final),
    )
    task, sequences = run.experiment.task, run.experiment.training.test_sequences
    for size in task.test:
        batches = test_set(task, size, sequences, device)
        for name, at, weights in kept:
            learner.put(weights)
            score = evaluate(learner.module, batches)
            yield Generalised(run.key, name, at, list(size), sequences, score.errors, score.bits, score.perfect)
    learner.put(final)


def training_batch(experiment: Experiment, drawn: str, seed: int, step: int) -> Batch:
    """The batch of a step: the same for every model, of sizes uniform over the task's training ranges."""
    generator = stream("training", drawn, seed, step)
    task, training = experiment.task, experiment.training
    if not training.mixed_sizes:
        return task.sample(draw_size(task, generator), training.batch, generator)
    return pad([task.sample(draw_size(task, generator), 1, generator) for _ in range(training.batch)])


def draw_size(task: Task, generator: torch.Generator) -> Size:
    """A size, each dimension uniform over its training range."""
    return tuple(sizes[int(torch.randint(len(sizes), (), generator=generator))] for sizes in task.train)


def started(run: Run, module: nn.Module, device: torch.device) -> Started:
    """The first line of a record."""
    task = run.experiment.task
    longest = max(task.steps(size) for size in (tuple(r[0] for r in task.train), tuple(r[-1] for r in task.train)))
    return Started(
        key=run.key,
        digest=run.digest,
        params=run.params,
        parameters=sum(p.numel() for p in module.parameters()),
        state_size=run.experiment.model.state_size(longest),
        provenance=provenance(module, device),
    )
