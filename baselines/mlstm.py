"""The mLSTM (Beck et al. 2024, xLSTM): an LSTM whose cell is a matrix, with an exponential input gate."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear as linear_of
from torch.nn.functional import logsigmoid, silu

from ..ntm.streams import FIRST, stream
from ..ntm.weights import linear
from .blocks import TAPS, Network, ShortConvolution, compiles, counts, network
from .matrices import State, flat, joined, left, looked, pieces, read, split


@dataclass(frozen=True)
class MLSTM:
    """C_t = f_t C_(t-1) + i_t v_t k_t^T and n_t = f_t n_(t-1) + i_t k_t, read as C_t q_t / max(|n_t q_t|, 1).

    f = sigmoid, i = exp, of linear functions of query, key and value.

    Attributes:
        width: Channels between the layers.
        layers: How many.
        heads: Of every layer, each with a matrix of its own.
        expand: A layer works on so many times the width.
        block: Channels that a query's, key's or value's channel is made from.
        convolution: A short convolution on what queries and keys are made from.

    Raises:
        ValueError: A count below 1, or channels that cannot be shared out among heads or blocks.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    expand: int = 2
    block: int = 4
    convolution: bool = True

    def __post_init__(self) -> None:
        counts(self, "width", "layers", "heads", "expand", "block")
        for name in ("heads", "block"):
            if self.inner % getattr(self, name):
                raise ValueError(f"MLSTM({name}={getattr(self, name)}): a divisor of {self.inner} channels is needed")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        mixers = [MLSTMMixer(self, seed, f"mixer.{n}") for n in range(self.layers)]
        return network(inputs, outputs, self.width, mixers, seed)

    @property
    def inner(self) -> int:
        """Channels that a layer works on."""
        return self.expand * self.width

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step: matrices, sums of keys, scales, the convolution's last inputs."""
        size = self.inner // self.heads
        return self.layers * (self.heads * (size * size + size + 1) + self.convolution * (TAPS - 1) * self.inner)


class MLSTMMixer(nn.Module):
    """One layer. Its state: the convolution's; C and n, (batch, heads, keys, values + 1), times exp(-m); m.

    C and n are () before the first step.
    """

    def __init__(self, spec: MLSTM, seed: int, name: str) -> None:
        super().__init__()
        self.spec, inner, heads = spec, spec.inner, spec.heads
        self.inlet = linear(spec.width, 2 * inner, seed, f"{name}.inlet", biased=False)
        self.convolution = ShortConvolution(inner, seed, f"{name}.convolution") if spec.convolution else None
        made = torch.randn(
            3, inner // spec.block, spec.block, spec.block, **FIRST, generator=stream(seed, "weights", name)
        )
        self.make = nn.Parameter(made / spec.block**0.5)  # q, k, v
        gates = nn.utils.skip_init(nn.Linear, 3 * inner, 2 * heads, **FIRST)  # type: ignore[no-untyped-call]
        self.gates: nn.Linear = gates  # i, f; first values as released (NX-AI/xlstm)
        nn.init.zeros_(self.gates.weight)
        with torch.no_grad():
            self.gates.bias[:heads].normal_(std=0.1, generator=stream(seed, "weights", f"{name}.gates"))
            self.gates.bias[heads:] = torch.linspace(3, 6, heads)
        self.norm = nn.LayerNorm(inner // heads, bias=False, **FIRST)
        self.skip = nn.Parameter(torch.ones(inner, **FIRST))
        self.outlet = linear(inner, spec.width, seed, f"{name}.outlet", biased=False)

    def begin(self, batch: int) -> tuple[Any, State, Tensor]:
        """Before the first step."""
        past = () if self.convolution is None else self.convolution.begin(batch)
        return past, (), self.skip.new_zeros(batch, self.spec.heads)

    def forward(self, x: Tensor, state: tuple[Any, State, Tensor]) -> tuple[Tensor, tuple[Any, State, Tensor]]:
        (past, memory, scale), heads = state, self.spec.heads
        asked, seen, gate, past = self.ask(x, past)
        y, (after, last) = pieces(step, (flat(memory), scale.flatten()), *asked)
        y = joined(self.norm(y), heads) + self.skip * seen
        return self.outlet(y * silu(gate)), (past, after.unflatten(0, (-1, heads)), last.view_as(scale))

    def look(self, x: Tensor) -> dict[str, Tensor]:
        """What is to be seen of a whole sequence: see ``matrices.looked``."""
        past, memory, scale = self.begin(x.shape[1])
        asked, *_ = self.ask(x, past)
        return looked(step, (memory, scale.flatten()), self.spec.heads, *asked)

    def ask(self, x: Tensor, past: Any) -> tuple[tuple[Tensor, ...], Tensor, Tensor, Any]:
        """Queries, keys, values and gates; what queries are made from; the output's gate; the convolution's state."""
        heads = self.spec.heads
        below, gate = self.inlet(x).chunk(2, dim=-1)
        seen = below
        if self.convolution is not None:
            seen, past = self.convolution(below, past)
        query, key, value = (
            blockwise(part, weight) for part, weight in zip((seen, seen, below), self.make, strict=True)
        )
        weights = self.gates.weight.chunk(3, dim=-1)  # three products take less time than one of all put together
        gates = sum((linear_of(part, weight) for part, weight in zip((query, key, value), weights, strict=True)))
        i, f = (gates + self.gates.bias).chunk(2, dim=-1)
        q, k, v = (split(part, heads) for part in (query, key, value))
        i, f = (split(part, heads)[..., 0] for part in (i, logsigmoid(f)))
        return (q, k / k.shape[-1] ** 0.5, v, i, f), seen, gate, past


def blockwise(x: Tensor, weight: Tensor) -> Tensor:
    """(time, batch, channels) by a matrix for every block of channels (blocks, size, size)."""
    if weight.shape[-1] != 4 or not compiles(x, weight):
        return _blockwise(x, weight)
    from .fused.block_diagonal import Blockwise  # compiled code is loaded once it is needed

    y: Tensor = Blockwise.apply(_blockwise, x, weight)  # type: ignore[no-untyped-call]
    return y


def _blockwise(x: Tensor, weight: Tensor) -> Tensor:
    blocks, size, _ = weight.shape
    return (x.reshape(-1, blocks, size).transpose(0, 1) @ weight).transpose(0, 1).reshape(x.shape)


def step(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor, state: tuple[State, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What a piece reads, and the state after it. i and f are the gates' logarithms, (heads, time).

    What is kept is C and n times exp(-m), m the largest logarithm added up so far, so that no exponential overflows;
    then 1, in what is read, is exp(-m). Any m gives the same, so no gradient passes through it.
    """
    memory, scale = state
    rest = left(f, i, scale)
    y, memory = read(q, k, torch.cat([v, torch.ones_like(v[..., :1])], dim=-1), rest, memory)
    y, n = torch.split(y, [v.shape[-1], 1], dim=-1)
    return y * torch.maximum(n.abs(), (-rest.most[..., None]).exp()).reciprocal(), (memory, rest.most[:, -1])
