"""The NTM's unroll as one autograd function on the CPU: forward, and the backward derived by hand.

Values and gradients are those of ``unroll(cell, inputs)``. First states, the output layer and its clip stay with torch.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .cell import NTMCell, State
from .controller import LSTMStack
from .fused_controller import BARE, LINEAR, LSTM, TANH
from .fused_math import Floats
from .fused_unroll import EVERY, Options, Scratch, Trail, unroll, unroll_back, weight_gradients
from .fused_workspace import LINE, carve

CHUNK = 64
"""Steps at a time where no gradient is asked for."""

PLACES = 6
"""Layers the kernels are compiled for, the heads' among them; with more, they are compiled again."""

DENORMAL = 5e-324


def fused(cell: NTMCell, inputs: Tensor) -> Tensor:
    """What ``unroll(cell, inputs)`` gives: (time, batch, inputs) to logits (time, batch, outputs)."""
    layout = Layout(cell)
    given = (*flatten(cell.begin(1)), *layout.parameters)
    if torch.is_grad_enabled() and any(part.requires_grad for part in (inputs, *given)):
        logits = Unroll.apply(layout, inputs, *given)  # type: ignore[no-untyped-call]
    else:
        kept = Kept(layout, min(CHUNK, len(inputs)), inputs.shape[1])
        kept.begin(given)
        logits = torch.cat([kept.go_on(chunk, layout.parameters) for chunk in torch.split(inputs, CHUNK)])
    return cell.clip(logits, cell.spec.clip_output)


def flatten(state: State) -> tuple[Tensor, ...]:
    """Memory, weightings, reads; then hidden and cell of every layer."""
    return (state.memory, state.weightings, state.reads, *(part for pair in state.controller for part in pair))


