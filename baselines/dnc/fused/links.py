"""The DNC's link matrix of one sample, forward and backward: most of a step's arithmetic.

Four rows at a time where there are four, since all rows share what lies along them: the weighting, the precedence and
their gradients are loaded once for four. That halves the time of the plain loop over rows.
"""

from typing import Any

from ....ntm.kernels.math import ONE, ZERO, Floats, kernel
from ....ntm.kernels.products import dot, mix_one


@kernel
def link(after: Floats, before: Floats, precedence: Floats, writing: Floats) -> Any:
    """L."""
    rows = before.shape[0]
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        link_four(
            after[i], after[i + 1], after[i + 2], after[i + 3], before[i], before[i + 1], before[i + 2], before[i + 3],
            precedence, writing, i,
        )  # fmt: skip
    for i in range(whole, rows):
        link_row(after[i], before[i], precedence, writing, writing[i])
    for i in range(rows):
        after[i, i] = ZERO


@kernel
def link_four(
    l0: Floats, l1: Floats, l2: Floats, l3: Floats, k0: Floats, k1: Floats, k2: Floats, k3: Floats,
    precedence: Floats, writing: Floats, i: int,
) -> Any:  # fmt: skip
    """Rows i to i + 3 of L, from those of the step before."""
    w0, w1, w2, w3 = writing[i], writing[i + 1], writing[i + 2], writing[i + 3]
    for j in range(l0.shape[0]):
        p, rest = precedence[j], ONE - writing[j]
        l0[j] = (rest - w0) * k0[j] + w0 * p
        l1[j] = (rest - w1) * k1[j] + w1 * p
        l2[j] = (rest - w2) * k2[j] + w2 * p
        l3[j] = (rest - w3) * k3[j] + w3 * p


@kernel
def link_row(after: Floats, before: Floats, precedence: Floats, writing: Floats, to: float) -> Any:
    for j in range(after.shape[0]):
        after[j] = (ONE - writing[j] - to) * before[j] + to * precedence[j]


@kernel
def follow(linked: Floats, links: Floats, reading: Floats) -> Any:
    """``linked`` (2 * read heads, rows): b of every read head, then f of every one."""
    rows, reads = links.shape[0], reading.shape[0]
    whole = rows - rows % 4
    for head in range(reads):
        backward, forward = linked[head], linked[reads + head]
        for n in range(rows):
            backward[n] = ZERO
        for i in range(0, whole, 4):
            follow_four(backward, forward, reading[head], links[i], links[i + 1], links[i + 2], links[i + 3], i)
        for i in range(whole, rows):
            forward[i] = dot(links[i], reading[head])
            mix_one(backward, reading[head, i], links[i])


@kernel
def follow_four(
    backward: Floats, forward: Floats, reading: Floats, l0: Floats, l1: Floats, l2: Floats, l3: Floats, i: int
) -> Any:  # fmt: skip
    """What rows i to i + 3 of L add to b, and these four of f."""
    r0, r1, r2, r3 = reading[i], reading[i + 1], reading[i + 2], reading[i + 3]
    f0, f1, f2, f3 = ZERO, ZERO, ZERO, ZERO
    for j in range(l0.shape[0]):
        f0 += l0[j] * reading[j]
        f1 += l1[j] * reading[j]
        f2 += l2[j] * reading[j]
        f3 += l3[j] * reading[j]
        backward[j] += r0 * l0[j] + r1 * l1[j] + r2 * l2[j] + r3 * l3[j]
    forward[i], forward[i + 1], forward[i + 2], forward[i + 3] = f0, f1, f2, f3


@kernel
def follow_back(d_links: Floats, d_reading: Floats, d_linked: Floats, links: Floats, reading: Floats) -> Any:
    """Adds to the gradient of L, its diagonal too: ``link_back`` drops that."""
    rows, reads = links.shape[0], reading.shape[0]
    whole = rows - rows % 4
    for head in range(reads):
        d_backward, d_forward = d_linked[head], d_linked[reads + head]
        for i in range(0, whole, 4):
            follow_four_back(
                d_links[i], d_links[i + 1], d_links[i + 2], d_links[i + 3], d_reading[head], d_backward, d_forward,
                links[i], links[i + 1], links[i + 2], links[i + 3], reading[head], i,
            )  # fmt: skip
        for i in range(whole, rows):
            mix_one(d_links[i], reading[head, i], d_backward)
            mix_one(d_links[i], d_forward[i], reading[head])
            mix_one(d_reading[head], d_forward[i], links[i])
            d_reading[head, i] += dot(links[i], d_backward)


