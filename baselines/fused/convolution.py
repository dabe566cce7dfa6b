"""The short convolution and its SiLU as one compiled loop there and one back: torch passes over them a dozen times."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...ntm import twins
from ...ntm.fused.functions import array
from ...ntm.kernels.arrays import clear
from ...ntm.kernels.lanes import LANES, fma, load, store
from ...ntm.kernels.math import ONE, Floats, kernel, loop, sigmoid
from .again import gradient
from .columns import columns


class Convolved(torch.autograd.Function):
    """``blocks.convolved`` of four taps."""

    @staticmethod
    def forward(ctx: Any, plain: Callable[..., Tensor], past: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.plain = plain
        ctx.save_for_backward(past, x, weight)
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        convolve(y.numpy(), array(past), *columns(x), array(weight))
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Any:
        given = ctx.saved_tensors
        if twins.several(d_y):
            return None, *gradient(ctx.plain, given, ctx.needs_input_grad[1:], d_y)
        past, x, weight = given
        d_past, d_x = (value.new_empty(value.shape) for value in (past, x))
        d_weight, slopes = weight.new_zeros(weight.shape), x.new_zeros(4, *x.shape[1:])
        made = (value.numpy() for value in (d_past, d_x, d_weight, slopes))
        convolve_back(*made, array(d_y), array(past), *columns(x), array(weight))
        return None, d_past, d_x, d_weight


@loop
def convolve(y: Floats, past: Floats, x: Floats, first: int, weight: Floats) -> Any:
    """Row after row, as they stand in memory. ``x``, ``first``: see ``columns``."""
    steps, batch, size = y.shape
    end = first + size
    for t in range(steps):
        for b in range(batch):
            one(
                y[t, b],
                past[t, b] if t < 3 else x[(t - 3) * batch + b, first:end],
                past[t + 1, b] if t < 2 else x[(t - 2) * batch + b, first:end],
                past[t + 2, b] if t < 1 else x[(t - 1) * batch + b, first:end],
                x[t * batch + b, first:end],
                weight,
            )


@loop
def convolve_back(
    d_past: Floats, d_x: Floats, d_weight: Floats, slopes: Floats, d_y: Floats, past: Floats, x: Floats, first: int,
    weight: Floats,
) -> Any:  # fmt: skip
    """``slopes`` holds the gradients by the sums of the last steps, (4, batch, width): zeros at first, as d_weight."""
    steps, batch, size = d_y.shape
    end = first + size
    for t in range(steps + 3):
        for b in range(batch):
            slope = slopes[t % 4, b]
            if t < steps:
                one_back(
                    slope,
                    d_weight,
                    d_y[t, b],
                    past[t, b] if t < 3 else x[(t - 3) * batch + b, first:end],
                    past[t + 1, b] if t < 2 else x[(t - 2) * batch + b, first:end],
                    past[t + 2, b] if t < 1 else x[(t - 1) * batch + b, first:end],
                    x[t * batch + b, first:end],
                    weight,
                )
            else:
                clear(slope)
            share(
                d_past[t, b] if t < 3 else d_x[t - 3, b],
                slope,
                slopes[(t + 3) % 4, b],
                slopes[(t + 2) % 4, b],
                slopes[(t + 1) % 4, b],
                weight,
            )


@kernel
def one(y: Floats, x0: Floats, x1: Floats, x2: Floats, x3: Floats, weight: Floats) -> Any:
    """A step of a sequence, of inputs x0 to x3."""
    for j in range(0, y.shape[0], LANES):
        total = summed(load(x0, j), load(x1, j), load(x2, j), load(x3, j), weight, j)
        store(y, j, total * sigmoid(total))


@kernel
def one_back(
    slope: Floats, d_weight: Floats, d_y: Floats, x0: Floats, x1: Floats, x2: Floats, x3: Floats, weight: Floats
) -> Any:
    """``slope`` becomes the gradient by a step's sum; the weights' is added to d_weight."""
    for j in range(0, slope.shape[0], LANES):
        seen = load(x0, j), load(x1, j), load(x2, j), load(x3, j)
        total = summed(*seen, weight, j)
        open = sigmoid(total)
        s = load(d_y, j) * open * (ONE + total * (ONE - open))
        store(slope, j, s)
        for k in range(4):
            store(d_weight[k], j, fma(s, seen[k], load(d_weight[k], j)))


@kernel
def share(d_x: Floats, s0: Floats, s1: Floats, s2: Floats, s3: Floats, weight: Floats) -> Any:
    """An input's gradient, by those of the sums that it is in: its own step's, and those of the steps after."""
    for j in range(0, d_x.shape[0], LANES):
        store(d_x, j, summed(load(s0, j), load(s1, j), load(s2, j), load(s3, j), weight, j))


@kernel
def summed(x0: Any, x1: Any, x2: Any, x3: Any, weight: Floats, j: int) -> Any:
    """Lanes of four rows, weighted."""
    near = fma(load(weight[2], j), x2, load(weight[3], j) * x3)
    return fma(load(weight[0], j), x0, fma(load(weight[1], j), x1, near))
