"""Copying again and again in one sequence (Graves et al. 2016, extended data figure 1)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator

from ..protocols import Batch, Size
from .copy import ENCODINGS, Copy
from .sizes import accepted, check

LEAST = {"length": 1, "times": 1}


@dataclass(frozen=True)
class Copies:
    """See vectors and say them again; then other vectors, and so on: what was said is not needed again.

    Size (2, 2), twice two vectors, with one bit, time from left to right:

                  turn                  turn
                  vectors  end  answer  vectors  end  answer
        inputs    1 0      .    . .     0 1      .    . .     bit 0
                  . .      1    . .     . .      1    . .     marker
        targets   . .      .    1 0     . .      .    0 1     bit 0
        scored    . .      .    1 1     . .      .    1 1

    Every turn is a sequence of ``Copy``; nothing marks its end.

    Attributes:
        bits: Of a vector.
        train: Lengths of a turn, and numbers of turns, trained on.
        test: Lengths and turns tested on.
        encoding: How the end of a turn's vectors is marked, as in ``Copy``.
    """

    bits: int = 6
    train: tuple[range, range] = (range(1, 6), range(1, 11))
    test: tuple[Size, ...] = ((5, 10),)
    encoding: Literal["collier", "graves"] = "graves"

    def __post_init__(self) -> None:
        check(self, ENCODINGS)

    @property
    def turn(self) -> Copy:
        """The task of one turn."""
        return Copy(self.bits, (self.train[0],), (), self.encoding)

    @property
    def inputs(self) -> int:
        """The bits and the marker."""
        return self.turn.inputs

    @property
    def outputs(self) -> int:
        """The bits."""
        return self.turn.outputs

    def steps(self, size: Size) -> int:
        """Those of a turn, so many times."""
        length, times = accepted(self, size, LEAST)
        return times * self.turn.steps((length,))

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length and number of turns."""
        length, times = accepted(self, size, LEAST)
        turns = [self.turn.sample((length,), batch, generator) for _ in range(times)]
        return Batch(*(torch.cat(parts) for parts in zip(*turns, strict=True)))
