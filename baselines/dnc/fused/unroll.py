"""The DNC over whole sequences, four samples at a time: the loop over time, forward and backward.

Time comes first in every array; batches are padded to a multiple of four where matrix products run over them. What
layer l is given lies in ``inputs[l]`` (time + 1, padded, size), as [x, reads, outputs of the layer below, its own a
step ago]: whoever makes a part writes it there, and the gradients of weights are products of whole arrays afterwards.
"""

from typing import Any, NamedTuple

import numpy as np

from ....ntm.fused.memory import write
from ....ntm.kernels.arrays import add, copy, copy_matrix
from ....ntm.kernels.layers import LSTM, layer, layer_back
from ....ntm.kernels.math import ZERO, Floats, kernel, loop
from ....ntm.kernels.products import NO_BIAS, multiply_four, pack, pack_back
from .access import Carried, Scratch, Trail, access, access_back
from .interface import Options, places
from .links import link
from .memory import free_rows

Several = tuple[Floats, ...]
"""One array a layer."""

EVERY = 8
"""Steps between kept memories and links; those between are made again on the way back."""


class Layers(NamedTuple):
    """The controller's, and what they leave for the way back."""

    weights: Several  # in panels: (inputs, units or 4 * units), on the way back transposed and without those of x
    biases: Several
    inputs: Several  # (time + 1, padded, inputs)
    gates: Several  # (time, padded, units or 4 * units)
    cells: Several  # (time + 1, padded, units)
    carried: Several  # (time + 1, padded, units), cells within the limit


class Kept(NamedTuple):
    """Memory and links before every few steps: (time / EVERY, batch, ...)."""

    memories: Floats
    links: Floats


@kernel
def clipped(out: Floats, row: Floats, limit: float) -> Any:
    for j in range(out.shape[0]):
        out[j] = min(max(row[j], -limit), limit)


@kernel
def clipped_back(d: Floats, row: Floats, limit: float) -> Any:
    for j in range(d.shape[0]):
        d[j] = d[j] if abs(row[j]) <= limit else ZERO


@loop
def pack_weights(panels: Floats, weights: Floats) -> Any:
    """``pack``, for Python."""
    pack(panels, weights)


@loop
def pack_weights_back(panels: Floats, weights: Floats, first: int) -> Any:
    """``pack_back``, for Python."""
    pack_back(panels, weights, first)


