"""Counting and arithmetic modulo a number (Delétang et al. 2023; Grazzi et al. 2024): a group kept over a sequence."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from ..core import Batch, Size
from ..objectives import Objective, Tokens
from .sizes import accepted, check, coins, vectors

OPERATORS = "+-*"


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
        bits = coins(self.steps(size) - 1, batch, generator=generator)
        return asked(bits[..., None], bits.sum(dim=0).long() % self.modulus, self.modulus)


@dataclass(frozen=True)
class ModularArithmetic:
    """See an expression of digits, +, - and *, without brackets, then say its value modulo a number.

    Size (3,), three digits, modulo 5; every symbol is a one-hot vector, asking has a channel of its own. Time from left
    to right:

                  expression  ask
        inputs    4 - 2 * 3   ?
        targets   . . . . .   3    -2 modulo 5
        scored    . . . . .   1

    Digits and operators are drawn independently. * goes before + and -, as in the code of Delétang et al.

    Attributes:
        modulus: Digits are below it. The authors': 5.
        train: Digits of an expression trained on: lengths 3 to 39, of the 3 to 40 of Grazzi et al. 2024.
        test: Tested on, of their lengths 40 to 256.
    """

    objective: ClassVar[Objective] = Tokens()

    modulus: int = 5
    train: tuple[range] = (range(2, 21),)
    test: tuple[Size, ...] = ((20,), (64,), (128,))

    def __post_init__(self) -> None:
        check(self, counts=("modulus",))

    @property
    def inputs(self) -> int:
        """Digits, operators, asking."""
        return self.modulus + len(OPERATORS) + 1

    @property
    def outputs(self) -> int:
        """The digits."""
        return self.modulus

    def steps(self, size: Size) -> int:
        """2 digits: the expression, and asking."""
        (digits,) = accepted(self, size, {"digits": 1})
        return 2 * digits

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw expressions of so many digits."""
        symbols = torch.zeros(self.steps(size) - 1, batch, dtype=torch.long)
        digits, operators = symbols[::2], symbols[1::2]
        digits[:] = torch.randint(self.modulus, digits.shape, generator=generator)
        drawn = torch.randint(len(OPERATORS), operators.shape, generator=generator)
        operators[:] = drawn + self.modulus
        return asked(vectors(symbols, self.inputs - 1), value(digits, drawn, self.modulus), self.modulus)


def value(digits: Tensor, operators: Tensor, modulus: int) -> Tensor:
    """Of expressions, (batch,), of digits (n, batch) and places in ``OPERATORS`` between them (n - 1, batch)."""
    total, term = torch.zeros_like(digits[0]), digits[0]
    for digit, operator in zip(digits[1:], operators, strict=True):
        times, signed = operator == 2, torch.where(operator == 1, -digit, digit)
        total = torch.where(times, total, total + term)
        term = torch.where(times, term * digit, signed) % modulus
    return (total + term) % modulus


def asked(shown: Tensor, answer: Tensor, symbols: int) -> Batch:
    """A batch of what is shown (time, batch, channels), one step that asks, and in it the answer (batch,)."""
    steps, batch, channels = shown.shape
    inputs = torch.zeros(steps + 1, batch, channels + 1)
    inputs[:-1, :, :-1] = shown
    inputs[-1, :, -1] = 1
    targets, scored = torch.zeros(steps + 1, batch, symbols), torch.zeros(steps + 1, batch)
    targets[-1], scored[-1] = vectors(answer, symbols), 1
    return Batch(inputs, targets, scored)
