"""Parity (Delétang et al. 2023; Grazzi et al. 2024): one bit of state, carried over the whole sequence."""

from dataclasses import dataclass

import torch
from torch import Generator

from ..protocols import Batch, Size
from .sizes import accepted, check, coins

LEAST = {"length": 1}


@dataclass(frozen=True)
class Parity:
    """See random bits one by one, then say whether the number of ones among them is odd.

    Size (4,), time from left to right:

                  bits     ask
        inputs    1 0 1 1  .    bit
                  . . . .  1    marker
        targets   . . . .  1
        scored    . . . .  1

    A sequence has one answer, read in the step that asks for it: of those who guess every second one is right.

    Attributes:
        train: Lengths trained on: 3 to 40, as in Grazzi et al. 2024.
        test: Lengths tested on, of theirs (40 to 256).
    """

    train: tuple[range] = (range(3, 41),)
    test: tuple[Size, ...] = ((40,), (128,), (256,))

    def __post_init__(self) -> None:
        check(self, counts=())

    @property
    def inputs(self) -> int:
        """The bit and the marker."""
        return 2

    @property
    def outputs(self) -> int:
        """The answer."""
        return 1

    def steps(self, size: Size) -> int:
        """Length + 1."""
        (length,) = accepted(self, size, LEAST)
        return length + 1

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length."""
        steps = self.steps(size)
        bits = coins(steps - 1, batch, generator=generator)
        inputs, targets, scored = (torch.zeros(steps, batch, channels) for channels in (2, 1, 1))
        inputs[:-1, :, 0] = bits
        inputs[-1, :, 1] = 1
        targets[-1, :, 0] = bits.sum(dim=0) % 2
        scored[-1] = 1
        return Batch(inputs, targets, scored[..., 0])
