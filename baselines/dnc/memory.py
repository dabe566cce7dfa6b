"""The memory of a Differentiable Neural Computer: Graves et al. 2016 (Nature 538), Methods, as pure functions.

Shapes, throughout: ``memory`` (batch, rows, width); a weighting of heads (batch, heads, rows); ``usage`` (batch, rows);
``links`` (batch, write heads, rows, rows); gates and strengths (batch, heads, 1). A weighting sums to at most 1. The
paper has one write head; several are treated as in DeepMind's dnc repository (addressing.py, access.py).
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...ntm.addressing import cosine, dot, sharpen

Similarity = Callable[[Tensor, Tensor], Tensor]
"""(memory, keys) to (batch, heads, rows)."""

DAMPING = 1e-6
"""``_EPSILON`` of DeepMind's addressing.py, and ``_EPS`` of Csordas & Schmidhuber's code."""


def oneplus(x: Tensor) -> Tensor:
    """1 + log(1 + e^x), at least 1."""
    return 1 + softplus(x)


def damped_cosine(memory: Tensor, key: Tensor) -> Tensor:
    """DeepMind's cosine: smaller than the true one where a row or a key is short (about 1e-3)."""
    lengths = [(vectors.square().sum(dim=-1) + DAMPING).sqrt() for vectors in (key, memory)]
    return dot(memory, key) / (lengths[0][..., :, None] * lengths[1][..., None, :] + DAMPING)


SIMILARITIES: dict[str, Similarity] = {"plain": cosine, "damped": damped_cosine}


def content(
    memory: Tensor, key: Tensor, strength: Tensor, similarity: Similarity, mask: Tensor | None = None
) -> Tensor:
    """The content weighting C(M, k, β): a softmax over rows of ``strength * similarity``.

    Args:
        memory: (batch, rows, width).
        key: (batch, heads, width).
        strength: (batch, heads, 1).
        similarity: Of a row and a key.
        mask: In [0, 1], (batch, heads, width): the parts of key and rows that count (Csordas & Schmidhuber 2019).
    """
    if mask is None:
        similar = similarity(memory, key)
    else:
        similar = similarity(memory[..., None, :, :] * mask[..., None, :], (key * mask)[..., None, :]).squeeze(-2)
    return torch.softmax(strength * similar, dim=-1)


def retention(free: Tensor, reading: Tensor) -> Tensor:
    """How much of every row is not freed by what was read last, (batch, rows).

    Args:
        free: The read heads' free gates.
        reading: Their previous weightings.
    """
    return product(1 - free * reading)  # ψ_t = Π_i (1 - f^i_t w^{r,i}_{t-1})


def use(usage: Tensor, writing: Tensor, retained: Tensor) -> Tensor:
    """The next usage: rows written last come into use, rows freed go out of it.

    Args:
        usage: u_{t-1}.
        writing: The write heads' previous weightings.
        retained: ψ_t.
    """
    written = 1 - product(1 - writing)  # w^w_{t-1} where there is one write head
    return (usage + written - usage * written) * retained  # u_t


def allocate(usage: Tensor, least: float = 0.0) -> Tensor:
    """The allocation weighting: all on the least used rows, (batch, rows).

    The order of the rows is a constant to the gradient, as in the paper. Of equally used rows the first comes first.

    Args:
        usage: u_t.
        least: Usage is moved into [least, 1] before (DeepMind: 1e-6).
    """
    ascending, order = torch.sort(least + (1 - least) * usage, dim=-1, stable=True)  # φ_t
    allocated = (1 - ascending) * exclusive_product(ascending)  # a_t[φ_t[j]] = (1 - u_t[φ_t[j]]) Π_{i<j} u_t[φ_t[i]]
    return torch.zeros_like(usage).scatter(-1, order, allocated)


