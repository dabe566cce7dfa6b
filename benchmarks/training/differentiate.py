"""The one way to a gradient: a function from the weights of some members and a batch of each to losses and gradients.

Who computes it is the model's own affair. A module may have a method ``differentiation(members)`` that gives a function
for itself and others like it: a fused step, a kernel of a GPU. Where it has none, or answers None, autograd follows the
module: through ``vmap`` for several members; one member after another where ``vmap`` cannot batch the model. On a GPU a
CUDA graph captures the whole step around it (``learner``): there no answer may ask a device for a number.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ...ntm.unroll import Differentiation, Slope
from ..protocols import Batch

logger = logging.getLogger(__name__)

Loss = Callable[[Tensor, Batch], Tensor]
"""From one member's logits (time, batch, outputs) and its batch, what is trained on."""


class Differentiate(Protocol):
    """How some members are computed: modules that differ in their values alone.

    Attributes:
        how: In a word or two, for a record; empty where nothing is to be said.
    """

    how: str

    def __call__(self, weights: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Losses (members,) and gradients (members, parameters), which the next call may overwrite.

        Args:
            weights: All trainable values, (members, parameters).
            batch: Each member's own, (members, time, batch, ...).
        """
        ...

    def forward(self, weights: Tensor, inputs: Tensor) -> Tensor:
        """Logits (members, time, batch, outputs) of inputs (time, batch, inputs) that all members are given."""
        ...


def differentiation(
    modules: Sequence[nn.Module], loss: Loss, slope: Callable[[Batch], Slope], weights: Tensor, example: Batch
) -> Differentiate:
    """What the modules offer, else what suits their number.

    Args:
        modules: One a member.
        loss: The loss of a member.
        slope: Its gradient by the logits.
        weights: What it will be called with: the same tensor, whose values change.
        example: A batch like those it will be called with.
    """
    offer: Callable[[Sequence[nn.Module]], Differentiation | None] | None
    offer = getattr(modules[0], "differentiation", None)
    if offer is not None and (own := offer(modules)) is not None:
        return Own(modules, loss, slope, own)
    if len(modules) == 1:
        return InTurn(modules, loss)
    if getattr(modules[0], "redraw", None) is not None:
        return InTurn(modules, loss, "each draws its own")
    mapped = Mapped(modules, loss)
    try:
        mapped(weights, example)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # vmap refuses in many ways; what is the model's own fault, it will say again
        why = str(error).strip().partition("\n")[0]
        logger.info("vmap cannot batch %s, whose members take turns: %s", type(modules[0]).__name__, why)
        return InTurn(modules, loss, f"vmap cannot batch {type(modules[0]).__name__}: {why}")
    return mapped


class InTurn:
    """Autograd, one member after another.

    Args:
        modules: One a member. Their parameters become views of the weights' rows.
        loss: The loss of a member.
        why: Why several members take turns.
    """

    def __init__(self, modules: Sequence[nn.Module], loss: Loss, why: str = "") -> None:
        self.modules, self.loss, self.why = modules, loss, why
        self.how = "one after another" if len(modules) > 1 else ""
        self.parameters = [list(module.parameters()) for module in modules]
        self.bound: Tensor | None = None

    def bind(self, weights: Tensor) -> None:
        """Let every parameter be a view of the weights, unless it is one already."""
        if weights is not self.bound:
            for parameters, row in zip(self.parameters, weights, strict=True):
                for parameter, view in zip(parameters, views(row, parameters), strict=True):
                    parameter.data = view
            self.bound = weights

    def __call__(self, weights: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        self.bind(weights)
        losses, gradients = [], []
        for module, parameters, own in zip(self.modules, self.parameters, members(batch), strict=True):
            loss = self.loss(module(own.inputs), own)
            parts = torch.autograd.grad(loss, parameters, materialize_grads=True)
            losses.append(loss.detach())
            gradients.append(torch.cat([part.reshape(-1) for part in parts]))
        return rows(losses), rows(gradients)

    def forward(self, weights: Tensor, inputs: Tensor) -> Tensor:
        self.bind(weights)
        return rows([module(inputs) for module in self.modules])


class Own(InTurn):
    """What the modules themselves offer."""

    def __init__(
        self, modules: Sequence[nn.Module], loss: Loss, slope: Callable[[Batch], Slope], own: Differentiation
    ) -> None:
        super().__init__(modules, loss)
        self.slope, self.own = slope, own
        self.how = getattr(own, "how", "its own step" if len(modules) > 1 else "")

    def __call__(self, weights: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        self.bind(weights)
        each = members(batch)
        logits, gradients = self.own(weights, batch.inputs, [self.slope(own) for own in each])
        return rows([self.loss(*pair) for pair in zip(logits.unbind(), each, strict=True)]), gradients

    def forward(self, weights: Tensor, inputs: Tensor) -> Tensor:
        own = getattr(self.own, "forward", None)
        return super().forward(weights, inputs) if own is None else own(weights, inputs)


class Mapped:
    """``vmap`` and autograd: all members at once, by a module of theirs."""

    how = ""

    def __init__(self, modules: Sequence[nn.Module], loss: Loss) -> None:
        self.module, self.loss = modules[0], loss
        self.names, self.parameters = zip(*self.module.named_parameters(), strict=True)
        self.buffers = {
            name: torch.stack([module.get_buffer(name) for module in modules])
            for name, _ in self.module.named_buffers()
        }

    def one(self, parameters: Sequence[Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
        """One member's logits (time, batch, outputs)."""
        values = {**dict(zip(self.names, parameters, strict=True)), **buffers}
        logits: Tensor = functional_call(self.module, values, (inputs,))
        return logits

    def __call__(self, weights: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        def loss(parameters: list[Tensor], buffers: dict[str, Tensor], *own: Tensor) -> Tensor:
            return self.loss(self.one(parameters, buffers, own[0]), Batch(*own))

        leaves = [view.detach().requires_grad_() for view in views(weights, self.parameters)]
        losses = vmap(loss)(leaves, self.buffers, *batch)
        parts = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True)  # no loss knows another's row
        return losses.detach(), torch.cat([part.flatten(1) for part in parts], dim=1)

    def forward(self, weights: Tensor, inputs: Tensor) -> Tensor:
        logits: Tensor = vmap(self.one, (0, 0, None))(views(weights, self.parameters), self.buffers, inputs)
        return logits


def members(batch: Batch) -> list[Batch]:
    """Each member's part of a batch (members, time, batch, ...)."""
    return [Batch(*parts) for parts in zip(*(part.unbind() for part in batch), strict=True)]


def rows(parts: Sequence[Tensor]) -> Tensor:
    """One tensor of them all, members first; of a single one without a copy."""
    return parts[0][None] if len(parts) == 1 else torch.stack(list(parts))


def views(weights: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The last axis of ``weights``, cut into the shapes of the parameters."""
    parts = torch.split_with_sizes(weights, [parameter.numel() for parameter in parameters], dim=-1)
    return [
        part.view((*weights.shape[:-1], *parameter.shape)) for part, parameter in zip(parts, parameters, strict=True)
    ]
