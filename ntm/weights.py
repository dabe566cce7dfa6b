"""How the weights of a layer begin, as data: a law for its matrix, a scheme for its bias."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from .memory import Bounded, Random, Zeros, first
from .streams import FIRST, stream


@dataclass(frozen=True)
class Truncated:
    """Normal with std 1/sqrt(inputs), redrawn beyond two of them (released code: heads and output)."""


@dataclass(frozen=True)
class Glorot:
    """Of variance gain^2 * 2 / (inputs + outputs) (Glorot & Bengio 2010); torch calls it Xavier's."""

    gain: float = 1.0
    law: Literal["uniform", "normal"] = "uniform"


Matrix = Truncated | Glorot | Bounded
Bias = Zeros | Bounded | Random


@dataclass(frozen=True)
class Weights:
    """How a layer begins.

    Raises:
        ValueError: A law or a scheme that is none of theirs, one to be trained, or one behind a squash.
    """

    matrix: Matrix = field(default_factory=Truncated)
    bias: Bias = field(default_factory=Zeros)

    def __post_init__(self) -> None:
        fixed = not getattr(self.matrix, "trainable", False) and not getattr(self.bias, "trainable", False)
        if not isinstance(self.matrix, Matrix) or not isinstance(self.bias, Bias) or not fixed:
            accepted = "Truncated, Glorot or Bounded for a matrix; Zeros, Bounded or Random for a bias"
            raise ValueError(f"{self}: accepted are {accepted}, none of them trainable: a layer's weights always are")
        if getattr(self.bias, "squash", False):
            raise ValueError(f"{self}: a bias has no squash; accepted is Random(std, squash=False)")


def matrix(law: Matrix, outputs: int, inputs: int, seed: int, name: str, apart: Sequence[int] = ()) -> Tensor:
    """A first matrix, (outputs, inputs), from the stream of its seed and name.

    Args:
        apart: Where layers of others lie in this one, the outputs of the layer that each row belongs to.
    """
    drawn, generator = torch.empty(outputs, inputs, **FIRST), stream(seed, "weights", name)
    match law:
        case Truncated():
            std = inputs**-0.5
            nn.init.trunc_normal_(drawn, std=std, a=-2 * std, b=2 * std, generator=generator)
        case Bounded(bound=bound):
            drawn.uniform_(-bound, bound, generator=generator)
        case Glorot(gain=gain, law="uniform"):
            nn.init.xavier_uniform_(drawn, gain, generator)
        case Glorot(gain=gain):
            nn.init.xavier_normal_(drawn, gain, generator)
    if isinstance(law, Glorot) and apart:
        own = torch.tensor(apart, **FIRST)
        drawn *= ((inputs + outputs) / (inputs + own)).sqrt()[:, None]
    return drawn


def bias(scheme: Bias, outputs: int, seed: int, name: str) -> Tensor:
    """A first bias, (outputs,)."""
    return first(scheme, (outputs,), stream(seed, "biases", name))


def linear(
    inputs: int,
    outputs: int,
    seed: int,
    name: str,
    biased: bool = True,
    weights: Weights = Weights(),
    apart: Sequence[int] = (),
) -> nn.Linear:
    """A linear layer; see ``matrix``."""
    layer = nn.Linear(inputs, outputs, biased, device="meta", dtype=torch.float32)
    layer.to_empty(device="cpu")  # drawn once, from our stream
    with torch.no_grad():
        layer.weight.copy_(matrix(weights.matrix, outputs, inputs, seed, name, apart))
        if biased:
            layer.bias.copy_(bias(weights.bias, outputs, seed, name))
    return layer
