"""The short convolution and its SiLU as one compiled loop there and one back: torch passes over them a dozen times."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...ntm import twins
from ...ntm.fused.functions import array
from ...ntm.kernels.lanes import LANES, fma, load, nothing, store
from ...ntm.kernels.math import ONE, Floats, kernel, loop, sigmoid
from .again import gradient


class Convolved(torch.autograd.Function):
    """``blocks.convolved`` of four taps."""

    @staticmethod
    def forward(ctx: Any, plain: Callable[..., Tensor], past: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        ctx.plain = plain
        ctx.save_for_backward(past, x, weight)
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        convolve(y.numpy(), array(past), array(x), array(weight))
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Any:
        given = ctx.saved_tensors
        if twins.several(d_y):
            return None, *gradient(ctx.plain, given, ctx.needs_input_grad[1:], d_y)
        d_past, d_x, d_weight = (value.new_empty(value.shape) for value in given)
        d_weight.zero_()
        convolve_back(d_past.numpy(), d_x.numpy(), d_weight.numpy(), array(d_y), *map(array, given))
        return None, d_past, d_x, d_weight


@loop
def convolve(y: Floats, past: Floats, x: Floats, weight: Floats) -> Any:
    """Along time, so that what a step shares with the next stays in registers."""
    for b in range(x.shape[1]):
        for j in range(0, x.shape[2], LANES):
            w = load(weight[0], j), load(weight[1], j), load(weight[2], j), load(weight[3], j)
            x0, x1, x2 = load(past[0, b], j), load(past[1, b], j), load(past[2, b], j)
            for t in range(x.shape[0]):
                x3 = load(x[t, b], j)
                total = along(w, x0, x1, x2, x3)
                store(y[t, b], j, total * sigmoid(total))
                x0, x1, x2 = x1, x2, x3


@loop
def convolve_back(
    d_past: Floats, d_x: Floats, d_weight: Floats, d_y: Floats, past: Floats, x: Floats, weight: Floats
) -> Any:
    """``s3`` is the gradient by a step's sum, ``s0`` to ``s2`` those by the sums before; d_weight is zeros at first."""
    steps = x.shape[0]
    for b in range(x.shape[1]):
        for j in range(0, x.shape[2], LANES):
            w = load(weight[0], j), load(weight[1], j), load(weight[2], j), load(weight[3], j)
            back = w[3], w[2], w[1], w[0]
            d0, d1, d2, d3 = nothing(), nothing(), nothing(), nothing()
            x0, x1, x2 = load(past[0, b], j), load(past[1, b], j), load(past[2, b], j)
            s0, s1, s2 = nothing(), nothing(), nothing()
            for t in range(steps + 3):
                s3 = nothing()
                if t < steps:
                    x3 = load(x[t, b], j)
                    total = along(w, x0, x1, x2, x3)
                    open = sigmoid(total)
                    s3 = load(d_y[t, b], j) * open * (ONE + total * (ONE - open))
                    d0, d1, d2, d3 = fma(s3, x0, d0), fma(s3, x1, d1), fma(s3, x2, d2), fma(s3, x3, d3)
                    x0, x1, x2 = x1, x2, x3
                store(d_past[t, b] if t < 3 else d_x[t - 3, b], j, along(back, s0, s1, s2, s3))
                s0, s1, s2 = s1, s2, s3
            for k, d in enumerate((d0, d1, d2, d3)):
                store(d_weight[k], j, load(d_weight[k], j) + d)


@kernel
def along(w: Any, x0: Any, x1: Any, x2: Any, x3: Any) -> Any:
    """A sum of the lanes of four steps, weighted."""
    return fma(w[3], x3, fma(w[2], x2, fma(w[1], x1, w[0] * x0)))
