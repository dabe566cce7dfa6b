"""The NTM over whole sequences, four samples at a time: the loop over time, forward and backward.

Arrays are (blocks, time, 4, ...), a block being four samples, so that what is done one after the other lies one after
the other. What a last block that is not full holds besides, zeros or samples of before, gets no gradient. The layers
are the controller's, then the heads', then the output's, which two are given the same: [hidden; reads], or the first
part of it. What layer l is given lies in ``inputs[l]``: a layer writes its output where the next layer, or the next
step, reads it.
"""

from functools import partial
from typing import Any, NamedTuple

from ..kernels.arrays import add, clear, copy, copy_matrix
from ..kernels.layers import LSTM, layer, layer_back
from ..kernels.math import Floats, loop
from ..kernels.products import NO_BIAS, multiply_few, pack, pack_back, weight_gradient
from .address import address, address_back, read
from .heads import ask_heads, ask_heads_back, clip, clip_back
from .memory import write, write_back, write_to
from .weighting import row_norms

uncounted = partial(loop, counted=False)

Several = tuple[Floats, ...]
"""One array a layer."""

EVERY = 8
"""Steps between kept memories; those between are written again on the way back, while they fit the cache."""

TOGETHER = 24
"""Steps whose gradients of weights are summed at a time, while what they are made of is in the cache."""


class Trail(NamedTuple):
    """What the way forward leaves for the way back; states have one more time, 0 before the first step."""

    inputs: Several  # (blocks, time + 1, 4, inputs, and what fills panels)
    gates: Several  # (blocks, time, 4, units or 4 * units)
    cells: Several  # (blocks, time + 1, 4, units or none)
    asks: Floats  # (blocks, time, 4, head parameters)
    similarity: Floats  # (blocks, time, 4, heads, rows)
    weightings: Floats  # (blocks, time + 1, 4, heads, rows)
    scales: Floats  # (blocks, time, 4, heads, 4)
    norms: Floats  # (blocks, time, 4, 1, or 2 if written first, rows)
    kept: Floats  # (blocks, time / EVERY, 4, width, rows)


class Scratch(NamedTuple):
    """What both ways write on."""

    panels: Several  # of weights, on the way forward
    panels_back: Several  # without the columns of x in the first
    d_outs: Several  # (4, units)
    d_features: Floats  # (4, units + reads * width)
    ring: Floats  # (rows + 2 * reach,)
    d_ring: Floats  # (rows + 2 * reach,)
    numbers: Floats  # (shifts + 3, 4 * heads)
    by_content: Floats  # (rows,)
    moved: Floats  # (rows,)
    d_norms: Floats  # (rows,)
    erased: Floats  # (writes, rows)
    spread: Floats  # (heads + reads, rows)
    share: Floats  # (heads + reads, width)
    d_ask: Floats  # (head parameters,)
    memories: Floats  # (EVERY + 1, 4, width, rows)


class Back(NamedTuple):
    """Gradients of the state and of the layers' inputs: on their way back; and where they arrive, over all samples."""

    inputs: Several  # (4, inputs), without those of x in the first
    cells: Several  # (4, units or none)
    memory: Floats  # (4, width, rows)
    weightings: Floats  # (4, heads, rows)
    first_inputs: Several  # (inputs,), without those of x in the first
    first_cells: Several  # (units or none,)
    first_memory: Floats  # (width, rows)
    first_weightings: Floats  # (heads, rows)


class Options(NamedTuple):
    """What an NTM's fields mean in numbers."""

    layers: int  # the controller's and the heads'
    kinds: tuple[int, ...]
    below: tuple[int, ...]  # how much of a layer's input is from below, x apart; of the first, what was read, or none
    reads: int
    writes: int
    reach: int
    limit: Any  # of the raw head parameters, float32
    bound: Any  # of the logits, float32
    cosine: bool
    read_first: bool
    squash: int  # of keys and additions: see ``heads``
    gated: bool


