"""The fused NTM's training step: forward and back, four samples after four.

Autograd sends the whole batch forward before anything goes back; by then, what the way back needs has left the cache.
Where each sample has a loss of its own, four go forward and back before the next four set out: the same numbers, to the
last bit, sooner, and room for the way back of four.
"""

from copy import deepcopy
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import twins
from ..cell import NTMCell
from ..unroll import Slope
from .autograd import (
    SINGLE,
    begin,
    begun,
    fill,
    first_back,
    flushed,
    halves,
    layers,
    numpy,
    parts,
    seconds,
    with_second,
)
from .unroll import Several
from .workspace import Lent, places


class Gradients:
    """Finds logits, and the gradient of a loss by all parameters, again and again: what a step needs is found once.

    Args:
        cell: Its parameters all want a gradient. Their values may change; they themselves stay.

    Raises:
        ValueError: What the cell holds is not as it was built, or not in float32.
    """

    def __init__(self, cell: NTMCell) -> None:
        self.cell = cell
        twins.intact(cell, **SINGLE)
        self.look = twins.Look(cell, cell)
        self.layout, self.starts, self.parameters = parts(cell)
        self.seconds = seconds(cell)
        every: list[Tensor] = list(cell.parameters())
        *ends, size = accumulate(parameter.numel() for parameter in every)
        self.gradient = torch.zeros(size, **SINGLE)
        pieces = zip(every, np.split(numpy(self.gradient), ends), strict=True)
        d = {parameter: piece.reshape(parameter.shape) for parameter, piece in pieces}
        count = len(self.layout.gates)
        self.d_weights = places(d[weight] for weight in self.parameters[:count])
        self.d_biases = places(d[bias] for bias in self.parameters[count:])
        self.d_seconds = [(d[second], d[self.parameters[at]]) for at, second in self.seconds]
        self.d_starts = [d.get(start.raw) for start in self.starts]
        self.lying: list[int] = []
        self.arrays: tuple[Several, Several] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Gradients":
        return Gradients(deepcopy(self.cell, memo))

    @torch.no_grad()
    def __call__(self, inputs: Tensor, slope: Slope) -> tuple[Tensor, Tensor]:
        """Logits (time, batch, outputs) of inputs (time, batch, inputs), and the gradient, (parameters,).

        The gradient is overwritten by the next call.

        Args:
            inputs: Which want no gradient themselves.
            slope: The loss: its gradient by the logits of some samples.

        Raises:
            ValueError: The inputs are not of that shape, the slope not of the logits', or what the cell holds not as it
                was built; or not in float32.
        """
        twins.check_inputs(inputs, self.cell.inputs, **SINGLE)
        if not self.look.holds(self.cell):
            twins.intact(self.cell, **SINGLE)
            if any(mine is not its for mine, its in zip(self.parameters, layers(self.cell)[1], strict=True)):
                raise ValueError("the cell has other parameters than it had: ask for its gradients anew")
            self.look = twins.Look(self.cell, self.cell)
        batch = inputs.shape[1]
        lent = Lent(self.layout, len(inputs), min(batch, 4))
        on, (weights, biases) = lent.workspace, self.values()
        first = begun(self.starts, batch)
        begin(on, first, weights)
        memory = on.memory.copy() if batch > 4 else on.memory
        logits = torch.empty(*inputs.shape[:2], self.layout.units[-1], **SINGLE)
        x, y = numpy(inputs.contiguous()), numpy(logits)
        self.gradient.zero_()
        with flushed():
            for at in range(0, batch, 4):
                samples = slice(at, min(at + 4, batch))
                if first[0].dim() > 1:
                    fill(on, first[0], at)
                elif at:
                    on.memory[...] = memory
                on.unroll(x, y, biases, at)
                few = logits[:, samples]
                d_few = slope(few, samples)
                if d_few.shape != few.shape or d_few.dtype != few.dtype:
                    given, accepted = (f"{tuple(part.shape)}, {part.dtype}" for part in (d_few, few))
                    raise ValueError(f"a slope of {given}: accepted is {accepted}, as the logits")
                on.unroll_back(numpy(d_few.contiguous()), self.d_weights, self.d_biases)
        for d_second, d_bias in self.d_seconds:
            d_second[...] = d_bias
        d_first = first_back(on, [d_start is not None for d_start in self.d_starts])
        for start, was, d_was, d_start in zip(self.starts, first, d_first, self.d_starts, strict=True):
            if d_was is not None and d_start is not None:
                d_start += numpy(start.back(was, d_was))
        return logits, self.gradient

    def values(self) -> tuple[Several, Several]:
        """Weights and biases as arrays: those of the last call, where the parameters still lie there in one piece."""
        lie = [parameter.data_ptr() for parameter in self.parameters]
        if self.arrays is None or lie != self.lying:
            found = halves(with_second(self.parameters, self.seconds))
            if self.seconds or not all(parameter.is_contiguous() for parameter in self.parameters):
                return found  # copies, which a later change of the parameters does not reach
            self.lying, self.arrays = lie, found
        return self.arrays
