"""Saying it backwards (Delétang et al. 2023, reverse string; here of vectors of bits)."""

from dataclasses import dataclass

from torch import Generator

from ..protocols import Batch, Size
from .copy import Copy
from .sizes import check


@dataclass(frozen=True)
class Reverse:
    """See vectors of random bits, then say them again, the last one first.

    Size (3,) with two bits, time from left to right:

                  vectors  end  answer
        inputs    1 0 1    .    . . .    bit 0
                  0 0 1    .    . . .    bit 1
                  . . .    1    . . .    marker
        targets   . . .    .    1 0 1    bit 0
                  . . .    .    1 0 0    bit 1
        scored    . . .    .    1 1 1

    But for the order of the answer it is ``Copy`` in its ``graves`` encoding. A stack suffices, where copying takes a
    queue. Lengths of training and test are our choice.

    Attributes:
        bits: Of a vector.
        train: Lengths trained on.
        test: Lengths tested on.
    """

    bits: int = 8
    train: tuple[range] = (range(1, 21),)
    test: tuple[Size, ...] = ((40,), (80,), (120,))

    def __post_init__(self) -> None:
        check(self)

    @property
    def forwards(self) -> Copy:
        """The same without the turn."""
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
        """2 length + 1."""
        return self.forwards.steps(size)

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length."""
        inputs, targets, scored = self.forwards.sample(size, batch, generator)
        (length,) = size
        targets[length + 1 :] = targets[length + 1 :].flip(0)
        return Batch(inputs, targets, scored)
