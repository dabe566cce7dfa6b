"""Rows divided by their root mean square, as one compiled loop there and one back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...ntm import twins
from ...ntm.fused.functions import array
from ...ntm.kernels.math import ONE, ZERO, Floats, loop
from .again import gradient


class Normed(torch.autograd.Function):
    """weight x / sqrt(mean of x^2 + eps): (..., size), (size,) to (..., size)."""

    @staticmethod
    def forward(ctx: Any, plain: Callable[..., Tensor], x: Tensor, weight: Tensor, eps: float) -> Tensor:
        rows = x.detach().reshape(-1, x.shape[-1]).contiguous()
        y, scales = torch.empty_like(rows), rows.new_empty(len(rows))
        divide(y.numpy(), scales.numpy(), rows.numpy(), array(weight), np.float32(eps))
        ctx.plain, ctx.eps = plain, eps
        ctx.save_for_backward(x, weight, rows, scales)
        return y.view(x.shape)

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Any:
        x, weight, rows, scales = ctx.saved_tensors
        if twins.several(d_y):
            asked = ctx.needs_input_grad[1:3]
            return None, *gradient(lambda *given: ctx.plain(*given, ctx.eps), (x, weight), asked, d_y), None
        d_x, d_weight = torch.empty_like(rows), torch.zeros_like(weight)
        slopes = array(d_y.reshape(rows.shape))
        divide_back(d_x.numpy(), d_weight.numpy(), slopes, rows.numpy(), array(weight), scales.numpy())
        return None, d_x.view(d_y.shape), d_weight, None


@loop
def divide(y: Floats, scales: Floats, x: Floats, weight: Floats, eps: np.float32) -> Any:
    size = x.shape[1]
    for r in range(x.shape[0]):
        squares = ZERO
        for j in range(size):
            squares += x[r, j] * x[r, j]
        scale = ONE / np.sqrt(squares / np.float32(size) + eps)
        scales[r] = scale
        for j in range(size):
            y[r, j] = x[r, j] * scale * weight[j]


@loop
def divide_back(d_x: Floats, d_weight: Floats, d_y: Floats, x: Floats, weight: Floats, scales: Floats) -> Any:
    size = x.shape[1]
    for r in range(x.shape[0]):
        scale, along = scales[r], ZERO
        for j in range(size):
            along += d_y[r, j] * weight[j] * x[r, j]
        along *= scale / np.float32(size)
        for j in range(size):
            d_weight[j] += d_y[r, j] * x[r, j] * scale
            d_x[r, j] = (d_y[r, j] * weight[j] - x[r, j] * scale * along) * scale
