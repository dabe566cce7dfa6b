"""Matrix products as plain loops over rows, shaped so that a compiler keeps them in vector registers.

Rows are taken four at a time: each row that is loaded serves four products, each sum that is stored took four. Where
rows end between, the last one is taken again with weight zero.
"""

from typing import Any

from .fused_math import ONE, ZERO, Floats, kernel

Four = tuple[float, float, float, float]


@kernel
def multiply_four(out: Floats, a: Floats, w: Floats) -> Any:
    """``out += a @ w`` for four samples: out (4, n), a (4, k), w (k, n)."""
    steps = w.shape[0]
    for k in range(0, steps - 3, 4):
        four_by_four(
            out[0], out[1], out[2], out[3], four(a[0], k), four(a[1], k), four(a[2], k), four(a[3], k),
            w[k], w[k + 1], w[k + 2], w[k + 3],
        )  # fmt: skip
    if steps % 4:
        k, last = steps - steps % 4, steps - 1
        four_by_four(
            out[0], out[1], out[2], out[3],
            rest(a[0], k, steps), rest(a[1], k, steps), rest(a[2], k, steps), rest(a[3], k, steps),
            w[k], w[min(k + 1, last)], w[min(k + 2, last)], w[last],
        )  # fmt: skip


@kernel
def four(row: Floats, k: int) -> Any:
    """Four numbers of a row."""
    return row[k], row[k + 1], row[k + 2], row[k + 3]


@kernel
def rest(row: Floats, k: int, end: int) -> Any:
    """Four numbers of a row, zero from its end on."""
    last = end - 1
    return (
        row[k],
        row[min(k + 1, last)] if k + 1 < end else ZERO,
        row[min(k + 2, last)] if k + 2 < end else ZERO,
        row[min(k + 3, last)] if k + 3 < end else ZERO,
    )


@kernel
def four_by_four(
    y0: Floats, y1: Floats, y2: Floats, y3: Floats, a0: Four, a1: Four, a2: Four, a3: Four,
    w0: Floats, w1: Floats, w2: Floats, w3: Floats,
) -> Any:  # fmt: skip
    """Add four rows w, weighted, to four rows y."""
    for j in range(w0.shape[0]):
        x0, x1, x2, x3 = w0[j], w1[j], w2[j], w3[j]
        y0[j] += a0[0] * x0 + a0[1] * x1 + a0[2] * x2 + a0[3] * x3
        y1[j] += a1[0] * x0 + a1[1] * x1 + a1[2] * x2 + a1[3] * x3
        y2[j] += a2[0] * x0 + a2[1] * x1 + a2[2] * x2 + a2[3] * x3
        y3[j] += a3[0] * x0 + a3[1] * x1 + a3[2] * x2 + a3[3] * x3


@kernel
def multiply(out: Floats, a: Floats, w: Floats) -> Any:
    """``out += a @ w`` for any number of rows: out (r, n), a (r, k), w (k, n)."""
    rows = out.shape[0]
    for r in range(0, rows - 3, 4):
        multiply_four(out[r : r + 4], a[r : r + 4], w)
    r = rows - rows % 4
    if rows % 4 > 1:
        multiply_two(out[r], out[r + 1], a[r], a[r + 1], w)
    if rows % 2:
        mix(out[rows - 1], a[rows - 1], w)


@kernel
def multiply_two(out0: Floats, out1: Floats, a0: Floats, a1: Floats, w: Floats) -> Any:
    """``multiply`` for two rows."""
    steps = w.shape[0]
    for k in range(0, steps - 3, 4):
        two_by_four(out0, out1, four(a0, k), four(a1, k), w[k], w[k + 1], w[k + 2], w[k + 3])
    if steps % 4:
        k, last = steps - steps % 4, steps - 1
        two_by_four(
            out0, out1, rest(a0, k, steps), rest(a1, k, steps), w[k], w[min(k + 1, last)], w[min(k + 2, last)], w[last]
        )


