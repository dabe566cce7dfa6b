"""The parts of one DNC step for one sample, forward and backward: the fused twins of ``dnc_memory.py``'s functions.

One write head. Backward functions are named after the forward one; ``d`` marks a gradient, and what a backward
function does not return it adds to, or turns into, one of its arguments.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ....ntm.kernels.math import ONE, TINY, ZERO, Floats, kernel

Order = npt.NDArray[np.int32]


@kernel
def retain(retained: Floats, reading: Floats, free: float) -> Any:
    """One read head's part in ψ."""
    for n in range(retained.shape[0]):
        retained[n] *= ONE - free * reading[n]


@kernel
def retain_back(d_reading: Floats, d_retained: Floats, others: Floats, reading: Floats, free: float) -> Any:
    """Gives the gradient of the free gate; ``others`` is what the other heads retain."""
    d_free = ZERO
    for n in range(d_reading.shape[0]):
        d = d_retained[n] * others[n]
        d_free -= d * reading[n]
        d_reading[n] -= d * free
    return d_free


@kernel
def free_rows(memory: Floats, retained: Floats) -> Any:
    """What is freed is erased, in place."""
    for m in range(memory.shape[0]):
        scale(memory[m], retained)


@kernel
def scale(row: Floats, by: Floats) -> Any:
    for n in range(row.shape[0]):
        row[n] *= by[n]


@kernel
def free_rows_back(d_memory: Floats, d_retained: Floats, memory: Floats, retained: Floats) -> Any:
    """``memory`` is that before the freeing, ``d_memory`` turns into its gradient."""
    for m in range(memory.shape[0]):
        scale_back(d_memory[m], d_retained, memory[m], retained)


@kernel
def scale_back(d_row: Floats, d_by: Floats, row: Floats, by: Floats) -> Any:
    for n in range(row.shape[0]):
        d_by[n] += d_row[n] * row[n]
        d_row[n] *= by[n]


@kernel
def use(usage: Floats, before: Floats, writing: Floats, retained: Floats) -> Any:
    """u."""
    for n in range(usage.shape[0]):
        usage[n] = (before[n] + writing[n] - before[n] * writing[n]) * retained[n]


@kernel
def use_back(
    d_usage: Floats, d_writing: Floats, d_retained: Floats, before: Floats, writing: Floats, retained: Floats,
    detached: bool,
) -> Any:  # fmt: skip
    """``d_usage`` turns into the gradient of the usage before, ``d_writing`` into that of the weighting before."""
    for n in range(d_usage.shape[0]):
        d_retained[n] += d_usage[n] * (before[n] + writing[n] - before[n] * writing[n])
        d = d_usage[n] * retained[n]
        d_usage[n] = d * (ONE - writing[n])
        d_writing[n] = ZERO if detached else d * (ONE - before[n])


@kernel
def allocate(allocation: Floats, order: Order, usage: Floats, least: float) -> Any:
    """a. ``order`` comes as the last step's and becomes φ: few rows move, so they are moved one by one."""
    for n in range(usage.shape[0]):
        allocation[n] = least + (ONE - least) * usage[n]
    for k in range(1, order.shape[0]):
        row, place = order[k], k
        used = allocation[row]
        while place > 0:
            other = order[place - 1]
            if allocation[other] < used or (allocation[other] == used and other < row):
                break
            order[place] = other
            place -= 1
        order[place] = row
    product = ONE
    for k in range(order.shape[0]):
        used = allocation[order[k]]
        allocation[order[k]] = (ONE - used) * product
        product = flushed(product * used)


@kernel
def allocate_back(
    d_usage: Floats, d_allocation: Floats, order: Order, usage: Floats, least: float, products: Floats
) -> Any:  # fmt: skip
    """``products`` is scratch, (rows,)."""
    product = ONE
    for k in range(order.shape[0]):
        products[k] = product
        product = flushed(product * (least + (ONE - least) * usage[order[k]]))
    d_product = ZERO
    for back in range(order.shape[0]):
        k = order.shape[0] - 1 - back
        row = order[k]
        used = least + (ONE - least) * usage[row]
        d_usage[row] += (ONE - least) * products[k] * (d_product - d_allocation[row])
        d_product = d_product * used + d_allocation[row] * (ONE - used)


@kernel
def flushed(product: float) -> Any:
    """Zero rather than a denormal number, which would be slow."""
    return product if product >= TINY else ZERO


@kernel
def choose(writing: Floats, allocation: Floats, by_content: Floats, gate: float, write_gate: float) -> Any:
    """w^w."""
    for n in range(writing.shape[0]):
        writing[n] = write_gate * (gate * allocation[n] + (ONE - gate) * by_content[n])


@kernel
def choose_back(
    d_allocation: Floats, d_content: Floats, d_writing: Floats, allocation: Floats, by_content: Floats,
    gate: float, write_gate: float,
) -> Any:  # fmt: skip
    """Gives the gradients of the allocation gate and of the write gate."""
    d_gate, d_write_gate = ZERO, ZERO
    for n in range(d_writing.shape[0]):
        d = d_writing[n]
        d_gate += d * (allocation[n] - by_content[n])
        d_write_gate += d * (gate * allocation[n] + (ONE - gate) * by_content[n])
        d_allocation[n] = write_gate * gate * d
        d_content[n] = write_gate * (ONE - gate) * d
    return write_gate * d_gate, d_write_gate


@kernel
def precede(after: Floats, before: Floats, writing: Floats) -> Any:
    """p."""
    total = ZERO
    for n in range(writing.shape[0]):
        total += writing[n]
    for n in range(writing.shape[0]):
        after[n] = (ONE - total) * before[n] + writing[n]


@kernel
def precede_back(d_precedence: Floats, d_writing: Floats, before: Floats, writing: Floats) -> Any:
    """``d_precedence`` turns into the gradient of the precedence before."""
    total, d_total = ZERO, ZERO
    for n in range(writing.shape[0]):
        total += writing[n]
        d_total += d_precedence[n] * before[n]
    for n in range(writing.shape[0]):
        d_writing[n] += d_precedence[n] - d_total
        d_precedence[n] *= ONE - total


@kernel
def blend(reading: Floats, backward: Floats, forward: Floats, by_content: Floats, modes: Floats) -> Any:
    """w^r."""
    for n in range(reading.shape[0]):
        reading[n] = modes[0] * backward[n] + modes[1] * forward[n] + modes[2] * by_content[n]


@kernel
def blend_back(
    d_modes: Floats, d_backward: Floats, d_forward: Floats, d_reading: Floats, backward: Floats, forward: Floats,
    by_content: Floats, modes: Floats,
) -> Any:  # fmt: skip
    """``d_reading`` turns into the gradient of the content weighting."""
    b, f, c = ZERO, ZERO, ZERO
    for n in range(d_reading.shape[0]):
        d = d_reading[n]
        b += d * backward[n]
        f += d * forward[n]
        c += d * by_content[n]
        d_backward[n] = modes[0] * d
        d_forward[n] = modes[1] * d
        d_reading[n] = modes[2] * d
    d_modes[0], d_modes[1], d_modes[2] = b, f, c
