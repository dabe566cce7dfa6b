"""What is trained: a model whose trainable values lie in one vector, and how a step of training moves them."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...ntm.model import NTMModule
from ...ntm.unroll import Slope
from ..core import Batch, Experiment, Run, Task, Training, objective_of
from ..optimizers import Moments
from ..outside import overheard
from ..records.checkpoints import Snapshot
from ..records.provenance import provenance
from .evaluate import Score, evaluate, measured

if TYPE_CHECKING:
    from ...ntm.fused.gradients import Gradients


class Learner:
    """Models of runs that differ in their seed alone, in training.

    Attributes:
        module: A model of theirs; its parameters are in the order of the weights.
        weights: All trainable values, (members, parameters).
        moments: The optimiser's state.
        ahead: How many steps' data are wanted at a time.
    """

    ahead = 1

    def __init__(self, experiment: Experiment, module: nn.Module, weights: Tensor) -> None:
        self.task, self.training = experiment.task, experiment.training
        self.module, self.weights = module, weights
        self.parameters = list(module.parameters())
        self.moments = self.training.optimizer.begin(weights)

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
        raise NotImplementedError

    def evaluate(self, batches: Sequence[Batch]) -> list[Score]:
        """Every member's score."""
        raise NotImplementedError

    def provenance(self) -> dict[str, Any]:
        """What a record says of where its run came from."""
        return provenance(self.module, self.weights.device)


class Alone(Learner):
    """The model of one run."""

    def __init__(self, run: Run, device: torch.device) -> None:
        module = built(run).to(device)
        self.ntm = module if isinstance(module, NTMModule) and module.plain() else None  # its fused step is autograd's
        self.ready: Gradients | None = None
        super().__init__(run.experiment, module, flat(module)[None])
        for parameter, view in zip(self.parameters, views(self.weights[0], self.parameters), strict=True):
            parameter.data = view

    def gradients(self, batch: Batch) -> tuple[float, Tensor]:
        """The training loss and its gradient (1, parameters), which the next call may overwrite."""
        if (quick := self.quick(batch.inputs)) is not None:
            logits, gradients = quick(batch.inputs, slope(self.task, self.training, batch))
            return float(objective(self.task, self.training, logits, batch)), gradients[None]
        loss = objective(self.task, self.training, self.module(batch.inputs), batch)
        parts = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        return float(loss.detach()), torch.cat([part.reshape(-1) for part in parts])[None]

    def quick(self, inputs: Tensor) -> "Gradients | None":
        """The fused training step, where it finds what autograd would and covers such inputs.

        Raises:
            ValueError: The fused twin is asked for where it cannot run.
        """
        if self.ntm is None or inputs.shape[1] == 0:
            return None
        if self.ntm.implementation_for(inputs.device, inputs.dtype) == "reference":
            return None
        self.ready = self.ready or self.ntm.gradients()
        return self.ready

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

    def train(self, batches: Sequence[Sequence[Batch]]) -> tuple[Tensor, Tensor]:
        device = self.weights.device
        done = [self.step(Batch(*(part.to(device) for part in batch))) for (batch,) in batches]
        losses, norms = torch.tensor(done, dtype=torch.float64).unbind(-1)
        return losses[:, None], norms[:, None]

    def evaluate(self, batches: Sequence[Batch]) -> list[Score]:
        with measured(self.module):
            return [evaluate(self.module, batches, self.task)]


def built(run: Run) -> nn.Module:
    """A run's model, untrained."""
    task = run.experiment.task
    with overheard():
        return run.experiment.model.build(task.inputs, task.outputs, run.seed)


def flat(module: nn.Module) -> Tensor:
    """A copy of a module's trainable values, in one vector."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])


def views(weights: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The last axis of ``weights``, cut into the shapes of the parameters."""
    parts = torch.split_with_sizes(weights, [parameter.numel() for parameter in parameters], dim=-1)
    return [
        part.view((*weights.shape[:-1], *parameter.shape)) for part, parameter in zip(parts, parameters, strict=True)
    ]


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
