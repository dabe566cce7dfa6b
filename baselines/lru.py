"""The linear recurrent unit (Orvieto et al. 2023): a complex diagonal that no input changes.

First values and the block around it are those of NicolasZucchet/minimal-LRU (bbd71b1). Being time-invariant it stands
for S4 and S5 as well, which differ in parametrisation.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from ..ntm.streams import FIRST, stream
from ..ntm.weights import linear
from .blocks import Network, counts, network
from .scan import scan


@dataclass(frozen=True)
class LRU:
    """Blocks x + GLU(GELU(LRU(norm(x)))), linear layers in and out.

    Attributes:
        layers: How many blocks.
        width: Channels between blocks.
        units: Complex units of every layer.
        ring: Between which magnitudes the diagonal begins, uniform over the area; close to 1 for long memories.
        phase: Up to which phase.
        convolution: Whether a short convolution stands before every layer.

    Raises:
        ValueError: A number below one; a ring that is none within the unit circle; no phase.
    """

    layers: int = 2
    width: int = 64
    units: int = 64
    ring: tuple[float, float] = (0.0, 1.0)
    phase: float = 2 * math.pi
    convolution: bool = False

    def __post_init__(self) -> None:
        counts(self, "layers", "width", "units")
        least, most = self.ring
        if not 0 <= least < most <= 1:
            raise ValueError(f"LRU(ring={self.ring}): two magnitudes are needed, 0 <= least < most <= 1")
        if not 0 < self.phase <= 2 * math.pi:
            raise ValueError(f"LRU(phase={self.phase}): a number above 0 is needed, of at most 2 pi")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The network ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        layers = [LRULayer(self, seed, f"lru.{n}") for n in range(self.layers)]
        return network(inputs, outputs, self.width, layers, seed, self.convolution)

    def state_size(self, steps: int) -> int:
        """Real and imaginary part of every unit, and what short convolutions keep."""
        return self.layers * (2 * self.units + (3 * self.width if self.convolution else 0))


class LRULayer(nn.Module):
    """h = λ ⊙ h + exp(γ) ⊙ (B x); y = Re(C h) + D ⊙ x, with λ = exp(-exp(ν) + i exp(θ)); gives GLU(GELU(y)).

    The state is h, complex.
    """

    def __init__(self, spec: LRU, seed: int, name: str) -> None:
        super().__init__()
        width, units, (least, most) = spec.width, spec.units, spec.ring

        def uniform(which: str) -> Tensor:
            drawn = torch.rand(units, generator=stream(seed, "weights", f"{name}.{which}"), **FIRST)
            return drawn.clamp(1e-6, 1 - 1e-6)  # finite logarithms

        def normal(which: str, *shape: int, std: float) -> nn.Parameter:
            drawn = torch.randn(shape, generator=stream(seed, "weights", f"{name}.{which}"), **FIRST)
            return nn.Parameter(drawn * std)

        squared = uniform("nu") * (most**2 - least**2) + least**2  # |λ|²
        self.nu = nn.Parameter(torch.log(-0.5 * torch.log(squared)))
        self.theta = nn.Parameter(torch.log(spec.phase * uniform("theta")))
        self.gamma = nn.Parameter(0.5 * torch.log1p(-squared))  # |λ| near 1 would otherwise fill h with its past
        self.B = normal("B", 2 * units, width, std=(2 * width) ** -0.5)  # rows: real and imaginary part, in turns
        self.C = normal("C", width, 2 * units, std=units**-0.5)  # columns likewise
        self.D = normal("D", width, std=1.0)
        self.outlet = linear(width, 2 * width, seed, f"{name}.outlet")  # a value and its gate

    def begin(self, batch: int) -> Tensor:
        """(batch, units) of zeros."""
        zeros = self.nu.new_zeros(batch, len(self.nu))
        return torch.complex(zeros, zeros)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        decay = torch.polar(torch.exp(-torch.exp(self.nu)), torch.exp(self.theta))  # λ
        written = (x @ self.B.T).view(*x.shape[:2], -1, 2) * torch.exp(self.gamma)[:, None]
        write = torch.view_as_complex(written)
        h = scan(decay.expand_as(write), write, state)
        y = torch.view_as_real(h).flatten(-2) @ self.C.T + self.D * x  # Re(C h): C's imaginary part is stored negated
        value, gate = self.outlet(gelu(y)).chunk(2, dim=-1)
        return value * torch.sigmoid(gate), h[-1]
