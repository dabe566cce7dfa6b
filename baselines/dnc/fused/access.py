"""One sample's access to its memory in one DNC step, forward and backward: the fused twin of ``DNCCell.access``.

Memory is transposed, (width, rows), so that loops over its rows run along vectors.
"""

from typing import Any, NamedTuple

import numpy as np

from ....ntm.fused.memory import write, write_back
from ....ntm.fused.weighting import sharpen, sharpen_back
from ....ntm.kernels.arrays import copy, copy_matrix
from ....ntm.kernels.math import ONE, ZERO, Floats, kernel, loop
from ....ntm.kernels.products import dots, mix, mix_one
from ..memory import DAMPING
from .content import look_up, look_up_back, weigh
from .interface import Options, ask_all, ask_all_back, places, sharpness_place
from .links import follow, follow_back, link, link_back
from .memory import (
    Order,
    allocate,
    allocate_back,
    blend,
    blend_back,
    choose,
    choose_back,
    free_rows,
    free_rows_back,
    precede,
    precede_back,
    retain,
    retain_back,
    use,
    use_back,
)

SHIFT = np.float32(DAMPING)


class Trail(NamedTuple):
    """What the way forward leaves for the way back: (time, batch, ...); states have one more time, 0 before step 0."""

    raw: Floats  # (time, padded batch, interface)
    ask: Floats  # (.., interface)
    retained: Floats  # (.., rows) ψ
    usage: Floats  # (time + 1, .., rows) u
    order: Order  # (time + 1, .., rows) φ
    allocation: Floats  # (.., rows) a
    lengths: Floats  # (.., 1 + reads, rows) of the rows: as the write head sees them, then the read heads
    similarity: Floats  # likewise
    by_content: Floats  # likewise, c^w and c^r
    writing: Floats  # (time + 1, .., 1, rows) w^w
    precedence: Floats  # (time + 1, .., rows) p
    linked: Floats  # (.., 2 * reads, rows) b of every read head, then f of every one
    sharp: Floats  # likewise, sharpened; without rows unless they are
    scales: Floats  # (.., 2 * reads, 2) what ``sharpen`` gives
    reading: Floats  # (time + 1, .., reads, rows) w^r


class Carried(NamedTuple):
    """The gradient of one sample's state, from step to step."""

    memory: Floats  # (width, rows)
    links: Floats  # (rows, rows)
    usage: Floats  # (rows,)
    precedence: Floats  # (rows,)
    writing: Floats  # (1, rows)
    reading: Floats  # (reads, rows)


class Scratch(NamedTuple):
    """Room for one sample's step."""

    ask: Floats  # (interface,)
    linked: Floats  # (2 * reads, rows)
    rows: Floats  # (5, rows)
    erased: Floats  # (1, rows)
    memory: Floats  # (width, rows)
    parts: Floats  # (2, width)


@kernel
def clear(row: Floats) -> Any:
    for n in range(row.shape[0]):
        row[n] = ZERO


