"""The NTM over whole sequences, four samples at a time: the loop over time, forward and backward.

Time comes first in every array. Batches are padded to a multiple of four where matrix products run over them; the
padding holds zeros and gets no gradient. The layers are the controller's, then the heads'. What layer l is given lies
in ``inputs[l]``: a layer writes its output where the next layer, or the next step, reads it, and the gradients of
weights are products of whole arrays afterwards.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .fused_address import address, address_back, read
from .fused_controller import LSTM, layer, layer_back
from .fused_heads import ask_heads, ask_heads_back, row_norms
from .fused_math import Floats, loop
from .fused_memory import copy, copy_matrix, write, write_back, write_to
from .fused_products import mix_one, weight_gradient

uncounted = partial(loop, counted=False)

Several = tuple[Floats, ...]
"""One array a layer."""

EVERY = 8
"""Steps between kept memories; those between are written again on the way back, while they fit the cache."""


class Trail(NamedTuple):
    """What the way forward leaves for the way back; states have one more time, 0 before the first step."""

    inputs: Several  # (time + 1, padded, inputs); the heads': (time, padded, units + reads * width)
    gates: Several  # (time, padded, units or 4 * units)
    cells: Several  # (time + 1, padded, units or none)
    asks: Floats  # (time, batch, head parameters)
    similarity: Floats  # (time, batch, heads, rows)
    weightings: Floats  # (time + 1, batch, heads, rows)
    scales: Floats  # (time, batch, heads, 4)
    norms: Floats  # (time, batch, 1, or 2 if written first, rows)
    kept: Floats  # (time / EVERY, batch, width, rows)


class Scratch(NamedTuple):
    """What both ways write on."""

    outs: Several  # (4, units)
    ring: Floats  # (rows + 2 * reach,)
    d_ring: Floats  # (rows + 2 * reach,)
    by_content: Floats  # (rows,)
    moved: Floats  # (rows,)
    d_norms: Floats  # (rows,)
    keys: Floats  # (heads, width)
    erased: Floats  # (writes, rows)
    spread: Floats  # (heads + reads, rows)
    share: Floats  # (heads + reads, width)
    d_ask: Floats  # (head parameters,)
    d_read: Floats  # (reads * width,)
    memories: Floats  # (EVERY + 1, 4, width, rows)


class Options(NamedTuple):
    """What an NTM's fields mean in numbers."""

    layers: int
    kinds: tuple[int, ...]
    reads: int
    writes: int
    reach: int
    limit: Any  # of the raw head parameters, float32
    cosine: bool
    read_first: bool


