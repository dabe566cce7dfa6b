"""sLSTM (Beck et al. 2024, "xLSTM"): an LSTM with exponential input gates, a normaliser, and memory mixing in heads.

First values and the block around the layer are those of NX-AI/xlstm (032a6fb).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, logsigmoid

from ..ntm.streams import FIRST
from ..ntm.weights import linear
from .blocks import Block, Network, ShortConvolution, counts, drawn

Cell = tuple[Tensor, Tensor, Tensor, Tensor]
"""c, n, m and h, each (batch, width)."""

State = tuple[Cell, Tensor | tuple[()]]
"""And what a short convolution keeps, where there is one."""


@dataclass(frozen=True)
class SLSTM:
    """Pairs of blocks, x + sLSTM(norm(x)) and x + MLP(norm(x)), between linear layers in and out.

    Attributes:
        layers: How many pairs.
        width: Channels, and units of every layer.
        heads: Within which units see each other's last values.
        convolution: Whether a short convolution stands before the input and forget gates. The authors' code: yes; their
            formal languages: no.
        recurrence: The matrices over the last values begin as zeros, as by default in the code, or uniform within
            1/sqrt(width), its other choice.
        bias: Where the forget gates' biases begin: from 5 down to -7 over the units of a head by a power law, as by
            default in the code; evenly from 3 to 6; or uniform within 1/sqrt(width), as then all biases.
        expansion: Units of the MLP, gated by GELU, for every channel; None for no MLP.

    Raises:
        ValueError: A number below one, heads that do not divide the width, or an unknown choice.
    """

    layers: int = 1
    width: int = 64
    heads: int = 4
    convolution: bool = False
    recurrence: Literal["zeros", "standard"] = "zeros"
    bias: Literal["power", "even", "standard"] = "power"
    expansion: float | None = 4 / 3

    def __post_init__(self) -> None:
        counts(self, "layers", "width", "heads")
        if self.width % self.heads:
            raise ValueError(f"SLSTM(width={self.width}, heads={self.heads}): the heads do not divide the width")
        for name, known in (("recurrence", ("zeros", "standard")), ("bias", ("power", "even", "standard"))):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"SLSTM({name}={value!r}): one of {', '.join(map(repr, known))}")
        if self.expansion is not None and not self.expansion * self.width >= 1:
            raise ValueError(f"SLSTM(expansion={self.expansion!r}): at least one unit is needed, or None")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The network ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        blocks = []
        for n in range(self.layers):
            blocks.append(Block(SLSTMLayer(self, n, seed, f"slstm.{n}"), self.width))
            if self.expansion is not None:
                blocks.append(
                    Block(GatedMLP(self.width, round(self.expansion * self.width), seed, f"mlp.{n}"), self.width)
                )
        return Network(inputs, outputs, self.width, blocks, seed)

    def state_size(self, steps: int) -> int:
        """c, n, m and h of every layer, and what short convolutions keep."""
        return self.layers * self.width * (7 if self.convolution else 4)


class SLSTMLayer(nn.Module):
    """i, f, z, o = W x + R h + b, i and f of the convolved input; c = σ(f) c + exp(i) tanh(z), n likewise of ones;
    h = σ(o) ⊙ c / n; gives h, normalised in every head and scaled.

    c and n are kept in units of exp(m), with m = max(log σ(f) + m, i), in which neither overflows. h does not depend on
    those units, so no gradient goes through m.
    """

    def __init__(self, spec: SLSTM, at: int, seed: int, name: str) -> None:
        super().__init__()
        width, size, bound = spec.width, spec.width // spec.heads, spec.width**-0.5
        self.heads = spec.heads
        self.convolution = ShortConvolution(width, seed, f"{name}.convolution") if spec.convolution else None
        self.weights = nn.ModuleList(linear(width, 2 * width, seed, f"{name}.{gates}", False) for gates in ("if", "zo"))
        zeros = 0.0 if spec.recurrence == "zeros" else bound
        self.recurrence = drawn(spec.heads, size, 4 * size, bound=zeros, seed=seed, name=f"{name}.recurrence")
        self.bias = drawn(4, width, bound=bound if spec.bias == "standard" else 0.0, seed=seed, name=f"{name}.bias")
        if spec.bias != "standard":
            part = torch.linspace(0, 1, size, **FIRST)
            power = 0.3 + 1.3 * (at / (spec.layers - 1) if spec.layers > 1 else 0.0)  # steeper in later layers
            first = 5 - 12 * part**power if spec.bias == "power" else 3 + 3 * part
            self.bias.detach()[1] = first.repeat(spec.heads)
        self.scale = nn.Parameter(torch.ones(width, **FIRST))

    no_weight_decay = ("bias",)

    def begin(self, batch: int) -> State:
        """Nothing seen: c, n and h are zero, in units of exp(-inf)."""
        zeros = self.scale.new_zeros(batch, len(self.scale))
        past = () if self.convolution is None else self.convolution.begin(batch)
        return (zeros, zeros, zeros - math.inf, zeros), past

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        (steps, batch, width), (cell, past) = x.shape, state
        seen = x
        if self.convolution is not None:
            seen, past = self.convolution(x, past)
        gates = torch.cat([self.weights[0](seen), self.weights[1](x)], dim=-1).view(steps, batch, 4, width) + self.bias
        gates = gates.view(steps, batch, 4, self.heads, -1).permute(0, 3, 1, 2, 4).reshape(steps, self.heads, batch, -1)
        c, n, m, h = (part.view(batch, self.heads, -1).transpose(0, 1) for part in cell)  # (heads, batch, size)
        hs = []
        for gate in gates.unbind():
            i, f, z, o = torch.baddbmm(gate, h, self.recurrence).chunk(4, dim=-1)
            kept = logsigmoid(f) + m
            m = torch.maximum(kept, i).detach()
            keep, write = torch.exp(kept - m), torch.exp(i - m)
            c, n = keep * c + write * torch.tanh(z), keep * n + write
            h = torch.sigmoid(o) * c / n
            hs.append(h)
        y = layer_norm(torch.stack(hs), (width // self.heads,))
        y = y.transpose(1, 2).reshape(steps, batch, width) * self.scale
        c, n, m, h = (part.transpose(0, 1).reshape(batch, width) for part in (c, n, m, h))
        return y, ((c, n, m, h), past)


class GatedMLP(nn.Module):
    """W (GELU(U x) ⊙ V x): no mixing of steps, and no state."""

    def __init__(self, width: int, units: int, seed: int, name: str) -> None:
        super().__init__()
        self.inlet = linear(width, 2 * units, seed, f"{name}.inlet")
        self.outlet = linear(units, width, seed, f"{name}.outlet")

    def begin(self, batch: int) -> tuple[()]:
        """Nothing."""
        return ()

    def forward(self, x: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        gate, value = self.inlet(x).chunk(2, dim=-1)
        return self.outlet(gelu(gate) * value), state
