"""The loop over time: a cell run over whole sequences, by its reference or by its fused twin."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

Slope = Callable[[Tensor, slice], Tensor]
"""From the logits (time, n, outputs) of some samples of the batch, the gradient of the loss by them, of their shape.

It is called without grad, and leaves the logits alone; they may be a part of something larger."""


class Cell(Protocol):
    """What can be unrolled: a step ``(x, state) -> (y, state)``, and the state before the first."""

    def begin(self, batch: int) -> Any: ...

    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, Any]: ...


def unroll(cell: Cell, inputs: Tensor) -> Tensor:
    """Run a cell over (time, batch, inputs): its outputs, (time, batch, outputs)."""
    state = cell.begin(inputs.shape[1])
    outputs = []
    for x in inputs:
        y, state = cell(x, state)
        outputs.append(y)
    return torch.stack(outputs)


class Watched(Cell, Protocol):
    """A cell that shows what it does: the step, and by name what is to be seen of it, each (batch, heads, size)."""

    def watch(self, x: Tensor, state: Any) -> tuple[Tensor, Any, dict[str, Tensor]]: ...


def watch(cell: Watched, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """What ``unroll(cell, inputs)`` gives, and by name what is to be seen of it, each (time, batch, heads, size).

    Names begin with what a head is for: ``write weighting`` or ``read strength``.
    """
    state = cell.begin(inputs.shape[1])
    outputs, steps = [], []
    for x in inputs:
        y, state, seen = cell.watch(x, state)
        outputs.append(y)
        steps.append(seen)
    return torch.stack(outputs), {name: torch.stack([seen[name] for seen in steps]) for name in steps[0]}


class Unrolled(nn.Module):
    """A cell that has a fused twin, over whole sequences; gives logits.

    Attributes:
        implementation: ``auto``: the fused twin where it covers the call, else the reference. ``reference`` or
            ``fused``: that one.
    """

    cell: Any

    def __init__(self, cell: "Cell") -> None:
        super().__init__()
        self.cell = cell
        self.implementation: Literal["auto", "reference", "fused"] = "auto"

    def forward(self, inputs: Tensor) -> Tensor:
        """(time, batch, inputs) to logits (time, batch, outputs); every sequence begins from the first state.

        Raises:
            ValueError: The fused twin is asked for where it cannot run.
        """
        if self.implementation_for(inputs.device, inputs.dtype) == "reference":
            return unroll(self.cell, inputs)
        return self.fused(inputs)

    def fused(self, inputs: Tensor) -> Tensor:
        """What ``unroll(self.cell, inputs)`` gives, by the fused twin."""
        raise NotImplementedError

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``forward``, by the reference, and what is to be seen of every step: see ``watch``."""
        return watch(self.cell, inputs)

    def implementation_for(
        self, device: torch.device | str, dtype: torch.dtype = torch.float32
    ) -> Literal["reference", "fused"]:
        """Which implementation a call with such inputs runs.

        Raises:
            ValueError: The fused twin is asked for where it cannot run.
        """
        if self.implementation == "reference":
            return "reference"
        reason = self.uncovered(torch.device(device), dtype)
        if not reason:
            return "fused"
        if self.implementation == "fused":
            raise ValueError(f"implementation='fused': {reason}; 'auto' or 'reference' would run")
        fall_back(self.cell.spec, reason)
        return "reference"

    def uncovered(self, device: torch.device, dtype: torch.dtype) -> str:
        """Why the fused twin cannot run, or nothing."""
        cell = self.cell
        if device.type != "cpu":
            return f"the fused {type(cell.spec).__name__} runs on the CPU, not on {device.type}"
        for kind in (dtype, cell.output.weight.dtype):
            if kind != torch.float32:
                return f"the fused {type(cell.spec).__name__} computes in float32, not {kind}"
        if torch._C._are_functorch_transforms_active():
            return f"the fused {type(cell.spec).__name__} knows no torch.func transform"
        return ""


@cache
def fall_back(spec: object, reason: str) -> None:
    """Say once for every spec that the reference runs."""
    logger.info("%s: the reference runs instead (%s)", reason, spec)
