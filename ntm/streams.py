"""Randomness as a pure function of names.

No module of membench draws from a global generator. Whoever needs randomness names what it is for, and
gets a generator of its own: a tensor's first value does not move when another tensor is added, and two
models that share a controller start from the same controller.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator

FIRST: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
"""How first values are drawn, whatever torch's default type and device are: a seed means the same numbers anywhere."""


def stream(*parts: int | str) -> Generator:
    """A CPU generator seeded by a hash of its arguments.

    Args:
        parts: What the randomness is for, from the general to the particular: ``stream(seed, "weights", "heads")``.

    Returns:
        A fresh generator; equal arguments give equal draws on every platform. PyTorch's generator takes 32 bits of the
        hash, so among a hundred thousand streams one or two are expected to be alike.
    """
    digest = hashlib.sha256("\x1f".join(f"{type(part).__name__}:{part}" for part in parts).encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def own_seed(seed: int | None) -> int:
    """The seed; or, where there is none, one drawn from torch's generator, so that no two layers are alike."""
    return int(torch.randint(2**63 - 1, (), dtype=torch.int64, device="cpu")) if seed is None else seed


@contextmanager
def seeded(*parts: int | str) -> Iterator[None]:
    """Plain ``torch.nn`` modules draw their first values from a stream meanwhile; their generator is put back after.

    with seeded(seed):
        layer = nn.GRU(9, 128)

    Args:
        parts: As of ``stream``.
    """
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(stream(*parts).initial_seed())  # the CPU's alone: modules are built there
    try:
        yield
    finally:
        torch.set_rng_state(before)
