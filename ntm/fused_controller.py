"""Layers of the controller for four samples at a time, forward and backward."""

from typing import Any

from .fused_math import ONE, Floats, kernel, sigmoid, tanh
from .fused_memory import copy
from .fused_products import multiply_four

LINEAR, TANH, LSTM, BARE = 0, 1, 2, 3
"""Kinds of layers: the inlet; a feedforward layer; an LSTM layer, whose input is [from below; its last output]; one
that is linear and whose output nobody needs elsewhere."""


@kernel
def layer(
    out: Floats, cell: Floats, gates: Floats, before: Floats, x: Floats, w: Floats, bias: Floats, kind: int
) -> Any:
    """One layer: out (4, units or more), cell (4, units), x (4, inputs or more), w (inputs, units or 4 * units).

    Cell and gates are kept for the way back. Columns may be added to w to fill vectors.
    """
    for s in range(4):
        copy(gates[s], bias)
    multiply_four(gates, x, w)
    for s in range(4):
        if kind == LSTM:
            units, row = cell.shape[1], gates[s]
            lstm(
                out[s, :units], cell[s], before[s],
                row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units : 4 * units],
            )  # fmt: skip
        elif kind == TANH:
            feedforward(out[s, : w.shape[1]], gates[s])
        elif kind == LINEAR:
            copy(out[s, : w.shape[1]], gates[s])


@kernel
def lstm(
    out: Floats, cell: Floats, before: Floats, i: Floats, f: Floats, g: Floats, o: Floats
) -> Any:  # fmt: skip
    for j in range(out.shape[0]):
        i[j] = sigmoid(i[j])
        f[j] = sigmoid(f[j])
        g[j] = tanh(g[j])
        o[j] = sigmoid(o[j])
        cell[j] = f[j] * before[j] + i[j] * g[j]
        out[j] = o[j] * tanh(cell[j])


@kernel
def feedforward(out: Floats, gates: Floats) -> Any:
    for j in range(out.shape[0]):
        out[j] = tanh(gates[j])
        gates[j] = out[j]


@kernel
def layer_back(
    d_x: Floats, d_cell: Floats, gates: Floats, d_out: Floats, cell: Floats, before: Floats, w: Floats, kind: int,
    samples: int,
) -> Any:  # fmt: skip
    """``gates`` turns into its own gradient; ``d_x`` becomes that of the input, ``d_cell`` that of the cell before."""
    for s in range(samples):
        if kind == LSTM:
            units = d_out.shape[1]
            row = gates[s]
            lstm_back(
                d_out[s], d_cell[s], cell[s], before[s],
                row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units : 4 * units],
            )  # fmt: skip
        elif kind == TANH:
            feedforward_back(gates[s], d_out[s])
        elif kind == LINEAR:
            copy(gates[s], d_out[s])
    for s in range(4):
        for j in range(d_x.shape[1]):
            d_x[s, j] = 0
    multiply_four(d_x, gates, w)


@kernel
def lstm_back(
    d_out: Floats, d_cell: Floats, cell: Floats, before: Floats, i: Floats, f: Floats, g: Floats, o: Floats
) -> Any:  # fmt: skip
    for j in range(d_out.shape[0]):
        squashed = tanh(cell[j])
        d_c = d_cell[j] + d_out[j] * o[j] * (ONE - squashed * squashed)
        d_cell[j] = d_c * f[j]
        o[j] = d_out[j] * squashed * o[j] * (ONE - o[j])
        f[j] = d_c * before[j] * f[j] * (ONE - f[j])
        candidate = g[j]
        g[j] = d_c * i[j] * (ONE - candidate * candidate)
        i[j] = d_c * candidate * i[j] * (ONE - i[j])


@kernel
def feedforward_back(gates: Floats, d_out: Floats) -> Any:
    for j in range(gates.shape[0]):
        gates[j] = d_out[j] * (ONE - gates[j] * gates[j])
