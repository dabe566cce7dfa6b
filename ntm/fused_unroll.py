"""The NTM over whole sequences, four samples at a time: the loop over time, forward and backward.

Arrays are (blocks, time, 4, ...), a block being four samples, so that what is done one after the other lies one after
the other. A last block that is not full holds zeros and gets no gradient. The layers are the controller's, then the
heads', then the output's, which two are given the same: [hidden; reads], or the first part of it. What layer l is given
lies in ``inputs[l]``: a layer writes its output where the next layer, or the next step, reads it.
"""

from functools import partial
from typing import Any, NamedTuple

from .fused_address import address, address_back, read
from .fused_controller import LSTM, layer, layer_back
from .fused_heads import ask_heads, ask_heads_back
from .fused_math import ZERO, Floats, loop
from .fused_memory import add, copy, copy_matrix, write, write_back, write_to
from .fused_products import multiply_four, weight_gradient
from .fused_weighting import row_norms

uncounted = partial(loop, counted=False)

Several = tuple[Floats, ...]
"""One array a layer."""

EVERY = 8
"""Steps between kept memories; those between are written again on the way back, while they fit the cache."""

TOGETHER = 16
"""Steps whose gradients of weights are summed at a time."""


class Trail(NamedTuple):
    """What the way forward leaves for the way back; states have one more time, 0 before the first step."""

    inputs: Several  # (blocks, time + 1, 4, inputs)
    gates: Several  # (blocks, time, 4, units or 4 * units, and what fills vectors)
    cells: Several  # (blocks, time + 1, 4, units or none)
    asks: Floats  # (blocks, time, 4, head parameters)
    similarity: Floats  # (blocks, time, 4, heads, rows)
    weightings: Floats  # (blocks, time + 1, 4, heads, rows)
    scales: Floats  # (blocks, time, 4, heads, 4)
    norms: Floats  # (blocks, time, 4, 1, or 2 if written first, rows)
    kept: Floats  # (blocks, time / EVERY, 4, width, rows)


class Scratch(NamedTuple):
    """What both ways write on."""

    d_outs: Several  # (4, units)
    d_features: Floats  # (4, units + reads * width)
    ring: Floats  # (rows + 2 * reach,)
    d_ring: Floats  # (rows + 2 * reach,)
    by_content: Floats  # (rows,)
    moved: Floats  # (rows,)
    d_norms: Floats  # (rows,)
    erased: Floats  # (writes, rows)
    spread: Floats  # (heads + reads, rows)
    share: Floats  # (heads + reads, width)
    d_ask: Floats  # (head parameters,)
    memories: Floats  # (EVERY + 1, 4, width, rows)


class Options(NamedTuple):
    """What an NTM's fields mean in numbers."""

    layers: int  # the controller's and the heads'
    kinds: tuple[int, ...]
    below: tuple[int, ...]  # how much of a layer's input is from below, x apart
    reads: int
    writes: int
    reach: int
    limit: Any  # of the raw head parameters, float32
    cosine: bool
    read_first: bool


