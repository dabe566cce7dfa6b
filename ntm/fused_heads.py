"""What heads are asked: from a layer's raw output to head parameters, each in its range, and back.

A row of head parameters is, for each head: key (width), strength, gate, kernel (2 * reach + 1), sharpness - 1; then
the erase vectors of all write heads, then their add vectors.
"""

from typing import Any

import numpy as np

from .fused_controller import sigmoid_all, tanh_all
from .fused_lanes import LANES, choose, load, store
from .fused_math import ONE, ZERO, Floats, exp, kernel, maximum, sigmoid, softplus
from .fused_products import dot

INFINITE = np.float32(np.inf)


@kernel
def ask_heads(
    ask: Floats,
    raw: Floats,
    heads: int,
    writes: int,
    width: int,
    shifts: int,
    limit: float,
) -> Any:
    """The ranges of head parameters: tanh keys and additions, softplus strengths, and so on."""
    clip(ask, raw, limit)
    per = width + shifts + 3
    for head in range(heads):
        at = head * per
        tanh_all(ask[at : at + width])
        at += width
        ask[at] = softplus(ask[at])
        ask[at + 1] = sigmoid(ask[at + 1])
        softmax(ask[at + 2 : at + 2 + shifts])
        ask[at + 2 + shifts] = softplus(ask[at + 2 + shifts])
    at = heads * per
    sigmoid_all(ask[at : at + writes * width])
    tanh_all(ask[at + writes * width :])


@kernel
def ask_heads_back(
    raw: Floats, d_ask: Floats, ask: Floats, heads: int, writes: int, width: int, shifts: int, limit: float
) -> Any:
    """``raw`` turns into its gradient; ``d_ask`` is scratch afterwards."""
    per = width + shifts + 3
    for head in range(heads):
        at = head * per
        tanh_back(d_ask[at : at + width], ask[at : at + width])
        at += width
        d_ask[at] *= sigmoid(raw[at])
        d_ask[at + 1] *= ask[at + 1] * (ONE - ask[at + 1])
        softmax_back(d_ask[at + 2 : at + 2 + shifts], ask[at + 2 : at + 2 + shifts])
        d_ask[at + 2 + shifts] *= sigmoid(raw[at + 2 + shifts])
    at = heads * per
    sigmoid_back(d_ask[at : at + writes * width], ask[at : at + writes * width])
    tanh_back(d_ask[at + writes * width :], ask[at + writes * width :])
    clip_back(raw, d_ask, limit)


@kernel
def clip(out: Floats, raw: Floats, limit: float) -> Any:
    """To +/-limit."""
    for j in range(0, raw.shape[0], LANES):
        x = load(raw, j)
        store(out, j, choose(x, -limit, -limit, choose(limit, x, limit, x)))


@kernel
def clip_back(raw: Floats, d: Floats, limit: float) -> Any:
    """``raw`` turns into its gradient, from that of the clipped: zero beyond a limit, and where it is NaN."""
    for j in range(raw.shape[0]):
        raw[j] = d[j] if abs(raw[j]) <= limit or limit == INFINITE else ZERO


@kernel
def softmax(row: Floats) -> Any:
    """In place."""
    largest = maximum(row, ONE, row[0])
    total = ZERO
    for j in range(row.shape[0]):
        row[j] = exp(row[j] - largest)
        total += row[j]
    scale = ONE / total
    for j in range(row.shape[0]):
        row[j] *= scale


@kernel
def tanh_back(d: Floats, row: Floats) -> Any:
    for j in range(row.shape[0]):
        d[j] *= ONE - row[j] * row[j]


@kernel
def sigmoid_back(d: Floats, row: Floats) -> Any:
    for j in range(row.shape[0]):
        d[j] *= row[j] * (ONE - row[j])


@kernel
def softmax_back(d: Floats, row: Floats) -> Any:
    mean = dot(d, row)
    for j in range(row.shape[0]):
        d[j] = row[j] * (d[j] - mean)
