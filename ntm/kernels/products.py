"""Matrix products.

Those with weights take four samples at a time and weights in panels, a few lanes wide, that are read from front to back
while the sums stay in registers. Those with a memory, which changes from step to step, are plain loops over its rows,
four at a time: each row that is loaded serves several products, each sum that is stored took four.
"""

from typing import Any

import numpy as np

from .lanes import LANES, load, load_whole, nothing, store
from .math import ONE, ZERO, Floats, kernel

Four = tuple[float, float, float, float]

PANEL = 3 * LANES
"""Columns of a panel: three times four sums, three numbers of a row and one to multiply with fill sixteen registers."""


NO_BIAS = np.zeros(0, np.float32)


@kernel
def pack(panels: Floats, weights: Floats) -> Any:
    """Weights (n, k) for products with their transpose, as panels (ceil(n / PANEL), k, PANEL), filled up with zeros."""
    for p in range(panels.shape[0]):
        for j in range(PANEL):
            at = p * PANEL + j
            for k in range(panels.shape[1]):
                panels[p, k, j] = weights[at, k] if at < weights.shape[0] else ZERO


@kernel
def pack_back(panels: Floats, weights: Floats, first: int) -> Any:
    """Weights (k, n), without those of their columns that come before ``first``, likewise for products with them."""
    for p in range(panels.shape[0]):
        at = first + p * PANEL
        for k in range(panels.shape[1]):
            row = weights[k]
            put_three(panels[p, k], 0, load(row, at), load(row, at + LANES), load(row, at + 2 * LANES))


@kernel
def multiply_four(out: Floats, a: Floats, panels: Floats, bias: Floats) -> Any:
    """``out = a @ w + bias`` for four samples: out (4, n), a (4, k or more), w (k, n) in panels, bias (n,) or empty."""
    for p in range(panels.shape[0]):
        at = p * PANEL
        if bias.shape[0] > 0:
            x, y, z = load(bias, at), load(bias, at + LANES), load(bias, at + 2 * LANES)
        else:
            x, y, z = nothing(), nothing(), nothing()
        if at + 2 * LANES < out.shape[1]:
            multiply_panel(out[0], out[1], out[2], out[3], at, a[0], a[1], a[2], a[3], panels[p], x, y, z)
        else:
            multiply_narrow(out[0], out[1], out[2], out[3], at, a[0], a[1], a[2], a[3], panels[p], x, y)


@kernel
def multiply_few(out: Floats, a: Floats, panels: Floats, bias: Floats, samples: int) -> Any:
    """``multiply_four`` for the first of them: a last block may hold one alone, whose sums are the same."""
    if samples == 1:
        multiply_one(out[0], a[0], panels, bias)
    else:
        multiply_four(out, a, panels, bias)


@kernel
def multiply_one(out: Floats, a: Floats, panels: Floats, bias: Floats) -> Any:
    """``multiply_four`` for one sample: out (n,), a (k or more,). Two panels at a time, since sums wait for sums."""
    count = panels.shape[0]
    for p in range(0, count, 2):
        at, after, q = p * PANEL, (p + 1) * PANEL, min(p + 1, count - 1)
        panel, other = panels[p], panels[q]
        if bias.shape[0] > 0:
            x, y, z = load(bias, at), load(bias, at + LANES), load(bias, at + 2 * LANES)
            u, v, w = load(bias, after), load(bias, after + LANES), load(bias, after + 2 * LANES)
        else:
            x, y, z = nothing(), nothing(), nothing()
            u, v, w = nothing(), nothing(), nothing()
        for k in range(panel.shape[0]):
            one, two = panel[k], other[k]
            x, y, z = (
                x + a[k] * load_whole(one, 0),
                y + a[k] * load_whole(one, LANES),
                z + a[k] * load_whole(one, 2 * LANES),
            )
            u, v, w = (
                u + a[k] * load_whole(two, 0),
                v + a[k] * load_whole(two, LANES),
                w + a[k] * load_whole(two, 2 * LANES),
            )
        put_three(out, at, x, y, z)
        put_three(out, after, u, v, w)


@kernel
def multiply_panel(
    out0: Floats, out1: Floats, out2: Floats, out3: Floats, at: int, a0: Floats, a1: Floats, a2: Floats, a3: Floats,
    panel: Floats, x: Any, y: Any, z: Any,
) -> Any:  # fmt: skip
    """What four rows are from a column on: four rows a times a panel, and a bias."""
    x0, y0, z0, x1, y1, z1 = x, y, z, x, y, z
    x2, y2, z2, x3, y3, z3 = x, y, z, x, y, z
    for k in range(panel.shape[0]):
        u, v, w = load_whole(panel[k], 0), load_whole(panel[k], LANES), load_whole(panel[k], 2 * LANES)
        x0, y0, z0 = x0 + a0[k] * u, y0 + a0[k] * v, z0 + a0[k] * w
        x1, y1, z1 = x1 + a1[k] * u, y1 + a1[k] * v, z1 + a1[k] * w
        x2, y2, z2 = x2 + a2[k] * u, y2 + a2[k] * v, z2 + a2[k] * w
        x3, y3, z3 = x3 + a3[k] * u, y3 + a3[k] * v, z3 + a3[k] * w
    put_three(out0, at, x0, y0, z0)
    put_three(out1, at, x1, y1, z1)
    put_three(out2, at, x2, y2, z2)
    put_three(out3, at, x3, y3, z3)