@kernel
def follow_four_back(
    d0: Floats, d1: Floats, d2: Floats, d3: Floats, d_reading: Floats, d_backward: Floats, d_forward: Floats,
    l0: Floats, l1: Floats, l2: Floats, l3: Floats, reading: Floats, i: int,
) -> Any:  # fmt: skip
    r0, r1, r2, r3 = reading[i], reading[i + 1], reading[i + 2], reading[i + 3]
    f0, f1, f2, f3 = d_forward[i], d_forward[i + 1], d_forward[i + 2], d_forward[i + 3]
    s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
    for j in range(d0.shape[0]):
        r, b = reading[j], d_backward[j]
        d0[j] += r0 * b + f0 * r
        d1[j] += r1 * b + f1 * r
        d2[j] += r2 * b + f2 * r
        d3[j] += r3 * b + f3 * r
        s0 += l0[j] * b
        s1 += l1[j] * b
        s2 += l2[j] * b
        s3 += l3[j] * b
        d_reading[j] += f0 * l0[j] + f1 * l1[j] + f2 * l2[j] + f3 * l3[j]
    d_reading[i] += s0
    d_reading[i + 1] += s1
    d_reading[i + 2] += s2
    d_reading[i + 3] += s3


@kernel
def link_back(
    d_links: Floats, d_precedence: Floats, d_writing: Floats, before: Floats, precedence: Floats, writing: Floats
) -> Any:  # fmt: skip
    """``d_links`` turns into the gradient of L before the step."""
    rows = before.shape[0]
    for i in range(rows):
        d_links[i, i] = ZERO
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        link_four_back(
            d_links[i], d_links[i + 1], d_links[i + 2], d_links[i + 3], d_precedence, d_writing,
            before[i], before[i + 1], before[i + 2], before[i + 3], precedence, writing, i,
        )  # fmt: skip
    for i in range(whole, rows):
        d_writing[i] += link_row_back(d_links[i], d_precedence, d_writing, before[i], precedence, writing, writing[i])


@kernel
def link_four_back(
    d0: Floats, d1: Floats, d2: Floats, d3: Floats, d_precedence: Floats, d_writing: Floats,
    k0: Floats, k1: Floats, k2: Floats, k3: Floats, precedence: Floats, writing: Floats, i: int,
) -> Any:  # fmt: skip
    w0, w1, w2, w3 = writing[i], writing[i + 1], writing[i + 2], writing[i + 3]
    s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
    for j in range(d0.shape[0]):
        p, rest = precedence[j], ONE - writing[j]
        g0, g1, g2, g3 = d0[j], d1[j], d2[j], d3[j]
        lost0, lost1, lost2, lost3 = g0 * k0[j], g1 * k1[j], g2 * k2[j], g3 * k3[j]
        s0 += g0 * p - lost0
        s1 += g1 * p - lost1
        s2 += g2 * p - lost2
        s3 += g3 * p - lost3
        d_writing[j] -= lost0 + lost1 + lost2 + lost3
        d_precedence[j] += g0 * w0 + g1 * w1 + g2 * w2 + g3 * w3
        d0[j] = g0 * (rest - w0)
        d1[j] = g1 * (rest - w1)
        d2[j] = g2 * (rest - w2)
        d3[j] = g3 * (rest - w3)
    d_writing[i] += s0
    d_writing[i + 1] += s1
    d_writing[i + 2] += s2
    d_writing[i + 3] += s3


@kernel
def link_row_back(
    d_row: Floats, d_precedence: Floats, d_writing: Floats, before: Floats, precedence: Floats, writing: Floats,
    to: float,
) -> Any:  # fmt: skip
    """Gives the gradient of ``to``."""
    d_to = ZERO
    for j in range(d_row.shape[0]):
        d = d_row[j]
        lost = d * before[j]
        d_to += d * precedence[j] - lost
        d_writing[j] -= lost
        d_precedence[j] += d * to
        d_row[j] = d * (ONE - writing[j] - to)
    return d_to