def write_weightings(
    by_content: Tensor, usage: Tensor, allocation_gate: Tensor, write_gate: Tensor, least: float = 0.0
) -> Tensor:
    """Where the write heads write: between free rows and the content weighting, scaled by the write gate.

    Each write head counts what the heads before it are about to allocate as used.
    """
    weightings = []
    for head in range(by_content.shape[-2]):
        allocation, gate = allocate(usage, least), allocation_gate[..., head, :]
        usage = usage + (1 - usage) * gate * write_gate[..., head, :] * allocation
        weightings.append(gate * allocation + (1 - gate) * by_content[..., head, :])
    return write_gate * torch.stack(weightings, dim=-2)  # w^w_t = g^w [g^a a_t + (1 - g^a) c^w_t]


def link(links: Tensor, precedence: Tensor, writing: Tensor) -> Tensor:
    """The next link matrices: ``links[..., i, j]`` is how far row i was written right after row j.

    Args:
        links: L_{t-1}.
        precedence: p_{t-1}, how far each row was the last one written, (batch, write heads, rows).
        writing: w^w_t.
    """
    to, origin = writing[..., :, None], writing[..., None, :]
    links = (1 - to - origin) * links + to * precedence[..., None, :]  # L_t[i, j], from w_i, w_j and p_j
    return links * (1 - torch.eye(links.shape[-1], dtype=links.dtype, device=links.device))  # L_t[i, i] = 0


def precede(precedence: Tensor, writing: Tensor) -> Tensor:
    """The next precedence weighting of every write head."""
    return (1 - writing.sum(dim=-1, keepdim=True)) * precedence + writing  # p_t


def follow(links: Tensor, reading: Tensor) -> tuple[Tensor, Tensor]:
    """The backward and the forward weighting of every read head along every write head's links.

    Args:
        links: L_t.
        reading: w^r_{t-1}.

    Returns:
        Two weightings (batch, read heads, write heads, rows).
    """
    backward = reading[..., None, :, :] @ links  # b_t = L_t^T w^r_{t-1}
    forward = reading[..., None, :, :] @ links.mT  # f_t = L_t w^r_{t-1}
    return backward.transpose(-2, -3), forward.transpose(-2, -3)


def read_weightings(
    by_content: Tensor, backward: Tensor, forward: Tensor, modes: Tensor, sharpness: Tensor | None = None
) -> Tensor:
    """Where the read heads read.

    Args:
        by_content: c^r_t.
        backward: b_t, as ``follow`` gives it.
        forward: f_t.
        modes: π_t (batch, read heads, 2 * write heads + 1): how far backward, forward and content count, in this
            order. (The paper's order is backward, content, forward; a name for a column, no more.)
        sharpness: At least 1, (batch, read heads, 2 * write heads): what backward and forward are raised to before
            they are normalised (Csordas & Schmidhuber 2019; their code adds 1e-6 before).
    """
    linked = torch.cat([backward, forward], dim=-2)
    if sharpness is not None:
        linked = sharpen(linked + DAMPING, sharpness[..., None])
    return (modes[..., :-1, None] * linked).sum(dim=-2) + modes[..., -1:] * by_content  # w^r_t = π1 b + π2 c + π3 f


def product(factors: Tensor) -> Tensor:
    """The product over heads of (batch, heads, rows); the gradient is right where a factor is zero."""
    return functools.reduce(torch.mul, factors.unbind(dim=-2))


def exclusive_product(factors: Tensor) -> Tensor:
    """For every element the product of those before it, along the last axis; the first is 1.

    Products of ever longer runs (Hillis & Steele 1986) rather than ``cumprod``, whose gradient takes one round a row
    as soon as a factor is zero, and unused rows are.
    """
    products, reach = torch.nn.functional.pad(factors[..., :-1], (1, 0), value=1.0), 1
    while reach < factors.shape[-1]:
        products = products * torch.nn.functional.pad(products[..., :-reach], (reach, 0), value=1.0)
        reach *= 2
    return products
