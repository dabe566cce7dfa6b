"""The product with a block-diagonal matrix as one compiled loop there and one back, for blocks of four channels."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...ntm import twins
from ...ntm.fused.functions import array
from ...ntm.kernels.lanes import LANES, fma, load, nothing, of_four, store
from ...ntm.kernels.math import Floats, kernel, loop
from .again import gradient
from .columns import columns

first, second, third, fourth = map(of_four, range(4))


class Blockwise(torch.autograd.Function):
    """``mlstm.blockwise``: (..., channels) by (channels / 4, 4, 4)."""

    @staticmethod
    def forward(ctx: Any, plain: Callable[..., Tensor], x: Tensor, weight: Tensor) -> Tensor:
        ctx.plain = plain
        ctx.save_for_backward(x, weight)
        y = x.new_empty(x.shape)
        multiply(rows(y), *columns(x), array(weight.transpose(0, 1).flatten(1)))
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        if twins.several(d_y):
            return None, *gradient(ctx.plain, (x, weight), ctx.needs_input_grad[1:], d_y)
        d_x, d_weight = x.new_empty(x.shape), x.new_empty(4, x.shape[-1])
        multiply_back(rows(d_x), d_weight.numpy(), rows(d_y), *columns(x), array(weight.permute(2, 0, 1).flatten(1)))
        return None, d_x, d_weight.unflatten(1, (-1, 4)).transpose(0, 1)


def rows(x: Tensor) -> Floats:
    """All of x, (rows, channels)."""
    return array(x.reshape(-1, x.shape[-1]))


@loop
def multiply(y: Floats, x: Floats, start: int, weight: Floats) -> Any:
    """``weight[i]``: what every channel takes of the i-th of its block. ``x``, ``start``: see ``columns``."""
    size = y.shape[1]
    for r in range(y.shape[0]):
        for j in range(0, size, LANES):
            w = load(weight[0], j), load(weight[1], j), load(weight[2], j), load(weight[3], j)
            store(y[r], j, product(load(x[r, start : start + size], j), w))


@loop
def multiply_back(d_x: Floats, d_weight: Floats, d_y: Floats, x: Floats, start: int, weight: Floats) -> Any:
    """``weight`` is that of the transposed blocks."""
    size = d_y.shape[1]
    for j in range(0, size, LANES):
        w = load(weight[0], j), load(weight[1], j), load(weight[2], j), load(weight[3], j)
        d0, d1, d2, d3 = nothing(), nothing(), nothing(), nothing()
        for r in range(d_y.shape[0]):
            given, slope = load(x[r, start : start + size], j), load(d_y[r], j)
            d0, d1 = fma(slope, first(given), d0), fma(slope, second(given), d1)
            d2, d3 = fma(slope, third(given), d2), fma(slope, fourth(given), d3)
            store(d_x[r], j, product(slope, w))
        for i, d in enumerate((d0, d1, d2, d3)):
            store(d_weight[i], j, d)


@kernel
def product(x: Any, w: Any) -> Any:
    return fma(fourth(x), w[3], fma(third(x), w[2], fma(second(x), w[1], first(x) * w[0])))
