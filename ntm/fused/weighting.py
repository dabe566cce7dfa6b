"""How a head's weighting over the rows comes about, forward and backward: the fused twins of ``addressing.py``.

Memory is transposed, (width, rows), so that loops over rows of the memory run along vectors. Backward functions are
named after the forward one; ``d`` marks a gradient.
"""

from typing import Any

import numpy as np

from ..addressing import EPSILON
from ..kernels.arrays import clear, copy
from ..kernels.lanes import choose
from ..kernels.math import ONE, TINY, ZERO, Floats, exp, kernel, log, maximum
from ..kernels.products import Four, dot, mix_four, rest

EPS = np.float32(EPSILON)


@kernel
def row_norms(norms: Floats, memory: Floats) -> Any:
    """The length of every row of the memory."""
    clear(norms)
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
def interpolate(ring: Floats, by_content: Floats, previous: Floats, gate: float, gated: bool, reach: int) -> Any:
    """w^g (eq. 7), in the middle of a ring: its ends repeat on the other side."""
    rows = by_content.shape[0]
    if gated:
        blend(ring[reach : reach + rows], by_content, previous, gate)
    else:
        blend_whole(ring[reach : reach + rows], by_content, previous, gate)
    close_ring(ring, rows, reach)


@kernel
def blend(out: Floats, by_content: Floats, previous: Floats, gate: float) -> Any:
    for n in range(out.shape[0]):
        out[n] = gate * by_content[n] + (ONE - gate) * previous[n]


@kernel
def blend_whole(out: Floats, by_content: Floats, previous: Floats, gate: float) -> Any:
    for n in range(out.shape[0]):
        out[n] = by_content[n] + (ONE - gate) * previous[n]


@kernel
def close_ring(ring: Floats, rows: int, reach: int) -> Any:
    for j in range(reach):
        ring[j] = ring[rows + j]
        ring[reach + rows + j] = ring[reach + j]


@kernel
def shift(moved: Floats, ring: Floats, kernel_: Floats, reach: int) -> Any:
    """w~ (eq. 8)."""
    sum_views(moved, ring, kernel_, 2 * reach, -1)


@kernel
def sum_views(out: Floats, ring: Floats, weights: Floats, start: int, step: int) -> Any:
    """The sum of the ring's views from ``start``, ``start + step``, ..., weighted."""
    rows, last = out.shape[0], weights.shape[0] - 1
    for j in range(0, last + 1, 4):
        at0, at1 = start + step * j, start + step * min(j + 1, last)
        at2, at3 = start + step * min(j + 2, last), start + step * min(j + 3, last)
        views = ring[at0 : at0 + rows], ring[at1 : at1 + rows], ring[at2 : at2 + rows], ring[at3 : at3 + rows]
        if j == 0:
            mixture(out, rest(weights, j, last + 1), *views)
        else:
            mix_four(out, rest(weights, j, last + 1), *views)


@kernel
def mixture(y: Floats, a: Four, w0: Floats, w1: Floats, w2: Floats, w3: Floats) -> Any:
    for n in range(y.shape[0]):
        y[n] = a[0] * w0[n] + a[1] * w1[n] + a[2] * w2[n] + a[3] * w3[n]


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
    scale, sharpness = ONE / largest, ONE + excess
    at_zero = scale / total if sharpness == ONE else ZERO  # 0^0 is 1
    d_sharpness = ZERO
    for n in range(moved.shape[0]):
        inner, w = d_weighting[n] - mean, weighting[n]
        d_moved[n] = inner * choose(ZERO, moved[n], sharpness * w / moved[n], at_zero)  # of w, by w~
        d_sharpness += inner * w * log(moved[n] * scale)
    return d_sharpness


@kernel
def shift_back(
    d_interpolated: Floats, d_kernel: Floats, d_ring: Floats, d_moved: Floats, ring: Floats, kernel_: Floats, reach: int
) -> Any:  # fmt: skip
    """``ring`` is what ``interpolate`` made; ``d_ring`` is scratch of its size."""
    rows, shifts = d_moved.shape[0], 2 * reach + 1
    copy(d_ring[reach : reach + rows], d_moved)
    close_ring(d_ring, rows, reach)
    sum_views(d_interpolated, d_ring, kernel_, 0, 1)
    for j in range(shifts):
        d_kernel[j] = dot(d_moved, ring[2 * reach - j : 2 * reach - j + rows])


@kernel
def interpolate_back(
    d_content: Floats, d_interpolated: Floats, by_content: Floats, previous: Floats, gate: float, gated: bool
) -> Any:  # fmt: skip
    """``d_interpolated`` turns into the gradient of the previous weighting; gives that of the gate."""
    d_gate = ZERO
    if gated:
        for n in range(d_content.shape[0]):
            d = d_interpolated[n]
            d_gate += d * (by_content[n] - previous[n])
            d_content[n] = gate * d
            d_interpolated[n] = (ONE - gate) * d
    else:
        for n in range(d_content.shape[0]):
            d = d_interpolated[n]
            d_gate -= d * previous[n]
            d_content[n] = d
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
