"""Saying it twice (Delétang et al. 2023, duplicate string; here of vectors of bits)."""

from dataclasses import dataclass

import torch
from torch import Generator

from ..protocols import Batch, Size
from .copy import Copy
from .sizes import check


@dataclass(frozen=True)
class Duplicate:
    """See vectors of random bits, then say them again, twice.

    Size (3,) with two bits, time from left to right:

                  vectors  end  answer
        inputs    1 0 1    .    . . . . . .    bit 0
                  0 0 1    .    . . . . . .    bit 1
                  . . .    1    . . . . . .    marker
        targets   . . .    .    1 0 1 1 0 1    bit 0
                  . . .    .    0 0 1 0 0 1    bit 1
        scored    . . .    .    1 1 1 1 1 1

    But for the second time it is ``Copy`` in its ``graves`` encoding. A queue suffices for the first time; for the
    second what was said has to be kept. The authors' strings are of one bit, with a channel for each of its values and
    none for a marker.

    Attributes:
        bits: Of a vector.
        train: Lengths trained on. The authors': 1 to 40; ours are shorter.
        test: Lengths tested on. The authors': 41 to 500.
    """

    bits: int = 1
    train: tuple[range] = (range(1, 21),)
    test: tuple[Size, ...] = ((20,), (40,), (80,))

    def __post_init__(self) -> None:
        check(self)

    @property
    def once(self) -> Copy:
        """The same, said once."""
        return Copy(self.bits, encoding="graves")

    @property
    def inputs(self) -> int:
        """The bits and the marker."""
        return self.bits + 1

    @property
    def outputs(self) -> int:
        """The bits."""
        return self.bits

    def steps(self, size: Size) -> int:
        """3 length + 1."""
        return self.once.steps(size) + size[0]

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length."""
        inputs, targets, scored = self.once.sample(size, batch, generator)
        (length,) = size
        return Batch(
            torch.cat([inputs, torch.zeros_like(inputs[:length])]),
            torch.cat([targets, targets[-length:]]),
            torch.cat([scored, scored[-length:]]),
        )
