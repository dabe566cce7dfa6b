"""Elementary functions, and a matrix times a vector."""

import triton
import triton.language as tl


@triton.jit
def sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def tanh(x):
    """Near zero by its series, where the difference of exponentials would cancel."""
    e = 2 / (1 + tl.exp(2 * tl.abs(x)))
    y = x * x
    near = y * (-1 / 3 + y * (2 / 15 + y * (-17 / 315 + y * (62 / 2835 - y * (1382 / 155925)))))
    return tl.where(y < 0.015625, x + x * near, tl.where(x < 0, e - 1, 1 - e))


@triton.jit
def softplus(x):
    e = tl.exp(-tl.abs(x))
    u = 1 + e
    log1p = tl.where(u == 1, e, tl.log(u) * (e / tl.where(u == 1, 1, u - 1)))  # Kahan's: exact where e is small
    return tl.where(x < 0, 0, x) + log1p


@triton.jit
def clip(x, limit: tl.constexpr):
    """To +/-limit; NaN stays NaN."""
    return tl.where(x > limit, limit, tl.where(x < -limit, -limit, x))


@triton.jit
def unclipped(x, limit: tl.constexpr):
    """Where ``clip`` lets a gradient pass."""
    return (tl.abs(x) <= limit) | (limit == float("inf"))


@triton.jit
def multiply(
    out, vector, matrix, bias, inner: tl.constexpr, outer: tl.constexpr, stride: tl.constexpr,
    biased: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """out (outer,) = vector (inner,) @ matrix (inner, outer) + bias; all are pointers.

    A thread sums whole columns, four side by side: nothing is exchanged before the end.
    """
    for first in range(0, outer, BLOCK):
        j = first + tl.arange(0, BLOCK)
        total = tl.zeros([DEPTH, BLOCK], out.dtype.element_ty)
        for start in range(0, inner, DEPTH):
            k = start + tl.arange(0, DEPTH)
            inside = (k < inner)[:, None] & (j < outer)[None, :]
            weights = tl.load(matrix + k[:, None] * stride + j[None, :], inside, 0)
            total += weights * tl.load(vector + k, k < inner, 0)[:, None]
        y = tl.sum(total, 0)
        if biased:
            y += tl.load(bias + j, j < outer, 0)
        tl.store(out + j, y, j < outer)
