"""The gated recurrent unit (Cho et al. 2014), in the form of PyTorch and cuDNN, which is the one that everybody runs.

Cho's own applies the reset gate before the matrix, n = tanh(W x + U (r ⊙ h)); this one after it, and has a bias there.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .blocks import Network, counts, drawn, network


@dataclass(frozen=True)
class GRU:
    """Blocks of one GRU layer each: x + GRU(norm(x)), between linear layers in and out.

    Attributes:
        layers: How many blocks.
        width: Channels, and units of every layer.
        convolution: Whether a short convolution stands before every layer.

    Raises:
        ValueError: No layers or no width.
    """

    layers: int = 1
    width: int = 64
    convolution: bool = False

    def __post_init__(self) -> None:
        counts(self, "layers", "width")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The network ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        layers = [GRULayer(self.width, seed, f"gru.{n}") for n in range(self.layers)]
        return network(inputs, outputs, self.width, layers, seed, self.convolution)

    def state_size(self, steps: int) -> int:
        """Units of every layer, and what short convolutions keep."""
        return self.layers * self.width * (4 if self.convolution else 1)


class GRULayer(nn.Module):
    """r, z = σ(W x + b + U h + b'); n = tanh(W x + b + r ⊙ (U h + b')); h = (1 - z) ⊙ n + z ⊙ h; gives h.

    One layer of ``torch.nn.GRU``, its names and its first values: all uniform within 1/sqrt(units). The state is h.
    """

    def __init__(self, width: int, seed: int, name: str) -> None:
        super().__init__()

        def part(which: str, *shape: int) -> nn.Parameter:
            return drawn(3 * width, *shape, bound=width**-0.5, seed=seed, name=f"{name}.{which}")

        self.weight_ih, self.weight_hh = part("weight_ih", width), part("weight_hh", width)  # rows r, z, n
        self.bias_ih, self.bias_hh = part("bias_ih"), part("bias_hh")

    def begin(self, batch: int) -> Tensor:
        """(batch, width) of zeros."""
        return self.weight_hh.new_zeros(batch, self.weight_hh.shape[1])

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        weights: list[Tensor] = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]
        y, last = torch.gru(x, state[None], weights, True, 1, 0.0, torch.is_grad_enabled(), False, False)
        return y, last[0]
