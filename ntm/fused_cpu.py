"""The NTM's unroll as one autograd function on the CPU: forward, and the backward derived by hand.

Values and gradients are those of ``unroll(cell, inputs)``. First states, the output layer and its clip stay with torch.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .cell import NTMCell, State
from .controller import LSTMStack
from .fused_controller import LINEAR, LSTM, TANH
from .fused_math import Floats
from .fused_unroll import EVERY, Options, Scratch, Trail, unroll, unroll_back, weight_gradients
from .fused_workspace import carve

CHUNK = 64
"""Steps at a time where no gradient is asked for."""

PLACES = 6
"""Layers the kernels are compiled for, the heads' among them; with more, they are compiled again."""

DENORMAL = 5e-324


def fused(cell: NTMCell, inputs: Tensor) -> Tensor:
    """What ``unroll(cell, inputs)`` gives: (time, batch, inputs) to logits (time, batch, outputs)."""
    layout = Layout(cell)
    batch = inputs.shape[1]
    given = (*flatten(cell.begin(batch)), *layout.parameters)
    if torch.is_grad_enabled() and any(part.requires_grad for part in (inputs, *given)):
        features = Unroll.apply(layout, inputs, *given)  # type: ignore[no-untyped-call]
        return logits(cell, features, batch)
    kept = Kept(layout, min(CHUNK, len(inputs)), batch)
    kept.begin(given)
    parts = []
    for chunk in torch.split(inputs, CHUNK):
        parts.append(logits(cell, kept.forward(chunk, layout.parameters), batch))
        kept.go_on(len(chunk))
    return torch.cat(parts)


def logits(cell: NTMCell, features: Tensor, batch: int) -> Tensor:
    """The output layer, over all steps at once."""
    return cell.clip(cell.output(features)[:, :batch], cell.spec.clip_output)


def flatten(state: State) -> tuple[Tensor, ...]:
    """Memory, weightings, reads; then hidden and cell of every layer."""
    return (state.memory, state.weightings, state.reads, *(part for pair in state.controller for part in pair))


