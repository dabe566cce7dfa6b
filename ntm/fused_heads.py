"""One head of one sample, forward and backward: the fused twins of ``addressing.py``'s functions.

A row of head parameters is, for each head: key (width), strength, gate, kernel (2 * reach + 1), sharpness - 1; then
the erase vectors of all write heads, then their add vectors. Memory is transposed, (width, rows), so that loops over
rows of the memory run along vectors. Backward functions are named after the forward one; ``d`` marks a gradient.
"""

from typing import Any

import numpy as np

from .addressing import EPSILON
from .fused_math import (
    ONE,
    TINY,
    ZERO,
    Floats,
    exp,
    kernel,
    log,
    maximum,
    sigmoid,
    softplus,
    tanh,
)
from .fused_products import dot, mix_four

EPS = np.float32(EPSILON)


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
    for j in range(raw.shape[0]):
        ask[j] = -limit if raw[j] < -limit else limit if raw[j] > limit else raw[j]
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
def tanh_all(row: Floats) -> Any:
    for j in range(row.shape[0]):
        row[j] = tanh(row[j])


@kernel
def sigmoid_all(row: Floats) -> Any:
    for j in range(row.shape[0]):
        row[j] = sigmoid(row[j])


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
def row_norms(norms: Floats, memory: Floats) -> Any:
    """The length of every row of the memory."""
    for n in range(norms.shape[0]):
        norms[n] = ZERO
    whole = memory.shape[0] - memory.shape[0] % 4
    for m in range(0, whole, 4):
        add_four_squares(norms, memory[m], memory[m + 1], memory[m + 2], memory[m + 3])
    for m in range(whole, memory.shape[0]):
        add_squares(norms, memory[m])
    for n in range(norms.shape[0]):
        norms[n] = np.sqrt(norms[n])


@kernel
def add_four_squares(total: Floats, row0: Floats, row1: Floats, row2: Floats, row3: Floats) -> Any:
    for n in range(total.shape[0]):
        total[n] += row0[n] * row0[n] + row1[n] * row1[n] + row2[n] * row2[n] + row3[n] * row3[n]


@kernel
def add_squares(total: Floats, row: Floats) -> Any:
    for n in range(total.shape[0]):
        total[n] += row[n] * row[n]


@kernel
def divide_lengths(similarity: Floats, norms: Floats, length: float) -> Any:
    for n in range(similarity.shape[0]):
        similarity[n] /= length * norms[n] + EPS


@kernel
def content(weighting: Floats, similarity: Floats, strength: float) -> Any:
    """w^c (eq. 5); gives what ``content_again`` needs."""
    largest = maximum(similarity, strength, strength * similarity[0])
    total = ZERO
    for n in range(weighting.shape[0]):
        e = exp(strength * similarity[n] - largest)
        weighting[n] = e
        total += e
    scale = ONE / total
    for n in range(weighting.shape[0]):
        weighting[n] *= scale
    return largest, scale


@kernel
def content_again(weighting: Floats, similarity: Floats, strength: float, largest: float, scale: float) -> Any:
    """``content``, of which the largest logit and the sum are known: cheaper than to keep it."""
    for n in range(weighting.shape[0]):
        weighting[n] = scale * exp(strength * similarity[n] - largest)


@kernel
def interpolate(ring: Floats, by_content: Floats, previous: Floats, gate: float, reach: int) -> Any:
    """w^g (eq. 7), in the middle of a ring: its ends repeat on the other side."""
    rows = by_content.shape[0]
    blend(ring[reach : reach + rows], by_content, previous, gate)
    close_ring(ring, rows, reach)


@kernel
def blend(out: Floats, by_content: Floats, previous: Floats, gate: float) -> Any:
    for n in range(out.shape[0]):
        out[n] = gate * by_content[n] + (ONE - gate) * previous[n]


@kernel
def close_ring(ring: Floats, rows: int, reach: int) -> Any:
    for j in range(reach):
        ring[j] = ring[rows + j]
        ring[reach + rows + j] = ring[reach + j]


@kernel
def shift(moved: Floats, ring: Floats, kernel_: Floats, reach: int) -> Any:
    """w~ (eq. 8)."""
    for n in range(moved.shape[0]):
        moved[n] = ZERO
    add_taps(moved, ring, kernel_, 2 * reach, -1)


