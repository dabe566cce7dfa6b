"""The NTM's unroll as one autograd function on the CPU: forward, and the backward derived by hand.

Values and gradients are those of ``unroll(cell, inputs)``. The softmax of first weightings stays with torch.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import twins
from ..cell import NTMCell
from ..controller import LSTMLayer, LSTMStack
from ..kernels.layers import BARE, LINEAR, LSTM, TANH
from ..kernels.math import Floats
from ..memory import Start
from .functions import value
from .unroll import Several
from .workspace import Layout, Lent, Workspace, laid_out, places

CHUNK = 64
"""Steps at a time where no gradient is asked for."""

DENORMAL = 5e-324

SINGLE: dict[str, Any] = {"dtype": torch.float32, "device": torch.device("cpu")}
"""What kernels are compiled for, whatever torch's default type and device are."""


def fused(cell: NTMCell, inputs: Tensor) -> Tensor:
    """What ``unroll(cell, inputs)`` gives: (time, batch, inputs) to logits (time, batch, outputs).

    Raises:
        ValueError: The inputs are not of that shape, or what the cell holds is not as it was built; or not in float32.
    """
    twins.check(cell, inputs, cell.inputs, **SINGLE)
    return checked(cell, inputs)


def checked(cell: NTMCell, inputs: Tensor) -> Tensor:
    """``fused``, of what has been checked: the loops do not look where an array ends."""
    layout, starts, parameters = parts(cell)
    parameters = with_second(parameters, seconds(cell))
    first = begun(starts, inputs.shape[1])
    given = (*first, *parameters)
    if torch.is_grad_enabled() and any(part.requires_grad for part in (inputs, *given)):
        logits: Tensor = Unroll.apply(layout, inputs, *given)  # type: ignore[no-untyped-call]
        return logits
    lent = Lent(layout, min(CHUNK, len(inputs)), inputs.shape[1])
    weights, biases = halves(parameters)
    begin(lent.workspace, first, weights)
    return torch.cat([go_on(lent.workspace, chunk, biases) for chunk in torch.split(inputs, CHUNK)])


def parts(cell: NTMCell) -> tuple[Layout, list[Start], tuple[Tensor, ...]]:
    """How a cell is laid out, how its state begins, and the weights of its layers followed by their biases.

    Returns:
        The layout; the starts of memory (rows * width,), of the weightings of read heads and of write heads, and of
        reads, then of every layer's hidden and cell; the parameters.
    """
    kinds, parameters = layers(cell)
    shapes = tuple(tuple(weight.shape) for weight in parameters[: len(kinds)])
    own: Iterable[Any] = cell.controller.starts if isinstance(cell.controller, LSTMStack) else ()
    starts = [cell.memory, cell.read_weighting, cell.write_weighting, cell.reads, *own]
    return laid_out(cell.spec, kinds, shapes), starts, parameters


def layers(cell: NTMCell) -> tuple[tuple[int, ...], tuple[Tensor, ...]]:
    """What a cell is made of, as the kernels see it: layers of a kind, the heads' and the output's last.

    Returns:
        Their kinds, and their weights followed by their biases.
    """
    controller = cell.controller
    found: list[tuple[int, Any]] = []
    if isinstance(controller, LSTMStack):
        found += [(LINEAR, controller.inlet)] if controller.inlet is not None else []
        found += [(LSTM, layer) for layer in controller.layers]
    else:
        found += [(TANH, layer) for layer in controller.layers]  # type: ignore[union-attr]
    found += [(BARE, cell.heads), (BARE, cell.output)]
    weights, biases = (layer.weight for _, layer in found), (layer.bias for _, layer in found)
    return tuple(kind for kind, _ in found), (*weights, *biases)


def seconds(cell: NTMCell) -> list[tuple[int, Tensor]]:
    """The second biases of LSTM layers, each with its place among ``layers``' parameters, where the first one is."""
    _, parameters = layers(cell)
    second = {id(layer.bias): layer.second_bias for layer in cell.controller.modules() if isinstance(layer, LSTMLayer)}
    found = ((at, second.get(id(bias))) for at, bias in enumerate(parameters))
    return [(at, bias) for at, bias in found if bias is not None]


def with_second(parameters: Sequence[Tensor], second: Sequence[tuple[int, Tensor]]) -> tuple[Tensor, ...]:
    """The parameters of ``layers``, where each bias of two is their sum."""
    whole = list(parameters)
    for at, bias in second:
        whole[at] = whole[at] + bias
    return tuple(whole)


def begun(starts: Sequence[Start], batch: int) -> list[Tensor]:
    """What states begin with, in the order of ``parts``; where each sequence has a draw of its own, (batch, ...)."""
    return [start.begin(batch) if start.draws else value(start) for start in starts]


def begin(on: Workspace, first: Sequence[Tensor], weights: Several) -> None:
    """Put weights, and the state before the first step, where the kernel looks for them.

    All but the memory is alike for all samples; see ``fill`` for the memory.
    """
    layout, trail = on.layout, on.trail
    on.prepare(weights)
    fill(on, first[0])
    reading, writing, reads, *own = map(numpy, first[1:])
    trail.weightings[:, 0, :, : layout.spec.reads] = reading
    trail.weightings[:, 0, :, layout.spec.reads :] = writing
    trail.inputs[0][:, 0, :, layout.x : layout.x + layout.read] = reads.reshape(-1)[: layout.read]
    for n, hidden, cell in zip(layout.lstms, own[::2], own[1::2], strict=True):
        at = layout.options.below[n] + (layout.x if n == 0 else 0)
        trail.inputs[n][:, 0, :, at : at + layout.units[n]] = hidden
        trail.cells[n][:, 0] = cell


