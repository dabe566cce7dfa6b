"""How a head chooses rows, forward and backward: the twins of ``ntm/addressing.py`` for one head of one sequence.

Memory is a tile (rows, width), a weighting (rows,), both zero beyond their ends; ``d`` marks a gradient.
"""

import triton
import triton.language as tl

from ..addressing import EPSILON
from .math import clip, sigmoid, softplus, tanh, unclipped
from .memory import keep, tile

EPS: tl.constexpr = tl.constexpr(EPSILON)
TINY: tl.constexpr = tl.constexpr(2.0**-126)


@triton.jit
def length(vectors, axis: tl.constexpr):
    return tl.sqrt(tl.sum(vectors * vectors, axis))


@triton.jit
def ask(raw, plan: tl.constexpr):
    """What a head is asked, from where its raw parameters begin: k, β, g, s, γ - 1."""
    m, j = tl.arange(0, plan.width_block), tl.arange(0, plan.shifts_block)
    key = tanh(clip(tl.load(raw + m, m < plan.width, 0), plan.limit))  # k
    strength = softplus(clip(tl.load(raw + plan.width), plan.limit))  # β
    gate = sigmoid(clip(tl.load(raw + plan.width + 1), plan.limit))  # g
    shifts: tl.constexpr = 2 * plan.reach + 1
    kernel = tl.where(j < shifts, clip(tl.load(raw + plan.width + 2 + j, j < shifts, 0), plan.limit), float("-inf"))
    kernel = softmax(kernel)  # s
    excess = softplus(clip(tl.load(raw + plan.width + 2 + shifts), plan.limit))  # γ - 1
    return key, strength, gate, kernel, excess


@triton.jit
def key_back(d_raw, raw, d_key, key, plan: tl.constexpr):
    """Back through ``ask``: stores the gradient of a key's raw parameters."""
    m = tl.arange(0, plan.width_block)
    passes = unclipped(tl.load(raw + m, m < plan.width, 0), plan.limit)
    tl.store(d_raw + m, tl.where(passes, d_key * (1 - key * key), 0), m < plan.width)


@triton.jit
def numbers_back(d_raw, raw, d_strength, d_gate, d_kernel, d_excess, gate, kernel, plan: tl.constexpr):
    """Back through ``ask``: stores the gradients of a head's raw parameters but for the key."""
    j = tl.arange(0, plan.shifts_block)
    shifts: tl.constexpr = 2 * plan.reach + 1
    d_raw, raw = d_raw + plan.width, raw + plan.width
    x = tl.load(raw)
    tl.store(d_raw, tl.where(unclipped(x, plan.limit), d_strength * sigmoid(x), 0))
    x = tl.load(raw + 1)
    tl.store(d_raw + 1, tl.where(unclipped(x, plan.limit), d_gate * gate * (1 - gate), 0))
    x = tl.load(raw + 2 + j, j < shifts, 0)
    d_kernel = kernel * (d_kernel - tl.sum(d_kernel * kernel, 0))
    tl.store(d_raw + 2 + j, tl.where(unclipped(x, plan.limit), d_kernel, 0), j < shifts)
    x = tl.load(raw + 2 + shifts)
    tl.store(d_raw + 2 + shifts, tl.where(unclipped(x, plan.limit), d_excess * sigmoid(x), 0))


@triton.jit
def logarithm(x):
    """Zero of zero, by which it is multiplied."""
    return tl.where(x == 0, 0, tl.log(tl.where(x == 0, 1, x)))


@triton.jit
def softmax(x):
    e = tl.exp(x - tl.max(x, 0))
    return e / tl.sum(e, 0)


@triton.jit
def moved(ring, weighting, sign: tl.constexpr, plan: tl.constexpr):
    """(rows, shifts): a weighting moved by every shift, rows wrapping round; or against it, of sign -1.

    Args:
        ring: A place of its own for the weighting, whence it is read turned.
    """
    n, j = tl.arange(0, plan.rows_block), tl.arange(0, plan.shifts_block)
    tl.store(ring + n, weighting, n < plan.rows)
    tl.debug_barrier()
    source = (n[:, None] + plan.rows - sign * (j - plan.reach)[None, :]) % plan.rows
    return tl.load(ring + source, (n < plan.rows)[:, None] & (j <= 2 * plan.reach)[None, :], 0)