@loop
def unroll(
    x: Floats, features: Floats, kinds: tuple[int, ...], layers: Layers, outs: Several, to_interface: Floats,
    bias: Floats, trail: Trail, memory: Floats, links: Floats, kept: Kept, options: Options,
) -> Any:  # fmt: skip
    """Fill ``features`` (time, padded, layers * units + reads * width), and the trail, from x (time, batch, inputs).

    Args:
        outs: Scratch, (4, units) each.
        memory: Before the first step, (batch, width, rows); turns into that after the last.
        links: Before every even and before every odd step, (batch, 2, rows, rows).
    """
    steps, batch, size = x.shape
    read = options.reads * options.width
    outlet = to_interface.shape[1]
    hidden, parts = np.empty((4, outlet), np.float32), np.empty((2, options.width), np.float32)
    for b in range((batch - 1) // 4 * 4, -1, -4):  # the way back begins with block 0, which the cache then still holds
        count = min(4, batch - b)
        for t in range(steps):
            at = 0
            for n in range(len(kinds)):
                out, given, units = outs[n], layers.inputs[n], outs[n].shape[1]
                for s in range(count):
                    copy(given[t, b + s, :size], x[t, b + s])
                    if n > 0:
                        copy(given[t, b + s, size + read : size + read + units], outs[n - 1][s])
                layer(
                    out, layers.cells[n][t + 1, b : b + 4], layers.gates[n][t, b : b + 4],
                    layers.carried[n][t, b : b + 4], given[t, b : b + 4], layers.weights[n], layers.biases[n], kinds[n],
                    4,
                )  # fmt: skip
                for s in range(count):
                    if kinds[n] == LSTM:
                        copy(given[t + 1, b + s, given.shape[2] - units :], out[s])
                        clipped(layers.carried[n][t + 1, b + s], layers.cells[n][t + 1, b + s], options.limit)
                for s in range(4):
                    copy(hidden[s, at : at + units], out[s])
                at += units
            multiply_four(trail.raw[t, b : b + 4], hidden, to_interface, bias)
            for s in range(b, b + count):
                if t % EVERY == 0:
                    copy_matrix(kept.memories[t // EVERY, s], memory[s])
                    copy_matrix(kept.links[t // EVERY, s], links[s, 0])
                copy(features[t, s, :outlet], hidden[s - b])
                access(
                    features[t, s, outlet:], memory[s], links[s, (t + 1) % 2], links[s, t % 2],
                    trail, t, s, options, parts,
                )  # fmt: skip
                for n in range(len(kinds)):
                    copy(layers.inputs[n][t + 1, s, size : size + read], features[t, s, outlet:])


@loop
def unroll_back(
    d_features: Floats, kinds: tuple[int, ...], layers: Layers, d_inputs: Several, d_outs: Several, d_cells: Several,
    from_interface: Floats, trail: Trail, kept: Kept, options: Options,
) -> Any:  # fmt: skip
    """Turn ``layers.gates`` and ``trail.raw`` into their gradients.

    Args:
        d_inputs: Scratch, (4, inputs - size of x) each.
        d_outs: Scratch, (4, units) each.
        d_cells: Scratch, likewise.
        from_interface: (interface, outlet), in panels.
    """
    steps, batch = trail.ask.shape[0], trail.ask.shape[1]
    reads, width, rows = options.reads, options.width, trail.usage.shape[2]
    read, outlet, linked = reads * width, d_features.shape[2] - reads * width, kept.links.shape[2]
    _, _, erase, vector, free, _, _, _ = places(options)
    d_hidden, d_read = np.empty((4, outlet), np.float32), np.empty(read, np.float32)
    scratch = Scratch(
        np.empty(trail.raw.shape[2], np.float32),
        np.empty((2 * reads, rows), np.float32),
        np.empty((5, rows), np.float32),
        np.empty((1, rows), np.float32),
        np.empty((width, rows), np.float32),
        np.empty((2, width), np.float32),
    )
    memories = np.empty((4, EVERY + 1, width, rows), np.float32)
    links = np.empty((4, EVERY + 1, linked, linked), np.float32)
    d_memory, d_links = np.empty((4, width, rows), np.float32), np.empty((4, linked, linked), np.float32)
    d_usage, d_precedence = np.empty((4, rows), np.float32), np.empty((4, rows), np.float32)
    d_writing, d_reading = np.empty((4, 1, rows), np.float32), np.empty((4, reads, rows), np.float32)
    for b in range(0, batch, 4):
        count = min(4, batch - b)
        d_memory[:], d_links[:], d_usage[:], d_precedence[:], d_writing[:], d_reading[:] = 0, 0, 0, 0, 0, 0
        for n in range(len(kinds)):
            d_inputs[n][:], d_cells[n][:] = 0, 0
        for t in range(steps - 1, -1, -1):
            now = t % EVERY
            if now == EVERY - 1 or t == steps - 1:
                for s in range(count):
                    copy_matrix(memories[s, 0], kept.memories[t // EVERY, b + s])
                    copy_matrix(links[s, 0], kept.links[t // EVERY, b + s])
                    for step in range(now + 1):
                        at = t - now + step
                        ask, writing = trail.ask[at, b + s], trail.writing[at + 1, b + s]
                        copy_matrix(memories[s, step + 1], memories[s, step])
                        if options.deallocate:
                            free_rows(memories[s, step + 1], trail.retained[at, b + s])
                        write(memories[s, step + 1], writing, ask[erase:vector], ask[vector:free])
                        if options.links:
                            link(links[s, step + 1], links[s, step], trail.precedence[at, b + s], writing[0])
            for s in range(count):
                copy(d_read, d_features[t, b + s, outlet:])
                for n in range(len(kinds)):
                    add(d_read, d_inputs[n][s, :read])
                access_back(
                    Carried(d_memory[s], d_links[s], d_usage[s], d_precedence[s], d_writing[s], d_reading[s]), d_read,
                    memories[s, now], memories[s, now + 1], links[s, now], links[s, now + 1],
                    trail, t, b + s, options, scratch,
                )  # fmt: skip
            multiply_four(d_hidden, trail.raw[t, b : b + 4], from_interface, NO_BIAS)
            for s in range(4):
                add(d_hidden[s], d_features[t, b + s, :outlet])
            at = outlet
            for back in range(len(kinds)):
                n = len(kinds) - 1 - back
                d_out, units = d_outs[n], d_outs[n].shape[1]
                at -= units
                for s in range(4):
                    copy(d_out[s], d_hidden[s, at : at + units])
                    if n + 1 < len(kinds):
                        add(d_out[s], d_inputs[n + 1][s, read : read + units])
                    if kinds[n] == LSTM:
                        add(d_out[s], d_inputs[n][s, d_inputs[n].shape[1] - units :])
                        clipped_back(d_cells[n][s], layers.cells[n][t + 1, b + s], options.limit)
                layer_back(
                    d_inputs[n], d_cells[n], layers.gates[n][t, b : b + 4], d_out, layers.inputs[n][t + 1, b : b + 4],
                    layers.inputs[n].shape[2] - units, layers.carried[n][t, b : b + 4], layers.weights[n], kinds[n],
                    count,
                )  # fmt: skip
