"""The copy task (Graves et al. 2014, section 4.1; Collier & Beel 2018)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator

from ..core import Batch, Size
from .sizes import accepted, check, coins

LEAST = {"length": 1}
ENCODINGS = ("collier", "graves")


@dataclass(frozen=True)
class Copy:
    """See vectors of random bits, then say them again.

    Size (3,) with two bits, time from left to right:

                  vectors  end  answer
        inputs    1 0 1    1    . . .    bit 0
                  0 0 1    1    . . .    bit 1
                  . . .    1    . . .    marker
        targets   . . .    .    1 0 1    bit 0
                  . . .    .    0 0 1    bit 1
        scored    . . .    .    1 1 1

    That is ``collier`` (the thesis code behind the paper, 27 March 2018): the end step is all ones. In ``graves``
    it is marked on the marker's channel alone.

    Attributes:
        bits: Of a vector.
        train: Lengths trained on.
        test: Lengths tested on. The authors': 40 to 120.
        encoding: How the end of the vectors is marked.
    """

    bits: int = 8
    train: tuple[range] = (range(1, 21),)
    test: tuple[Size, ...] = ((40,), (60,), (80,), (100,), (120,))
    encoding: Literal["collier", "graves"] = "collier"

    def __post_init__(self) -> None:
        check(self, ENCODINGS)

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
        (length,) = accepted(self, size, LEAST)
        return 2 * length + 1

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length."""
        steps = self.steps(size)
        (length,) = size
        vectors = coins(length, batch, self.bits, generator=generator)
        inputs = torch.zeros(steps, batch, self.inputs)
        targets = torch.zeros(steps, batch, self.outputs)
        scored = torch.zeros(steps, batch)
        inputs[:length, :, : self.bits] = vectors
        inputs[length, :, 0 if self.encoding == "collier" else self.bits :] = 1
        targets[length + 1 :] = vectors
        scored[length + 1 :] = 1
        return Batch(inputs, targets, scored)
