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
    """SiLU(sum of weight_k x_(t+k)): (steps + taps - 1, batch, width), (taps, width) to (steps, batch, width)."""

    @staticmethod
    def forward(ctx: Any, plain: Callable[..., Tensor], x: Tensor, weight: Tensor) -> Tensor:
        ctx.plain = plain
        ctx.save_for_backward(x, weight)
        y = x.new_empty(len(x) - len(weight) + 1, *x.shape[1:])
        convolve(y.numpy(), array(x), array(weight))
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        if twins.several(d_y):
            return None, *gradient(ctx.plain, (x, weight), ctx.needs_input_grad[1:], d_y)
        d_x, d_weight = x.new_empty(x.shape), weight.new_zeros(weight.shape)
        slopes = x.new_zeros(len(weight), *x.shape[1:])
        convolve_back(d_x.numpy(), d_weight.numpy(), slopes.numpy(), array(d_y), array(x), array(weight))
        return None, d_x, d_weight


@loop
def convolve(y: Floats, x: Floats, weight: Floats) -> Any:
    for t in range(y.shape[0]):
        for b in range(y.shape[1]):
            for j in range(0, y.shape[2], LANES):
                total = summed(x, weight, t, b, j)
                store(y[t, b], j, total * sigmoid(total))


@loop
def convolve_back(d_x: Floats, d_weight: Floats, slopes: Floats, d_y: Floats, x: Floats, weight: Floats) -> Any:
    """``slopes`` holds the gradients by the sums of the last steps, (taps, batch, width): zeros at first."""
    steps, taps = d_y.shape[0], weight.shape[0]
    for t in range(d_x.shape[0]):
        for b in range(d_x.shape[1]):
            for j in range(0, d_x.shape[2], LANES):
                slope = nothing()
                if t < steps:
                    total = summed(x, weight, t, b, j)
                    open = sigmoid(total)
                    slope = load(d_y[t, b], j) * open * (ONE + total * (ONE - open))
                    for k in range(taps):
                        store(d_weight[k], j, fma(slope, load(x[t + k, b], j), load(d_weight[k], j)))
                store(slopes[t % taps, b], j, slope)
                total = nothing()
                for k in range(taps):
                    total = fma(load(weight[k], j), load(slopes[(t + taps - k) % taps, b], j), total)
                store(d_x[t, b], j, total)


@kernel
def summed(x: Floats, weight: Floats, t: int, b: int, j: int) -> Any:
    """The lanes of a sum from channel j on."""
    total = nothing()
    for k in range(weight.shape[0]):
        total = fma(load(weight[k], j), load(x[t + k, b], j), total)
    return total
