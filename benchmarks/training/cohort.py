"""Seeds of one experiment, trained in lockstep: a GPU is filled by many small runs, or by one large one.

Every member has its own weights, data, clipping and optimiser state, each in a row of its own. Nothing passes from row
to row, so a member whose loss is not a number spoils its own row alone. Sequences are padded to the task's longest
training size, which changes no answer, so that every step has one shape. On a GPU that step, forward and backward, is
captured once as a CUDA graph and replayed, and many steps' data are handed over at a time. Not measured on a GPU.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from ..core import Batch, Run, Task, longest, pad
from .evaluate import Score, evaluate_each, measured
from .learner import Learner, built, flat, objective, views

AHEAD = 50
"""Steps whose data go to a GPU at a time: some 50 MB for ten members of the copy task."""


class Cohort(Learner):
    """The models of several runs that differ in their seed alone.

    A step costs the memory of all members' steps together.
    """

    graph: "Graph | None" = None

    def __init__(self, runs: Sequence[Run], device: torch.device) -> None:
        experiment = runs[0].experiment
        modules = [built(run) for run in runs]
        weights = torch.stack([flat(module) for module in modules]).to(device)
        self.buffers = {
            name: torch.stack([module.get_buffer(name) for module in modules]).to(device)
            for name, _ in modules[0].named_buffers()
        }
        super().__init__(experiment, modules[0].to(device), weights)
        self.names = [name for name, _ in self.module.named_parameters()]
        self.leaves = [view.detach().requires_grad_() for view in views(weights, self.parameters)]
        self.batch = silence(self.task, len(runs), self.training.batch, device)
        if device.type == "cuda":
            self.ahead, self.graph = AHEAD, Graph(self)

    def forward(self, parameters: Sequence[Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
        """One member's logits (time, batch, outputs)."""
        values = {**dict(zip(self.names, parameters, strict=True)), **buffers}
        logits: Tensor = functional_call(self.module, values, (inputs,))
        return logits

    def differentiate(self) -> tuple[Tensor, Tensor]:
        """Every member's loss on its part of ``self.batch``, (members,), and its gradient, (members, parameters)."""

        def loss(parameters: list[Tensor], buffers: dict[str, Tensor], *batch: Tensor) -> Tensor:
            return objective(self.task, self.training, self.forward(parameters, buffers, batch[0]), Batch(*batch))

        losses = vmap(loss)(self.leaves, self.buffers, *self.batch)
        parts = torch.autograd.grad(losses.sum(), self.leaves, materialize_grads=True)  # no loss knows another's row
        return losses.detach(), torch.cat([part.flatten(1) for part in parts], dim=1)

    def train(self, batches: Sequence[Sequence[Batch]]) -> tuple[Tensor, Tensor]:
        host = Batch(*(torch.zeros(len(batches), *part.shape) for part in self.batch))
        for step, members in enumerate(batches):
            for member, batch in enumerate(members):
                for row, part in zip(host, batch, strict=True):
                    row[step, member, : len(part)] = part
        data = Batch(*(part.to(self.weights.device) for part in host))
        done = [self.advance(Batch(*(part[step] for part in data))) for step in range(len(batches))]
        losses, norms = zip(*done, strict=True)
        return torch.stack(losses), torch.stack(norms)

    def advance(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One step of every member; losses and gradient norms (members,)."""
        for part, new in zip(self.batch, batch, strict=True):
            part.copy_(new)
        losses, gradients = self.graph.replay() if self.graph is not None else self.differentiate()
        norms = torch.linalg.vector_norm(gradients, dim=-1, keepdim=True)
        if self.training.clip is not None:
            gradients = self.training.clip.clip(gradients, norms)
        self.moments = self.training.optimizer.step(self.weights, gradients, self.moments)
        return losses.clone(), norms[:, 0]

    def evaluate(self, batches: Sequence[Batch]) -> list[Score]:
        whole = [pad(batches)]  # one call for all sizes

        def forward(inputs: Tensor) -> Tensor:
            logits: Tensor = vmap(self.forward, (0, 0, None))(self.leaves, self.buffers, inputs)
            return logits

        with measured(self.module):
            return evaluate_each(forward, whole, self.task)

    def provenance(self) -> dict[str, Any]:
        graph = ", CUDA graph" if self.graph is not None else ""
        return {**super().provenance(), "implementation": f"cohort of {len(self.weights)}{graph}"}


class Graph:
    """A cohort's ``differentiate``, captured: one launch instead of thousands."""

    def __init__(self, cohort: Cohort) -> None:
        with torch.cuda.device(cohort.weights.device):
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):  # libraries choose and allocate on their first calls, which cannot be captured
                    cohort.differentiate()
            torch.cuda.current_stream().wait_stream(aside)
            self.captured = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.captured):
                self.losses, self.gradients = cohort.differentiate()

    def replay(self) -> tuple[Tensor, Tensor]:
        """Losses and gradients of the cohort's present batch and weights; overwritten by the next call."""
        self.captured.replay()
        return self.losses, self.gradients


def silence(task: Task, members: int, batch: int, device: torch.device) -> Batch:
    """Batches of zeros, (members, time, batch, ...), as long as the task's longest training size."""
    shape = (members, longest(task), batch)
    shapes = ((*shape, task.inputs), (*shape, task.outputs), shape)
    return Batch(*(torch.zeros(shape, device=device) for shape in shapes))
