"""What is trained: models whose trainable values are the rows of a matrix, and how a step of training moves them."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...ntm.unroll import Slope
from ..core import Run, Training, longest
from ..optimizers import Moments, Rates, matrices
from ..outside import overheard
from ..protocols import Batch, Task, objective_of, pad
from ..records.checkpoints import Snapshot
from ..records.provenance import provenance
from .differentiate import InTurn, differentiation, rows
from .evaluate import Score, evaluate_each, measured
from .graph import Graph, asks

logger = logging.getLogger(__name__)

AHEAD = 50
"""Steps whose data go to a GPU at a time: some 50 MB for ten members of the copy task."""

ROOM = 1 << 28
"""Bytes that these data take at most, where a step's are no more; three such pieces may be there at once."""


class Learner:
    """Runs that differ in their seed alone, trained in lockstep; a run alone is a cohort of one.

    Every member has its own weights, data, clipping and optimiser state, each in a row of its own. Nothing passes from
    row to row, so a member whose loss is not a number spoils its own row alone. The sequences of several members are
    padded to the longest that is trained on, which changes no answer, so that every step has one shape.

    On a GPU, where a run alone is treated likewise, the whole step is one CUDA graph: gradients, clip and optimiser.
    Nobody waits for it until the losses of many steps are read at once. It is launched piece by piece where the model
    draws anew for every sequence, since the draws are made outside, or asks for a number on its way.

    Attributes:
        weights: All trainable values, (members, parameters), in the order of the module's parameters. Their place
            never changes, nor that of the optimiser's state.
        moments: The optimiser's state.
        differentiate: The way to a gradient.
        ahead: How many steps' data are wanted at a time.
        graph: The step as a CUDA graph; None where it is not captured.
        padded: Whether every step has the shape of the longest.
    """

    ahead = 1

    def __init__(self, runs: Sequence[Run], device: torch.device) -> None:
        task, training = runs[0].experiment.task, runs[0].experiment.training
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # where kernels of our own are launched, and graphs are captured
        modules = [built(run).to(device) for run in runs]
        self.task, self.training, self.modules = task, training, modules
        self.weights = torch.stack([flat(module) for module in modules])
        self.moments = training.optimizer.begin(self.weights)
        self.matrices = matrices(modules[0])
        self.redraws = [redraw for module in modules if (redraw := getattr(module, "redraw", None)) is not None]
        self.silence = silence(task, len(runs), training, device)
        loss, slopes = partial(objective, task, training), partial(slope, task, training)
        self.differentiate = differentiation(modules, loss, slopes, self.weights, self.silence)
        self.graph = self.outlook = None
        if on_gpu(device):
            size = sum(part.numel() * part.element_size() for part in self.silence)
            self.ahead = max(1, min(AHEAD, ROOM // size))
            if self.capturable(runs[0]):
                self.graph = Graph(lambda *given: self.move(Batch(*given[:-1]), given[-1]))
                self.outlook = Graph(lambda inputs: (self.differentiate.forward(self.weights, inputs),))
        self.padded = len(runs) > 1 or self.graph is not None

    def capturable(self, run: Run) -> bool:
        """Whether a step can be captured: our own code and what ``vmap`` can batch can, others are tried.

        A member is tried, on the CPU: cuDNN's recurrent layers cannot be computed on fake tensors.
        """
        if self.redraws:  # a graph would look at one memory for ever
            return False
        if type(self.differentiate) is not InTurn:
            return True
        module = built(run)
        weights, way = flat(module)[None], InTurn([module], self.differentiate.loss)
        way.bind(weights)
        batch = silence(self.task, 1, self.training, weights.device)
        if why := asks(lambda *parts: way(weights, Batch(*parts)), *batch):
            logger.info("a step of %s is no CUDA graph: %s", type(self.modules[0]).__name__, why)
        return not why

    def put(self, weights: Tensor) -> None:
        """Overwrite all trainable values."""
        self.weights.copy_(weights)

    def go_on(self, snapshots: Sequence[Snapshot]) -> None:
        """Take over weights and, unless training is over, the optimiser's state; one snapshot a member."""
        self.put(torch.stack([snapshot.weights for snapshot in snapshots]))
        if moments := [snapshot.moments for snapshot in snapshots if snapshot.moments is not None]:
            self.moments = self.moments.put(Moments.join(moments))

    def train(self, data: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        """Train some steps, each on what ``laid_out`` gave for it.

        Returns:
            Losses and gradient norms before clipping, (steps, members). On a GPU they may not be there yet: whoever
            reads them waits. Once one is not finite, what follows of that member means nothing.
        """
        losses, norms = zip(*map(self.step, data, self.rates(len(data))), strict=True)
        return rows(losses), rows(norms)

    def laid_out(self, batches: Sequence[Sequence[Batch]]) -> list[Batch]:
        """Of a batch a member for every step the batch of every step, (members, time, batch, ...), on the device."""
        device = self.weights.device
        if not self.padded:
            return [Batch(*(part.to(device)[None] for part in batch)) for (batch,) in batches]
        pinned = device.type == "cuda"  # what is pinned is copied while the GPU computes
        host = Batch(*(torch.zeros(len(batches), *part.shape, pin_memory=pinned) for part in self.silence))
        for step, members in enumerate(batches):
            for member, batch in enumerate(members):
                for row, part in zip(host, batch, strict=True):
                    row[step, member, : len(part)] = part
        data = Batch(*(part.to(device, non_blocking=True) for part in host))  # in one piece
        return [Batch(*parts) for parts in zip(*data, strict=True)]

    def rates(self, steps: int) -> Sequence[Rates]:
        """What the optimiser takes in each of the next steps: numbers, or for a graph a tensor of them."""
        optimizer, schedule, whole = self.training.optimizer, self.training.schedule, self.training.steps
        numbers = [
            optimizer.rates(step, 1.0 if schedule is None else schedule.factor(step, whole))
            for step in range(self.moments.step, self.moments.step + steps)
        ]
        if self.graph is None:
            return numbers
        device = self.weights.device
        return torch.tensor(numbers, pin_memory=device.type == "cuda").to(device, non_blocking=True).unbind()

    def step(self, batch: Batch, rates: Rates) -> tuple[Tensor, Tensor]:
        """One step of every member on its part of (members, time, batch, ...); losses and gradient norms (members,)."""
        for redraw in self.redraws:
            redraw(f"step {self.moments.step}")
        if self.graph is None:
            losses, norms = self.move(batch, rates)
        else:
            losses, norms = self.graph(*batch, torch.as_tensor(rates))
        self.moments = self.moments._replace(step=self.moments.step + 1)
        return losses, norms

    def move(self, batch: Batch, rates: Rates) -> tuple[Tensor, Tensor]:
        """The whole of a step but for the count: what a graph captures. Changes weights and state where they are."""
        losses, gradients = self.differentiate(self.weights, batch)
        norms = torch.linalg.vector_norm(gradients, dim=-1, keepdim=True)
        if self.training.clip is not None:
            gradients = self.training.clip.clip(gradients, norms)
        self.training.optimizer.move(self.weights, gradients, self.moments, rates, self.matrices)
        return losses, norms[:, 0]

    def evaluate(self, batches: Sequence[Batch]) -> list[Score]:
        """Every member's score."""
        for redraw in self.redraws:
            redraw("measured")
        at_once = self.padded and not self.redraws  # a draw goes by a sequence's place in its batch
        whole = [pad(batches)] if at_once else batches  # of a cohort one call for all sizes
        with ExitStack() as modes:
            for module in self.modules:
                modes.enter_context(measured(module))
            return evaluate_each(self.forward, whole, self.task)

    def forward(self, inputs: Tensor) -> Tensor:
        """Every member's logits, (members, time, batch, outputs), of inputs that all are given."""
        if self.outlook is not None:
            return self.outlook(inputs)[0]
        return self.differentiate.forward(self.weights, inputs)

    def provenance(self) -> dict[str, Any]:
        """What a record says of where its runs came from."""
        where = provenance(self.modules[0], self.weights.device)
        members, how = len(self.weights), self.differentiate.how
        whose = (f"cohort of {members}", how) if members > 1 else (how or where["implementation"],)
        graph = "" if self.graph is None else "CUDA graph"
        where["implementation"] = ", ".join(filter(None, (*whose, graph)))
        return where


def on_gpu(device: torch.device) -> bool:
    """Whether steps are captured, and data made ahead of them."""
    return device.type == "cuda"


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
