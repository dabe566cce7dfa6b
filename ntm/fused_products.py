"""Matrix products as plain loops over rows, shaped so that a compiler keeps them in vector registers."""

from typing import Any

from .fused_math import ZERO, Floats, kernel


@kernel
def multiply_four(out: Floats, a: Floats, w: Floats) -> Any:
    """``out += a @ w`` for four samples: out (4, n), a (4, k), w (k, n).

    Four rows of w serve four samples each time they are loaded: one load for four multiplications.
    """
    steps = w.shape[0]
    whole = steps - steps % 4
    for k in range(0, whole, 4):
        four_by_four(out[0], out[1], out[2], out[3], a[0], a[1], a[2], a[3], k, w[k], w[k + 1], w[k + 2], w[k + 3])
    for k in range(whole, steps):
        four_by_one(out[0], out[1], out[2], out[3], a[0, k], a[1, k], a[2, k], a[3, k], w[k])


@kernel
def four_by_four(
    y0: Floats, y1: Floats, y2: Floats, y3: Floats,
    a0: Floats, a1: Floats, a2: Floats, a3: Floats,
    k: int,
    w0: Floats, w1: Floats, w2: Floats, w3: Floats,
) -> Any:  # fmt: skip
    """Add four rows w, weighted, to four rows y."""
    a00, a01, a02, a03 = a0[k], a0[k + 1], a0[k + 2], a0[k + 3]
    a10, a11, a12, a13 = a1[k], a1[k + 1], a1[k + 2], a1[k + 3]
    a20, a21, a22, a23 = a2[k], a2[k + 1], a2[k + 2], a2[k + 3]
    a30, a31, a32, a33 = a3[k], a3[k + 1], a3[k + 2], a3[k + 3]
    for j in range(w0.shape[0]):
        x0, x1, x2, x3 = w0[j], w1[j], w2[j], w3[j]
        y0[j] += a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
        y1[j] += a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
        y2[j] += a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
        y3[j] += a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3


@kernel
def four_by_one(
    y0: Floats, y1: Floats, y2: Floats, y3: Floats, a0: float, a1: float, a2: float, a3: float, w: Floats
) -> Any:  # fmt: skip
    """Add a row w, weighted, to four rows y."""
    for j in range(w.shape[0]):
        y0[j] += a0 * w[j]
        y1[j] += a1 * w[j]
        y2[j] += a2 * w[j]
        y3[j] += a3 * w[j]


@kernel
def mix(out: Floats, a: Floats, rows: Floats) -> Any:
    """``out += a @ rows``: out (n,), a (k,), rows (k, n)."""
    steps = rows.shape[0]
    whole = steps - steps % 4
    for k in range(0, whole, 4):
        mix_four(out, a[k], a[k + 1], a[k + 2], a[k + 3], rows[k], rows[k + 1], rows[k + 2], rows[k + 3])
    for k in range(whole, steps):
        mix_one(out, a[k], rows[k])


@kernel
def mix_four(
    y: Floats, a0: float, a1: float, a2: float, a3: float, w0: Floats, w1: Floats, w2: Floats, w3: Floats
) -> Any:  # fmt: skip
    for j in range(y.shape[0]):
        y[j] += a0 * w0[j] + a1 * w1[j] + a2 * w2[j] + a3 * w3[j]


@kernel
def mix_one(y: Floats, a: float, w: Floats) -> Any:
    for j in range(y.shape[0]):
        y[j] += a * w[j]


@kernel
def dots(out: Floats, row: Floats, rows: Floats) -> Any:
    """``out += rows @ row``: out (k,), row (n,), rows (k, n)."""
    steps = rows.shape[0]
    whole = steps - steps % 4
    for k in range(0, whole, 4):
        dot_four(out, k, row, rows[k], rows[k + 1], rows[k + 2], rows[k + 3])
    for k in range(whole, steps):
        out[k] += dot(row, rows[k])


@kernel
def dot_four(out: Floats, k: int, row: Floats, w0: Floats, w1: Floats, w2: Floats, w3: Floats) -> Any:
    s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
    for j in range(row.shape[0]):
        s0 += row[j] * w0[j]
        s1 += row[j] * w1[j]
        s2 += row[j] * w2[j]
        s3 += row[j] * w3[j]
    out[k] += s0
    out[k + 1] += s1
    out[k + 2] += s2
    out[k + 3] += s3


@kernel
def dot(a: Floats, b: Floats) -> Any:
    """The inner product of two rows."""
    total = ZERO
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total
