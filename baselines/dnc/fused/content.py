"""Looking up by content for one head of one sample, forward and backward, with or without a mask.

A mask μ makes inner product, key length and row lengths sums weighed by μ² (Csordas & Schmidhuber 2019); without one
all weights are 1. Memory is transposed, (width, rows).
"""

from typing import Any

import numpy as np

from ....ntm.fused.weighting import content, content_back
from ....ntm.kernels.math import HALF, ONE, TWO, ZERO, Floats, kernel
from ....ntm.kernels.products import dot, mix
from .interface import Options


@kernel
def weigh(squares: Floats, weighed: Floats, key: Floats, ask: Floats, mask: int, masked: bool) -> Any:
    """The weights, and the key with them; ``mask`` is where in ``ask`` the mask begins."""
    for m in range(key.shape[0]):
        squares[m] = ask[mask + m] * ask[mask + m] if masked else ONE
        weighed[m] = squares[m] * key[m]


@kernel
def look_up(
    by_content: Floats, similarity: Floats, norms: Floats, memory: Floats, key: Floats, strength: float,
    squares: Floats, weighed: Floats, options: Options,
) -> Any:  # fmt: skip
    """A content weighting; ``norms`` become the rows' lengths."""
    for n in range(norms.shape[0]):
        norms[n] = options.damping
        similarity[n] = ZERO
    for m in range(memory.shape[0]):
        add_squares(norms, memory[m], squares[m])
    mix(similarity, weighed, memory)
    divide(similarity, norms, np.sqrt(dot(key, weighed) + options.damping), options.epsilon)
    content(by_content, similarity, strength)


@kernel
def add_squares(total: Floats, row: Floats, weight: float) -> Any:
    for n in range(total.shape[0]):
        total[n] += weight * row[n] * row[n]


@kernel
def divide(similarity: Floats, norms: Floats, length: float, epsilon: float) -> Any:
    """Cosines from inner products, and lengths from their squares."""
    for n in range(similarity.shape[0]):
        norms[n] = np.sqrt(norms[n])
        similarity[n] /= length * norms[n] + epsilon


@kernel
def look_up_back(
    d_ask: Floats, d_memory: Floats, d: Floats, d_norms: Floats, by_content: Floats, similarity: Floats,
    norms: Floats, memory: Floats, ask: Floats, at: int, strength: int, mask: int, squares: Floats, weighed: Floats,
    options: Options,
) -> Any:  # fmt: skip
    """Adds to the gradient of the memory; gives ``d_ask`` that of key, strength and mask.

    Args:
        d: The gradient of the weighting; spent.
        d_norms: Scratch, (rows,).
        at, strength, mask: Where in ``ask`` key, strength and mask begin.
    """
    width = memory.shape[0]
    length = np.sqrt(dot(ask[at : at + width], weighed) + options.damping)
    d_ask[strength] = content_back(d, by_content, similarity, ask[strength])
    d_length = divide_back(d, d_norms, similarity, norms, length, options.epsilon)
    slope = d_length / length if length > ZERO else ZERO
    for m in range(width):
        pull, stretch = row_back(d_memory[m], memory[m], d, d_norms, weighed[m], squares[m])
        key = ask[at + m]
        d_ask[at + m] = squares[m] * (pull + slope * key)
        if options.masked:
            d_ask[mask + m] = TWO * ask[mask + m] * (key * pull + HALF * (slope * key * key + stretch))


@kernel
def divide_back(
    d: Floats, d_norms: Floats, similarity: Floats, norms: Floats, length: float, epsilon: float
) -> Any:  # fmt: skip
    """``d`` turns from the gradient of cosines into that of inner products; gives that of the key's length.

    ``d_norms`` becomes the gradient of every row's length, divided by that length.
    """
    d_length = ZERO
    for n in range(norms.shape[0]):
        product = d[n] / (length * norms[n] + epsilon)
        slope = product * similarity[n]
        d_length -= slope * norms[n]
        d_norms[n] = -slope * length / norms[n] if norms[n] > ZERO else ZERO
        d[n] = product
    return d_length


@kernel
def row_back(d_row: Floats, row: Floats, d: Floats, d_norms: Floats, weighed: float, square: float) -> Any:
    """One component of all rows; gives what inner products and lengths pull at its key and at its weight."""
    pull, stretch = ZERO, ZERO
    for n in range(row.shape[0]):
        scaled = d_norms[n] * row[n]
        pull += d[n] * row[n]
        stretch += scaled * row[n]
        d_row[n] += weighed * d[n] + square * scaled
    return pull, stretch
