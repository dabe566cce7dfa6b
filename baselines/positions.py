"""Where a step is, for layers that see no order by themselves: rotations, and biases of attention."""

import math

import torch
from torch import Tensor

BUCKETS = 32
FURTHEST = 128
"""T5's: distances below 16 have a bucket each, those to 128 share 16 more, all beyond are in the last."""


def rotated(x: Tensor, first: Tensor | int) -> Tensor:
    """Vectors (..., time, size) turned by their positions: pair i, channels i and i + size/2, by p 10000^(-2i/size).

    The product of two of them then depends on how far apart they are (Su et al. 2021, RoPE).

    Args:
        first: The position of the first step, (...), or of all.
    """
    steps, size = x.shape[-2:]
    theta = 10_000.0 ** (torch.arange(0, size, 2, dtype=x.dtype, device=x.device) / -size)
    places = torch.arange(steps, dtype=x.dtype, device=x.device)
    if isinstance(first, Tensor):
        first = first.to(x.dtype)[..., None]
    angles = (places + first)[..., None] * theta
    (one, other), cos, sin = x.chunk(2, dim=-1), angles.cos(), angles.sin()
    return torch.cat([one * cos - other * sin, one * sin + other * cos], dim=-1)


def distances(queries: int, keys: int, device: torch.device) -> Tensor:
    """How many steps a key lies before a query, (queries, keys); the last query is at the last key."""
    return torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)


def slopes(heads: int, device: torch.device) -> Tensor:
    """What a step of distance costs, (heads,): 2^(-8 h / heads), h from 1 on (Press et al. 2022, ALiBi)."""
    return 2.0 ** (-8 * torch.arange(1, heads + 1, device=device) / heads)


def buckets(distance: Tensor) -> Tensor:
    """Which of the buckets a distance from 0 on lies in (Raffel et al. 2020, T5, looking back only)."""
    exact = BUCKETS // 2
    far = (distance.clamp_min(1) / exact).log() / math.log(FURTHEST / exact) * (BUCKETS - exact)
    return torch.where(distance < exact, distance, (exact + far.long()).clamp_max(BUCKETS - 1))
