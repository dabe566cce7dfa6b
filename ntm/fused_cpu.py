"""The NTM's unroll as one autograd function on the CPU: forward, and the backward derived by hand.

Values and gradients are those of ``unroll(cell, inputs)``. First states, the output layer and its clip stay with torch.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .cell import NTMCell, State
from .controller import LSTMStack
from .fused_controller import LINEAR, LSTM, TANH
from .fused_unroll import EVERY, unroll, unroll_back

CHUNK = 64
"""Steps at a time where no gradient is asked for."""


def fused(cell: NTMCell, inputs: Tensor) -> Tensor:
    """What ``unroll(cell, inputs)`` gives: (time, batch, inputs) to logits (time, batch, outputs)."""
    layout = Layout(cell)
    batch = inputs.shape[1]
    state = flatten(cell.begin(batch))
    given = (*state, *layout.parameters)
    if torch.is_grad_enabled() and any(part.requires_grad for part in (inputs, *given)):
        features = Unroll.apply(layout, inputs, *given)  # type: ignore[no-untyped-call]
        return logits(cell, features, batch)
    kept = Kept(layout, min(CHUNK, inputs.shape[0]), batch)
    kept.begin(state)
    parts = []
    for chunk in torch.split(inputs, CHUNK):
        features = kept.forward(layout, chunk, layout.parameters)
        kept.go_on(chunk.shape[0])
        parts.append(logits(cell, features, batch))
    return torch.cat(parts)


def logits(cell: NTMCell, features: Tensor, batch: int) -> Tensor:
    """The output layer, over all steps at once."""
    return cell.clip(cell.output(features)[:, :batch], cell.spec.clip_output)


def flatten(state: State) -> tuple[Tensor, ...]:
    """Memory, weightings, reads; then hidden and cell of every layer."""
    return (state.memory, state.weightings, state.reads, *(part for pair in state.controller for part in pair))


class Layout:
    """What a cell is made of, as the kernels see it: layers of a kind, then the heads' layer."""

    def __init__(self, cell: NTMCell) -> None:
        spec, controller = cell.spec, cell.controller
        layers: list[tuple[int, nn.Module]] = []
        if isinstance(controller, LSTMStack):
            layers += [(LINEAR, controller.inlet)] if controller.inlet is not None else []
            layers += [(LSTM, layer) for layer in controller.layers]
        else:
            layers += [(TANH, layer) for layer in controller.layers]  # type: ignore[union-attr]
        modules: list[Any] = [*(layer for _, layer in layers), cell.heads]
        self.spec = spec
        self.kinds = tuple(kind for kind, _ in layers)
        self.parameters = tuple(module.weight for module in modules) + tuple(module.bias for module in modules)
        shapes = [module.weight.shape for module in modules]
        self.gates = [shape[0] for shape in shapes]
        self.inputs = [shape[1] for shape in shapes]
        self.units = [
            shape[0] // 4 if kind == LSTM else shape[0] for kind, shape in zip(self.kinds, shapes, strict=False)
        ]
        limit = float("inf") if spec.clip_heads is None else spec.clip_heads
        self.options = (
            spec.reads, spec.writes, spec.reach, np.float32(limit), spec.similarity == "cosine", spec.read_first,
        )  # fmt: skip