@kernel
def two_by_four(
    y0: Floats, y1: Floats, a0: Four, a1: Four, w0: Floats, w1: Floats, w2: Floats, w3: Floats
) -> Any:  # fmt: skip
    """Add four rows w, weighted, to two rows y."""
    for j in range(w0.shape[0]):
        x0, x1, x2, x3 = w0[j], w1[j], w2[j], w3[j]
        y0[j] += a0[0] * x0 + a0[1] * x1 + a0[2] * x2 + a0[3] * x3
        y1[j] += a1[0] * x0 + a1[1] * x1 + a1[2] * x2 + a1[3] * x3


@kernel
def mix(out: Floats, a: Floats, rows: Floats) -> Any:
    """``out += a @ rows``: out (n,), a (k,), rows (k, n)."""
    steps = rows.shape[0]
    for k in range(0, steps - 3, 4):
        mix_four(out, four(a, k), rows[k], rows[k + 1], rows[k + 2], rows[k + 3])
    for k in range(steps - steps % 4, steps):
        mix_one(out, a[k], rows[k])


@kernel
def mix_four(y: Floats, a: Four, w0: Floats, w1: Floats, w2: Floats, w3: Floats) -> Any:
    """Add four rows w, weighted, to a row y."""
    for j in range(y.shape[0]):
        y[j] += a[0] * w0[j] + a[1] * w1[j] + a[2] * w2[j] + a[3] * w3[j]


@kernel
def mix_one(y: Floats, a: float, w: Floats) -> Any:
    """Add a row w, weighted, to a row y."""
    for j in range(y.shape[0]):
        y[j] += a * w[j]


@kernel
def dots(out: Floats, row: Floats, rows: Floats) -> Any:
    """``out += rows @ row``: out (k,), row (n,), rows (k, n)."""
    steps = rows.shape[0]
    for k in range(0, steps - 3, 4):
        dot_four(out, k, row, rows[k], rows[k + 1], rows[k + 2], rows[k + 3])
    for k in range(steps - steps % 4, steps):
        out[k] += dot(row, rows[k])


@kernel
def dot_four(out: Floats, k: int, row: Floats, w0: Floats, w1: Floats, w2: Floats, w3: Floats) -> Any:
    """The inner products of a row with four."""
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


@kernel
def weight_gradient(d_weights: Floats, d_bias: Floats, deltas: Floats, given: Floats) -> Any:
    """Add ``given.T @ deltas`` to d_weights (inputs, units), and the sum of deltas to d_bias (units,).

    Deltas are (samples, units), given (samples, inputs or more), samples a multiple of four and so few that the deltas
    stay in the cache while every row of the result takes its share of them.
    """
    samples, inputs = deltas.shape[0], d_weights.shape[0]
    for s in range(0, samples, 4):
        mix_four(d_bias, (ONE, ONE, ONE, ONE), deltas[s], deltas[s + 1], deltas[s + 2], deltas[s + 3])
    for r in range(0, inputs - 3, 4):
        for s in range(0, samples, 4):
            x0, x1, x2, x3 = given[s], given[s + 1], given[s + 2], given[s + 3]
            four_by_four(
                d_weights[r], d_weights[r + 1], d_weights[r + 2], d_weights[r + 3],
                (x0[r], x1[r], x2[r], x3[r]), (x0[r + 1], x1[r + 1], x2[r + 1], x3[r + 1]),
                (x0[r + 2], x1[r + 2], x2[r + 2], x3[r + 2]), (x0[r + 3], x1[r + 3], x2[r + 3], x3[r + 3]),
                deltas[s], deltas[s + 1], deltas[s + 2], deltas[s + 3],
            )  # fmt: skip
    for r in range(inputs - inputs % 4, inputs):
        for s in range(0, samples, 4):
            mix_four(
                d_weights[r], (given[s, r], given[s + 1, r], given[s + 2, r], given[s + 3, r]),
                deltas[s], deltas[s + 1], deltas[s + 2], deltas[s + 3],
            )  # fmt: skip
