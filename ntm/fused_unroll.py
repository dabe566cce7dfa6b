"""The NTM over whole sequences, four samples at a time: the loop over time, forward and backward.

Time comes first in every array. Batches are padded to a multiple of four where matrix products run over them; the
padding holds zeros and gets no gradient. What layer l is given lies in ``inputs[l]`` (time + 1, padded, size): a layer
writes its output where the next layer, or the next step, reads it, and the gradients of weights are products of whole
arrays afterwards.
"""

from typing import Any

import numpy as np

from .fused_address import address, address_back
from .fused_controller import LSTM, layer, layer_back
from .fused_heads import ask_heads, ask_heads_back, row_norms
from .fused_math import ZERO, Floats, loop
from .fused_memory import copy, copy_matrix, write, write_back
from .fused_products import dots, mix, mix_one, multiply_four

Several = tuple[Floats, ...]
"""One array a layer."""

EVERY = 8
"""Steps between kept memories; those between are written again on the way back, while they fit the cache."""


@loop
def unroll(
    x: Floats, features: Floats, kinds: tuple[int, ...], weights: Several, biases: Several, to_heads: Floats,
    bias: Floats, inputs: Several, outs: Several, gates: Several, cells: Several, raw: Floats, asks: Floats,
    similarity: Floats, by_content: Floats, moved: Floats, weightings: Floats, scales: Floats, norms: Floats,
    memory: Floats, kept: Floats, reads: int, writes: int, reach: int, limit: float, cosine: bool, read_first: bool,
) -> Any:  # fmt: skip
    """Fill ``features`` (time, padded, units + reads * width) from x (time, batch, inputs), and all that is kept."""
    steps, batch, size = x.shape
    width, rows = memory.shape[1], memory.shape[2]
    heads, shifts, top = reads + writes, 2 * reach + 1, len(kinds) - 1
    units = to_heads.shape[0]
    erases, adds = heads * (width + shifts + 3), heads * (width + shifts + 3) + writes * width
    ring = np.empty(rows + 2 * reach, np.float32)
    for b in range(0, batch, 4):
        count = min(4, batch - b)
        for t in range(steps):
            for s in range(b, b + count):
                copy(inputs[0][t, s, :size], x[t, s])
            for at in range(len(kinds)):
                out = outs[at]
                layer(
                    out, cells[at][t + 1, b : b + 4], gates[at][t, b : b + 4], cells[at][t, b : b + 4],
                    inputs[at][t, b : b + 4], weights[at], biases[at], kinds[at],
                )  # fmt: skip
                for s in range(count):
                    if kinds[at] == LSTM:
                        copy(inputs[at][t + 1, b + s, inputs[at].shape[2] - out.shape[1] :], out[s])
                    if at < top:
                        copy(inputs[at + 1][t, b + s, : out.shape[1]], out[s])
            for s in range(4):
                copy(raw[t, b + s], bias)
            multiply_four(raw[t, b : b + 4], outs[top], to_heads)
            for s in range(b, b + count):
                if t % EVERY == 0:
                    copy_matrix(kept[t // EVERY, s], memory[s])
                ask, chosen = asks[t, s], weightings[t + 1, s]
                ask_heads(ask, raw[t, s], heads, writes, width, shifts, limit)
                if cosine:
                    row_norms(norms[t, s, 0], memory[s])
                if not read_first:
                    address(
                        chosen, moved[t, s], by_content[t, s], similarity[t, s], scales[t, s], norms[t, s, 0],
                        memory[s], ask, weightings[t, s], ring, reads, heads, reach, cosine,
                    )  # fmt: skip
                    write(memory[s], chosen[reads:], ask[erases:adds], ask[adds:])
                    if cosine:
                        row_norms(norms[t, s, 1], memory[s])
                address(
                    chosen, moved[t, s], by_content[t, s], similarity[t, s], scales[t, s],
                    norms[t, s, 0 if read_first else 1], memory[s], ask, weightings[t, s], ring,
                    0, heads if read_first else reads, reach, cosine,
                )  # fmt: skip
                read = features[t, s, units:]
                for head in range(reads):
                    row = read[head * width : (head + 1) * width]
                    for m in range(width):
                        row[m] = ZERO
                    dots(row, chosen[head], memory[s])
                if read_first:
                    write(memory[s], chosen[reads:], ask[erases:adds], ask[adds:])
                copy(features[t, s, :units], outs[top][s - b])
                copy(inputs[0][t + 1, s, size : size + reads * width], read)


@loop
def unroll_back(
    d_features: Floats, kinds: tuple[int, ...], weights: Several, from_heads: Floats,
    d_inputs: Several, d_outs: Several, d_cells: Several, gates: Several, cells: Several, raw: Floats, asks: Floats,
    similarity: Floats, by_content: Floats, moved: Floats, weightings: Floats, scales: Floats, norms: Floats,
    kept: Floats, d_memory: Floats, d_weightings: Floats,
    reads: int, writes: int, reach: int, limit: float, cosine: bool, read_first: bool,
) -> Any:  # fmt: skip
    """Turn ``gates`` and ``raw`` into their gradients, and every ``d_`` array from zeros into a start's gradient.

    ``weights`` are (units or 4 * units, inputs), without the columns of x in the first layer.
    """
    steps = d_features.shape[0]
    batch, width, rows = d_memory.shape
    heads, shifts, top = reads + writes, 2 * reach + 1, len(kinds) - 1
    units = from_heads.shape[1]
    erases, adds = heads * (width + shifts + 3), heads * (width + shifts + 3) + writes * width
    ring, d_ring = np.empty(rows + 2 * reach, np.float32), np.empty(rows + 2 * reach, np.float32)
    d_row, d_norms, erased = (
        np.empty(rows, np.float32),
        np.empty(rows, np.float32),
        np.empty((writes, rows), np.float32),
    )
    d_ask, d_read = np.empty(raw.shape[2], np.float32), np.empty(reads * width, np.float32)
    memories = np.empty((EVERY + 1, 4, width, rows), np.float32)
    for b in range(0, batch, 4):
        count = min(4, batch - b)
        for t in range(steps - 1, -1, -1):
            now = t % EVERY
            if now == EVERY - 1 or t == steps - 1:
                for s in range(count):
                    copy_matrix(memories[0, s], kept[t // EVERY, b + s])
                    for step in range(now + 1 if not read_first else now):
                        at = t - now + step
                        copy_matrix(memories[step + 1, s], memories[step, s])
                        write(
                            memories[step + 1, s], weightings[at + 1, b + s, reads:], asks[at, b + s, erases:adds],
                            asks[at, b + s, adds:],
                        )  # fmt: skip
            for s in range(count):
                sample = b + s
                ask, chosen, d_chosen = asks[t, sample], weightings[t + 1, sample], d_weightings[sample]
                memory, seen = memories[now, s], memories[now if read_first else now + 1, s]
                d_mem = d_memory[sample]
                d_first = d_inputs[0][sample]
                for j in range(reads * width):
                    d_read[j] = d_first[j] + d_features[t, sample, units + j]
                if read_first:
                    write_back(
                        d_mem, d_chosen[reads:], d_ask[erases:adds], d_ask[adds:],
                        memory, chosen[reads:], ask[erases:adds], ask[adds:], erased,
                    )  # fmt: skip
                for head in range(reads):
                    d_r = d_read[head * width : (head + 1) * width]
                    mix(d_chosen[head], d_r, seen)
                    for m in range(width):
                        mix_one(d_mem[m], d_r[m], chosen[head])
                address_back(
                    d_ask, d_mem, d_chosen, ask, chosen, moved[t, sample], by_content[t, sample],
                    similarity[t, sample], scales[t, sample], norms[t, sample, 0 if read_first else 1], seen,
                    weightings[t, sample], ring, d_ring, d_row, d_norms,
                    0, heads if read_first else reads, reach, cosine,
                )  # fmt: skip
                if not read_first:
                    write_back(
                        d_mem, d_chosen[reads:], d_ask[erases:adds], d_ask[adds:],
                        memory, chosen[reads:], ask[erases:adds], ask[adds:], erased,
                    )  # fmt: skip
                    address_back(
                        d_ask, d_mem, d_chosen, ask, chosen, moved[t, sample], by_content[t, sample],
                        similarity[t, sample], scales[t, sample], norms[t, sample, 0], memory,
                        weightings[t, sample], ring, d_ring, d_row, d_norms, reads, heads, reach, cosine,
                    )  # fmt: skip
                ask_heads_back(raw[t, sample], d_ask, ask, heads, writes, width, shifts, limit)
                copy(d_outs[top][s], d_features[t, sample, :units])
            multiply_four(d_outs[top], raw[t, b : b + 4], from_heads)
            for back in range(len(kinds)):
                at = top - back
                d_out, d_x = d_outs[at], d_inputs[at][b : b + 4]
                below = d_x.shape[1] - d_out.shape[1]
                for s in range(4):
                    if at < top:
                        copy(d_out[s], d_inputs[at + 1][b + s, : d_out.shape[1]])
                    if kinds[at] == LSTM:
                        mix_one(d_out[s], np.float32(1), d_x[s, below:])
                layer_back(
                    d_x, d_cells[at][b : b + 4], gates[at][t, b : b + 4], d_out, cells[at][t + 1, b : b + 4],
                    cells[at][t, b : b + 4], weights[at], kinds[at], count,
                )  # fmt: skip
