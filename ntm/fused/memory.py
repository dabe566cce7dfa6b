"""Reading and writing one sample's memory, forward and backward. Memory is transposed, (width, rows)."""

from typing import Any

from ..kernels.arrays import copy
from ..kernels.math import ONE, ZERO, Floats, kernel
from ..kernels.products import Four, dot, mix_four, mix_one


@kernel
def write(memory: Floats, weightings: Floats, erase: Floats, add: Floats) -> Any:
    """Eqs 3 and 4, in place: weightings (writes, rows); erase and add (writes * width,)."""
    write_to(memory, memory, weightings, erase, add)


@kernel
def write_to(out: Floats, memory: Floats, weightings: Floats, erase: Floats, add: Floats) -> Any:
    """``write`` into another memory."""
    width, writes = memory.shape[0], weightings.shape[0]
    for m in range(width):
        if writes == 1:
            write_row(out[m], memory[m], weightings[0], erase[m], add[m])
        else:
            wipe_row(out[m], memory[m], weightings[0], erase[m])
            for head in range(1, writes):
                wipe(out[m], weightings[head], erase[head * width + m])
            for head in range(writes):
                mix_one(out[m], add[head * width + m], weightings[head])


@kernel
def write_row(out: Floats, row: Floats, weighting: Floats, erase: float, add: float) -> Any:
    for n in range(row.shape[0]):
        out[n] = row[n] + weighting[n] * (add - row[n] * erase)


@kernel
def wipe_row(out: Floats, row: Floats, weighting: Floats, erase: float) -> Any:
    for n in range(row.shape[0]):
        out[n] = row[n] - row[n] * (weighting[n] * erase)


@kernel
def wipe(row: Floats, weighting: Floats, erase: float) -> Any:
    for n in range(row.shape[0]):
        row[n] -= row[n] * (weighting[n] * erase)


@kernel
def write_back(
    d_memory: Floats, d_weightings: Floats, d_erase: Floats, d_add: Floats,
    memory: Floats, weightings: Floats, erase: Floats, add: Floats, erased: Floats,
) -> Any:  # fmt: skip
    """``d_memory`` turns from the gradient of the memory after into that of the memory before the write.

    Args:
        memory: Before the write.
        erased: Scratch, (writes, rows): a row of the memory after 0, 1, ... of the erasures.
    """
    width, writes = memory.shape[0], weightings.shape[0]
    alone = width - width % 4 if writes == 1 else 0
    for m in range(0, alone, 4):
        write_four_back(
            d_memory[m], d_memory[m + 1], d_memory[m + 2], d_memory[m + 3], d_weightings[0], d_erase, d_add, m,
            memory[m], memory[m + 1], memory[m + 2], memory[m + 3], weightings[0], erase, add,
        )  # fmt: skip
    for m in range(alone, width):
        d_row = d_memory[m]
        for head in range(writes):
            d_add[head * width + m] = dot(d_row, weightings[head])
            mix_one(d_weightings[head], add[head * width + m], d_row)
        copy(erased[0], memory[m])
        for head in range(writes - 1):
            wipe_row(
                erased[head + 1],
                erased[head],
                weightings[head],
                erase[head * width + m],
            )
        for back in range(writes):
            head = writes - 1 - back
            d_erase[head * width + m] = wipe_back(
                d_row,
                d_weightings[head],
                erased[head],
                weightings[head],
                erase[head * width + m],
            )


