"""What an answer is: how many nats logits are away from it, when it is wrong, and what guessing comes to.

Every function takes logits and targets of one shape, (..., outputs), and says nothing of which steps are scored.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, pad

FULL = 32
"""Floats that torch computes at a time, where vectors are longest; what is left over it rounds otherwise."""


class Objective(Protocol):
    """What a task asks for in a scored step."""

    @property
    def noun(self) -> str:
        """What one answer is called."""
        ...

    @property
    def unit(self) -> str:
        """What ``nats`` counts."""
        ...

    def answers(self, outputs: int) -> int:
        """Answers of a step."""
        ...

    def nats(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of every answer, (..., answers)."""
        ...

    def wrong(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Whether an answer is wrong, (..., answers)."""
        ...

    def probabilities(self, logits: Tensor) -> Tensor:
        """What a model says, (..., outputs)."""
        ...

    def slope(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The gradient of the summed nats by the logits, (..., outputs), as fused steps need it."""
        ...

    def chance(self, outputs: int) -> float:
        """The share of answers that is wrong when guessing."""
        ...

    def guess(self, outputs: int) -> float:
        """Nats that an answer costs when guessing."""
        ...


@dataclass(frozen=True)
class Bits:
    """Every output is a bit of its own: 1 where its logit is above 0."""

    noun: ClassVar[str] = "bit"
    unit: ClassVar[str] = "nats"

    def answers(self, outputs: int) -> int:
        """One an output."""
        return outputs

    def nats(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of every bit, (..., outputs)."""
        return binary_cross_entropy_with_logits(logits, targets, reduction="none")

    def wrong(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Every bit, (..., outputs)."""
        return (logits > 0) != (targets > 0.5)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of a 1, (..., outputs)."""
        return torch.sigmoid(logits)

    def slope(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Autograd's to the last bit where the logits of all samples fill ``FULL`` without a rest, on one thread."""
        more = -logits.numel() % FULL
        if more:
            probabilities = torch.sigmoid(pad(logits.flatten(), (0, more)))[:-more].view_as(logits)
        else:
            probabilities = torch.sigmoid(logits.contiguous())
        return probabilities.sub_(targets)

    def chance(self, outputs: int) -> float:
        """Half of them."""
        return 0.5

    def guess(self, outputs: int) -> float:
        """One bit, in nats."""
        return math.log(2)


@dataclass(frozen=True)
class Tokens:
    """The outputs are the symbols of a vocabulary, one of which is meant, and said where its logit is the largest.

    Targets are one-hot.
    """

    noun: ClassVar[str] = "token"
    unit: ClassVar[str] = "nats"

    def answers(self, outputs: int) -> int:
        """One a step."""
        return 1

    def nats(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of every symbol, (..., 1)."""
        return -(logits.log_softmax(dim=-1) * targets).sum(dim=-1, keepdim=True)

    def wrong(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Every symbol, (..., 1)."""
        return (logits.argmax(dim=-1) != targets.argmax(dim=-1))[..., None]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of every symbol of the vocabulary, (..., outputs)."""
        return logits.softmax(dim=-1)

    def slope(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The probabilities less the targets, where there is a target."""
        return logits.contiguous().softmax(dim=-1).sub_(targets)

    def chance(self, outputs: int) -> float:
        """All but one in so many."""
        return 1 - 1 / outputs

    def guess(self, outputs: int) -> float:
        """The logarithm of the vocabulary."""
        return math.log(outputs)


@dataclass(frozen=True)
class Squares:
    """The outputs are a vector, which is to be near the target: half the squared distance counts (Schlag et al. 2021).

    Where targets are one-hot, an answer is wrong that is nearer to another of them.
    """

    noun: ClassVar[str] = "vector"
    unit: ClassVar[str] = "half squared distance"

    def answers(self, outputs: int) -> int:
        """One a step."""
        return 1

    def nats(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Half the squared distance, (..., 1); as nats, those of a normal distribution around what was said."""
        return 0.5 * (logits - targets).square().sum(dim=-1, keepdim=True)

    def wrong(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Every vector, (..., 1)."""
        return (logits.argmax(dim=-1) != targets.argmax(dim=-1))[..., None]

    def probabilities(self, logits: Tensor) -> Tensor:
        """What was said, (..., outputs)."""
        return logits

    def slope(self, logits: Tensor, targets: Tensor) -> Tensor:
        """What is said less what is meant."""
        return logits - targets

    def chance(self, outputs: int) -> float:
        """All but one in so many."""
        return 1 - 1 / outputs

    def guess(self, outputs: int) -> float:
        """Of the vector in the middle of all that may be meant."""
        return 0.5 * (1 - 1 / outputs)