@kernel
def add_taps(out: Floats, ring: Floats, kernel_: Floats, start: int, step: int) -> Any:
    """Add the ring, seen from ``start``, ``start + step``, ..., weighted by the kernel."""
    rows, last = out.shape[0], kernel_.shape[0] - 1
    for j in range(0, last + 1, 4):
        j1, j2, j3 = min(j + 1, last), min(j + 2, last), min(j + 3, last)
        at0, at1, at2, at3 = (
            start + step * j,
            start + step * j1,
            start + step * j2,
            start + step * j3,
        )
        mix_four(
            out,
            (
                kernel_[j],
                kernel_[j1] if j1 == j + 1 else ZERO,
                kernel_[j2] if j2 == j + 2 else ZERO,
                kernel_[j3] if j3 == j + 3 else ZERO,
            ),
            ring[at0 : at0 + rows],
            ring[at1 : at1 + rows],
            ring[at2 : at2 + rows],
            ring[at3 : at3 + rows],
        )


@kernel
def sharpen(weighting: Floats, moved: Floats, excess: float) -> Any:
    """w (eq. 9), to the power 1 + excess; gives the largest element of w~ and the sum of the powers."""
    largest = maximum(moved, ONE, TINY)
    total = ZERO
    scale = ONE / largest
    for n in range(moved.shape[0]):
        scaled = moved[n] * scale
        p = scaled * exp(excess * log(scaled))
        weighting[n] = p
        total += p
    total = max(total, TINY)
    scale = ONE / total
    for n in range(moved.shape[0]):
        weighting[n] *= scale
    return largest, total


@kernel
def sharpen_back(
    d_moved: Floats, d_weighting: Floats, weighting: Floats, moved: Floats, excess: float, largest: float, total: float
) -> Any:  # fmt: skip
    """Gives the gradient of the sharpness."""
    mean = dot(d_weighting, weighting)
    scale = ONE / largest
    factor = (ONE + excess) / (total * largest)
    d_sharpness = ZERO
    for n in range(moved.shape[0]):
        scaled = moved[n] * scale
        exponent = log(scaled)
        inner = d_weighting[n] - mean
        slope = factor * exp(excess * exponent)  # of p, by w~; 0^0 is 1
        d_moved[n] = inner * (slope if scaled > ZERO or excess == ZERO else ZERO)
        d_sharpness += inner * weighting[n] * exponent
    return d_sharpness


@kernel
def shift_back(
    d_interpolated: Floats, d_kernel: Floats, d_ring: Floats, d_moved: Floats, ring: Floats, kernel_: Floats, reach: int
) -> Any:  # fmt: skip
    """``ring`` is what ``interpolate`` made; ``d_ring`` is scratch of its size."""
    rows = d_moved.shape[0]
    for n in range(rows):
        d_ring[reach + n] = d_moved[n]
        d_interpolated[n] = ZERO
    close_ring(d_ring, rows, reach)
    add_taps(d_interpolated, d_ring, kernel_, 0, 1)
    for j in range(2 * reach + 1):
        d_kernel[j] = dot(d_moved, ring[2 * reach - j : 2 * reach - j + rows])


@kernel
def interpolate_back(
    d_content: Floats, d_interpolated: Floats, by_content: Floats, previous: Floats, gate: float
) -> Any:  # fmt: skip
    """``d_interpolated`` turns into the gradient of the previous weighting; gives that of the gate."""
    d_gate = ZERO
    for n in range(d_content.shape[0]):
        d = d_interpolated[n]
        d_gate += d * (by_content[n] - previous[n])
        d_content[n] = gate * d
        d_interpolated[n] = (ONE - gate) * d
    return d_gate


@kernel
def content_back(d_content: Floats, by_content: Floats, similarity: Floats, strength: float) -> Any:
    """``d_content`` turns into the gradient of the similarities; gives that of the strength."""
    mean = dot(d_content, by_content)
    d_strength = ZERO
    for n in range(by_content.shape[0]):
        d = by_content[n] * (d_content[n] - mean)
        d_strength += d * similarity[n]
        d_content[n] = strength * d
    return d_strength


@kernel
def similar_back(
    d_products: Floats, d_norms: Floats, similarity: Floats, norms: Floats, length: float
) -> Any:  # fmt: skip
    """Cosine: turns the gradient of similarities into that of inner products, in place.

    Adds to the gradient of every row's length, divided by that length; gives that of the key's.
    """
    d_length = ZERO
    for n in range(norms.shape[0]):
        d = d_products[n] / (length * norms[n] + EPS)
        d_products[n] = d
        dl = -d * similarity[n]
        d_length += dl * norms[n]
        d_norms[n] += dl * length / norms[n] if norms[n] > ZERO else ZERO
    return d_length


@kernel
def ask_heads_back(
    d_raw: Floats,
    d_ask: Floats,
    ask: Floats,
    raw: Floats,
    heads: int,
    writes: int,
    width: int,
    shifts: int,
    limit: float,
) -> Any:
    """``d_ask`` is scratch afterwards."""
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
    for j in range(d_raw.shape[0]):
        d_raw[j] = d_ask[j] if abs(raw[j]) <= limit else ZERO


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
