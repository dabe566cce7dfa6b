"""Arrays that outlive a call only to be used by the next one: asking the system for megabytes every step is slow."""

import weakref
from collections.abc import Iterable
from math import prod

import numpy as np

from .fused_math import Floats

LINE = 16
"""Floats of a cache line, where arrays begin."""

LARGEST = 2**24
"""Floats beyond which memory is given back to the system at once."""

free: list[Floats] = []


def carve(owner: object, shapes: Iterable[tuple[int, ...]]) -> list[Floats]:
    """Uninitialised arrays of these shapes in one piece of memory, which is used again once its owner is gone."""
    shapes = list(shapes)
    starts = np.cumsum([0, *(-(-prod(shape) // LINE) * LINE for shape in shapes)])
    piece = borrow(int(starts[-1]) + LINE)
    weakref.finalize(owner, give_back, piece)
    first = -piece.ctypes.data // piece.itemsize % LINE
    return [
        piece[first + start : first + start + prod(shape)].reshape(shape)
        for start, shape in zip(starts, shapes, strict=False)
    ]


def borrow(size: int) -> Floats:
    """The smallest free piece that is large enough, or a new one in place of the largest that is not."""
    fitting = [piece for piece in free if len(piece) >= size]
    if free:
        taken = min(fitting, key=len) if fitting else max(free, key=len)
        free[:] = [piece for piece in free if piece is not taken]
        if fitting:
            return taken
    return np.empty(size, np.float32)


def give_back(piece: Floats) -> None:
    """Keep a piece for the next owner, but no more than two."""
    if len(piece) <= LARGEST:
        free.append(piece)
        free.sort(key=len, reverse=True)
        del free[2:]
