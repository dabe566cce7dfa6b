"""Layers of the controller for four samples at a time, forward and backward."""

from typing import Any

from .arrays import clear, copy
from .lanes import LANES, choose, fma, load, store
from .math import ONE, ZERO, Floats, kernel, sigmoid, tanh
from .products import NO_BIAS, multiply_few

LINEAR, TANH, LSTM, BARE = 0, 1, 2, 3
"""Kinds of layers: the inlet; a feedforward layer; an LSTM layer, whose input is [from below; its last output]; one
that is linear and whose output nobody needs elsewhere."""


@kernel
def layer(
    out: Floats, cell: Floats, gates: Floats, before: Floats, x: Floats, panels: Floats, bias: Floats, kind: int,
    samples: int,
) -> Any:  # fmt: skip
    """One layer: out (4, units or more), cell (4, units), gates (4, units or 4 * units), x (4, inputs or more).

    Weights (inputs, units or 4 * units) are in panels. Cell and gates are kept for the way back.
    """
    multiply_few(gates, x, panels, bias, samples)
    for s in range(samples):
        if kind == LSTM:
            units, row = cell.shape[1], gates[s]
            lstm(
                out[s, :units], cell[s], before[s],
                row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units :],
            )  # fmt: skip
        elif kind == TANH:
            feedforward(out[s, : gates.shape[1]], gates[s])
        elif kind == LINEAR:
            copy(out[s, : gates.shape[1]], gates[s])


@kernel
def lstm(
    out: Floats, cell: Floats, before: Floats, i: Floats, f: Floats, g: Floats, o: Floats
) -> Any:  # fmt: skip
    for j in range(0, cell.shape[0], LANES):
        enter, keep, candidate, leave = sigmoid(load(i, j)), sigmoid(load(f, j)), tanh(load(g, j)), sigmoid(load(o, j))
        store(i, j, enter)
        store(f, j, keep)
        store(g, j, candidate)
        store(o, j, leave)
        # LLVM fuses one of the two products with the sum, by its own lights: which one decides the last bit
        c = fma(enter, candidate, keep * load(before, j))
        store(cell, j, c)
        store(out, j, leave * tanh(c))


@kernel
def sigmoid_all(row: Floats) -> Any:
    for j in range(0, row.shape[0], LANES):
        store(row, j, sigmoid(load(row, j)))


@kernel
def feedforward(out: Floats, gates: Floats) -> Any:
    for j in range(0, out.shape[0], LANES):
        y = tanh(load(gates, j))
        store(gates, j, y)
        store(out, j, y)


@kernel
def layer_back(
    d_x: Floats, d_cell: Floats, gates: Floats, d_out: Floats, out: Floats, first: int, before: Floats, panels: Floats,
    kind: int, samples: int,
) -> Any:  # fmt: skip
    """``gates`` turns into its own gradient; ``d_x`` becomes that of the input, ``d_cell`` that of the cell before.

    Weights (units or 4 * units, inputs) are in panels. An LSTM's output begins at ``first`` in out. Of one sample alone
    nothing is written to the others' ``d_x``.
    """
    for s in range(samples, 4):
        clear(gates[s])
    for s in range(samples):
        if kind == LSTM:
            units = d_out.shape[1]
            row = gates[s]
            lstm_back(
                d_out[s], d_cell[s], out[s, first : first + units], before[s],
                row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units :],
            )  # fmt: skip
        elif kind == TANH:
            feedforward_back(gates[s], d_out[s])
        elif kind == LINEAR:
            copy(gates[s], d_out[s])
    multiply_few(d_x, gates, panels, NO_BIAS, samples)


@kernel
def lstm_back(
    d_out: Floats, d_cell: Floats, out: Floats, before: Floats, i: Floats, f: Floats, g: Floats, o: Floats
) -> Any:  # fmt: skip
    for j in range(d_out.shape[0]):
        squashed = choose(ZERO, o[j], out[j] / o[j], ZERO)  # tanh of the cell
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
