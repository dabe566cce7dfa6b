"""Selective copying (Gu & Dao 2023, Mamba, appendix E.1; its code was not released)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from ..objectives import Objective, Tokens
from ..protocols import Batch, Size
from .sizes import accepted, check, vectors

LEAST = {"steps": 1, "tokens": 1}


@dataclass(frozen=True)
class SelectiveCopy:
    """See a few symbols at random places in noise, then say them in their order.

    Size (7, 3), seven steps with three symbols among them, of the symbols A to D. Each stands for a one-hot vector;
    noise has a channel of its own. Time from left to right:

                  shown          answer
        inputs    ~ C ~ ~ A C ~  ? ? ?
        targets   . . . . . . .  C A C
        scored    . . . . . . .  1 1 1

    Where the symbols are is different in every sequence: what does not choose by what it sees keeps noise as well.

    Attributes:
        symbols: To choose from. The authors' vocabulary of 16 has two more, for noise and for asking.
        train: Steps shown, and symbols among them, trained on. The authors': 4096 and 16; ours are shorter.
        test: Tested on.
    """

    objective: ClassVar[Objective] = Tokens()

    symbols: int = 14
    train: tuple[range, range] = (range(64, 65), range(8, 9))
    test: tuple[Size, ...] = ((64, 8), (128, 8))

    def __post_init__(self) -> None:
        check(self, counts=("symbols",))

    @property
    def inputs(self) -> int:
        """The symbols, noise, and asking."""
        return self.symbols + 2

    @property
    def outputs(self) -> int:
        """The symbols."""
        return self.symbols

    def steps(self, size: Size) -> int:
        """Those shown, and one an answer."""
        shown, tokens = accepted(self, size, LEAST)
        if tokens > shown:
            raise ValueError(f"SelectiveCopy: size {size!r}: accepted are up to {shown} symbols in {shown} steps")
        return shown + tokens

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this many steps and symbols."""
        steps = self.steps(size)
        shown, tokens = size
        drawn = torch.randint(self.symbols, (tokens, batch), generator=generator)
        places = torch.rand(shown, batch, generator=generator).argsort(dim=0)[:tokens].sort(dim=0).values
        inputs = torch.full((steps, batch), self.symbols)  # noise
        inputs.scatter_(0, places, drawn)
        inputs[shown:] = self.symbols + 1  # asking
        targets, scored = torch.zeros(steps, batch, self.symbols), torch.zeros(steps, batch)
        targets[shown:] = vectors(drawn, self.symbols)
        scored[shown:] = 1
        return Batch(vectors(inputs, self.symbols + 2), targets, scored)
