"""One sample's access to its memory in one DNC step, forward and backward: the fused twin of ``DNCCell.access``.

Memory is transposed, (width, rows), so that loops over its rows run along vectors.
"""

from typing import Any, NamedTuple

import numpy as np

from ..ntm.fused_heads import content, content_back
from ..ntm.fused_math import ONE, ZERO, Floats, kernel, loop
from ..ntm.fused_memory import copy, write, write_back
from ..ntm.fused_products import dot, dots, mix, mix_one
from .fused_dnc_interface import Options, ask_all, ask_all_back, places
from .fused_dnc_links import follow, follow_back, link, link_back
from .fused_dnc_memory import (
    Order,
    allocate,
    allocate_back,
    blend,
    blend_back,
    choose,
    choose_back,
    lengths,
    precede,
    precede_back,
    retain,
    retain_back,
    similar,
    similar_back,
    use,
    use_back,
)


class Trail(NamedTuple):
    """What the way forward leaves for the way back: (time, batch, ...); states have one more time, 0 before step 0."""

    raw: Floats  # (time, padded batch, interface)
    ask: Floats  # (.., interface)
    retained: Floats  # (.., rows) ψ
    usage: Floats  # (time + 1, .., rows) u
    order: Order  # (time + 1, .., rows) φ
    allocation: Floats  # (.., rows) a
    lengths: Floats  # (.., 2, rows) of the memory before and after the write
    similarity: Floats  # (.., 1 + reads, rows) the write head's, then the read heads'
    by_content: Floats  # likewise, c^w and c^r
    writing: Floats  # (time + 1, .., 1, rows) w^w
    precedence: Floats  # (time + 1, .., rows) p
    linked: Floats  # (.., 2 * reads, rows) b and f of every read head
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
    reading: Floats  # (reads, rows)
    linked: Floats  # (2 * reads, rows)
    rows: Floats  # (4, rows)
    erased: Floats  # (1, rows)


@kernel
def look_up(
    by_content: Floats, similarity: Floats, memory: Floats, norms: Floats, key: Floats, strength: float,
    options: Options,
) -> Any:  # fmt: skip
    """A content weighting."""
    similar(similarity, memory, norms, key, np.sqrt(dot(key, key) + options.damping), options.epsilon)
    content(by_content, similarity, strength)


@kernel
def look_up_back(
    d_key: Floats, d_memory: Floats, d_norms: Floats, d: Floats, by_content: Floats, similarity: Floats,
    memory: Floats, norms: Floats, key: Floats, strength: float, options: Options,
) -> Any:  # fmt: skip
    """``d`` is the gradient of the weighting, and is spent; gives that of the strength."""
    length = np.sqrt(dot(key, key) + options.damping)
    d_strength = content_back(d, by_content, similarity, strength)
    d_length = similar_back(d, d_norms, similarity, norms, length, options.epsilon)
    slope = d_length / length if length > ZERO else ZERO
    for m in range(key.shape[0]):
        d_key[m] = slope * key[m]
    dots(d_key, d, memory)
    for m in range(key.shape[0]):
        mix_one(d_memory[m], key[m], d)
    return d_strength


@kernel
def lengths_back(d_memory: Floats, memory: Floats, d_norms: Floats) -> Any:
    """``d_norms`` as ``similar_back`` leaves it."""
    for m in range(memory.shape[0]):
        scale_into(d_memory[m], memory[m], d_norms)


@kernel
def scale_into(out: Floats, a: Floats, b: Floats) -> Any:
    for n in range(out.shape[0]):
        out[n] += a[n] * b[n]


@kernel
def clear(row: Floats) -> Any:
    for n in range(row.shape[0]):
        row[n] = ZERO