class Kept:
    """All that the forward pass keeps for the way back, over some time steps."""

    def __init__(self, layout: Layout, steps: int, batch: int) -> None:
        spec = layout.spec
        padded = -(-batch // 4) * 4
        heads, lengths = spec.reads + spec.writes, spec.rows if spec.similarity == "cosine" else 0
        self.layout, self.batch, self.padded = layout, batch, padded
        layers = range(len(layout.kinds))
        self.inputs = [torch.empty(steps + 1, padded, layout.inputs[n]) for n in layers]
        self.gates = [torch.empty(steps, padded, layout.gates[n]) for n in layers]
        self.cells = [torch.empty(steps + 1, padded, layout.units[n] * (layout.kinds[n] == LSTM)) for n in layers]
        self.raw = torch.empty(steps, padded, layout.gates[-1])
        self.asks = torch.empty(steps, batch, layout.gates[-1])
        self.similarity = torch.empty(steps, batch, heads, spec.rows)
        self.by_content = torch.empty(steps, batch, heads, spec.rows)
        self.moved = torch.empty(steps, batch, heads, spec.rows)
        self.weightings = torch.empty(steps + 1, batch, heads, spec.rows)
        self.scales = torch.empty(steps, batch, heads, 2)
        self.norms = torch.empty(steps, batch, 1 if spec.read_first else 2, lengths)
        self.memory = torch.empty(batch, spec.width, spec.rows)
        self.kept = torch.empty(-(-steps // EVERY), batch, spec.width, spec.rows)
        if padded > batch:
            for part in (*self.inputs, *self.cells):
                part[:, batch:] = 0

    def begin(self, state: tuple[Tensor, ...]) -> None:
        """Put the state before the first step where the kernel looks for it."""
        memory, weightings, reads, *layers = state
        spec, batch = self.layout.spec, self.batch
        self.memory.copy_(memory.detach().transpose(1, 2))
        self.weightings[0] = weightings.detach()
        size = self.layout.inputs[0] - spec.reads * spec.width
        if self.layout.kinds[0] == LSTM:
            size -= self.layout.units[0]
        self.inputs[0][0, :batch, size : size + spec.reads * spec.width] = reads.detach().flatten(1)
        lstms = [n for n, kind in enumerate(self.layout.kinds) if kind == LSTM]
        for n, hidden, cell in zip(lstms, layers[::2], layers[1::2], strict=True):
            self.inputs[n][0, :batch, -self.layout.units[n] :] = hidden.detach()
            self.cells[n][0, :batch] = cell.detach()

    def go_on(self, steps: int) -> None:
        """Make the state after some steps the one to begin from."""
        for part in (*self.inputs, *self.cells, self.weightings):
            part[0] = part[steps]

    def forward(self, layout: Layout, inputs: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        """Features (time, padded, units + reads * width): what the output layer is given."""
        steps, spec = inputs.shape[0], layout.spec
        features = torch.empty(steps, self.padded, layout.units[-1] + spec.reads * spec.width)
        features[:, self.batch :] = 0
        weights, biases = halves(parameters)
        unroll(
            numpy(inputs), numpy(features), layout.kinds,
            arrays(w.t() for w in weights[:-1]), arrays(biases[:-1]), numpy(weights[-1].t()), numpy(biases[-1]),
            arrays(self.inputs), arrays(torch.empty(4, units) for units in layout.units),
            arrays(self.gates), arrays(self.cells), *self.addressing(), numpy(self.memory), numpy(self.kept),
            *layout.options,
        )  # fmt: skip
        return features

    def addressing(self) -> tuple[Any, ...]:
        """The arrays that both ways see in the same order."""
        return arrays(
            (
                self.raw,
                self.asks,
                self.similarity,
                self.by_content,
                self.moved,
                self.weightings,
                self.scales,
                self.norms,
            )
        )

    def backward(self, d_features: Tensor, features: Tensor, x: Tensor, parameters: tuple[Tensor, ...]) -> list[Tensor]:
        """Gradients of x, of the state before the first step, and of the parameters, in the order of the call."""
        layout, spec, batch, padded = self.layout, self.layout.spec, self.batch, self.padded
        steps, _, size = x.shape
        weights, _ = halves(parameters)
        skip = [size] + [0] * (len(layout.kinds) - 1)  # no need to go back to x in every step
        d_inputs = [torch.zeros(padded, layout.inputs[n] - skip[n]) for n in range(len(skip))]
        d_cells = [torch.zeros(padded, cell.shape[2]) for cell in self.cells]
        d_outs = [torch.zeros(4, units) for units in layout.units]
        d_memory = torch.zeros_like(self.memory)
        d_weightings = torch.zeros(batch, *self.weightings.shape[2:])
        if padded > batch:
            for part in (*self.gates, self.raw):
                part[:, batch:] = 0
        unroll_back(
            numpy(d_features), layout.kinds, arrays(w[:, n:] for w, n in zip(weights, skip, strict=False)),
            numpy(weights[-1]), arrays(d_inputs), arrays(d_outs), arrays(d_cells), arrays(self.gates),
            arrays(self.cells), *self.addressing(), numpy(self.kept), numpy(d_memory), numpy(d_weightings),
            *layout.options,
        )  # fmt: skip
        given = [part[:steps].flatten(0, 1) for part in self.inputs] + [features.flatten(0, 1)[:, : layout.units[-1]]]
        deltas = [part[:steps].flatten(0, 1) for part in (*self.gates, self.raw)]
        d_x = (deltas[0] @ weights[0][:, :size]).view(steps, padded, size)[:, :batch]
        d_state = [d_memory.transpose(1, 2), d_weightings]
        d_state.append(d_inputs[0][:batch, : spec.reads * spec.width].reshape(batch, spec.reads, spec.width))
        for n, kind in enumerate(layout.kinds):
            if kind == LSTM:
                d_state += [d_inputs[n][:batch, -layout.units[n] :], d_cells[n][:batch]]
        d_weights = [delta.t() @ part for delta, part in zip(deltas, given, strict=True)]
        return [d_x, *d_state, *d_weights, *(delta.sum(0) for delta in deltas)]


class Unroll(torch.autograd.Function):
    """``Kept.forward`` and ``Kept.backward`` as one node of autograd."""

    @staticmethod
    def forward(ctx: Any, layout: Layout, inputs: Tensor, *given: Tensor) -> Tensor:
        states = len(given) - len(layout.parameters)
        kept = Kept(layout, *inputs.shape[:2])
        kept.begin(given[:states])
        features = kept.forward(layout, inputs, given[states:])
        ctx.kept = kept
        ctx.save_for_backward(inputs, features, *given[states:])
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_features: Tensor) -> Any:
        inputs, features, *parameters = ctx.saved_tensors
        if ctx.kept is None:
            raise RuntimeError("the fused NTM goes back once; run it forward again, or set implementation='reference'")
        kept, ctx.kept = ctx.kept, None
        return None, *kept.backward(d_features, features, inputs, tuple(parameters))


def halves(parameters: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Weights and biases."""
    return parameters[: len(parameters) // 2], parameters[len(parameters) // 2 :]


def numpy(tensor: Tensor) -> Any:
    """The tensor as a contiguous array, without a copy where it is one."""
    return tensor.detach().contiguous().numpy()


def arrays(tensors: Any) -> tuple[Any, ...]:
    """Several, as a tuple: one array a layer."""
    return tuple(numpy(tensor) for tensor in tensors)