@loop
def access(
    read: Floats, memory: Floats, links_after: Floats, links: Floats, trail: Trail, t: int, s: int, options: Options,
    parts: Floats,
) -> Any:  # fmt: skip
    """Sample s at time t: the memory is changed in place, what is read lands in ``read`` (reads * width,).

    Args:
        parts: Scratch, (2, width).
    """
    reads, width = options.reads, options.width
    strengths, key, erase, vector, free, gates, modes, masks = places(options)
    sharpness = sharpness_place(options)
    ask, retained, before, writing = trail.ask[t, s], trail.retained[t, s], trail.reading[t, s], trail.writing[t + 1, s]
    norms, similarity, by_content = trail.lengths[t, s], trail.similarity[t, s], trail.by_content[t, s]
    linked, reading = trail.linked[t, s], trail.reading[t + 1, s]
    squares, weighed = parts[0], parts[1]
    ask_all(ask, trail.raw[t, s], options)

    for n in range(retained.shape[0]):
        retained[n] = ONE
    for head in range(reads):
        retain(retained, before[head], ask[free + head])
    use(trail.usage[t + 1, s], trail.usage[t, s], trail.writing[t, s, 0], retained)
    for n in range(retained.shape[0]):
        trail.order[t + 1, s, n] = trail.order[t, s, n]
    allocate(trail.allocation[t, s], trail.order[t + 1, s], trail.usage[t + 1, s], options.least)
    weigh(squares, weighed, ask[key : erase - 1], ask, masks + reads * width, options.masked)
    look_up(
        by_content[0], similarity[0], norms[0], memory, ask[key : erase - 1], ask[erase - 1], squares, weighed, options
    )
    choose(writing[0], trail.allocation[t, s], by_content[0], ask[gates], ask[gates + 1])
    if options.deallocate:
        free_rows(memory, retained)
    write(memory, writing, ask[erase:vector], ask[vector:free])

    if options.links:
        link(links_after, links, trail.precedence[t, s], writing[0])
        follow(linked, links_after, before)
        precede(trail.precedence[t + 1, s], trail.precedence[t, s], writing[0])
    seen = trail.sharp[t, s] if options.sharpened else linked
    if options.sharpened:
        for k in range(2 * reads):
            excess = ask[sharpness + 2 * (k % reads) + k // reads]
            shifted(linked[k])
            trail.scales[t, s, k, 0], trail.scales[t, s, k, 1] = sharpen(seen[k], linked[k], excess)
    for head in range(reads):
        at, mode = head * width, modes + 3 * head
        weigh(squares, weighed, ask[at : at + width], ask, masks + at, options.masked)
        look_up(
            by_content[1 + head], similarity[1 + head], norms[1 + head], memory, ask[at : at + width],
            ask[strengths + head], squares, weighed, options,
        )  # fmt: skip
        if options.links:
            blend(reading[head], seen[head], seen[reads + head], by_content[1 + head], ask[mode : mode + 3])
        else:
            copy(reading[head], by_content[1 + head])
        clear(read[at : at + width])
        dots(read[at : at + width], reading[head], memory)


@kernel
def shifted(row: Floats) -> Any:
    for n in range(row.shape[0]):
        row[n] += SHIFT


@loop
def access_back(
    d: Carried, d_read: Floats, memory: Floats, memory_after: Floats, links: Floats, links_after: Floats,
    trail: Trail, t: int, s: int, options: Options, scratch: Scratch,
) -> Any:  # fmt: skip
    """``trail.raw[t, s]`` turns into its gradient, ``d`` from the gradient of the state after into that before.

    Args:
        d_read: The gradient of what was read.
        memory, memory_after, links, links_after: Before and after the step.
    """
    reads, width = options.reads, options.width
    strengths, key, erase, vector, free, gates, modes, masks = places(options)
    sharpness = sharpness_place(options)
    ask, retained, before, writing = trail.ask[t, s], trail.retained[t, s], trail.reading[t, s], trail.writing[t + 1, s]
    norms, similarity, by_content = trail.lengths[t, s], trail.similarity[t, s], trail.by_content[t, s]
    linked, reading = trail.linked[t, s], trail.reading[t + 1, s]
    squares, weighed = scratch.parts[0], scratch.parts[1]
    d_ask, d_linked, d_norms, d_row, d_retained, d_allocation, others = (
        scratch.ask, scratch.linked, scratch.rows[0], scratch.rows[1], scratch.rows[2], scratch.rows[3],
        scratch.rows[4],
    )  # fmt: skip

    seen = trail.sharp[t, s] if options.sharpened else linked
    for head in range(reads):
        at, mode, d_reading = head * width, modes + 3 * head, d.reading[head]
        mix(d_reading, d_read[at : at + width], memory_after)
        for m in range(width):
            mix_one(d.memory[m], d_read[at + m], reading[head])
        if options.links:
            blend_back(
                d_ask[mode : mode + 3], d_linked[head], d_linked[reads + head], d_reading,
                seen[head], seen[reads + head], by_content[1 + head], ask[mode : mode + 3],
            )  # fmt: skip
        weigh(squares, weighed, ask[at : at + width], ask, masks + at, options.masked)
        look_up_back(
            d_ask, d.memory, d_reading, d_norms, by_content[1 + head], similarity[1 + head], norms[1 + head],
            memory_after, ask, at, strengths + head, masks + at, squares, weighed, options,
        )  # fmt: skip
        clear(d_reading)
    if options.sharpened:
        for k in range(2 * reads):
            place = sharpness + 2 * (k % reads) + k // reads
            copy(d_row, d_linked[k])
            d_ask[place] = sharpen_back(
                d_linked[k], d_row, seen[k], linked[k], ask[place], trail.scales[t, s, k, 0], trail.scales[t, s, k, 1]
            )
    if options.links:
        precede_back(d.precedence, d.writing[0], trail.precedence[t, s], writing[0])
        follow_back(d.links, d.reading, d_linked, links_after, before)
        link_back(d.links, d.precedence, d.writing[0], links, trail.precedence[t, s], writing[0])

    clear(d_retained)
    freed = scratch.memory if options.deallocate else memory
    if options.deallocate:
        copy_matrix(freed, memory)
        free_rows(freed, retained)
    write_back(
        d.memory, d.writing, d_ask[erase:vector], d_ask[vector:free], freed, writing, ask[erase:vector],
        ask[vector:free], scratch.erased,
    )  # fmt: skip
    if options.deallocate:
        free_rows_back(d.memory, d_retained, memory, retained)
    d_ask[gates], d_ask[gates + 1] = choose_back(
        d_allocation, d_row, d.writing[0], trail.allocation[t, s], by_content[0], ask[gates], ask[gates + 1]
    )
    allocate_back(d.usage, d_allocation, trail.order[t + 1, s], trail.usage[t + 1, s], options.least, others)
    weigh(squares, weighed, ask[key : erase - 1], ask, masks + reads * width, options.masked)
    look_up_back(
        d_ask, d.memory, d_row, d_norms, by_content[0], similarity[0], norms[0], memory, ask, key, erase - 1,
        masks + reads * width, squares, weighed, options,
    )  # fmt: skip
    use_back(d.usage, d.writing[0], d_retained, trail.usage[t, s], trail.writing[t, s, 0], retained, options.detached)
    for head in range(reads):
        for n in range(others.shape[0]):
            others[n] = ONE
        for other in range(reads):
            if other != head:
                retain(others, before[other], ask[free + other])
        d_ask[free + head] = retain_back(d.reading[head], d_retained, others, before[head], ask[free + head])
    ask_all_back(trail.raw[t, s], d_ask, ask, options)
