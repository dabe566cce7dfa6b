"""The copy task (Graves et al. 2014, section 4.1; Collier & Beel 2018)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator

from ..protocols import Batch, Size
from .sizes import accepted, check, coins

LEAST = {"length": 1}
ENCODINGS = ("collier", "graves", "flags")


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
    it is marked on the marker's channel alone. In ``flags`` vectors stand between a start and a stop, each on a channel
    of its own, and the answer ends with a scored step that is 1 on one more output. The paper's numbers of parameters
    ask for these two channels more and this output more; that they are two flags and an end is how others read it:

                  start  vectors  stop  answer  end
        inputs    .      1 0 1    .     . . .   .    bit 0
                  .      0 0 1    .     . . .   .    bit 1
                  1      . . .    .     . . .   .    start
                  .      . . .    1     . . .   .    stop
        targets   .      . . .    .     1 0 1   .    bit 0
                  .      . . .    .     0 0 1   .    bit 1
                  .      . . .    .     . . .   1    end
        scored    .      . . .    .     1 1 1   1

    Attributes:
        bits: Of a vector.
        train: Lengths trained on.
        test: Lengths tested on. The authors': 40 to 120.
        encoding: How the vectors are bounded, and whether the end is to be said.
    """

    bits: int = 8
    train: tuple[range] = (range(1, 21),)
    test: tuple[Size, ...] = ((40,), (60,), (80,), (100,), (120,))
    encoding: Literal["collier", "graves", "flags"] = "collier"

    def __post_init__(self) -> None:
        check(self, ENCODINGS)

    @property
    def inputs(self) -> int:
        """The bits and the markers."""
        return self.bits + 1 + self.flags

    @property
    def outputs(self) -> int:
        """The bits, and where it is scored the end."""
        return self.bits + self.flags

    @property
    def flags(self) -> bool:
        """Whether there is a start, and an end to be said."""
        return self.encoding == "flags"

    def steps(self, size: Size) -> int:
        """2 length + 1, and two for start and end."""
        (length,) = accepted(self, size, LEAST)
        return 2 * length + 1 + 2 * self.flags

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length."""
        steps = self.steps(size)
        (length,) = size
        vectors = coins(length, batch, self.bits, generator=generator)
        inputs = torch.zeros(steps, batch, self.inputs)
        targets = torch.zeros(steps, batch, self.outputs)
        scored = torch.zeros(steps, batch)
        begin = int(self.flags)
        stop = begin + length
        inputs[:begin, :, self.bits] = 1
        inputs[begin:stop, :, : self.bits] = vectors
        inputs[stop, :, 0 if self.encoding == "collier" else self.bits + self.flags :] = 1
        targets[stop + 1 : stop + 1 + length, :, : self.bits] = vectors
        targets[stop + 1 + length :, :, self.bits :] = 1
        scored[stop + 1 :] = 1
        return Batch(inputs, targets, scored)
