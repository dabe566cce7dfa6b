"""Linear attention, and what scalar decay makes of it: RetNet, Mamba-2."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, silu, softplus

from ..ntm.streams import FIRST, stream
from ..ntm.weights import linear
from .blocks import TAPS, Network, ShortConvolution, choices, counts, network, norm
from .matrices import State, added, flat, joined, looked, pieces, split
from .positions import rotated


@dataclass(frozen=True)
class LinearAttention:
    """S_t = a_t S_(t-1) + k_t v_t^T, read as q_t S_t: attention without softmax, whose past is one matrix a head.

    The defaults are linear attention (Katharopoulos et al. 2020); ``retnet`` and ``mamba2`` are two others of its kind.

    Attributes:
        width: Channels between the layers.
        layers: How many.
        heads: Of every layer, each with a matrix of its own.
        keys: Size of a head's keys and queries.
        values: Size of a head's values.
        decay: a_t: ``none``, 1; ``constant``, 1 - 2^(-5 - head); ``input``, exp(-A D_t) with D_t = softplus(w x_t + b),
            which also scales what is written.
        feature: What keys and queries go through: ``elu``, elu(x) + 1, or ``none``.
        normaliser: Divide what is read by what the sum of all keys gives, instead of a norm.
        shared: All heads have the same keys and queries.
        rotary: Keys and queries are turned by their position (RetNet's phases).
        gate: What is read is scaled by SiLU of a linear function of the input.
        convolution: A short convolution on queries, keys and values.

    Raises:
        ValueError: A count below 1, an unknown decay or feature, a sum of keys that may be 0, pairs of an odd number.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    keys: int = 32
    values: int = 32
    decay: Literal["none", "constant", "input"] = "none"
    feature: Literal["elu", "none"] = "elu"
    normaliser: bool = True
    shared: bool = False
    rotary: bool = False
    gate: bool = False
    convolution: bool = False

    def __post_init__(self) -> None:
        counts(self, "width", "layers", "heads", "keys", "values")
        choices(self, decay=("none", "constant", "input"), feature=("elu", "none"))
        if self.normaliser and self.feature == "none":
            raise ValueError("LinearAttention(normaliser=True, feature='none'): keys may sum to 0; accepted is 'elu'")
        if self.rotary and self.keys % 2:
            raise ValueError(f"LinearAttention(keys={self.keys}, rotary=True): an even number is needed")

    @classmethod
    def retnet(cls, **others: Any) -> "LinearAttention":
        """Sun et al. 2023: constant decay, phases, a norm of every head, a gate."""
        made = {"decay": "constant", "feature": "none", "normaliser": False, "rotary": True, "gate": True}
        return cls(**{**made, **others})

    @classmethod
    def mamba2(cls, **others: Any) -> "LinearAttention":
        """Dao & Gu 2024: decay by the input, keys and queries of all heads, a skip, a gate, a convolution."""
        made = {"heads": 4, "keys": 16, "values": 32, "decay": "input", "feature": "none", "normaliser": False}
        return cls(**{**made, "shared": True, "gate": True, "convolution": True, **others})

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        mixers = [LinearAttentionMixer(self, seed, f"mixer.{n}") for n in range(self.layers)]
        return network(inputs, outputs, self.width, mixers, seed)

    @property
    def channels(self) -> tuple[int, int, int]:
        """Of all queries, all keys, all values."""
        keys = self.keys * (1 if self.shared else self.heads)
        return keys, keys, self.values * self.heads

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step: matrices, sums of keys, the convolution's last inputs, a counter."""
        matrices = self.heads * self.keys * (self.values + self.normaliser)
        return self.layers * (matrices + self.convolution * (TAPS - 1) * sum(self.channels) + self.rotary)


class LinearAttentionMixer(nn.Module):
    """One layer. Its state: the convolution's, the position, the matrices (batch, heads, keys, values), () at first."""

    def __init__(self, spec: LinearAttention, seed: int, name: str) -> None:
        super().__init__()
        self.spec = spec
        values = spec.channels[-1]
        self.sizes = [sum(spec.channels), values * spec.gate, spec.heads * (spec.decay == "input")]
        self.inlet = linear(spec.width, sum(self.sizes), seed, f"{name}.inlet", biased=False)
        self.convolution = (
            ShortConvolution(sum(spec.channels), seed, f"{name}.convolution") if spec.convolution else None
        )
        if spec.decay == "input":  # inits as released (state-spaces/mamba)
            rates = torch.empty(2, spec.heads, **FIRST).uniform_(generator=stream(seed, "weights", f"{name}.decay"))
            self.rate = nn.Parameter((1 + 15 * rates[0]).log())  # A from 1 to 16
            self.bias = nn.Parameter((0.001 * 100 ** rates[1]).expm1().log())  # D from 0.001 to 0.1
            self.skip = nn.Parameter(torch.ones(spec.heads, **FIRST))
        if not spec.normaliser:
            self.norm = norm(values if spec.decay == "input" else spec.values)
        self.outlet = linear(values, spec.width, seed, f"{name}.outlet", biased=False)

    def begin(self, batch: int) -> tuple[Any, ...]:
        """Before the first step."""
        spec, like = self.spec, self.inlet.weight
        past = () if self.convolution is None else self.convolution.begin(batch)
        return past, like.new_zeros(batch) if spec.rotary else (), ()

    def forward(self, x: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        spec, (past, place, memory) = self.spec, state
        asked, values, gate, past = self.ask(x, past, place)
        y, after = pieces(self.recall, flat(memory), *asked)
        if not spec.normaliser and spec.decay != "input":
            y = self.norm(y)
        y = joined(y, spec.heads)
        if spec.decay == "input":
            y = y + self.skip.repeat_interleave(spec.values) * values
        if spec.gate:
            y = y * silu(gate)
        if spec.decay == "input" and not spec.normaliser:
            y = self.norm(y)  # as released, of all heads, behind the gate
        place = place + len(x) if spec.rotary else place
        return self.outlet(y), (past, place, after.unflatten(0, (-1, spec.heads)))

    def look(self, x: Tensor) -> dict[str, Tensor]:
        """What is to be seen of a whole sequence: see ``matrices.looked``."""
        past, place, memory = self.begin(x.shape[1])
        asked, *_ = self.ask(x, past, place)
        return looked(self.recall, memory, self.spec.heads, *asked)

    def ask(self, x: Tensor, past: Any, place: Any) -> tuple[tuple[Tensor, ...], Tensor, Tensor, Any]:
        """What ``recall`` is given; values of all heads; the gate; the convolution's state."""
        spec = self.spec
        mixed, gate, steps = self.inlet(x).split(self.sizes, dim=-1)
        if self.convolution is not None:
            mixed, past = self.convolution(mixed, past)
        q, k, values = mixed.split(spec.channels, dim=-1)
        if spec.feature == "elu":
            q, k = elu(q) + 1, elu(k) + 1
        looking = 1 if spec.shared else spec.heads
        q, k, v = split(q, looking), split(k, looking), split(values, spec.heads)
        if spec.rotary:
            first = place.repeat_interleave(looking)
            q, k = rotated(q, first), rotated(k, first)
        strength = v.new_ones(1, len(x), 1)
        if spec.decay == "input":
            delta = softplus(steps + self.bias)  # D_t
            logs, strength = split(-self.rate.exp() * delta, spec.heads)[..., 0], split(delta, spec.heads)
        elif spec.decay == "constant":
            each = torch.log1p(-(2.0 ** -(5 + torch.arange(spec.heads, dtype=x.dtype, device=x.device))))
            logs = each.repeat(x.shape[1])[:, None].expand(-1, len(x))
        else:
            logs = q.new_zeros(1, len(x))
        return (q, k, v, strength, logs), values, gate, past

    def recall(
        self, q: Tensor, k: Tensor, v: Tensor, strength: Tensor, logs: Tensor, state: State
    ) -> tuple[Tensor, Tensor]:
        """What a piece reads, and the state after it; values are written times a strength, (heads or 1, time, 1)."""
        spec, size = self.spec, v.shape[-1]
        if spec.normaliser:
            v = torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)
        y, after = added(q, k, strength * v if spec.decay == "input" else v, logs, state)
        if spec.normaliser:
            y, sums = torch.split(y, [size, 1], dim=-1)
            y = y * (sums + 1e-10).reciprocal()
        return y, after
