"""Counting modulo a number (Grazzi et al. 2024): a group kept over a sequence."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from ..objectives import Objective, Tokens
from ..protocols import Batch, Size
from .sizes import accepted, check, coins, vectors


@dataclass(frozen=True)
class ModularCounting:
    """See random bits one by one, then say how many ones there were, modulo a number.

    Size (4,), time from left to right:

                  bits     ask
        inputs    1 0 1 1  .    bit
                  . . . .  1    marker
        targets   . . . .  0    symbol, one-hot: 3 modulo 3
        scored    . . . .  1

    ``Parity`` is the same modulo 2, its answer a bit.

    Attributes:
        modulus: The number.
        train: Lengths trained on: 3 to 40, as in Grazzi et al. 2024.
        test: Lengths tested on, of theirs (40 to 256).
    """

    objective: ClassVar[Objective] = Tokens()

    modulus: int = 3
    train: tuple[range] = (range(3, 41),)
    test: tuple[Size, ...] = ((40,), (128,), (256,))

    def __post_init__(self) -> None:
        check(self, counts=("modulus",))

    @property
    def inputs(self) -> int:
        """The bit and the marker."""
        return 2

    @property
    def outputs(self) -> int:
        """The remainders."""
        return self.modulus

    def steps(self, size: Size) -> int:
        """Length + 1."""
        (length,) = accepted(self, size, {"length": 1})
        return length + 1

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length."""
        length = self.steps(size) - 1
        bits = coins(length, batch, generator=generator)
        inputs, scored = torch.zeros(length + 1, batch, 2), torch.zeros(length + 1, batch)
        inputs[:-1, :, 0], inputs[-1, :, 1], scored[-1] = bits, 1, 1
        targets = torch.zeros(length + 1, batch, self.modulus)
        targets[-1] = vectors(bits.sum(dim=0).long() % self.modulus, self.modulus)
        return Batch(inputs, targets, scored)
