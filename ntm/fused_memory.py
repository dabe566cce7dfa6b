"""Reading and writing one sample's memory, forward and backward. Memory is transposed, (width, rows)."""

from typing import Any

from .fused_math import ONE, ZERO, Floats, kernel
from .fused_products import dot, mix_one


@kernel
def write(memory: Floats, weightings: Floats, erase: Floats, add: Floats) -> Any:
    """Eqs 3 and 4, in place: weightings (writes, rows); erase and add (writes * width,)."""
    width = memory.shape[0]
    for m in range(width):
        row = memory[m]
        for head in range(weightings.shape[0]):
            wipe(row, weightings[head], erase[head * width + m])
        for head in range(weightings.shape[0]):
            mix_one(row, add[head * width + m], weightings[head])


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
    for m in range(width):
        d_row = d_memory[m]
        for head in range(writes):
            d_add[head * width + m] = dot(d_row, weightings[head])
            mix_one(d_weightings[head], add[head * width + m], d_row)
        copy(erased[0], memory[m])
        for head in range(writes - 1):
            copy(erased[head + 1], erased[head])
            wipe(erased[head + 1], weightings[head], erase[head * width + m])
        for back in range(writes):
            head = writes - 1 - back
            d_erase[head * width + m] = wipe_back(
                d_row, d_weightings[head], erased[head], weightings[head], erase[head * width + m]
            )


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
def copy(out: Floats, row: Floats) -> Any:
    for n in range(out.shape[0]):
        out[n] = row[n]


@kernel
def copy_matrix(out: Floats, matrix: Floats) -> Any:
    for m in range(matrix.shape[0]):
        copy(out[m], matrix[m])
