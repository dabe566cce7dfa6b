"""What heads are asked: from a layer's raw output to head parameters, each in its range, and back.

A row of head parameters is, for each head: key (width), strength, gate, kernel (2 * reach + 1), sharpness - 1; then
the erase vectors of all write heads, then their add vectors.
"""

from typing import Any

import numpy as np

from ..kernels.lanes import LANES, choose, load, nothing, store
from ..kernels.layers import sigmoid_all
from ..kernels.math import ONE, ZERO, Floats, elementary, exp, kernel, sigmoid, softplus, tanh
from ..kernels.products import dot

INFINITE = np.float32(np.inf)

TANH, LINEAR, RELU = range(3)
"""What keys and additions pass through."""


@kernel
def ask_heads(
    asks: Floats, raws: Floats, numbers: Floats,
    heads: int, writes: int, width: int, shifts: int, limit: float, squash: int, samples: int,
) -> Any:  # fmt: skip
    """The ranges of up to four samples' head parameters: keys and additions, softplus strengths, and so on.

    Args:
        asks: (4, head parameters).
        raws: (4, head parameters).
        numbers: Scratch, (shifts + 3, 4 * heads): of all heads side by side, what each has one of after the other.
        squash: Of keys and additions: ``TANH``, ``LINEAR`` or ``RELU``.
    """
    per = width + shifts + 3
    for s in range(samples):
        ask, raw = asks[s], raws[s]
        for head in range(heads):
            at = head * per
            squashed(ask[at : at + width], raw[at : at + width], limit, squash)
            for j in range(shifts + 3):
                numbers[j, s * heads + head] = clipped(raw[at + width + j], limit)
        at, after = heads * per, heads * per + writes * width
        clipped_sigmoid(ask[at:after], raw[at:after], limit)
        squashed(ask[after:], raw[after:], limit, squash)
    softplus_all(numbers[0])
    sigmoid_all(numbers[1])
    softmax_all(numbers[2 : 2 + shifts])
    softplus_all(numbers[2 + shifts])
    for s in range(samples):
        for head in range(heads):
            for j in range(shifts + 3):
                asks[s, head * per + width + j] = numbers[j, s * heads + head]


@kernel
def ask_heads_back(
    raw: Floats, d_ask: Floats, ask: Floats,
    heads: int, writes: int, width: int, shifts: int, limit: float, squash: int,
) -> Any:  # fmt: skip
    """``raw`` turns into its gradient; ``d_ask`` is scratch afterwards."""
    per = width + shifts + 3
    for head in range(heads):
        at = head * per
        squash_back(d_ask[at : at + width], ask[at : at + width], squash)
        at += width
        d_ask[at] *= sigmoid(raw[at])
        d_ask[at + 1] *= ask[at + 1] * (ONE - ask[at + 1])
        softmax_back(d_ask[at + 2 : at + 2 + shifts], ask[at + 2 : at + 2 + shifts])
        d_ask[at + 2 + shifts] *= sigmoid(raw[at + 2 + shifts])
    at = heads * per
    sigmoid_back(d_ask[at : at + writes * width], ask[at : at + writes * width])
    squash_back(d_ask[at + writes * width :], ask[at + writes * width :], squash)
    clip_back(raw, d_ask, limit)


@elementary
def clipped(x: float, limit: float) -> Any:
    """To +/-limit; NaN stays NaN."""
    return choose(x, -limit, -limit, choose(limit, x, limit, x))


@kernel
def clip(out: Floats, raw: Floats, limit: float) -> Any:
    for j in range(0, raw.shape[0], LANES):
        store(out, j, clipped(load(raw, j), limit))


@kernel
def clip_back(raw: Floats, d: Floats, limit: float) -> Any:
    """``raw`` turns into its gradient, from that of the clipped: zero beyond a limit, and where it is NaN."""
    for j in range(raw.shape[0]):
        raw[j] = d[j] if abs(raw[j]) <= limit or limit == INFINITE else ZERO


@kernel
def squashed(out: Floats, raw: Floats, limit: float, squash: int) -> Any:
    if squash == TANH:
        clipped_tanh(out, raw, limit)
    else:
        clip(out, raw, limit)
        if squash == RELU:
            for j in range(out.shape[0]):
                out[j] = max(out[j], ZERO)


@kernel
def squash_back(d: Floats, row: Floats, squash: int) -> Any:
    if squash == TANH:
        tanh_back(d, row)
    elif squash == RELU:
        for j in range(row.shape[0]):
            d[j] = d[j] if row[j] > ZERO else ZERO


@kernel
def clipped_tanh(out: Floats, raw: Floats, limit: float) -> Any:
    for j in range(0, out.shape[0], LANES):
        store(out, j, tanh(clipped(load(raw, j), limit)))


@kernel
def clipped_sigmoid(out: Floats, raw: Floats, limit: float) -> Any:
    for j in range(0, out.shape[0], LANES):
        store(out, j, sigmoid(clipped(load(raw, j), limit)))


@kernel
def softplus_all(row: Floats) -> Any:
    for j in range(0, row.shape[0], LANES):
        store(row, j, softplus(load(row, j)))


@kernel
def softmax_all(rows: Floats) -> Any:
    """Of every column, in place."""
    size = rows.shape[0]
    for j in range(0, rows.shape[1], LANES):
        largest = load(rows[0], j)
        for k in range(1, size):
            x = load(rows[k], j)
            largest = choose(largest, x, x, largest)
        total = nothing()
        for k in range(size):
            e = exp(load(rows[k], j) - largest)
            store(rows[k], j, e)
            total = total + e
        scale = ONE / total
        for k in range(size):
            store(rows[k], j, load(rows[k], j) * scale)


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
