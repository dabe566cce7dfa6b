"""A part of what a layer gives, where it stands: among the other parts, in rows that are wider than it."""

from torch import Tensor

from ...ntm.fused.functions import array
from ...ntm.kernels.math import Floats


def columns(x: Tensor) -> tuple[Floats, int]:
    """Rows (rows, size or more) that hold x, (..., size), and the first column that does; a copy if there are none."""
    wide, size = x.stride(-2), x.shape[-1]
    first, rows = x.storage_offset() % max(wide, 1), x.numel() // size
    even = all(x.stride(n) == wide * x.shape[n + 1 : -1].numel() for n in range(x.dim() - 1))
    within = first + size <= wide and (x.storage_offset() - first + rows * wide) * 4 <= x.untyped_storage().nbytes()
    if not (even and within and x.stride(-1) == 1):
        return array(x.reshape(rows, size)), 0
    return array(x.as_strided((rows, wide), (wide, 1), x.storage_offset() - first)), int(first)
