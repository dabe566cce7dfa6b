"""The DNC's unroll as one autograd function on the CPU: forward, and the backward derived by hand.

Values and gradients are those of ``unroll(cell, inputs)``, for one write head. The output's clip stays with torch.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....ntm import twins
from ....ntm.addressing import EPSILON
from ....ntm.fused.autograd import SINGLE
from ....ntm.fused.functions import linear, products
from ....ntm.kernels.layers import LSTM, TANH
from ....ntm.kernels.products import PANEL
from ..cell import DNCCell
from ..memory import DAMPING
from .access import Trail
from .interface import Options
from .unroll import EVERY, Kept, Layers, pack_weights, pack_weights_back, unroll, unroll_back

CHUNK = 64
"""Steps at a time where no gradient is asked for; a multiple of EVERY."""


def fused(cell: DNCCell, inputs: Tensor) -> Tensor:
    """What ``unroll(cell, inputs)`` gives: (time, batch, inputs) to logits (time, batch, outputs).

    Raises:
        ValueError: The inputs are not of that shape, or what the cell holds is not as it was built; or not in float32.
    """
    twins.check(cell, inputs, cell.inputs, **SINGLE)
    return checked(cell, inputs)


def checked(cell: DNCCell, inputs: Tensor) -> Tensor:
    """``fused``, of what has been checked: the loops do not look where an array ends."""
    parameters = [*layers(cell, "weight"), *layers(cell, "bias")]
    if torch.is_grad_enabled() and any(part.requires_grad for part in (inputs, *parameters)):
        features = Unroll.apply(cell, inputs, *parameters)  # type: ignore[no-untyped-call]
        return logits(cell, features, inputs.shape[1])
    passage = Passage(cell, min(CHUNK, inputs.shape[0]), inputs.shape[1])
    parts = []
    for chunk in torch.split(inputs, CHUNK):
        parts.append(logits(cell, passage.forward(chunk), inputs.shape[1]))
        passage.go_on(chunk.shape[0])
    return torch.cat(parts)


def logits(cell: DNCCell, features: Tensor, batch: int) -> Tensor:
    """The output layer, over all steps at once."""
    return cell.clip(linear(features[:, :batch], cell.output.weight, cell.output.bias))


def layers(cell: DNCCell, part: str) -> list[Tensor]:
    """Weights or biases of the controller's layers and of the interface; an interface without biases has zeros."""
    modules: list[Any] = [*cell.controller.layers, cell.interface]
    values = [getattr(module, part) for module in modules]
    return [torch.zeros(sum(cell.sizes), **SINGLE) if value is None else value for value in values]


class Unroll(torch.autograd.Function):
    """``Passage`` there and back as one node of autograd."""

    @staticmethod
    def forward(ctx: Any, cell: DNCCell, inputs: Tensor, *parameters: Tensor) -> Tensor:
        ctx.passage = Passage(cell, inputs.shape[0], inputs.shape[1])
        features: Tensor = ctx.passage.forward(inputs)
        ctx.save_for_backward(inputs, features, *parameters)  # so that autograd notices changes in place
        return features

    @staticmethod
    def backward(ctx: Any, d_features: Tensor) -> Any:
        twins.once("the fused DNC", d_features)
        inputs, features, *_ = ctx.saved_tensors
        if ctx.passage is None:
            raise RuntimeError("DNC: the fused backward pass works in place, once; call the module again")
        passage, ctx.passage = ctx.passage, None
        return None, *passage.backward(d_features, features, inputs, ctx.needs_input_grad[1])