@uncounted
def unroll(
    x: Floats, logits: Floats, weights: Several, biases: Several, memory: Floats, trail: Trail, on: Scratch,
    options: Options,
) -> Any:  # fmt: skip
    """Fill logits (time, batch, outputs) from x (time, batch, inputs), and leave a trail.

    Args:
        weights: (inputs, units or 4 * units, and zeros that fill vectors) each.
        memory: Before the first step, and afterwards after the last: (blocks, 4, width, rows).
    """
    layers, kinds, _, reads, writes, reach, limit, cosine, read_first = options
    inputs, gates, cells, asks, similarity, weightings, scales, norms, kept = trail
    steps, batch, size = x.shape
    width, top, asked = memory.shape[2], layers - 1, asks.shape[3]
    heads, shifts, units = reads + writes, 2 * reach + 1, weights[top].shape[0]
    erases = heads * (width + shifts + 3)
    adds = erases + writes * width
    first, phases = (0, 1) if read_first else (reads, 2)
    for b in range(memory.shape[0]):
        count = min(4, batch - 4 * b)
        for t in range(steps):
            for s in range(count):
                copy(inputs[0][b, t, s, :size], x[t, 4 * b + s])
            for at in range(layers):
                layer(
                    inputs[min(at + 1, top)][b, t], cells[at][b, t + 1], gates[at][b, t], cells[at][b, t],
                    inputs[at][b, t], weights[at], biases[at], kinds[at],
                )  # fmt: skip
                if kinds[at] == LSTM:
                    outlet = cells[at].shape[3]
                    for s in range(4):
                        copy(inputs[at][b, t + 1, s, weights[at].shape[0] - outlet :], inputs[at + 1][b, t, s, :outlet])
            for s in range(count):
                M, ask, chosen, seen = (
                    memory[b, s],
                    asks[b, t, s],
                    weightings[b, t + 1, s],
                    inputs[top][b, t, s, units:],
                )
                if t % EVERY == 0:
                    copy_matrix(kept[b, t // EVERY, s], M)
                ask_heads(ask, gates[top][b, t, s, :asked], heads, writes, width, shifts, limit)
                for phase in range(phases):
                    if phase == 1:
                        write(M, chosen[reads:], ask[erases:adds], ask[adds:])
                    if cosine:
                        row_norms(norms[b, t, s, phase], M)
                    address(
                        chosen, similarity[b, t, s], scales[b, t, s], norms[b, t, s, phase], M, ask,
                        weightings[b, t, s], on.ring, on.by_content, on.moved,
                        0 if phase == 1 else first, reads if phase == 1 else heads, reach, cosine,
                    )  # fmt: skip
                read(seen, M, chosen, reads)
                if read_first:
                    write(M, chosen[reads:], ask[erases:adds], ask[adds:])
                copy(inputs[0][b, t + 1, s, size : size + reads * width], seen)
            layer(
                inputs[top][b, t], cells[layers][b, t + 1], gates[layers][b, t], cells[layers][b, t],
                inputs[top][b, t], weights[layers], biases[layers], kinds[layers],
            )  # fmt: skip
            for s in range(count):
                copy(logits[t, 4 * b + s], gates[layers][b, t, s, : logits.shape[2]])


@uncounted
def unroll_back(
    d_logits: Floats, weights: Several, d_inputs: Several, d_cells: Several, d_memory: Floats, d_weightings: Floats,
    trail: Trail, on: Scratch, options: Options,
) -> Any:  # fmt: skip
    """Turn the trail's gates into their gradients, and every ``d_`` array from zeros into a first state's gradient.

    Args:
        d_logits: (time, batch, outputs).
        weights: (units or 4 * units, inputs, and zeros that fill vectors) each, without the columns of x in the first.
        d_inputs: (blocks, 4, inputs, and what fills vectors) each, without those of x in the first.
        d_cells: (blocks, 4, units or none) each.
        d_memory: (blocks, 4, width, rows).
        d_weightings: (blocks, 4, heads, rows).
    """
    layers, kinds, below, reads, writes, reach, limit, cosine, read_first = options
    inputs, gates, cells, asks, similarity, weightings, scales, norms, kept = trail
    steps, batch, outputs = d_logits.shape
    width, top, asked = d_memory.shape[2], layers - 1, asks.shape[3]
    heads, shifts, units = reads + writes, 2 * reach + 1, inputs[top].shape[3] - reads * width
    erases = heads * (width + shifts + 3)
    adds = erases + writes * width
    first, phases = (0, 1) if read_first else (reads, 2)
    for b in range(d_memory.shape[0]):
        count = min(4, batch - 4 * b)
        for t in range(steps - 1, -1, -1):
            now = t % EVERY
            if now == EVERY - 1 or t == steps - 1:
                for s in range(count):
                    copy_matrix(on.memories[0, s], kept[b, t // EVERY, s])
                    for step in range(now if read_first else now + 1):
                        at = t - now + step
                        write_to(
                            on.memories[step + 1, s], on.memories[step, s], weightings[b, at + 1, s, reads:],
                            asks[b, at, s, erases:adds], asks[b, at, s, adds:],
                        )  # fmt: skip
            for s in range(4):
                d_out = gates[layers][b, t, s]
                for j in range(d_out.shape[0]):
                    d_out[j] = ZERO
                if s < count:
                    copy(d_out[:outputs], d_logits[t, 4 * b + s])
                for j in range(on.d_features.shape[1]):
                    on.d_features[s, j] = ZERO
            multiply_four(on.d_features, gates[layers][b, t], weights[layers])
            for s in range(count):
                ask, chosen, d_chosen = asks[b, t, s], weightings[b, t + 1, s], d_weightings[b, s]
                d_read = on.d_features[s, units : units + reads * width]
                add(d_read, d_inputs[0][b, s, : reads * width])
                for back in range(phases):
                    phase = phases - 1 - back
                    if phase == 0:
                        write_back(
                            d_memory[b, s], d_chosen[reads:], on.d_ask[erases:adds], on.d_ask[adds:],
                            on.memories[now, s], chosen[reads:], ask[erases:adds], ask[adds:], on.erased,
                        )  # fmt: skip
                    address_back(
                        on.d_ask, d_memory[b, s], d_chosen, d_read, ask, chosen, similarity[b, t, s],
                        scales[b, t, s], norms[b, t, s, phase], on.memories[now + phase, s], weightings[b, t, s],
                        on.ring, on.d_ring, on.by_content, on.moved, on.d_norms, on.spread, on.share,
                        0 if phase == 1 else first, reads if phase == 1 else heads,
                        reads if phase == phases - 1 else 0, reach, cosine,
                    )  # fmt: skip
                ask_heads_back(gates[top][b, t, s, :asked], on.d_ask, ask, heads, writes, width, shifts, limit)
            for back in range(layers):
                at = top - back
                d_out, d_x = on.d_outs[at], d_inputs[at][b]
                for s in range(4):
                    if at < top:
                        copy(d_out[s], d_inputs[at + 1][b, s, : d_out.shape[1]])
                    if at == top - 1:
                        add(d_out[s], on.d_features[s, :units])
                    if kinds[at] == LSTM:
                        add(d_out[s], d_x[s, below[at] : below[at] + d_out.shape[1]])
                layer_back(
                    d_x, d_cells[at][b], gates[at][b, t], d_out, cells[at][b, t + 1], cells[at][b, t], weights[at],
                    kinds[at], count,
                )  # fmt: skip


@uncounted
def weight_gradients(d_weights: Several, d_biases: Several, trail: Trail, options: Options) -> Any:
    """Add the gradients of all layers' weights, (inputs, units or 4 * units, and what fills vectors), and biases."""
    for at in range(options.layers + 1):
        deltas, given = trail.gates[at], trail.inputs[min(at, options.layers - 1)]
        for b in range(deltas.shape[0]):
            for t in range(0, deltas.shape[1], TOGETHER):
                steps = min(TOGETHER, deltas.shape[1] - t)
                weight_gradient(
                    d_weights[at], d_biases[at],
                    deltas[b, t : t + steps].reshape((4 * steps, deltas.shape[3])),
                    given[b, t : t + steps].reshape((4 * steps, given.shape[3])),
                )  # fmt: skip
