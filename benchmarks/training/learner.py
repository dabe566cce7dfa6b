"""What is trained: models whose trainable values are the rows of a matrix, and how a step of training moves them."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...ntm.unroll import Slope
from ..core import Batch, Run, Task, Training, longest, objective_of, pad
from ..optimizers import Moments, matrices
from ..outside import overheard
from ..records.checkpoints import Snapshot
from ..records.provenance import provenance
from .differentiate import differentiation, rows
from .evaluate import Score, evaluate_each, measured

AHEAD = 50
"""Steps whose data go to a GPU at a time: some 50 MB for ten members of the copy task."""


class Learner:
    """Runs that differ in their seed alone, trained in lockstep; a run alone is a cohort of one.

    Every member has its own weights, data, clipping and optimiser state, each in a row of its own. Nothing passes from
    row to row, so a member whose loss is not a number spoils its own row alone. The sequences of several members are
    padded to the longest that is trained on, which changes no answer, so that every step has one shape.

    Attributes:
        weights: All trainable values, (members, parameters), in the order of the module's parameters.
        moments: The optimiser's state.
        differentiate: The way to a gradient.
        ahead: How many steps' data are wanted at a time.
    """

    ahead = 1

    def __init__(self, runs: Sequence[Run], device: torch.device) -> None:
        task, training = runs[0].experiment.task, runs[0].experiment.training
        modules = [built(run).to(device) for run in runs]
        self.task, self.training, self.modules = task, training, modules
        self.weights = torch.stack([flat(module) for module in modules])
        self.moments = training.optimizer.begin(self.weights)
        self.matrices = matrices(modules[0])
        self.redraws = [redraw for module in modules if (redraw := getattr(module, "redraw", None)) is not None]
        self.silence = silence(task, len(runs), training, device)
        loss, slopes = partial(objective, task, training), partial(slope, task, training)
        self.differentiate = differentiation(modules, loss, slopes, self.weights, self.silence)
        if len(runs) > 1 and device.type == "cuda":
            self.ahead = AHEAD

    def put(self, weights: Tensor) -> None:
        """Overwrite all trainable values."""
        self.weights.copy_(weights)

    def go_on(self, snapshots: Sequence[Snapshot]) -> None:
        """Take over weights and, unless training is over, the optimiser's state; one snapshot a member."""
        self.put(torch.stack([snapshot.weights for snapshot in snapshots]))
        if moments := [snapshot.moments for snapshot in snapshots if snapshot.moments is not None]:
            self.moments = Moments.join(moments).copy(self.weights.device)

    def train(self, batches: Sequence[Sequence[Batch]]) -> tuple[Tensor, Tensor]:
        """Train some steps, in each on a batch a member.

        Returns:
            Losses and gradient norms before clipping, (steps, members). On a GPU they may not be there yet: whoever
            reads them waits. Once one is not finite, what follows of that member means nothing.
        """
        losses, norms = zip(*(self.step(batch) for batch in self.laid_out(batches)), strict=True)
        return rows(losses), rows(norms)

    def laid_out(self, batches: Sequence[Sequence[Batch]]) -> list[Batch]:
        """The batch of every step, (members, time, batch, ...), on the device."""
        device = self.weights.device
        if len(self.weights) == 1:
            return [Batch(*(part.to(device)[None] for part in batch)) for (batch,) in batches]
        host = Batch(*(torch.zeros(len(batches), *part.shape) for part in self.silence))
        for step, members in enumerate(batches):
            for member, batch in enumerate(members):
                for row, part in zip(host, batch, strict=True):
                    row[step, member, : len(part)] = part
        data = Batch(*(part.to(device) for part in host))  # in one piece
        return [Batch(*parts) for parts in zip(*data, strict=True)]

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One step of every member on its part of (members, time, batch, ...); losses and gradient norms (members,)."""
        for redraw in self.redraws:
            redraw(f"step {self.moments.step}")
        losses, gradients = self.differentiate(self.weights, batch)
        norms = torch.linalg.vector_norm(gradients, dim=-1, keepdim=True)
        if self.training.clip is not None:
            gradients = self.training.clip.clip(gradients, norms)
        schedule, taken = self.training.schedule, self.moments.step
        factor = 1.0 if schedule is None else schedule.factor(taken, self.training.steps)
        self.moments = self.training.optimizer.step(self.weights, gradients, self.moments, factor, self.matrices)
        return losses, norms[:, 0]

    def evaluate(self, batches: Sequence[Batch]) -> list[Score]:
        """Every member's score."""
        for redraw in self.redraws:
            redraw("measured")
        at_once = len(self.weights) > 1 and not self.redraws  # a draw goes by a sequence's place in its batch
        whole = [pad(batches)] if at_once else batches  # of a cohort one call for all sizes
        with ExitStack() as modes:
            for module in self.modules:
                modes.enter_context(measured(module))
            return evaluate_each(partial(self.differentiate.forward, self.weights), whole, self.task)

    def provenance(self) -> dict[str, Any]:
        """What a record says of where its runs came from."""
        where = provenance(self.modules[0], self.weights.device)
        if (members := len(self.weights)) > 1:
            where["implementation"] = ", ".join(filter(None, (f"cohort of {members}", self.differentiate.how)))
        return where


def built(run: Run) -> nn.Module:
    """A run's model, untrained."""
    task = run.experiment.task
    with overheard():
        return run.experiment.model.build(task.inputs, task.outputs, run.seed)


def flat(module: nn.Module) -> Tensor:
    """A copy of a module's trainable values, in one vector."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])


def silence(task: Task, members: int, training: Training, device: torch.device) -> Batch:
    """Batches of zeros, (members, time, batch, ...), as long as the longest sequence that is trained on."""
    shape = (members, longest(task, training), training.batch)
    shapes = ((*shape, task.inputs), (*shape, task.outputs), shape)
    return Batch(*(torch.zeros(shape, device=device) for shape in shapes))


def objective(task: Task, training: Training, logits: Tensor, batch: Batch) -> Tensor:
    """The loss as it is trained on."""
    nats = objective_of(task).nats(logits, batch.targets) * batch.scored[..., None]
    return nats.sum() / divisor(task, training, batch)


def slope(task: Task, training: Training, batch: Batch) -> Slope:
    """The gradient of ``objective`` by the logits of some samples, in one piece; see the objective's own ``slope``."""
    weight, answers = batch.scored[..., None] / divisor(task, training, batch), objective_of(task)

    def of(logits: Tensor, samples: slice) -> Tensor:
        return answers.slope(logits, batch.targets[:, samples]).mul_(weight[:, samples])

    return of


def divisor(task: Task, training: Training, batch: Batch) -> int | Tensor:
    """How many the loss is a mean over: sequences, or scored answers."""
    sequences, outputs = batch.targets.shape[-2:]
    return sequences if training.reduction == "sum" else batch.scored.sum() * objective_of(task).answers(outputs)
