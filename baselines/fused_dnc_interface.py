"""The interface of one sample, a row of numbers in the order of ``dnc_cell.Interface``, forward and backward."""

from typing import Any, NamedTuple

from ..ntm.fused_heads import sigmoid_all, sigmoid_back, softmax, softmax_back
from ..ntm.fused_math import Floats, kernel, sigmoid, softplus
from ..ntm.fused_memory import copy


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


@kernel
def places(reads: int, width: int) -> Any:
    """Where in the interface the parts after the read keys begin."""
    strengths = reads * width
    key = strengths + reads
    erase = key + width + 1
    free = erase + 2 * width
    return strengths, key, erase, erase + width, free, free + reads, free + reads + 2


@kernel
def ask_all(ask: Floats, raw: Floats, options: Options) -> Any:
    """The ranges of the interface."""
    reads, width = options.reads, options.width
    strengths, key, erase, vector, free, _, modes = places(reads, width)
    copy(ask, raw)
    for j in range(strengths, key):
        ask[j] = options.plus + softplus(ask[j])
    ask[erase - 1] = options.plus + softplus(ask[erase - 1])
    sigmoid_all(ask[erase:vector])
    sigmoid_all(ask[free:modes])
    if options.links:
        for head in range(reads):
            softmax(ask[modes + 3 * head : modes + 3 * head + 3])


@kernel
def ask_all_back(d_raw: Floats, d_ask: Floats, ask: Floats, options: Options) -> Any:
    """``d_raw`` holds the raw interface and turns into its gradient."""
    reads, width = options.reads, options.width
    strengths, key, erase, vector, free, _, modes = places(reads, width)
    for j in range(strengths, key):
        d_ask[j] *= sigmoid(d_raw[j])
    d_ask[erase - 1] *= sigmoid(d_raw[erase - 1])
    sigmoid_back(d_ask[erase:vector], ask[erase:vector])
    sigmoid_back(d_ask[free:modes], ask[free:modes])
    if options.links:
        for head in range(reads):
            softmax_back(d_ask[modes + 3 * head : modes + 3 * head + 3], ask[modes + 3 * head : modes + 3 * head + 3])
    copy(d_raw, d_ask)
