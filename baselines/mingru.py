"""minGRU and minLSTM (Feng et al. 2024, "Were RNNs all we needed?"): gates that see the input alone, never the state.

Checked against the authors' BorealisAI/minRNNs (ff52e9d), whose layers always end in a linear one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..ntm.weights import linear
from .blocks import Network, counts, network
from .scan import scan


@dataclass(frozen=True)
class MinGRU:
    """Blocks x + Linear(h), where h is one minGRU layer over norm(x); linear layers in and out.

    Attributes:
        layers: How many blocks.
        width: Channels between blocks.
        expansion: Units of a layer for every channel.
        positive: What is written is made positive, and so is every state: the authors' code, whose scan needs
            logarithms of it. Otherwise it is free, as in the paper's equations.
        convolution: Whether a short convolution stands before every layer.

    Raises:
        ValueError: A number below one.
    """

    layers: int = 1
    width: int = 64
    expansion: int = 2
    positive: bool = False
    convolution: bool = False

    def __post_init__(self) -> None:
        counts(self, "layers", "width", "expansion")

    def layer(self, seed: int, name: str) -> nn.Module:
        """One of them."""
        return MinGRULayer(self, seed, name)

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The network ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        layers = [self.layer(seed, f"layer.{n}") for n in range(self.layers)]
        return network(inputs, outputs, self.width, layers, seed, self.convolution)

    def state_size(self, steps: int) -> int:
        """Units of every layer, and what short convolutions keep."""
        return self.layers * self.width * (self.expansion + (3 if self.convolution else 0))


@dataclass(frozen=True)
class MinLSTM(MinGRU):
    """The same of minLSTM layers.

    Attributes:
        normalised: Forget and input gate are divided by their sum, as in the paper; else each stands for itself.
        forget_bias: Where the bias of the forget gate starts.
    """

    normalised: bool = True
    forget_bias: float = 0.0

    def layer(self, seed: int, name: str) -> nn.Module:
        return MinLSTMLayer(self, seed, name)


class MinGRULayer(nn.Module):
    """z = σ(W x); h = (1 - z) ⊙ h + z ⊙ n, with n = W x, or g(W x) where it is positive; gives a linear layer of h."""

    gates = 1

    def __init__(self, spec: MinGRU, seed: int, name: str) -> None:
        super().__init__()
        self.units, self.positive = spec.expansion * spec.width, spec.positive
        self.inlet = linear(spec.width, (self.gates + 1) * self.units, seed, f"{name}.inlet")
        self.outlet = linear(self.units, spec.width, seed, f"{name}.outlet")

    def begin(self, batch: int) -> Tensor:
        """(batch, units) of zeros."""
        return self.outlet.weight.new_zeros(batch, self.units)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        *gates, written = self.inlet(x).chunk(self.gates + 1, dim=-1)
        if self.positive:
            written = positive(written)
        keep, write = self.gated(*gates)
        h = scan(keep, write * written, state)
        return self.outlet(h), h[-1]

    def gated(self, *gates: Tensor) -> tuple[Tensor, Tensor]:
        """How much of the state is kept, and how much is written."""
        z = torch.sigmoid(gates[0])
        return 1 - z, z


class MinLSTMLayer(MinGRULayer):
    """f, i = σ(W x); h = f' ⊙ h + i' ⊙ n, with f' = f / (f + i) and i' = i / (f + i)."""

    gates = 2

    def __init__(self, spec: MinLSTM, seed: int, name: str) -> None:
        super().__init__(spec, seed, name)
        self.normalised = spec.normalised
        nn.init.constant_(self.inlet.bias.detach()[: self.units], spec.forget_bias)

    def gated(self, *gates: Tensor) -> tuple[Tensor, Tensor]:
        f, i = gates
        if not self.normalised:
            return torch.sigmoid(f), torch.sigmoid(i)
        keep = torch.sigmoid(softplus(-i) - softplus(-f))  # log f - log i, which is exact where both are tiny
        return keep, 1 - keep


def positive(x: Tensor) -> Tensor:
    """g: x + 1/2 from 0 on, σ(x) below."""
    return torch.where(x >= 0, x + 0.5, torch.sigmoid(x))
