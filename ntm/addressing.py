"""How a head chooses rows: Graves et al. 2014 (arXiv 1410.5401), equations 5 to 9, as pure functions.

Shapes, throughout: ``memory`` (batch, rows, width), ``key`` (batch, heads, width), a weighting
(batch, heads, rows); strength, gate and sharpness (batch, heads, 1); ``kernel`` (batch, heads, 2 * reach + 1).
"""

from typing import Literal

import torch
from torch import Tensor

Similarity = Literal["cosine", "dot"]

EPSILON = 1e-8
"""Keeps eq. 6 finite where a row or a key is zero. The value of Collier & Beel's released code."""


def cosine(memory: Tensor, key: Tensor) -> Tensor:
    """Cosine similarity of every key with every row (eq. 6): (batch, heads, rows), 0 where either is zero."""
    of_keys: Tensor = torch.linalg.vector_norm(key, dim=-1, keepdim=True)
    of_rows: Tensor = torch.linalg.vector_norm(memory, dim=-1, keepdim=True)
    return dot(memory, key) / (of_keys * of_rows.mT + EPSILON)  # K[u, v] = u . v / (|u| |v|)


def dot(memory: Tensor, key: Tensor) -> Tensor:
    """Inner product of every key with every row: (batch, heads, rows). What Collier's thesis code uses."""
    return key @ memory.mT


SIMILARITIES = {"cosine": cosine, "dot": dot}


def content(memory: Tensor, key: Tensor, strength: Tensor, similarity: Similarity = "cosine") -> Tensor:
    """The content weighting: a softmax over rows of ``strength * similarity`` (eq. 5)."""
    return torch.softmax(strength * SIMILARITIES[similarity](memory, key), dim=-1)  # w^c


def interpolate(by_content: Tensor, previous: Tensor, gate: Tensor, gated: bool = True) -> Tensor:
    """Between the content weighting (gate 1) and the previous weighting (gate 0) (eq. 7).

    Not gated, the content weighting counts whole (a defect of Ha 2017's code, which sharpening hides).
    """
    return (gate * by_content if gated else by_content) + (1 - gate) * previous  # w^g


def shift(weighting: Tensor, kernel: Tensor) -> Tensor:
    """Circular convolution of a weighting with a distribution over shifts (eq. 8).

    ``kernel[..., j]`` is the weight of moving the focus by ``j - reach`` rows; rows wrap round.
    """
    reach = kernel.shape[-1] // 2
    moved = [weighting.roll(by, dims=-1) for by in range(-reach, reach + 1)]
    return (torch.stack(moved, dim=-1) * kernel[..., None, :]).sum(dim=-1)


def sharpen(weighting: Tensor, sharpness: Tensor) -> Tensor:
    """Raise a weighting to the power ``sharpness`` >= 1 and normalise it again (eq. 9).

    Eq. 9 does not change when the weighting is scaled, so it is scaled to a largest element of 1 first: (1/128)^21
    would vanish in float32 and leave 0/0, 1^21 cannot. The scale is therefore a constant to the gradient as well.
    """
    tiny = torch.finfo(weighting.dtype).tiny
    scaled = weighting / weighting.detach().amax(dim=-1, keepdim=True).clamp_min(tiny)
    powered = scaled**sharpness
    return powered / powered.sum(dim=-1, keepdim=True).clamp_min(tiny)


def read(memory: Tensor, weighting: Tensor) -> Tensor:
    """What heads read from the memory (eq. 2): (batch, heads, width)."""
    return weighting @ memory


def write(memory: Tensor, weighting: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """Erase, then add (eqs 3 and 4); with several heads all erasures come before all additions.

    Args:
        memory: (batch, rows, width).
        weighting: (batch, heads, rows).
        erase: In [0, 1], (batch, heads, width).
        add: (batch, heads, width).
    """
    for head in range(weighting.shape[-2]):
        memory = memory * (1 - weighting[..., head, :, None] * erase[..., head, None, :])  # eq. 3
    return memory + weighting.mT @ add  # eq. 4