def fill(on: Workspace, memory: Tensor, sample: int = 0) -> None:
    """Let the memory begin as (rows * width,) says for all samples; or as (batch, rows * width), from a sample on."""
    rows = on.layout.spec.rows
    if memory.dim() == 1:
        on.memory[...] = np.ascontiguousarray(numpy(memory).reshape(rows, -1).T)
    else:
        own = numpy(memory[sample : sample + 4 * len(on.memory)])
        on.memory.reshape(-1, *on.memory.shape[2:])[: len(own)] = own.reshape(len(own), rows, -1).transpose(0, 2, 1)


def forward(on: Workspace, inputs: Tensor, biases: Several) -> Tensor:
    """Logits (time, batch, outputs)."""
    logits = torch.empty(*inputs.shape[:2], on.layout.units[-1], **SINGLE)
    with flushed():
        on.unroll(numpy(inputs.contiguous()), numpy(logits), biases)
    return logits


def go_on(on: Workspace, inputs: Tensor, biases: Several) -> Tensor:
    """``forward``, whose last state becomes the one to begin from."""
    logits, trail = forward(on, inputs, biases), on.trail
    for part in (*trail.inputs[: len(on.layout.gates) - 1], *(trail.cells[n] for n in on.layout.lstms)):
        part[:, 0] = part[:, len(inputs)]
    trail.weightings[:, 0] = trail.weightings[:, len(inputs)]
    return logits


def backward(on: Workspace, d_logits: Tensor, parameters: Sequence[Tensor], wanted: Sequence[bool]) -> list[Any]:
    """Gradients of the input and of the state before the first step, where wanted, and of the parameters."""
    sizes = [*zip(on.layout.gates, on.layout.inputs, strict=True), *((size,) for size in on.layout.gates)]
    d_parameters = [torch.zeros(size, **SINGLE) for size in sizes]  # as the way forward found them
    d_weights, d_biases = halves(d_parameters)
    with flushed():
        on.unroll_back(numpy(d_logits.contiguous()), d_weights, d_biases)
    d_x = None
    if wanted[0]:
        weight = parameters[0].detach()[:, : on.layout.x]
        deltas = torch.from_numpy(on.trail.gates[0][:, : len(d_logits)])  # (blocks, time, 4, units)
        d_x = (deltas @ weight).transpose(0, 1).flatten(1, 2)[:, : on.batch]
    return [d_x, *first_back(on, wanted[1:]), *d_parameters]


def first_back(on: Workspace, wanted: Sequence[bool]) -> list[Tensor | None]:
    """Gradients of the state before the first step, in the order of ``parts``, where wanted."""
    layout, back = on.layout, on.back
    reading, writing = back.first_weightings[: layout.spec.reads], back.first_weightings[layout.spec.reads :]
    states = [back.first_memory.T, reading, writing, back.first_inputs[0][: layout.read]]
    shapes = [(-1,), reading.shape, writing.shape, (layout.spec.reads, layout.spec.width)]
    for n in layout.lstms:
        first = layout.options.below[n]
        states += [back.first_inputs[n][first : first + layout.units[n]], back.first_cells[n]]
        shapes += [(-1,), (-1,)]
    found = zip(states, shapes, wanted, strict=False)
    return [torch.from_numpy(state.copy().reshape(shape)) if want else None for state, shape, want in found]


class Unroll(torch.autograd.Function):
    """``forward`` and ``backward`` as one node of autograd."""

    @staticmethod
    def forward(ctx: Any, layout: Layout, inputs: Tensor, *given: Tensor) -> Tensor:
        states = len(given) - 2 * len(layout.gates)
        weights, biases = halves(given[states:])
        ctx.lent = Lent(layout, *inputs.shape[:2])
        begin(ctx.lent.workspace, given[:states], weights)
        ctx.save_for_backward(*given[states:])
        return forward(ctx.lent.workspace, inputs, biases)

    @staticmethod
    def backward(ctx: Any, d_logits: Tensor) -> Any:
        twins.once("the fused NTM", d_logits)
        if ctx.lent is None:
            raise RuntimeError("the fused NTM goes back once; run it forward again, or set implementation='reference'")
        lent, ctx.lent = ctx.lent, None
        return None, *backward(lent.workspace, d_logits, ctx.saved_tensors, ctx.needs_input_grad[1:])


@contextmanager
def flushed() -> Iterator[None]:
    """Take denormal numbers for zero: weightings get that small, and processors slow."""
    before = DENORMAL * 1.0 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def halves(parameters: Sequence[Tensor]) -> tuple[Several, Several]:
    """Weights and biases, each one array a layer: see ``places``."""
    arrays = [numpy(parameter.contiguous()) for parameter in parameters]
    return places(arrays[: len(arrays) // 2]), places(arrays[len(arrays) // 2 :])


def numpy(tensor: Tensor) -> Floats:
    """The tensor as an array, without a copy; kernels are compiled for those that lie in one piece."""
    array: Floats = tensor.detach().resolve_neg().numpy()
    return array
