"""The interface of one sample, a row of numbers in the order of ``dnc_cell.Interface``, forward and backward."""

from typing import Any, NamedTuple

from ....ntm.fused.heads import sigmoid_back, softmax_back
from ....ntm.kernels.arrays import copy
from ....ntm.kernels.layers import sigmoid_all
from ....ntm.kernels.math import ONE, ZERO, Floats, exp, kernel, maximum, sigmoid, softplus


class Options(NamedTuple):
    """What a DNC's fields mean in numbers."""

    reads: int
    width: int
    links: bool
    plus: Any  # added to strengths: 1 for oneplus, 0 for softplus
    damping: Any  # added to every squared length
    epsilon: Any  # added to the cosine's denominator
    least: Any  # usage before allocation
    detached: bool  # no gradient into usage from what was written
    limit: Any  # of an LSTM's cells
    masked: bool
    deallocate: bool
    sharpened: bool


@kernel
def places(options: Options) -> Any:
    """Where in the interface these parts begin: strengths, write key, erase, write, free gates, gates, modes, masks."""
    strengths = options.reads * options.width
    key = strengths + options.reads
    erase = key + options.width + 1
    free = erase + 2 * options.width
    modes = free + options.reads + 2
    masks = modes + 3 * options.reads if options.links else modes
    return strengths, key, erase, erase + options.width, free, free + options.reads, modes, masks


@kernel
def sharpness_place(options: Options) -> Any:
    """Where the sharpness of b and f of every read head begins; each is kept as what it exceeds 1 by."""
    masks = places(options)[7]
    return masks + (options.reads + 1) * options.width if options.masked else masks


@kernel
def ask_all(ask: Floats, raw: Floats, options: Options) -> Any:
    """The ranges of the interface."""
    strengths, key, erase, vector, free, _, modes, masks = places(options)
    sharpness = sharpness_place(options)
    copy(ask, raw)
    for j in range(strengths, key):
        ask[j] = options.plus + softplus(ask[j])
    ask[erase - 1] = options.plus + softplus(ask[erase - 1])
    sigmoid_all(ask[erase:vector])
    sigmoid_all(ask[free:modes])
    for head in range(modes, masks, 3):
        softmax(ask[head : head + 3])
    sigmoid_all(ask[masks:sharpness])
    for j in range(sharpness, ask.shape[0]):
        ask[j] = softplus(ask[j])


@kernel
def softmax(row: Floats) -> Any:
    """In place."""
    largest = maximum(row, ONE, row[0])
    total = ZERO
    for j in range(row.shape[0]):
        row[j] = exp(row[j] - largest)
        total += row[j]
    scale = ONE / total
    for j in range(row.shape[0]):
        row[j] *= scale


@kernel
def ask_all_back(d_raw: Floats, d_ask: Floats, ask: Floats, options: Options) -> Any:
    """``d_raw`` holds the raw interface and turns into its gradient."""
    strengths, key, erase, vector, free, _, modes, masks = places(options)
    sharpness = sharpness_place(options)
    for j in range(strengths, key):
        d_ask[j] *= sigmoid(d_raw[j])
    d_ask[erase - 1] *= sigmoid(d_raw[erase - 1])
    sigmoid_back(d_ask[erase:vector], ask[erase:vector])
    sigmoid_back(d_ask[free:modes], ask[free:modes])
    for head in range(modes, masks, 3):
        softmax_back(d_ask[head : head + 3], ask[head : head + 3])
    sigmoid_back(d_ask[masks:sharpness], ask[masks:sharpness])
    for j in range(sharpness, ask.shape[0]):
        d_ask[j] *= sigmoid(d_raw[j])
    copy(d_raw, d_ask)
