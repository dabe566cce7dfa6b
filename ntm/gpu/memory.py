"""Writing one sequence's memory, forward and backward: a tile (rows, width), zero beyond its ends."""

import triton
import triton.language as tl

from .math import clip, sigmoid, tanh, unclipped


@triton.jit
def tile(memory, plan: tl.constexpr):
    """The memory that lies there."""
    n, m = tl.arange(0, plan.rows_block)[:, None], tl.arange(0, plan.width_block)[None, :]
    return tl.load(memory + n * plan.width + m, (n < plan.rows) & (m < plan.width), 0)


@triton.jit
def keep(memory, rows, plan: tl.constexpr):
    """Let the memory lie there."""
    n, m = tl.arange(0, plan.rows_block)[:, None], tl.arange(0, plan.width_block)[None, :]
    tl.store(memory + n * plan.width + m, rows, (n < plan.rows) & (m < plan.width))


@triton.jit
def weighting_of(weightings, head, plan: tl.constexpr):
    """A write head's, (rows, 1)."""
    n = tl.arange(0, plan.rows_block)
    return tl.load(weightings + (plan.reads + head) * plan.rows + n, n < plan.rows, 0)[:, None]


@triton.jit
def raw_vector(raw, head, plan: tl.constexpr):
    """A write head's raw erase or add vector, (1, width)."""
    m = tl.arange(0, plan.width_block)
    return tl.load(raw + head * plan.width + m, m < plan.width, 0)[None, :]


@triton.jit
def erased(memory, raw, weightings, heads, plan: tl.constexpr):
    """Eq. 3, by the first heads; ``raw`` are erase vectors."""
    for head in range(heads):
        erase = sigmoid(clip(raw_vector(raw, head, plan), plan.limit))  # e
        memory *= 1 - weighting_of(weightings, head, plan) * erase
    return memory


@triton.jit
def write(memory, raw, weightings, plan: tl.constexpr):
    """Eqs 3 and 4: all erase, then all add; ``raw`` begins with the erase vectors."""
    memory = erased(memory, raw, weightings, plan.writes, plan)
    for head in range(plan.writes):
        add = tanh(clip(raw_vector(raw + plan.writes * plan.width, head, plan), plan.limit))  # a
        memory += weighting_of(weightings, head, plan) * add
    return memory


@triton.jit
def write_back(d_memory, d_after, memory, raw, weightings, d_raw, d_weightings, plan: tl.constexpr):
    """Back through ``write``: from where the gradient of the memory after lies to that of the memory before.

    Stores the gradients of the raw vectors and of the write heads' weightings too.
    """
    n, m = tl.arange(0, plan.rows_block), tl.arange(0, plan.width_block)
    adds: tl.constexpr = plan.writes * plan.width
    d_rows = tile(d_after, plan)
    for back in range(plan.writes):
        head = plan.writes - 1 - back
        weighting = weighting_of(weightings, head, plan)
        raw_erase, raw_add = raw_vector(raw, head, plan), raw_vector(raw + adds, head, plan)
        erase, add = sigmoid(clip(raw_erase, plan.limit)), tanh(clip(raw_add, plan.limit))
        d_added = tile(d_after, plan)  # additions come after all erasures
        both = d_rows * erased(tile(memory, plan), raw, weightings, head, plan)
        d_weighting = tl.sum(d_added * add - both * erase, 1)
        d_erase = -tl.sum(both * weighting, 0)[None, :] * erase * (1 - erase)
        d_add = tl.sum(d_added * weighting, 0)[None, :] * (1 - add * add)
        d_rows *= 1 - weighting * erase
        tl.store(d_weightings + head * plan.rows + n, d_weighting, n < plan.rows)
        at = (head * plan.width + m)[None, :]
        within = (m < plan.width)[None, :]
        tl.store(d_raw + at, tl.where(unclipped(raw_erase, plan.limit), d_erase, 0), within)
        tl.store(d_raw + adds + at, tl.where(unclipped(raw_add, plan.limit), d_add, 0), within)
    keep(d_memory, d_rows, plan)