@triton.jit
def address(ring, memory, key, strength, gate, kernel, excess, previous, plan: tl.constexpr):
    """A head's weighting by content and by location (Graves 2014, figure 2); and, for the way back, how it came about.

    Returns:
        The weighting w; K, w^c, the moved w^g, w~ as its share of its largest element, and that, and the sum of powers.
    """
    n = tl.arange(0, plan.rows_block)
    similarity = tl.sum(memory * key[None, :], 1)
    if plan.cosine:
        similarity /= length(key, 0) * length(memory, 1) + EPS  # K[k, M], eq. 6
    content = softmax(tl.where(n < plan.rows, strength * similarity, float("-inf")))  # w^c, eq. 5
    views = moved(ring, gate * content + (1 - gate) * previous, 1, plan)  # w^g, eq. 7
    shifted = tl.sum(views * kernel[None, :], 1)  # w~, eq. 8
    largest = tl.maximum(tl.max(shifted, 0), TINY)
    scaled = shifted / largest
    powered = scaled * tl.exp(excess * logarithm(scaled))
    total = tl.maximum(tl.sum(powered, 0), TINY)
    return powered / total, similarity, content, views, scaled, largest, total  # w, eq. 9


@triton.jit
def sharpen_back(d_weighting, weighting, scaled, largest, total, excess):
    """Gradients of w~ and of γ."""
    inner = d_weighting - tl.sum(d_weighting * weighting, 0)
    at_zero = tl.where(excess == 0, 1 / total, 0)  # 0^0 is 1
    by = tl.where(scaled == 0, at_zero, (1 + excess) * weighting / tl.where(scaled == 0, 1, scaled))
    d_excess = tl.sum(inner * weighting * logarithm(scaled), 0)
    return inner * by / largest, d_excess


@triton.jit
def address_back(
    d_weighting, d_read, d_memory, ring, d_ring, memory, raw, d_raw, chosen, before, d_before, plan: tl.constexpr
):
    """Back through ``read``, ``address``, which runs again, and ``ask``.

    Adds to the gradient of the memory, and stores those of the raw parameters and of the previous weighting.

    Args:
        d_weighting: The gradient of the weighting, but for what comes by what was read.
        d_read: The gradient of what was read, zero of a write head.
        d_memory: Where that of the memory lies.
        memory: Where the memory lies, as ``chosen`` is where the weighting does: both are loaded again where they are
            needed, which leaves room in the registers.
    """
    n = tl.arange(0, plan.rows_block)
    key, strength, gate, kernel, excess = ask(raw, plan)
    previous = tl.load(before + n, n < plan.rows, 0)
    rows = tile(memory, plan)
    weighting, similarity, content, views, scaled, largest, total = address(
        ring, rows, key, strength, gate, kernel, excess, previous, plan
    )
    d_weighting += tl.sum(rows * d_read[None, :], 1)
    d_shifted, d_excess = sharpen_back(d_weighting, weighting, scaled, largest, total, excess)
    d_kernel = tl.sum(views * d_shifted[:, None], 0)
    d_interpolated = tl.sum(moved(d_ring, d_shifted, -1, plan) * kernel[None, :], 1)
    d_gate = tl.sum(d_interpolated * (content - previous), 0)
    tl.store(d_before + n, (1 - gate) * d_interpolated, n < plan.rows)
    d_content = gate * d_interpolated
    d_logits = content * (d_content - tl.sum(d_content * content, 0))
    d_strength = tl.sum(d_logits * similarity, 0)
    d_product = strength * d_logits
    numbers_back(d_raw, raw, d_strength, d_gate, d_kernel, d_excess, gate, kernel, plan)
    tl.debug_barrier()
    rows, weighting = tile(memory, plan), tl.load(chosen + n, n < plan.rows, 0)
    d_size, d_sizes = tl.sum(key, 0) * 0, d_product * 0  # of the key's length and of the rows', by that length
    if plan.cosine:
        size, sizes = length(key, 0), length(rows, 1)
        d_product /= size * sizes + EPS
        d_both = -d_product * similarity
        d_size = tl.where(size == 0, 0, tl.sum(d_both * sizes, 0) / tl.where(size == 0, 1, size))
        d_sizes = tl.where(sizes == 0, 0, d_both * size / tl.where(sizes == 0, 1, sizes))
    d_key = d_size * key + tl.sum(rows * d_product[:, None], 0)
    d_rows = d_product[:, None] * key[None, :] + weighting[:, None] * d_read[None, :] + d_sizes[:, None] * rows
    d_rows += tile(d_memory, plan)
    tl.debug_barrier()
    keep(d_memory, d_rows, plan)
    key_back(d_raw, raw, d_key, key, plan)