@loop
def access(
    read: Floats, memory: Floats, links_after: Floats, links: Floats, trail: Trail, t: int, s: int, options: Options
) -> Any:  # fmt: skip
    """Sample s at time t: the memory is changed in place, what is read lands in ``read`` (reads * width,)."""
    reads, width = options.reads, options.width
    strengths, key, erase, vector, free, gates, modes = places(reads, width)
    ask, retained, before, writing = trail.ask[t, s], trail.retained[t, s], trail.reading[t, s], trail.writing[t + 1, s]
    norms, similarity, by_content = trail.lengths[t, s], trail.similarity[t, s], trail.by_content[t, s]
    linked, reading = trail.linked[t, s], trail.reading[t + 1, s]
    ask_all(ask, trail.raw[t, s], options)

    for n in range(retained.shape[0]):
        retained[n] = ONE
    for head in range(reads):
        retain(retained, before[head], ask[free + head])
    use(trail.usage[t + 1, s], trail.usage[t, s], trail.writing[t, s, 0], retained)
    for n in range(retained.shape[0]):
        trail.order[t + 1, s, n] = trail.order[t, s, n]
    allocate(trail.allocation[t, s], trail.order[t + 1, s], trail.usage[t + 1, s], options.least)
    lengths(norms[0], memory, options.damping)
    look_up(by_content[0], similarity[0], memory, norms[0], ask[key : erase - 1], ask[erase - 1], options)
    choose(writing[0], trail.allocation[t, s], by_content[0], ask[gates], ask[gates + 1])
    write(memory, writing, ask[erase:vector], ask[vector:free])

    if options.links:
        link(links_after, links, trail.precedence[t, s], writing[0])
        follow(linked, links_after, before)
        precede(trail.precedence[t + 1, s], trail.precedence[t, s], writing[0])
    lengths(norms[1], memory, options.damping)
    for head in range(reads):
        at = head * width
        look_up(
            by_content[1 + head], similarity[1 + head], memory, norms[1], ask[at : at + width], ask[strengths + head],
            options,
        )  # fmt: skip
        if options.links:
            blend(
                reading[head], linked[head], linked[reads + head], by_content[1 + head],
                ask[modes + 3 * head : modes + 3 * head + 3],
            )  # fmt: skip
        else:
            copy(reading[head], by_content[1 + head])
        clear(read[at : at + width])
        dots(read[at : at + width], reading[head], memory)


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
    strengths, key, erase, vector, free, gates, modes = places(reads, width)
    ask, retained, before, writing = trail.ask[t, s], trail.retained[t, s], trail.reading[t, s], trail.writing[t + 1, s]
    norms, similarity, by_content = trail.lengths[t, s], trail.similarity[t, s], trail.by_content[t, s]
    linked, reading = trail.linked[t, s], trail.reading[t + 1, s]
    d_ask, d_norms, d_row, d_retained, others = (
        scratch.ask, scratch.rows[0], scratch.rows[1], scratch.rows[2], scratch.rows[3],
    )  # fmt: skip

    clear(d_norms)
    for head in range(reads):
        at = head * width
        d_reading = d.reading[head]
        mix(d_reading, d_read[at : at + width], memory_after)
        for m in range(width):
            mix_one(d.memory[m], d_read[at + m], reading[head])
        if options.links:
            blend_back(
                d_ask[modes + 3 * head : modes + 3 * head + 3], scratch.linked[head], scratch.linked[reads + head],
                d_reading, linked[head], linked[reads + head], by_content[1 + head],
                ask[modes + 3 * head : modes + 3 * head + 3],
            )  # fmt: skip
        d_ask[strengths + head] = look_up_back(
            d_ask[at : at + width], d.memory, d_norms, d_reading, by_content[1 + head], similarity[1 + head],
            memory_after, norms[1], ask[at : at + width], ask[strengths + head], options,
        )  # fmt: skip
        clear(d_reading)
    lengths_back(d.memory, memory_after, d_norms)
    if options.links:
        precede_back(d.precedence, d.writing[0], trail.precedence[t, s], writing[0])
        follow_back(d.links, d.reading, scratch.linked, links_after, before)
        link_back(d.links, d.precedence, d.writing[0], links, trail.precedence[t, s], writing[0])

    write_back(
        d.memory, d.writing, d_ask[erase:vector], d_ask[vector:free], memory, writing, ask[erase:vector],
        ask[vector:free], scratch.erased,
    )  # fmt: skip
    d_ask[gates], d_ask[gates + 1] = choose_back(
        d_retained, d_row, d.writing[0], trail.allocation[t, s], by_content[0], ask[gates], ask[gates + 1]
    )
    allocate_back(d.usage, d_retained, trail.order[t + 1, s], trail.usage[t + 1, s], options.least, others)
    clear(d_norms)
    d_ask[erase - 1] = look_up_back(
        d_ask[key : erase - 1], d.memory, d_norms, d_row, by_content[0], similarity[0], memory, norms[0],
        ask[key : erase - 1], ask[erase - 1], options,
    )  # fmt: skip
    lengths_back(d.memory, memory, d_norms)
    use_back(d.usage, d.writing[0], d_retained, trail.usage[t, s], trail.writing[t, s, 0], retained, options.detached)
    for head in range(reads):
        for n in range(others.shape[0]):
            others[n] = ONE
        for other in range(reads):
            if other != head:
                retain(others, before[other], ask[free + other])
        d_ask[free + head] = retain_back(d.reading[head], d_retained, others, before[head], ask[free + head])
    ask_all_back(trail.raw[t, s], d_ask, ask, options)
