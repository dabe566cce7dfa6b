"""Functions that torch leaves to a library of a vendor's, which other vendors' processors get other digits from.

Here they are compiled loops, on a CPU, in float32; forward and back.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import twins
from ..kernels.arrays import clear, copy
from ..kernels.lanes import LANES, load, store
from ..kernels.math import Floats, loop
from ..kernels.math import tanh as tanh_of
from ..kernels.products import PANEL, multiply_four, pack, pack_back, weight_gradient
from ..memory import Start

TOGETHER = 96
"""Samples whose products are summed at a time, while they are in the cache; a multiple of four."""


def value(start: Start) -> Tensor:
    """What a state begins with, as ``start()`` gives it."""
    if type(start) is Start and start.squash == "tanh":
        if not torch.is_grad_enabled():
            return tanh(start.raw.detach())  # a node of autograd takes longer than the values of a small state
        result: Tensor = Tanh.apply(start.raw)  # type: ignore[no-untyped-call]
        return result
    found: Tensor = start()
    return found


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What ``torch.nn.functional.linear`` gives: (..., inputs) to (..., outputs).

    Raises:
        ValueError: The weight (outputs, inputs) or the bias (outputs,) is of another shape or type.
    """
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    for part, shape in ((x, (*x.shape[:-1], *weight.shape[1:])), (weight, weight.shape[:2]), (bias, weight.shape[:1])):
        if not twins.fits(part, shape, torch.float32, torch.device("cpu")):
            raise ValueError(f"a layer of {', '.join(map(twins.said, (x, weight, bias)))}: they do not fit together")
    y: Tensor = Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias)  # type: ignore[no-untyped-call]
    return y.view(*x.shape[:-1], len(weight))


def products(deltas: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of a layer's weights, ``deltas.T @ given``, and of its bias, ``deltas.sum(0)``.

    Args:
        deltas: (samples, outputs).
        given: (samples, inputs).
    """
    d_weight, d_bias = deltas.new_zeros(deltas.shape[1], given.shape[1]), deltas.new_zeros(deltas.shape[1])
    add_products(d_weight.numpy(), d_bias.numpy(), array(deltas), array(given))
    return d_weight, d_bias


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, without autograd."""
    y = np.empty(x.shape, np.float32)  # sooner than torch, and states are small
    tanh_all(y.reshape(-1), array(x).reshape(-1))
    return torch.from_numpy(y)


class Tanh(torch.autograd.Function):
    """The hyperbolic tangent."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        if twins.several(d_y):
            return d_y * (1 - y * y)
        return torch.ops.aten.tanh_backward(d_y, y)


class Linear(torch.autograd.Function):
    """(samples, inputs) to (samples, outputs)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        y = x.new_empty(len(x), len(weight))
        multiply(y.numpy(), array(x), array(weight), array(bias), False)
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        if twins.several(d_y):
            return d_y @ weight, d_y.mT @ x, d_y.sum(-2)
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = x.new_empty(x.shape)
            multiply(d_x.numpy(), array(d_y), array(weight), np.zeros(0, np.float32), True)
        return d_x, *products(d_y, x)


def array(tensor: Tensor) -> Floats:
    """The tensor as an array in one piece, without a copy where it is one."""
    found: Floats = tensor.detach().contiguous().numpy()
    return found


@loop
def tanh_all(out: Floats, row: Floats) -> Any:
    for j in range(0, row.shape[0], LANES):
        store(out, j, tanh_of(load(row, j)))


@loop
def multiply(out: Floats, a: Floats, weights: Floats, bias: Floats, back: bool) -> Any:
    """out (samples, n) from a (samples, k): ``a @ weights.T + bias``, or ``a @ weights`` on the way back."""
    (samples, n), k = out.shape, a.shape[1]
    panels = np.empty(((n + PANEL - 1) // PANEL, k, PANEL), np.float32)
    if back:
        pack_back(panels, weights, 0)
    else:
        pack(panels, weights)
    whole = samples - samples % 4
    for at in range(0, whole, 4):
        multiply_four(out[at : at + 4], a[at : at + 4], panels, bias)
    if whole < samples:
        few, few_out = np.zeros((4, k), np.float32), np.empty((4, n), np.float32)
        for s in range(samples - whole):
            copy(few[s], a[whole + s])
        multiply_four(few_out, few, panels, bias)
        for s in range(samples - whole):
            copy(out[whole + s], few_out[s])


@loop
def add_products(d_weights: Floats, d_bias: Floats, deltas: Floats, given: Floats) -> Any:
    """Add ``deltas.T @ given`` to d_weights (units, inputs), and the sum of deltas to d_bias (units,)."""
    (samples, units), inputs = deltas.shape, given.shape[1]
    some = np.zeros((TOGETHER, units), np.float32)
    filled = np.zeros((TOGETHER, (inputs + PANEL - 1) // PANEL * PANEL), np.float32)
    for at in range(0, samples, TOGETHER):
        count = min(TOGETHER, samples - at)
        whole = (count + 3) // 4 * 4
        for s in range(count):
            copy(some[s], deltas[at + s])
            copy(filled[s, :inputs], given[at + s])
        for s in range(count, whole):
            clear(some[s])
        weight_gradient(d_weights, d_bias, some[:whole], filled[:whole], 1)
