"""The priority sort task (Graves et al. 2014, section 4.5)."""

from dataclasses import dataclass

import torch
from torch import Generator

from ..protocols import Batch, Size
from .sizes import accepted, check, coins

LEAST = {"vectors": 1, "answers": 1}


@dataclass(frozen=True)
class Sort:
    """See vectors of random bits, each with a priority, then say those of the highest, the highest first.

    Size (4, 3), four vectors of which three are said, with two bits; time from left to right:

                  vectors           end  answer
        inputs    1    0   1   0    .    . . .    bit 0
                  1    0   0   1    .    . . .    bit 1
                  -.3  .9  .2  -.8  .    . . .    priority
                  .    .   .   .    1    . . .    marker
        targets   .    .   .   .    .    0 1 1    bit 0
                  .    .   .   .    .    0 0 1    bit 1
        scored    .    .   .   .    .    1 1 1

    Priorities are uniform in [-1, 1]. That vectors have 8 bits and the answer no end is not printed: it follows from
    the numbers of parameters in the paper's tables.

    Attributes:
        bits: Of a vector.
        train: Numbers of vectors shown, and of vectors said, trained on. The paper's: 20 and 16.
        test: Tested on.
    """

    bits: int = 8
    train: tuple[range, range] = (range(20, 21), range(16, 17))
    test: tuple[Size, ...] = ((20, 16),)

    def __post_init__(self) -> None:
        check(self)

    @property
    def inputs(self) -> int:
        """The bits, the priority and the marker."""
        return self.bits + 2

    @property
    def outputs(self) -> int:
        """The bits."""
        return self.bits

    def steps(self, size: Size) -> int:
        """The vectors, the marker, the answers."""
        shown, answers = accepted(self, size, LEAST)
        if answers > shown:
            raise ValueError(f"Sort: size {size!r}: accepted are up to {shown} answers of {shown} vectors")
        return shown + 1 + answers

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this many vectors and answers."""
        steps = self.steps(size)
        shown, answers = size
        vectors = coins(shown, batch, self.bits, generator=generator)
        priorities = 2 * torch.rand(shown, batch, generator=generator) - 1
        highest = priorities.argsort(dim=0, descending=True, stable=True)[
            :answers
        ]  # whole vectors, not column by column
        inputs = torch.zeros(steps, batch, self.inputs)
        targets = torch.zeros(steps, batch, self.outputs)
        scored = torch.zeros(steps, batch)
        inputs[:shown, :, : self.bits] = vectors
        inputs[:shown, :, self.bits] = priorities
        inputs[shown, :, self.bits + 1] = 1
        targets[shown + 1 :] = vectors[highest, torch.arange(batch)]
        scored[shown + 1 :] = 1
        return Batch(inputs, targets, scored)
