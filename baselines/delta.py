"""The delta rule: a memory that replaces what it holds under a key (DeltaNet, Gated DeltaNet, negative eigenvalues)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from ..ntm.streams import FIRST, stream
from ..ntm.weights import linear
from .blocks import TAPS, Network, ShortConvolution, counts, network, norm, unit
from .matrices import State, flat, joined, looked, pieces, replaced, split


@dataclass(frozen=True)
class DeltaNet:
    """S_t = a_t (I - b_t k_t k_t^T) S_(t-1) + b_t k_t v_t^T, read as q_t S_t (Yang et al. 2024).

    Keys and queries have length 1, so I - b k k^T has the eigenvalues 1 and 1 - b.

    Attributes:
        width: Channels between the layers.
        layers: How many.
        heads: Of every layer, each with a matrix of its own.
        keys: Size of a head's keys and queries.
        values: Size of a head's values.
        negative: b_t is from 0 to 2, so that eigenvalues reach from 1 to -1 (Grazzi et al. 2024), not to 0.
        gated: a_t is exp(-A softplus(w x_t + b)), and what is read is gated (Gated DeltaNet); else a_t is 1.
        convolution: A short convolution on queries, keys and values, which the authors call crucial.

    Raises:
        ValueError: A count below 1.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    keys: int = 32
    values: int = 32
    negative: bool = False
    gated: bool = False
    convolution: bool = True

    def __post_init__(self) -> None:
        counts(self, "width", "layers", "heads", "keys", "values")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        mixers = [DeltaMixer(self, seed, f"mixer.{n}") for n in range(self.layers)]
        return network(inputs, outputs, self.width, mixers, seed)

    @property
    def channels(self) -> tuple[int, int, int]:
        """Of all queries, all keys, all values."""
        return self.heads * self.keys, self.heads * self.keys, self.heads * self.values

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step: matrices, and the convolution's last inputs."""
        return self.layers * (self.heads * self.keys * self.values + self.convolution * (TAPS - 1) * sum(self.channels))


class DeltaMixer(nn.Module):
    """One layer. Its state: the convolution's, and the matrices (batch, heads, keys, values), () at first."""

    def __init__(self, spec: DeltaNet, seed: int, name: str) -> None:
        super().__init__()
        self.spec, values = spec, spec.channels[-1]
        self.sizes = [sum(spec.channels), spec.heads, spec.heads * spec.gated, values * spec.gated]
        self.inlet = linear(spec.width, sum(self.sizes), seed, f"{name}.inlet", biased=False)
        self.convolution = (
            ShortConvolution(sum(spec.channels), seed, f"{name}.convolution") if spec.convolution else None
        )
        if spec.gated:  # inits as released (fla-org/flash-linear-attention)
            rates = torch.rand(2, spec.heads, **FIRST, generator=stream(seed, "weights", f"{name}.decay"))
            self.rate = nn.Parameter((16 * rates[0].clamp_min(1e-3)).log())  # A to 16
            self.bias = nn.Parameter((0.001 * 100 ** rates[1]).expm1().log())  # softplus of it from 0.001 to 0.1
        self.norm = norm(spec.values)
        self.outlet = linear(values, spec.width, seed, f"{name}.outlet", biased=False)

    def begin(self, batch: int) -> tuple[Any, State]:
        """Before the first step."""
        return () if self.convolution is None else self.convolution.begin(batch), ()

    def forward(self, x: Tensor, state: tuple[Any, State]) -> tuple[Tensor, tuple[Any, State]]:
        heads, (past, memory) = self.spec.heads, state
        asked, gate, past = self.ask(x, past)
        y, after = pieces(replaced, flat(memory), *asked)
        y = joined(self.norm(y), heads)
        if self.spec.gated:
            y = y * silu(gate)
        return self.outlet(y), (past, after.unflatten(0, (-1, heads)))

    def look(self, x: Tensor) -> dict[str, Tensor]:
        """What is to be seen of a whole sequence: see ``matrices.looked``."""
        asked, *_ = self.ask(x, self.begin(x.shape[1])[0])
        return looked(replaced, (), self.spec.heads, *asked)

    def ask(self, x: Tensor, past: Any) -> tuple[tuple[Tensor, ...], Tensor, Any]:
        """Queries, keys, values, strengths and decays; the gate; the convolution's state."""
        spec = self.spec
        mixed, strength, steps, gate = self.inlet(x).split(self.sizes, dim=-1)
        if self.convolution is None:
            mixed = silu(mixed)
        else:
            mixed, past = self.convolution(mixed, past)
        q, k, v = (split(part, spec.heads) for part in mixed.split(spec.channels, dim=-1))
        q, k = unit(q), unit(k)
        b = split((1 + spec.negative) * strength.sigmoid(), spec.heads)[..., 0]
        if spec.gated:
            logs = split(-self.rate.exp() * softplus(steps + self.bias), spec.heads)[..., 0]  # log a_t
        else:
            logs = q.new_zeros(1, len(x))
        return (q, k, v, b, logs), gate, past
