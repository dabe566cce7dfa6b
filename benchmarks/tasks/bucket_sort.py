"""Sorting symbols of a small alphabet (Delétang et al. 2023, bucket sort)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from ..objectives import Objective, Tokens
from ..protocols import Batch, Size
from .sizes import accepted, check, vectors

LEAST = {"length": 1}


@dataclass(frozen=True)
class BucketSort:
    """See symbols of an ordered alphabet, then say them in their order.

    Size (4,), of the symbols 0 to 4, each a one-hot vector; asking has a channel of its own. Time from left to right:

                  symbols  end  answer
        inputs    3 0 4 0  ?    . . . .
        targets   . . . .  .    0 0 3 4
        scored    . . . .  .    1 1 1 1

    How often each symbol came is all that has to be known: counters suffice.

    Attributes:
        symbols: Of the alphabet. The authors': 5.
        train: Lengths trained on. The authors': 1 to 40; ours are shorter.
        test: Lengths tested on. The authors': 41 to 500.
    """

    objective: ClassVar[Objective] = Tokens()

    symbols: int = 5
    train: tuple[range] = (range(1, 21),)
    test: tuple[Size, ...] = ((20,), (40,), (80,))

    def __post_init__(self) -> None:
        check(self, counts=("symbols",))

    @property
    def inputs(self) -> int:
        """The symbols, and the marker."""
        return self.symbols + 1

    @property
    def outputs(self) -> int:
        """The symbols."""
        return self.symbols

    def steps(self, size: Size) -> int:
        """2 length + 1."""
        (length,) = accepted(self, size, LEAST)
        return 2 * length + 1

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length."""
        steps, (length,) = self.steps(size), size
        drawn = torch.randint(self.symbols, (length, batch), generator=generator)
        inputs, targets = torch.zeros(steps, batch, self.inputs), torch.zeros(steps, batch, self.outputs)
        inputs[:length, :, : self.symbols] = vectors(drawn, self.symbols)
        inputs[length, :, self.symbols] = 1
        targets[length + 1 :] = vectors(drawn.sort(dim=0).values, self.symbols)
        scored = torch.zeros(steps, batch)
        scored[length + 1 :] = 1
        return Batch(inputs, targets, scored)