@kernel
def multiply_narrow(
    out0: Floats, out1: Floats, out2: Floats, out3: Floats, at: int, a0: Floats, a1: Floats, a2: Floats, a3: Floats,
    panel: Floats, x: Any, y: Any,
) -> Any:  # fmt: skip
    """``multiply_panel`` where no more than two lanes of columns are left."""
    x0, y0, x1, y1 = x, y, x, y
    x2, y2, x3, y3 = x, y, x, y
    for k in range(panel.shape[0]):
        u, v = load_whole(panel[k], 0), load_whole(panel[k], LANES)
        x0, y0 = x0 + a0[k] * u, y0 + a0[k] * v
        x1, y1 = x1 + a1[k] * u, y1 + a1[k] * v
        x2, y2 = x2 + a2[k] * u, y2 + a2[k] * v
        x3, y3 = x3 + a3[k] * u, y3 + a3[k] * v
    put_two(out0, at, x0, y0)
    put_two(out1, at, x1, y1)
    put_two(out2, at, x2, y2)
    put_two(out3, at, x3, y3)


@kernel
def put_three(row: Floats, at: int, x: Any, y: Any, z: Any) -> Any:
    """Store a panel's width of a row."""
    put_two(row, at, x, y)
    store(row, at + 2 * LANES, z)


@kernel
def put_two(row: Floats, at: int, x: Any, y: Any) -> Any:
    store(row, at, x)
    store(row, at + LANES, y)


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
def multiply(out: Floats, a: Floats, w: Floats) -> Any:
    """``out += a @ w`` for any number of rows: out (r, n), a (r, k), w (k, n)."""
    rows = out.shape[0]
    for r in range(0, rows - 1, 2):
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
def weight_gradient(d_weights: Floats, d_bias: Floats, deltas: Floats, given: Floats, every: int) -> Any:
    """Add ``deltas.T @ given`` to d_weights (units, inputs), and the sum of deltas to d_bias (units,).

    Deltas are (samples, units), given (samples, inputs and what fills panels); samples are a multiple of four, and so
    few that both stay in the cache. Only ``every`` one so far from the last has deltas that are not zero.
    """
    samples, (units, inputs) = deltas.shape[0], d_weights.shape
    for s in range(0, samples, 4):
        mix_four(d_bias, (ONE, ONE, ONE, ONE), deltas[s], deltas[s + 1], deltas[s + 2], deltas[s + 3])
    for at in range(0, inputs, PANEL):
        for r in range(0, units - 3, 4):
            add_products(
                d_weights[r], d_weights[r + 1], d_weights[r + 2], d_weights[r + 3], at, deltas, r, given, every
            )
        for r in range(units - units % 4, units):
            add_product_one(d_weights[r], at, deltas, r, given, every)


@kernel
def add_products(
    out0: Floats, out1: Floats, out2: Floats, out3: Floats, at: int, deltas: Floats, r: int, given: Floats, every: int
) -> Any:
    """Four rows of ``weight_gradient``, a panel's width from a column on."""
    second, third = at + LANES, at + 2 * LANES
    x0, y0, z0 = load(out0, at), load(out0, second), load(out0, third)
    x1, y1, z1 = load(out1, at), load(out1, second), load(out1, third)
    x2, y2, z2 = load(out2, at), load(out2, second), load(out2, third)
    x3, y3, z3 = load(out3, at), load(out3, second), load(out3, third)
    for s in range(0, deltas.shape[0], every):
        row, d = given[s], deltas[s]
        u, v, w = load_whole(row, at), load_whole(row, second), load_whole(row, third)
        x0, y0, z0 = x0 + d[r] * u, y0 + d[r] * v, z0 + d[r] * w
        x1, y1, z1 = x1 + d[r + 1] * u, y1 + d[r + 1] * v, z1 + d[r + 1] * w
        x2, y2, z2 = x2 + d[r + 2] * u, y2 + d[r + 2] * v, z2 + d[r + 2] * w
        x3, y3, z3 = x3 + d[r + 3] * u, y3 + d[r + 3] * v, z3 + d[r + 3] * w
    put_three(out0, at, x0, y0, z0)
    put_three(out1, at, x1, y1, z1)
    put_three(out2, at, x2, y2, z2)
    put_three(out3, at, x3, y3, z3)


@kernel
def add_product_one(out: Floats, at: int, deltas: Floats, r: int, given: Floats, every: int) -> Any:
    """One row of ``weight_gradient``, likewise."""
    x, y, z = load(out, at), load(out, at + LANES), load(out, at + 2 * LANES)
    for s in range(0, deltas.shape[0], every):
        row, d = given[s], deltas[s, r]
        x, y, z = (
            x + d * load_whole(row, at),
            y + d * load_whole(row, at + LANES),
            z + d * load_whole(row, at + 2 * LANES),
        )
    put_three(out, at, x, y, z)
