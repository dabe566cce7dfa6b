"""What every loop does with arrays: clear, copy, add."""

from typing import Any

from .math import ZERO, Floats, kernel


@kernel
def copy(out: Floats, row: Floats) -> Any:
    for n in range(out.shape[0]):
        out[n] = row[n]


@kernel
def clear(out: Floats) -> Any:
    for n in range(out.shape[0]):
        out[n] = ZERO


@kernel
def add(out: Floats, row: Floats) -> Any:
    for n in range(out.shape[0]):
        out[n] += row[n]


@kernel
def copy_matrix(out: Floats, matrix: Floats) -> Any:
    size = matrix.shape[0] * matrix.shape[1]
    copy(out.reshape(size), matrix.reshape(size))