class Layout:
    """What a cell is made of, as the kernels see it: layers of a kind, the heads' and the output's last."""

    def __init__(self, cell: NTMCell) -> None:
        spec, controller = cell.spec, cell.controller
        layers: list[tuple[int, Any]] = []
        if isinstance(controller, LSTMStack):
            layers += [(LINEAR, controller.inlet)] if controller.inlet is not None else []
            layers += [(LSTM, layer) for layer in controller.layers]
        else:
            layers += [(TANH, layer) for layer in controller.layers]  # type: ignore[union-attr]
        layers += [(BARE, cell.heads), (BARE, cell.output)]
        kinds = [kind for kind, _ in layers]
        outlets, self.inputs = zip(*(layer.weight.shape for _, layer in layers), strict=True)
        self.spec = spec
        self.parameters = tuple(layer.weight for _, layer in layers) + tuple(layer.bias for _, layer in layers)
        self.units = [size // 4 if kind == LSTM else size for kind, size in zip(kinds, outlets, strict=True)]
        self.gates = [full(size) if kind in (LSTM, BARE) else size for kind, size in zip(kinds, outlets, strict=True)]
        self.lstms = [n for n, kind in enumerate(kinds) if kind == LSTM]
        self.read = spec.reads * spec.width
        self.x = self.inputs[0] - self.read - (self.units[0] if kinds[0] == LSTM else 0)
        self.options = Options(
            layers=len(kinds) - 1,
            kinds=(*kinds, *[BARE] * (PLACES - len(kinds))),
            below=(self.read, *self.units[:-1], *[0] * (PLACES - len(kinds))),
            reads=spec.reads,
            writes=spec.writes,
            reach=spec.reach,
            limit=np.float32(np.inf if spec.clip_heads is None else spec.clip_heads),
            cosine=spec.similarity == "cosine",
            read_first=spec.read_first,
        )


class Kept:
    """All that the forward pass keeps for the way back, over at most so many time steps."""

    def __init__(self, layout: Layout, steps: int, batch: int) -> None:
        spec, layers, blocks = layout.spec, len(layout.gates), -(-batch // 4)
        rows, width, heads, asked = spec.rows, spec.width, spec.reads + spec.writes, layout.units[-2]
        vectors, ring, lengths = heads + spec.reads, rows + 2 * spec.reach, rows if layout.options.cosine else 0
        times, states = (blocks, steps, 4), (blocks, steps + 1, 4)
        parts = iter(
            carve(
                self,
                [
                    *((*states, size) for size in (*layout.inputs[:-2], layout.inputs[-1])),
                    *((*times, size) for size in layout.gates),
                    *((*states, units if n in layout.lstms else 0) for n, units in enumerate(layout.units)),
                    *[(*times, asked), (*times, heads, rows), (*states, heads, rows), (*times, heads, 4)],
                    *[(*times, 1 if spec.read_first else 2, lengths), (blocks, -(-steps // EVERY), 4, width, rows)],
                    *((4, units) for units in layout.units),
                    *[(4, full(layout.inputs[-1])), (ring,), (ring,), (rows,), (rows,), (rows,)],
                    *[(spec.writes, rows), (vectors, rows), (vectors, width), (asked,), (EVERY + 1, 4, width, rows)],
                    (blocks, 4, width, rows),
                ],
            )
        )
        self.layout, self.batch = layout, batch
        given, gates, cells = (places(islice(parts, size)) for size in (layers - 1, layers, layers))
        self.trail = Trail(given, gates, cells, *islice(parts, 6))
        self.scratch = Scratch(places(islice(parts, layers)), *islice(parts, 11))
        self.memory = next(parts)
        if batch % 4:
            for part in (*self.trail.inputs[: layers - 1], *self.trail.cells[:layers]):
                part[-1, :, batch % 4 :] = 0

    def begin(self, given: tuple[Tensor, ...]) -> None:
        """Put the state before the first step, alike for all samples, where the kernel looks for it."""
        memory, weightings, reads, *layers = (numpy(part)[0] for part in given[: 3 + 2 * len(self.layout.lstms)])
        layout, trail = self.layout, self.trail
        self.memory[...] = memory.T
        trail.weightings[:, 0] = weightings
        trail.inputs[0][:, 0, :, layout.x : layout.x + layout.read] = reads.reshape(layout.read)
        for n, hidden, cell in zip(layout.lstms, layers[::2], layers[1::2], strict=True):
            trail.inputs[n][:, 0, :, -layout.units[n] :] = hidden
            trail.cells[n][:, 0] = cell

    def forward(self, inputs: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        """Logits (time, batch, outputs), before their clip."""
        logits = torch.empty(*inputs.shape[:2], self.layout.units[-1])
        weights, biases = halves(parameters)
        with flushed():
            unroll(
                numpy(inputs), numpy(logits), places(map(filled, (w.T for w in weights), self.layout.gates)),
                places(map(filled, biases, self.layout.gates)),
                self.memory, self.trail, self.scratch, self.layout.options,
            )  # fmt: skip
        return logits

    def go_on(self, inputs: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        """``forward``, whose last state becomes the one to begin from."""
        logits, layers = self.forward(inputs, parameters), len(self.layout.gates)
        for part in (*self.trail.inputs[: layers - 1], *self.trail.cells[:layers], self.trail.weightings):
            part[:, 0] = part[:, len(inputs)]
        return logits

    def backward(self, d_logits: Tensor, parameters: tuple[Tensor, ...], x: bool) -> list[Tensor | None]:
        """Gradients of the input if asked for, of the state before the first step, and of the parameters."""
        layout, trail = self.layout, self.trail
        weights, biases = halves(parameters)
        blocks = (len(self.memory), 4)
        back = [filled(w, full(w.shape[1])) for w in (weights[0][:, layout.x :], *weights[1:])]
        d_inputs = [np.zeros((*blocks, w.shape[1]), np.float32) for w in back]
        d_cells = [np.zeros((*blocks, cells.shape[-1]), np.float32) for cells in trail.cells[: len(weights)]]
        d_memory, d_weightings = np.zeros_like(self.memory), np.zeros_like(trail.weightings[:, 0])
        d_weights = [np.zeros((w.shape[1], size), np.float32) for w, size in zip(weights, layout.gates, strict=True)]
        d_biases = [np.zeros(size, np.float32) for size in layout.gates]
        if self.batch % 4:
            for part in trail.gates[: len(weights)]:
                part[-1, :, self.batch % 4 :] = 0
        with flushed():
            unroll_back(
                numpy(d_logits.contiguous()), places(back), places(d_inputs),
                places(d_cells), d_memory, d_weightings, trail, self.scratch, layout.options,
            )  # fmt: skip
            weight_gradients(places(d_weights), places(d_biases), trail, layout.options)
        states = [d_memory.swapaxes(2, 3), d_weightings, d_inputs[0][..., : layout.read]]
        for n in layout.lstms:
            states += [d_inputs[n][..., layout.options.below[n] :][..., : layout.units[n]], d_cells[n]]
        firsts = [torch.from_numpy(state.sum((0, 1))[None]) for state in states]
        firsts[2] = firsts[2].view(1, layout.spec.reads, layout.spec.width)
        d_x = None
        if x:
            deltas = torch.from_numpy(trail.gates[0][..., : len(weights[0])])  # (blocks, time, 4, units)
            d_x = (deltas @ torch.from_numpy(weights[0][:, : layout.x])).transpose(0, 1).flatten(1, 2)[:, : self.batch]
        return [
            d_x,
            *firsts,
            *(torch.from_numpy(d_w)[:, : len(w)].t() for d_w, w in zip(d_weights, weights, strict=True)),
            *(torch.from_numpy(d_b)[: len(b)] for d_b, b in zip(d_biases, biases, strict=True)),
        ]


class Unroll(torch.autograd.Function):
    """``Kept.forward`` and ``Kept.backward`` as one node of autograd."""

    @staticmethod
    def forward(ctx: Any, layout: Layout, inputs: Tensor, *given: Tensor) -> Tensor:
        kept, parameters = Kept(layout, *inputs.shape[:2]), given[-len(layout.parameters) :]
        kept.begin(given)
        ctx.kept = kept
        ctx.save_for_backward(*parameters)
        return kept.forward(inputs, parameters)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_logits: Tensor) -> Any:
        if ctx.kept is None:
            raise RuntimeError("the fused NTM goes back once; run it forward again, or set implementation='reference'")
        kept, ctx.kept = ctx.kept, None
        return None, *kept.backward(d_logits, ctx.saved_tensors, ctx.needs_input_grad[1])


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


def full(size: int) -> int:
    """The size, in whole vectors of the processor."""
    return -(-size // LINE) * LINE


def filled(array: Floats, size: int) -> Floats:
    """The array, contiguous, its last axis filled up with zeros."""
    out = np.zeros((*array.shape[:-1], size), np.float32)
    out[..., : array.shape[-1]] = array
    return out


def numpy(tensor: Tensor) -> Floats:
    """The tensor as an array, without a copy."""
    array: Floats = tensor.detach().numpy()
    return array


def places(arrays: Iterable[Floats]) -> tuple[Floats, ...]:
    """One array a layer, and empty ones to ``PLACES``: kernels are compiled once, whatever the number of layers."""
    several = tuple(arrays)
    empty = np.empty((0,) * several[0].ndim, np.float32)
    return several + (empty,) * (PLACES - len(several))
