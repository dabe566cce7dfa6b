"""The loop over time: a cell run over whole sequences, step by step."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils._pytree import tree_map

Slope = Callable[[Tensor, slice], Tensor]
"""From the logits (time, n, outputs) of some samples of the batch, the gradient of the loss by them, of their shape.

It is called without grad, and leaves the logits alone; they may be a part of something larger."""

Differentiation = Callable[[Tensor, Tensor, Sequence[Slope]], tuple[Tensor, Tensor]]
"""What differentiates several modules that differ in their values alone.

From the weights (members, parameters), of whose rows the modules' parameters are views, inputs (members, time, batch,
inputs) and the slope of each member's loss, the logits (members, time, batch, outputs) and the gradients (members,
parameters), which the next call may overwrite."""


class Cell(Protocol):
    """What can be unrolled: a step ``(x, state) -> (y, state)``, and the state before the first."""

    def begin(self, batch: int) -> Any: ...

    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, Any]: ...


def unroll(cell: Cell, inputs: Tensor) -> Tensor:
    """Run a cell over (time, batch, inputs): its outputs, (time, batch, outputs)."""
    return run(cell, inputs, cell.begin(inputs.shape[1]))[0]


def run(cell: Cell, inputs: Tensor, state: Any, over: Tensor | None = None) -> tuple[Tensor, Any]:
    """Run a cell over (time, batch, inputs), of any number of steps, from a state.

    Args:
        over: (time, batch), where a sequence has ended: its state stays what it is.

    Returns:
        The outputs, (time, batch, outputs), and the last state.
    """
    outputs = []
    for t, x in enumerate(inputs):
        before = state
        y, state = cell(x, before)
        if over is not None:
            state = tree_map(lambda new, old, ended=over[t]: torch.where(along(ended, new), old, new), state, before)
        outputs.append(y)
    if not outputs:  # no step gives what one would, without it
        return run(cell, pad(inputs, (0, 0, 0, 0, 0, 1)), state)[0][:0], state
    return torch.stack(outputs), state


def along(ended: Tensor, part: Tensor) -> Tensor:
    """(batch,), in the shape of what is to be chosen by it."""
    return ended.view(-1, *[1] * (part.dim() - 1))


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