@uncounted
def prepare(on: Scratch, back: Back, weights: Several, layers: int, x: int) -> Any:
    """Put weights, (units or 4 * units, inputs) each, where both ways look for them, and the first gradients to zero.

    Args:
        x: The size of the input.
    """
    for at in range(layers + 1):
        pack(on.panels[at], weights[at])
        pack_back(on.panels_back[at], weights[at], x if at == 0 else 0)
        clear(back.first_inputs[at])
        clear(back.first_cells[at])
    clear(back.first_memory.reshape(back.first_memory.size))
    clear(back.first_weightings.reshape(back.first_weightings.size))


@uncounted
def unroll(
    x: Floats, logits: Floats, sample: int, biases: Several, memory: Floats, trail: Trail, on: Scratch, options: Options
) -> Any:  # fmt: skip
    """Fill logits (time, batch, outputs) from x (time, batch, inputs), and leave a trail.

    Args:
        sample: The first of those that are run, as many as the memory has room for.
        memory: Before the first step, and afterwards after the last: (blocks, 4, width, rows).
    """
    layers, kinds, below, reads, writes, reach, limit, bound, cosine, read_first, squash, gated = options
    inputs, gates, cells, asks, similarity, weightings, scales, norms, kept = trail
    steps, batch, size = x.shape
    width, top = memory.shape[2], layers - 1
    heads, shifts, units = reads + writes, 2 * reach + 1, on.panels[top].shape[1]
    erases = heads * (width + shifts + 3)
    adds = erases + writes * width
    first, phases = (0, 1) if read_first else (reads, 2)
    for b in range(memory.shape[0] - 1, -1, -1):  # the way back begins with block 0, which the cache then still holds
        first_sample = sample + 4 * b
        count = min(4, batch - first_sample)
        for t in range(steps):
            for s in range(count):
                copy(inputs[0][b, t, s, :size], x[t, first_sample + s])
            for at in range(layers):
                layer(
                    inputs[min(at + 1, top)][b, t], cells[at][b, t + 1], gates[at][b, t], cells[at][b, t],
                    inputs[at][b, t], on.panels[at], biases[at], kinds[at], count,
                )  # fmt: skip
                if kinds[at] == LSTM:
                    outlet, first_own = cells[at].shape[3], below[at] + (size if at == 0 else 0)
                    for s in range(count):
                        copy(inputs[at][b, t + 1, s, first_own : first_own + outlet], inputs[at + 1][b, t, s, :outlet])
            ask_heads(asks[b, t], gates[top][b, t], on.numbers, heads, writes, width, shifts, limit, squash, count)
            for s in range(count):
                M, ask, chosen = memory[b, s], asks[b, t, s], weightings[b, t + 1, s]
                seen = inputs[top][b, t, s, units : units + reads * width]
                if t % EVERY == 0:
                    copy_matrix(kept[b, t // EVERY, s], M)
                for phase in range(phases):
                    if phase == 1:
                        write(M, chosen[reads:], ask[erases:adds], ask[adds:])
                    if cosine:
                        row_norms(norms[b, t, s, phase], M)
                    address(
                        chosen, similarity[b, t, s], scales[b, t, s], norms[b, t, s, phase], M, ask,
                        weightings[b, t, s], on.ring, on.by_content, on.moved,
                        0 if phase == 1 else first, reads if phase == 1 else heads, reach, cosine, gated,
                    )  # fmt: skip
                read(seen, M, chosen, reads)
                if read_first:
                    write(M, chosen[reads:], ask[erases:adds], ask[adds:])
                copy(inputs[0][b, t + 1, s, size : size + below[0]], seen[: below[0]])
            layer(
                inputs[top][b, t], cells[layers][b, t + 1], gates[layers][b, t], cells[layers][b, t],
                inputs[top][b, t], on.panels[layers], biases[layers], kinds[layers], count,
            )  # fmt: skip
            for s in range(count):
                clip(logits[t, first_sample + s], gates[layers][b, t, s], bound)


@uncounted
def unroll_back(
    d_logits: Floats, d_weights: Several, d_biases: Several, back: Back, trail: Trail, on: Scratch, options: Options
) -> Any:  # fmt: skip
    """Add to the gradients of the first state, in ``back``, and to those of weights and biases.

    The trail's gates turn into their gradients.

    Args:
        d_logits: (time, batch, outputs).
        d_weights: (units or 4 * units, inputs) each.
        d_biases: (units or 4 * units) each.
    """
    layers, kinds, below, reads, writes, reach, limit, bound, cosine, read_first, squash, gated = options
    inputs, gates, cells, asks, similarity, weightings, scales, norms, kept = trail
    d_inputs, d_cells, d_memory, d_weightings, first_inputs, first_cells, first_memory, first_weightings = back
    steps, batch, _ = d_logits.shape
    width, top = d_memory.shape[1], layers - 1
    heads, shifts, units = reads + writes, 2 * reach + 1, d_weights[top].shape[1]
    erases = heads * (width + shifts + 3)
    adds = erases + writes * width
    first, phases = (0, 1) if read_first else (reads, 2)
    for b in range(asks.shape[0]):
        count = min(4, batch - 4 * b)
        for at in range(layers + 1):
            clear(d_inputs[at].reshape(d_inputs[at].size))
            clear(d_cells[at].reshape(d_cells[at].size))
        clear(d_memory.reshape(d_memory.size))
        clear(d_weightings.reshape(d_weightings.size))
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
                if s < count:
                    clip_back(gates[layers][b, t, s], d_logits[t, 4 * b + s], bound)
                else:
                    clear(gates[layers][b, t, s])
            multiply_few(on.d_features, gates[layers][b, t], on.panels_back[layers], NO_BIAS, count)
            for s in range(count):
                ask, chosen, d_chosen = asks[b, t, s], weightings[b, t + 1, s], d_weightings[s]
                d_read = on.d_features[s, units : units + reads * width]
                add(d_read[: below[0]], d_inputs[0][s, : below[0]])
                for later in range(phases):
                    phase = phases - 1 - later
                    if phase == 0:
                        write_back(
                            d_memory[s], d_chosen[reads:], on.d_ask[erases:adds], on.d_ask[adds:],
                            on.memories[now, s], chosen[reads:], ask[erases:adds], ask[adds:], on.erased,
                        )  # fmt: skip
                    address_back(
                        on.d_ask, d_memory[s], d_chosen, d_read, ask, chosen, similarity[b, t, s],
                        scales[b, t, s], norms[b, t, s, phase], on.memories[now + phase, s], weightings[b, t, s],
                        on.ring, on.d_ring, on.by_content, on.moved, on.d_norms, on.spread, on.share,
                        0 if phase == 1 else first, reads if phase == 1 else heads,
                        reads if phase == phases - 1 else 0, reach, cosine, gated,
                    )  # fmt: skip
                ask_heads_back(gates[top][b, t, s], on.d_ask, ask, heads, writes, width, shifts, limit, squash)
            for above in range(layers):
                at = top - above
                d_out, d_x = on.d_outs[at], d_inputs[at]
                for s in range(count):
                    if at < top:
                        copy(d_out[s], d_inputs[at + 1][s, : d_out.shape[1]])
                    if at == top - 1:
                        add(d_out[s], on.d_features[s, :units])
                    if kinds[at] == LSTM:
                        add(d_out[s], d_x[s, below[at] : below[at] + d_out.shape[1]])
                layer_back(
                    d_x, d_cells[at], gates[at][b, t], d_out, inputs[min(at + 1, top)][b, t], 0,
                    cells[at][b, t], on.panels_back[at], kinds[at], count,
                )  # fmt: skip
            if t % TOGETHER == 0:
                until = min(t + TOGETHER, steps)
                for at in range(layers + 1):
                    deltas, given = gates[at][b, t:until], inputs[min(at, top)][b, t:until]
                    samples = 4 * (until - t)
                    weight_gradient(
                        d_weights[at], d_biases[at],
                        deltas.reshape((samples, deltas.shape[2])), given.reshape((samples, given.shape[2])),
                        4 if count == 1 else 1,
                    )  # fmt: skip
        for s in range(count):
            for at in range(layers + 1):
                add(first_inputs[at], d_inputs[at][s])
                add(first_cells[at], d_cells[at][s])
            add(first_memory.reshape(first_memory.size), d_memory[s].reshape(first_memory.size))
            add(first_weightings.reshape(first_weightings.size), d_weightings[s].reshape(first_weightings.size))