@kernel
def write_four_back(
    d0: Floats, d1: Floats, d2: Floats, d3: Floats, d_weighting: Floats, d_erase: Floats, d_add: Floats, m: int,
    row0: Floats, row1: Floats, row2: Floats, row3: Floats, weighting: Floats, erase: Floats, add: Floats,
) -> Any:  # fmt: skip
    """``write_back`` of a single head, four rows of the transposed memory at a time."""
    e0, e1, e2, e3 = erase[m], erase[m + 1], erase[m + 2], erase[m + 3]
    a0, a1, a2, a3 = add[m], add[m + 1], add[m + 2], add[m + 3]
    de0, de1, de2, de3 = ZERO, ZERO, ZERO, ZERO
    da0, da1, da2, da3 = ZERO, ZERO, ZERO, ZERO
    for n in range(weighting.shape[0]):
        w = weighting[n]
        g0, g1, g2, g3 = d0[n], d1[n], d2[n], d3[n]
        r0, r1, r2, r3 = row0[n], row1[n], row2[n], row3[n]
        t0, t1, t2, t3 = g0 * w, g1 * w, g2 * w, g3 * w
        da0 += t0
        da1 += t1
        da2 += t2
        da3 += t3
        de0 += t0 * r0
        de1 += t1 * r1
        de2 += t2 * r2
        de3 += t3 * r3
        d_weighting[n] += g0 * (a0 - r0 * e0) + g1 * (a1 - r1 * e1) + g2 * (a2 - r2 * e2) + g3 * (a3 - r3 * e3)
        d0[n] = g0 - t0 * e0
        d1[n] = g1 - t1 * e1
        d2[n] = g2 - t2 * e2
        d3[n] = g3 - t3 * e3
    d_erase[m], d_erase[m + 1], d_erase[m + 2], d_erase[m + 3] = -de0, -de1, -de2, -de3
    d_add[m], d_add[m + 1], d_add[m + 2], d_add[m + 3] = da0, da1, da2, da3


@kernel
def wipe_back(d_row: Floats, d_weighting: Floats, row: Floats, weighting: Floats, erase: float) -> Any:
    """Gives the gradient of the erase vector's element."""
    d_erase = ZERO
    for n in range(d_row.shape[0]):
        both = d_row[n] * row[n]
        d_erase -= both * weighting[n]
        d_weighting[n] -= both * erase
        d_row[n] *= ONE - weighting[n] * erase
    return d_erase


@kernel
def add_outer(d_memory: Floats, a: Floats, w: Floats, memory: Floats, scales: Floats) -> Any:
    """Add ``a.T @ w + memory * scales`` to d_memory (width, rows): a (k, width), w (k, rows), scales (rows,)."""
    width, steps = memory.shape[0], w.shape[0]
    for k in range(0, steps, 4):
        k1, k2, k3 = min(k + 1, steps - 1), min(k + 2, steps - 1), min(k + 3, steps - 1)
        once = ONE if k == 0 else ZERO
        for m in range(0, width - 3, 4):
            add_four(
                d_memory[m], d_memory[m + 1], d_memory[m + 2], d_memory[m + 3],
                down(a, k, m), down(a, k, m + 1), down(a, k, m + 2), down(a, k, m + 3), w[k], w[k1], w[k2], w[k3],
                memory[m], memory[m + 1], memory[m + 2], memory[m + 3], scales, once,
            )  # fmt: skip
        for m in range(width - width % 4, width):
            mix_four(d_memory[m], down(a, k, m), w[k], w[k1], w[k2], w[k3])
            add_product(d_memory[m], memory[m], scales, once)


@kernel
def down(a: Floats, k: int, m: int) -> Any:
    """Four numbers of a column, zero below its end."""
    last = a.shape[0] - 1
    return (
        a[k, m],
        a[min(k + 1, last), m] if k + 1 <= last else ZERO,
        a[min(k + 2, last), m] if k + 2 <= last else ZERO,
        a[min(k + 3, last), m] if k + 3 <= last else ZERO,
    )


@kernel
def add_four(
    y0: Floats, y1: Floats, y2: Floats, y3: Floats, a0: Four, a1: Four, a2: Four, a3: Four,
    w0: Floats, w1: Floats, w2: Floats, w3: Floats, row0: Floats, row1: Floats, row2: Floats, row3: Floats,
    scales: Floats, once: float,
) -> Any:  # fmt: skip
    for n in range(scales.shape[0]):
        x0, x1, x2, x3, z = w0[n], w1[n], w2[n], w3[n], once * scales[n]
        y0[n] += a0[0] * x0 + a0[1] * x1 + a0[2] * x2 + a0[3] * x3 + row0[n] * z
        y1[n] += a1[0] * x0 + a1[1] * x1 + a1[2] * x2 + a1[3] * x3 + row1[n] * z
        y2[n] += a2[0] * x0 + a2[1] * x1 + a2[2] * x2 + a2[3] * x3 + row2[n] * z
        y3[n] += a3[0] * x0 + a3[1] * x1 + a3[2] * x2 + a3[3] * x3 + row3[n] * z


@kernel
def add_product(out: Floats, a: Floats, b: Floats, scale: float) -> Any:
    for n in range(out.shape[0]):
        out[n] += scale * a[n] * b[n]