class Layout:
    """What a cell is made of, as the kernels see it: layers of a kind, the heads' last."""

    def __init__(self, cell: NTMCell) -> None:
        spec, controller = cell.spec, cell.controller
        layers: list[tuple[int, Any]] = []
        if isinstance(controller, LSTMStack):
            layers += [(LINEAR, controller.inlet)] if controller.inlet is not None else []
            layers += [(LSTM, layer) for layer in controller.layers]
        else:
            layers += [(TANH, layer) for layer in controller.layers]  # type: ignore[union-attr]
        layers.append((LINEAR, cell.heads))
        kinds = [kind for kind, _ in layers]
        self.spec = spec
        self.parameters = tuple(layer.weight for _, layer in layers) + tuple(layer.bias for _, layer in layers)
        self.gates = [layer.weight.shape[0] for _, layer in layers]
        self.inputs = [layer.weight.shape[1] for _, layer in layers]
        self.units = [size // 4 if kind == LSTM else size for kind, size in zip(kinds, self.gates, strict=True)]
        self.lstms = [n for n, kind in enumerate(kinds) if kind == LSTM]
        self.read = spec.reads * spec.width
        self.x = self.inputs[0] - self.read - (self.units[0] if kinds[0] == LSTM else 0)
        self.options = Options(
            layers=len(kinds),
            kinds=(*kinds, *[LINEAR] * (PLACES - len(kinds))),
            reads=spec.reads,
            writes=spec.writes,
            reach=spec.reach,
            limit=np.float32(np.inf if spec.clip_heads is None else spec.clip_heads),
            cosine=spec.similarity == "cosine",
            read_first=spec.read_first,
        )


class Kept:
    """All that the forward pass keeps for the way back, over some time steps."""

    def __init__(self, layout: Layout, steps: int, batch: int) -> None:
        spec = layout.spec
        padded = -(-batch // 4) * 4
        heads, asked = spec.reads + spec.writes, layout.gates[-1]
        lengths = spec.rows if layout.options.cosine else 0
        rows, vectors = (spec.rows,), heads + spec.reads
        shapes = [
            *((steps + 1, padded, size) for size in layout.inputs[:-1]),
            *((steps, padded, size) for size in layout.gates),
            *((steps + 1, padded, units * (n in layout.lstms)) for n, units in enumerate(layout.units)),
            (steps, batch, asked),
            (steps, batch, heads, spec.rows),
            (steps + 1, batch, heads, spec.rows),
            (steps, batch, heads, 4),
            (steps, batch, 1 if spec.read_first else 2, lengths),
            (-(-steps // EVERY), batch, spec.width, spec.rows),
            *((4, units) for units in layout.units),
            *[(spec.rows + 2 * spec.reach,)] * 2,
            *[rows] * 3,
            (heads, spec.width),
            (spec.writes, spec.rows),
            (vectors, spec.rows),
            (vectors, spec.width),
            (asked,),
            (layout.read,),
            (EVERY + 1, 4, spec.width, spec.rows),
            (batch, spec.width, spec.rows),
        ]
        parts = iter(carve(self, shapes))
        layers = len(layout.gates)
        self.layout, self.batch, self.padded = layout, batch, padded
        self.inputs, self.gates, self.cells = ([next(parts) for _ in range(n)] for n in (layers - 1, layers, layers))
        self.addressing = [next(parts) for _ in range(6)]
        self.scratch = Scratch(places(next(parts) for _ in range(layers)), *(next(parts) for _ in range(12)))
        self.memory = next(parts)
        self.weightings = self.addressing[2]
        for part in (*self.inputs, *self.cells):
            part[:, batch:] = 0

    def begin(self, given: tuple[Tensor, ...]) -> None:
        """Put the state before the first step where the kernel looks for it."""
        memory, weightings, reads, *layers = (numpy(part) for part in given[: len(given) - len(self.layout.parameters)])
        layout, batch = self.layout, self.batch
        np.copyto(self.memory, memory.transpose(0, 2, 1))
        self.weightings[0] = weightings
        self.inputs[0][0, :batch, layout.x : layout.x + layout.read] = reads.reshape(batch, layout.read)
        for n, hidden, cell in zip(layout.lstms, layers[::2], layers[1::2], strict=True):
            self.inputs[n][0, :batch, -layout.units[n] :] = hidden
            self.cells[n][0, :batch] = cell

    def go_on(self, steps: int) -> None:
        """Make the state after some steps the one to begin from."""
        for part in (*self.inputs, *self.cells, self.weightings):
            part[0] = part[steps]

    def forward(self, inputs: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        """Features (time, padded, units + reads * width): what the output layer is given."""
        layout = self.layout
        features = torch.empty(len(inputs), self.padded, layout.inputs[-1] + layout.read)
        features[:, self.batch :] = 0
        weights, biases = halves(parameters)
        with flushed():
            unroll(
                numpy(inputs), places(np.ascontiguousarray(w.T) for w in weights), places(biases),
                self.memory, self.trail(features), self.scratch, layout.options,
            )  # fmt: skip
        return features

    def trail(self, features: Tensor) -> Trail:
        """The arrays of the way forward; the heads are given the features."""
        return Trail(places((*self.inputs, numpy(features))), places(self.gates), places(self.cells), *self.addressing)

    def backward(
        self, d_features: Tensor, features: Tensor, parameters: tuple[Tensor, ...], d_x: bool
    ) -> list[Tensor | None]:
        """Gradients of the input if asked for, of the state before the first step, and of the parameters."""
        layout, batch, padded = self.layout, self.batch, self.padded
        weights, biases = halves(parameters)
        to_x, back = weights[0][:, : layout.x], (weights[0][:, layout.x :], *weights[1:])
        d_inputs = [np.zeros((padded, w.shape[1]), np.float32) for w in back]
        d_cells = [np.zeros(cells.shape[1:], np.float32) for cells in self.cells]
        d_memory, d_weightings = np.zeros_like(self.memory), np.zeros_like(self.weightings[0])
        d_weights = [np.zeros(w.shape[::-1], np.float32) for w in weights]
        d_biases = [np.zeros(b.shape, np.float32) for b in biases]
        trail = self.trail(features)
        for part in (*self.gates, *self.scratch.outs[: len(weights)]):
            part[:, batch:] = 0
        with flushed():
            unroll_back(
                numpy(d_features.contiguous()), places(np.ascontiguousarray(w) for w in back),
                places(d_inputs), places(d_cells), d_memory, d_weightings, trail, self.scratch, layout.options,
            )  # fmt: skip
            weight_gradients(places(d_weights), places(d_biases), trail, layout.options)
        states = [d_memory.transpose(0, 2, 1), d_weightings, d_inputs[0][:batch, : layout.read]]
        for n in layout.lstms:
            states += [d_inputs[n][:batch, -layout.units[n] :], d_cells[n][:batch]]
        states[2] = states[2].reshape(batch, layout.spec.reads, layout.spec.width)
        arrays = [*states, *(d_weight.T for d_weight in d_weights), *d_biases]
        return [
            torch.from_numpy(self.gates[0][:, :batch]) @ torch.from_numpy(to_x) if d_x else None,
            *(torch.from_numpy(array) for array in arrays),
        ]


class Unroll(torch.autograd.Function):
    """``Kept.forward`` and ``Kept.backward`` as one node of autograd."""

    @staticmethod
    def forward(ctx: Any, layout: Layout, inputs: Tensor, *given: Tensor) -> Tensor:
        kept = Kept(layout, *inputs.shape[:2])
        kept.begin(given)
        features = kept.forward(inputs, given[-len(layout.parameters) :])
        ctx.kept = kept
        ctx.save_for_backward(features, *given[-len(layout.parameters) :])
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_features: Tensor) -> Any:
        features, *parameters = ctx.saved_tensors
        if ctx.kept is None:
            raise RuntimeError("the fused NTM goes back once; run it forward again, or set implementation='reference'")
        kept, ctx.kept = ctx.kept, None
        return None, *kept.backward(d_features, features, tuple(parameters), ctx.needs_input_grad[1])


@contextmanager
def flushed() -> Iterator[None]:
    """Take denormal numbers for zero: weightings get that small, and processors slow."""
    before = DENORMAL * 1.0 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def halves(parameters: tuple[Tensor, ...]) -> tuple[list[Floats], list[Floats]]:
    """Weights and biases."""
    arrays = [numpy(parameter) for parameter in parameters]
    return arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :]


def numpy(tensor: Tensor) -> Floats:
    """The tensor as an array, without a copy."""
    array: Floats = tensor.detach().numpy()
    return array


def places(arrays: Iterable[Floats]) -> tuple[Floats, ...]:
    """One array a layer, and empty ones to ``PLACES``: kernels are compiled once, whatever the number of layers."""
    several = tuple(arrays)
    empty = np.empty((0,) * several[0].ndim, np.float32)
    return several + (empty,) * (PLACES - len(several))
