"""The fused NTM's training step: forward and back, four samples after four.

Autograd sends the whole batch forward before anything goes back; by then, what the way back needs has left the cache.
Where each sample has a loss of its own, four go forward and back before the next four set out: the same numbers, to the
last bit, sooner, and room for the way back of four.
"""

import torch
from torch import Tensor

from .cell import NTMCell
from .fused_cpu import begin, first_back, flushed, halves, numpy, parts
from .fused_unroll import unroll, unroll_back
from .fused_workspace import Lent, places
from .model import Slope


def gradients(cell: NTMCell, inputs: Tensor, slope: Slope) -> tuple[Tensor, Tensor]:
    """Logits (time, batch, outputs) of inputs (time, batch, inputs), and the gradient of all parameters, (parameters,).

    Args:
        cell: The cell; all its parameters want a gradient.
        inputs: Which want none.
        slope: The loss: its gradient by the logits of some samples.

    Raises:
        ValueError: The slope is not of the logits' shape, or not in float32.
    """
    batch = inputs.shape[1]
    with torch.enable_grad():
        layout, first, parameters = parts(cell)
    lent = Lent(layout, len(inputs), min(batch, 4))
    on = lent.workspace
    begin(on, (*first, *parameters))
    memory, biases = on.memory.copy(), places(halves(parameters)[1])
    wanted: list[Tensor] = list(cell.parameters())
    vector = torch.zeros(sum(parameter.numel() for parameter in wanted))
    pieces = torch.split(vector, [parameter.numel() for parameter in wanted])
    d = {parameter: piece.view(parameter.shape) for parameter, piece in zip(wanted, pieces, strict=True)}
    d_weights, d_biases = map(places, halves([d[parameter] for parameter in parameters]))
    logits = []
    with flushed():
        for at in range(0, batch, 4):
            samples = slice(at, min(at + 4, batch))
            x = inputs[:, samples].contiguous()
            y = torch.empty(*x.shape[:2], layout.units[-1])
            on.memory[...] = memory
            unroll(numpy(x), numpy(y), biases, on.memory, on.trail, on.scratch, layout.options)
            d_y = slope(y, samples).contiguous()
            if d_y.shape != y.shape or d_y.dtype != y.dtype:
                given, accepted = (f"{tuple(part.shape)}, {part.dtype}" for part in (d_y, y))
                raise ValueError(f"a slope of {given}: accepted is {accepted}, as the logits")
            unroll_back(numpy(d_y), d_weights, d_biases, on.back, on.trail, on.scratch, layout.options)
            logits.append(y)
    layered = set(parameters)
    rest = [parameter for parameter in wanted if parameter not in layered]
    if rest:  # of the first state, whose squash is torch's
        states = [state for state in first if state.requires_grad]
        d_states = [part for part in first_back(on, [state.requires_grad for state in first]) if part is not None]
        found = torch.autograd.grad(states, rest, d_states, materialize_grads=True)
        for parameter, part in zip(rest, found, strict=True):
            d[parameter].copy_(part)
    return torch.cat(logits, dim=1), vector
