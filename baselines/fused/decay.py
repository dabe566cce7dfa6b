"""How much is left of every step's write in every later one, as one compiled loop there and one back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...ntm import twins
from ...ntm.fused.functions import array
from ...ntm.kernels.lanes import choose
from ...ntm.kernels.math import ZERO, Floats, elementary, exp, kernel, loop
from .again import gradient


class Decayed(torch.autograd.Function):
    """``matrices.left``, of gains and scales or of neither, which is zeros and ``scaled=False``.

    Exponentials of less than ``gone`` are 0.
    """

    @staticmethod
    def forward(
        ctx: Any, plain: Callable[..., Any], gone: float, scaled: bool, logs: Tensor, gains: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        heads, steps = logs.shape
        since, most, less = logs.new_empty(heads, steps), logs.new_empty(heads, steps), logs.new_empty(steps)
        between = logs.new_empty(heads, steps, steps)
        made, given = (since, between, most, less), (logs, gains, scale)
        decay(*(value.numpy() for value in made), *map(array, given), scaled, np.float32(gone))
        ctx.plain = lambda *given: plain(*given, scaled)[:2]
        ctx.mark_non_differentiable(most)
        ctx.save_for_backward(logs, gains, scale, since, between)
        return since, between, most

    @staticmethod
    def backward(ctx: Any, d_since: Tensor, d_between: Tensor, d_most: Tensor) -> Any:
        *given, since, between = ctx.saved_tensors
        if twins.several(d_between):
            return None, None, None, *gradient(ctx.plain, given, ctx.needs_input_grad[3:], (d_since, d_between))
        d_logs, d_gains, d_scale = (value.new_empty(value.shape) for value in given)
        kept = array(since), array(between)
        decay_back(d_logs.numpy(), d_gains.numpy(), d_scale.numpy(), array(d_since), array(d_between), *kept)
        return None, None, None, d_logs, d_gains, d_scale


@elementary
def faded(x: np.float32, gone: np.float32) -> Any:
    """e^x, and 0 where x is less than ``gone``."""
    return choose(x, gone, ZERO, exp(x))


@loop
def decay(
    since: Floats, between: Floats, most: Floats, less: Floats, logs: Floats, gains: Floats, scale: Floats,
    scaled: bool, gone: np.float32,
) -> Any:  # fmt: skip
    for h in range(logs.shape[0]):
        one(since[h], between[h], most[h], less, logs[h], gains[h], scale[h], scaled, gone)


@kernel
def one(
    since: Floats, between: Floats, most: Floats, less: Floats, logs: Floats, gains: Floats, scale: np.float32,
    scaled: bool, gone: np.float32,
) -> Any:  # fmt: skip
    """Of one head. ``less`` is a row to work in; ``since`` holds sums of logs until they are used."""
    steps, total = logs.shape[0], ZERO
    for j in range(steps):
        total += logs[j]
        since[j], less[j] = total, total - gains[j]
    for i in range(steps):
        top = ZERO
        if scaled:
            top = since[i] + scale
            for j in range(i + 1):
                top = max(top, since[i] - less[j])
        most[i] = top
        row, up = between[i], since[i] - top
        for j in range(i + 1):
            row[j] = faded(up - less[j], gone)
        for j in range(i + 1, steps):
            row[j] = ZERO
        since[i] = faded(up + scale, gone)


@loop
def decay_back(
    d_logs: Floats, d_gains: Floats, d_scale: Floats, d_since: Floats, d_between: Floats, since: Floats, between: Floats
) -> Any:
    steps = d_logs.shape[1]
    for h in range(d_logs.shape[0]):
        d_total, d_less = d_logs[h], d_gains[h]
        for j in range(steps):
            d_less[j] = ZERO
        d_scale[h] = ZERO
        for i in range(steps):
            total, row, d_row = d_since[h, i] * since[h, i], between[h, i], d_between[h, i]
            d_scale[h] += total
            for j in range(i + 1):
                part = d_row[j] * row[j]
                total += part
                d_less[j] += part
            d_total[i] = total
        after = ZERO
        for j in range(steps - 1, -1, -1):
            after += d_total[j] - d_less[j]
            d_total[j] = after
