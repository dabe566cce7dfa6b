"""Addressing and reading by some heads of one sample, forward and backward: figure 2 of Graves et al. 2014."""

from typing import Any

import numpy as np

from ..kernels.arrays import clear, copy
from ..kernels.math import ZERO, Floats, kernel
from ..kernels.products import dot, dots, mix, mix_one, multiply
from .memory import add_outer
from .weighting import (
    content,
    content_again,
    content_back,
    divide_lengths,
    interpolate,
    interpolate_back,
    sharpen,
    sharpen_back,
    shift,
    shift_back,
    similar_back,
)


@kernel
def address(
    weightings: Floats, similarity: Floats, scales: Floats, norms: Floats, memory: Floats, ask: Floats,
    previous: Floats, ring: Floats, by_content: Floats, moved: Floats,
    first: int, last: int, reach: int, cosine: bool, gated: bool,
) -> Any:  # fmt: skip
    """Heads ``first`` to ``last`` choose rows; similarity (heads, rows) and scales (heads, 4) are for the way back."""
    per = memory.shape[0] + 2 * reach + 4
    asked = ask[: last * per].reshape((last, per))  # a key first, in every row
    for head in range(first, last):
        clear(similarity[head])
    multiply(similarity[first:last], asked[first:last], memory)
    for head in range(first, last):
        key, rest, scale = asked[head, : memory.shape[0]], asked[head, memory.shape[0] :], scales[head]
        if cosine:
            divide_lengths(similarity[head], norms, np.sqrt(dot(key, key)))
        scale[0], scale[1] = content(by_content, similarity[head], rest[0])
        interpolate(ring, by_content, previous[head], rest[1], gated, reach)
        shift(moved, ring, rest[2 : 3 + 2 * reach], reach)
        scale[2], scale[3] = sharpen(weightings[head], moved, rest[3 + 2 * reach])


@kernel
def read(out: Floats, memory: Floats, weightings: Floats, heads: int) -> Any:
    """Eq. 2 for the first heads: out (heads * width,)."""
    width = memory.shape[0]
    for head in range(heads):
        row = out[head * width : (head + 1) * width]
        clear(row)
        dots(row, weightings[head], memory)


@kernel
def address_back(
    d_ask: Floats, d_memory: Floats, d_weightings: Floats, d_read: Floats,
    ask: Floats, weightings: Floats, similarity: Floats, scales: Floats, norms: Floats, memory: Floats,
    previous: Floats, ring: Floats, d_ring: Floats, by_content: Floats, moved: Floats, d_norms: Floats,
    spread: Floats, share: Floats, first: int, last: int, reads: int, reach: int, cosine: bool, gated: bool,
) -> Any:  # fmt: skip
    """Back through ``read`` of the first ``reads`` heads and ``address`` of ``first`` to ``last``.

    ``d_weightings`` turns into the gradient of the weightings before. What comes back to the memory is the sum of
    outer products: rows of ``spread`` over its rows, of ``share`` over its width.
    """
    width, heads = memory.shape[0], last - first
    per = width + 2 * reach + 4
    clear(d_norms)
    for head in range(reads):
        d_r = d_read[head * width : (head + 1) * width]
        mix(d_weightings[head], d_r, memory)
        copy(spread[heads + head], weightings[head])
        copy(share[heads + head], d_r)
    for head in range(first, last):
        at, scale = head * per, scales[head]
        key, d_key, d_row = ask[at : at + width], d_ask[at : at + width], spread[head - first]
        at += width
        gate, sharp = at + 1, at + 3 + 2 * reach
        content_again(by_content, similarity[head], ask[at], scale[0], scale[1])
        interpolate(ring, by_content, previous[head], ask[gate], gated, reach)
        shift(moved, ring, ask[at + 2 : sharp], reach)
        d_ask[sharp] = sharpen_back(d_row, d_weightings[head], weightings[head], moved, ask[sharp], scale[2], scale[3])
        shift_back(d_weightings[head], d_ask[at + 2 : sharp], d_ring, d_row, ring, ask[at + 2 : sharp], reach)
        d_ask[gate] = interpolate_back(d_row, d_weightings[head], by_content, previous[head], ask[gate], gated)
        d_ask[at] = content_back(d_row, by_content, similarity[head], ask[at])
        copy(share[head - first], key)
        clear(d_key)
        if cosine:
            length = np.sqrt(dot(key, key))
            d_length = similar_back(d_row, d_norms, similarity[head], norms, length)
            if length > ZERO:
                mix_one(d_key, d_length / length, key)
        dots(d_key, d_row, memory)
    add_outer(d_memory, share[: heads + reads], spread[: heads + reads], memory, d_norms)
