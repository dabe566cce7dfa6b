"""Addressing by some heads of one sample, forward and backward: figure 2 of Graves et al. 2014."""

from typing import Any

import numpy as np

from .fused_heads import (
    content,
    content_back,
    interpolate,
    interpolate_back,
    sharpen,
    sharpen_back,
    shift,
    shift_back,
    similar,
    similar_back,
)
from .fused_math import ZERO, Floats, kernel
from .fused_products import dot, dots, mix_one


@kernel
def address(
    weightings: Floats, moved: Floats, by_content: Floats, similarity: Floats, scales: Floats, norms: Floats,
    memory: Floats, ask: Floats, previous: Floats, ring: Floats, first: int, last: int, reach: int, cosine: bool,
) -> Any:  # fmt: skip
    """Heads ``first`` to ``last`` choose rows; all but ``weightings`` is kept for the way back."""
    width = memory.shape[0]
    per = width + 2 * reach + 4
    for head in range(first, last):
        at = head * per
        similar(similarity[head], memory, norms, ask[at : at + width], cosine)
        at += width
        content(by_content[head], similarity[head], ask[at])
        interpolate(ring, by_content[head], previous[head], ask[at + 1], reach)
        shift(moved[head], ring, ask[at + 2 : at + 3 + 2 * reach], reach)
        scales[head, 0], scales[head, 1] = sharpen(weightings[head], moved[head], ask[at + 3 + 2 * reach])


@kernel
def address_back(
    d_ask: Floats, d_memory: Floats, d_weightings: Floats, ask: Floats, weightings: Floats, moved: Floats,
    by_content: Floats, similarity: Floats, scales: Floats, norms: Floats, memory: Floats, previous: Floats,
    ring: Floats, d_ring: Floats, d_row: Floats, d_norms: Floats,
    first: int, last: int, reach: int, cosine: bool,
) -> Any:  # fmt: skip
    """``d_weightings`` turns into the gradient of the weightings before.

    Args:
        ring, d_ring: Scratch, (rows + 2 * reach,).
        d_row, d_norms: Scratch, (rows,).
    """
    width = memory.shape[0]
    per = width + 2 * reach + 4
    for n in range(d_norms.shape[0]):
        d_norms[n] = ZERO
    for head in range(first, last):
        at = head * per
        key, d_key = ask[at : at + width], d_ask[at : at + width]
        at += width
        gate, sharp = at + 1, at + 3 + 2 * reach
        d_ask[sharp] = sharpen_back(
            d_row, d_weightings[head], weightings[head], moved[head], ask[sharp], scales[head, 0], scales[head, 1]
        )
        interpolate(ring, by_content[head], previous[head], ask[gate], reach)
        shift_back(d_weightings[head], d_ask[at + 2 : sharp], d_ring, d_row, ring, ask[at + 2 : sharp], reach)
        d_ask[gate] = interpolate_back(d_row, d_weightings[head], by_content[head], previous[head], ask[gate])
        d_ask[at] = content_back(d_row, by_content[head], similarity[head], ask[at])
        for m in range(width):
            d_key[m] = ZERO
        if cosine:
            length = np.sqrt(dot(key, key))
            d_length = similar_back(d_row, d_norms, similarity[head], norms, length)
            if length > ZERO:
                mix_one(d_key, d_length / length, key)
        dots(d_key, d_row, memory)
        for m in range(width):
            mix_one(d_memory[m], key[m], d_row)
    if cosine:
        for m in range(width):
            add_product(d_memory[m], memory[m], d_norms)


@kernel
def add_product(out: Floats, a: Floats, b: Floats) -> Any:
    for n in range(out.shape[0]):
        out[n] += a[n] * b[n]
