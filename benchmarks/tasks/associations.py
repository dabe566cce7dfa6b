"""Associations (Schlag et al. 2021, section 6.1): how many pairs a memory holds, and which of two it keeps."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from ..objectives import Objective, Squares
from ..protocols import Batch, Size
from .sizes import accepted, check, vectors

LEAST = {"pairs": 1}


@dataclass(frozen=True)
class Associations:
    """See pairs of a key and a value, then a key, and say the value that it had last.

    Size (4,), four pairs, of 3 keys and 3 values that return; symbols are numbers here, inputs and targets one-hot.
    Time from left to right:

        inputs    0 2 0 1  0    key
                  2 1 0 1  .    value
        targets   . . . .  0
        scored    . . . .  1

    What is judged is half the squared distance from the value's one-hot vector; whoever says nothing is 0.5 away.

    Attributes:
        symbols: Keys that there are, and values.
        again: Whether keys and values return within a sequence; if not, there are as many pairs as keys at most.
        train: Numbers of pairs trained on.
        test: Tested on.
    """

    objective: ClassVar[Objective] = Squares()

    symbols: int = 20
    again: bool = False
    train: tuple[range] = (range(20, 21),)
    test: tuple[Size, ...] = ((20,),)

    def __post_init__(self) -> None:
        check(self, counts=("symbols",))

    @property
    def inputs(self) -> int:
        """A key and a value."""
        return 2 * self.symbols

    @property
    def outputs(self) -> int:
        """A value."""
        return self.symbols

    def steps(self, size: Size) -> int:
        """The pairs and the question."""
        (pairs,) = accepted(self, size, LEAST)
        if not self.again and pairs > self.symbols:
            raise ValueError(f"Associations: size {size!r}, again=False: accepted are up to {self.symbols} pairs")
        return pairs + 1

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this many pairs."""
        steps, symbols = self.steps(size), self.symbols
        if self.again:
            keys, values = torch.randint(symbols, (2, batch, steps - 1), generator=generator)
        else:
            keys, values = torch.rand(2, batch, symbols, generator=generator).argsort(-1)[..., : steps - 1]
        asked = torch.randint(steps - 1, (batch, 1), generator=generator)
        key = keys.gather(1, asked)
        places = torch.arange(steps - 1).expand_as(keys)
        last = torch.where(keys == key, places, -1).amax(1, keepdim=True)
        value = values.gather(1, last)

        pairs = torch.cat([vectors(keys, symbols), vectors(values, symbols)], dim=-1)
        question = torch.cat([vectors(key, symbols), torch.zeros(batch, 1, symbols)], dim=-1)
        inputs = torch.cat([pairs, question], dim=1).transpose(0, 1).contiguous()
        targets, scored = torch.zeros(steps, batch, symbols), torch.zeros(steps, batch)
        targets[-1], scored[-1] = vectors(value[:, 0], symbols), 1.0
        return Batch(inputs, targets, scored)

    def floor(self, batch: Batch) -> Tensor:
        """None, (batch,): every value can be known, but how far off it is matters, not only which is nearest."""
        return torch.zeros_like(batch.scored[0])