class Passage:
    """A run over some time steps, and all that it leaves for the way back.

    Args:
        cell: What runs.
        steps: The most steps at a time.
        batch: Sequences.
    """

    def __init__(self, cell: DNCCell, steps: int, batch: int) -> None:
        spec, self.cell, self.batch = cell.spec, cell, batch
        self.padded = padded = -(-batch // 4) * 4
        self.weights, self.biases = ([numpy(value) for value in layers(cell, part)] for part in ("weight", "bias"))
        self.kinds = ((LSTM if spec.recurrent else TANH),) * spec.layers
        damped = spec.cosine == "damped"
        self.options = Options(
            reads=spec.reads,
            width=spec.width,
            links=spec.links,
            plus=np.float32(spec.strength == "oneplus"),
            damping=np.float32(DAMPING if damped else 0),
            epsilon=np.float32(DAMPING if damped else EPSILON),
            least=np.float32(spec.least_usage),
            detached=spec.detach_usage,
            limit=np.float32(np.inf if spec.clip is None else spec.clip),
            masked=spec.masked,
            deallocate=spec.deallocate,
            sharpened=spec.sharpened,
        )
        rows, reads, linked = spec.rows, spec.reads, spec.rows if spec.links else 0
        units = spec.units if spec.recurrent else 0
        self.inputs = tuple(zeros(steps + 1, padded, weight.shape[1]) for weight in self.weights[:-1])
        self.gates = tuple(empty(steps, padded, weight.shape[0]) for weight in self.weights[:-1])
        self.cells = tuple(empty(steps + 1, padded, units) for _ in self.kinds)
        self.carried = tuple(zeros(steps + 1, padded, units) for _ in self.kinds)
        asked = len(self.biases[-1])
        self.trail = Trail(
            raw=empty(steps, padded, asked),
            ask=empty(steps, batch, asked),
            retained=empty(steps, batch, rows),
            usage=first(steps, batch, rows),
            order=first(steps, batch, rows, of=np.int32),
            allocation=empty(steps, batch, rows),
            lengths=empty(steps, batch, 1 + reads, rows),
            similarity=empty(steps, batch, 1 + reads, rows),
            by_content=empty(steps, batch, 1 + reads, rows),
            writing=first(steps, batch, 1, rows),
            precedence=first(steps, batch, linked),
            linked=empty(steps, batch, 2 * reads, linked),
            sharp=empty(steps, batch, 2 * reads, rows if spec.sharpened else 0),
            scales=empty(steps, batch, 2 * reads, 2 if spec.sharpened else 0),
            reading=first(steps, batch, reads, rows),
        )
        self.trail.order[0] = np.arange(rows)
        self.memory, self.links = zeros(batch, spec.width, rows), zeros(batch, 2, linked, linked)
        kept = -(-steps // EVERY)
        self.kept = Kept(empty(kept, batch, spec.width, rows), empty(kept, batch, linked, linked))

    def forward(self, x: Tensor) -> Tensor:
        """Features (time, padded, layers * units + reads * width): what the output layer is given."""
        spec = self.cell.spec
        features = torch.zeros(x.shape[0], self.padded, spec.layers * spec.units + spec.reads * spec.width, **SINGLE)
        *weights, to_interface = [packed(weight) for weight in self.weights]
        outs = tuple(empty(4, spec.units) for _ in self.kinds)
        unroll(
            numpy(x), features.numpy(), self.kinds, self.layers(weights), outs, to_interface, self.biases[-1],
            self.trail, self.memory, self.links, self.kept, self.options,
        )  # fmt: skip
        return features

    def layers(self, weights: list[Any]) -> Layers:
        """The controller's arrays as the kernels want them."""
        return Layers(tuple(weights), tuple(self.biases[:-1]), self.inputs, self.gates, self.cells, self.carried)

    def go_on(self, steps: int) -> None:
        """Make the state after some steps the one to begin from."""
        trail = self.trail
        states = (trail.usage, trail.order, trail.writing, trail.precedence, trail.reading, *self.inputs, *self.carried)
        for state in states:
            state[0] = state[steps]

    def backward(self, d_features: Tensor, features: Tensor, x: Tensor, wanted: bool) -> list[Tensor | None]:
        """Gradients of x, if wanted, and of weights and biases in the order of ``layers``."""
        steps, batch, size = x.shape
        spec = self.cell.spec
        weights = [packed_back(weight, size) for weight in self.weights[:-1]]
        from_interface = packed_back(self.weights[-1])
        outs, cells = (tuple(empty(4, spec.units) for _ in self.kinds) for _ in range(2))
        d_inputs = tuple(empty(4, weight.shape[1] - size) for weight in self.weights[:-1])
        unroll_back(
            numpy(d_features), self.kinds, self.layers(weights), d_inputs, outs, cells, from_interface,
            self.trail, self.kept, self.options,
        )  # fmt: skip
        hidden = features[:, :batch, : spec.layers * spec.units].flatten(0, 1)
        given = [*(torch.from_numpy(part[:steps, :batch]).flatten(0, 1) for part in self.inputs), hidden]
        deltas = [torch.from_numpy(part[:steps, :batch]).flatten(0, 1) for part in (*self.gates, self.trail.raw)]
        d_weights, d_biases = zip(*map(products, deltas, given), strict=True)
        d_x = None
        if wanted:
            d_x = torch.zeros(steps * batch, size, **SINGLE)
            for delta, weight in zip(deltas[:-1], self.weights[:-1], strict=True):
                d_x += delta @ torch.from_numpy(weight[:, :size])
            d_x = d_x.view(steps, batch, size)
        return [d_x, *d_weights, *d_biases]


def packed(weights: Any) -> Any:
    """Weights (n, k) in panels, for products with their transpose."""
    panels = empty(-(-len(weights) // PANEL), weights.shape[1], PANEL)
    pack_weights(panels, weights)
    return panels


def packed_back(weights: Any, first: int = 0) -> Any:
    """Weights (k, n) in panels, for products with their columns from ``first`` on."""
    panels = empty(-(-(weights.shape[1] - first) // PANEL), len(weights), PANEL)
    pack_weights_back(panels, weights, first)
    return panels


def empty(*shape: int) -> Any:
    return np.empty(shape, np.float32)


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def first(steps: int, *shape: int, of: Any = np.float32) -> Any:
    """Room for a state before the first step, which is zero, and after every one."""
    states = np.empty((steps + 1, *shape), of)
    states[0] = 0
    return states


def numpy(tensor: Tensor) -> Any:
    """The tensor as a contiguous array, without a copy where it is one."""
    return tensor.detach().resolve_neg().contiguous().numpy()