@uncounted
def unroll(
    x: Floats, weights: Several, biases: Several, memory: Floats, trail: Trail, on: Scratch, options: Options
) -> Any:
    """Leave a trail from x (time, batch, inputs), its features among it: what the output layer is given.

    Args:
        weights: (inputs, units or 4 * units) each.
        memory: Before the first step, and afterwards after the last: (batch, width, rows).
    """
    layers, kinds, reads, writes, reach, limit, cosine, read_first = options
    inputs, gates, cells, asks, similarity, weightings, scales, norms, kept = trail
    steps, batch, size = x.shape
    width, top = memory.shape[1], layers - 1
    heads, shifts, units = reads + writes, 2 * reach + 1, weights[top].shape[0]
    erases = heads * (width + shifts + 3)
    adds = erases + writes * width
    first, phases = (0, 1) if read_first else (reads, 2)
    for b in range(0, batch, 4):
        count = min(4, batch - b)
        for t in range(steps):
            for s in range(b, b + count):
                copy(inputs[0][t, s, :size], x[t, s])
            for at in range(layers):
                out = on.outs[at]
                layer(
                    out, cells[at][t + 1, b : b + 4], gates[at][t, b : b + 4], cells[at][t, b : b + 4],
                    inputs[at][t, b : b + 4], weights[at], biases[at], kinds[at],
                )  # fmt: skip
                for s in range(count):
                    if kinds[at] == LSTM:
                        copy(inputs[at][t + 1, b + s, inputs[at].shape[2] - out.shape[1] :], out[s])
                    if at < top:
                        copy(inputs[at + 1][t, b + s, : out.shape[1]], out[s])
            for s in range(b, b + count):
                ask, chosen, seen = asks[t, s], weightings[t + 1, s], inputs[top][t, s, units:]
                if t % EVERY == 0:
                    copy_matrix(kept[t // EVERY, s], memory[s])
                ask_heads(ask, gates[top][t, s], heads, writes, width, shifts, limit)
                for phase in range(phases):
                    if phase == 1:
                        write(memory[s], chosen[reads:], ask[erases:adds], ask[adds:])
                    if cosine:
                        row_norms(norms[t, s, phase], memory[s])
                    address(
                        chosen, similarity[t, s], scales[t, s], norms[t, s, phase], memory[s], ask, weightings[t, s],
                        on.ring, on.by_content, on.moved, on.keys,
                        0 if phase == 1 else first, reads if phase == 1 else heads, reach, cosine,
                    )  # fmt: skip
                read(seen, memory[s], chosen, reads)
                if read_first:
                    write(memory[s], chosen[reads:], ask[erases:adds], ask[adds:])
                copy(inputs[0][t + 1, s, size : size + reads * width], seen)


@uncounted
def unroll_back(
    d_features: Floats, weights: Several, d_inputs: Several, d_cells: Several, d_memory: Floats, d_weightings: Floats,
    trail: Trail, on: Scratch, options: Options,
) -> Any:  # fmt: skip
    """Turn the trail's gates into their gradients, and every ``d_`` array from zeros into a first state's gradient.

    Args:
        d_features: (time, padded, units + reads * width).
        weights: (units or 4 * units, inputs) each, without the columns of x in the first.
    """
    layers, kinds, reads, writes, reach, limit, cosine, read_first = options
    _, gates, cells, asks, similarity, weightings, scales, norms, kept = trail
    steps = d_features.shape[0]
    batch, width, _ = d_memory.shape
    heads, shifts, top, units = reads + writes, 2 * reach + 1, layers - 1, weights[layers - 1].shape[1]
    erases = heads * (width + shifts + 3)
    adds = erases + writes * width
    first, phases = (0, 1) if read_first else (reads, 2)
    for b in range(0, batch, 4):
        count = min(4, batch - b)
        for t in range(steps - 1, -1, -1):
            now = t % EVERY
            if now == EVERY - 1 or t == steps - 1:
                for s in range(count):
                    copy_matrix(on.memories[0, s], kept[t // EVERY, b + s])
                    for step in range(now if read_first else now + 1):
                        at = t - now + step
                        write_to(
                            on.memories[step + 1, s], on.memories[step, s], weightings[at + 1, b + s, reads:],
                            asks[at, b + s, erases:adds], asks[at, b + s, adds:],
                        )  # fmt: skip
            for s in range(count):
                sample = b + s
                ask, chosen, d_chosen = asks[t, sample], weightings[t + 1, sample], d_weightings[sample]
                for j in range(reads * width):
                    on.d_read[j] = d_inputs[0][sample, j] + d_features[t, sample, units + j]
                for back in range(phases):
                    phase = phases - 1 - back
                    if phase == 0:
                        write_back(
                            d_memory[sample], d_chosen[reads:], on.d_ask[erases:adds], on.d_ask[adds:],
                            on.memories[now, s], chosen[reads:], ask[erases:adds], ask[adds:], on.erased,
                        )  # fmt: skip
                    address_back(
                        on.d_ask, d_memory[sample], d_chosen, on.d_read, ask, chosen, similarity[t, sample],
                        scales[t, sample], norms[t, sample, phase], on.memories[now + phase, s],
                        weightings[t, sample], on.ring, on.d_ring, on.by_content, on.moved, on.d_norms, on.spread,
                        on.share, 0 if phase == 1 else first, reads if phase == 1 else heads,
                        reads if phase == phases - 1 else 0, reach, cosine,
                    )  # fmt: skip
                ask_heads_back(
                    on.outs[top][s], on.d_ask, ask, gates[top][t, sample], heads, writes, width, shifts, limit
                )
            for back in range(layers):
                at = top - back
                d_out, d_x = on.outs[at], d_inputs[at][b : b + 4]
                below = d_x.shape[1] - d_out.shape[1]
                for s in range(4):
                    if at < top:
                        copy(d_out[s], d_inputs[at + 1][b + s, : d_out.shape[1]])
                    if at == top - 1:
                        mix_one(d_out[s], np.float32(1), d_features[t, b + s, :units])
                    if kinds[at] == LSTM:
                        mix_one(d_out[s], np.float32(1), d_x[s, below:])
                layer_back(
                    d_x, d_cells[at][b : b + 4], gates[at][t, b : b + 4], d_out, cells[at][t + 1, b : b + 4],
                    cells[at][t, b : b + 4], weights[at], kinds[at], count,
                )  # fmt: skip


@uncounted
def weight_gradients(d_weights: Several, d_biases: Several, trail: Trail, options: Options) -> Any:
    """Add the gradients of all layers' weights, (inputs, units or 4 * units), and biases."""
    for at in range(options.layers):
        weight_gradient(d_weights[at], d_biases[at], trail.gates[at], trail.inputs[at][: trail.gates[at].shape[0]])
