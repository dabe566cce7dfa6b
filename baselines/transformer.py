"""The Transformer (Vaswani et al. 2017), causal, with norms before its layers: the memory that keeps every step."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from ..ntm.streams import FIRST, stream
from ..ntm.weights import linear
from .blocks import TAPS, Block, Network, ShortConvolution, choices, counts
from .positions import BUCKETS, buckets, distances, rotated, slopes

POSITIONS = ("none", "learned", "rope", "alibi", "t5")


@dataclass(frozen=True)
class Transformer:
    """Layers of attention and of a feedforward net, each x + layer(norm(x)).

    Attributes:
        width: Channels between the layers.
        layers: How many of both.
        heads: Of attention; each has its part of the width.
        units: Of the feedforward nets; 0 for attention alone.
        positions: How a step knows where it is: ``none`` (but that it sees no later ones); ``learned``, a table added
            to the first layer's input; ``rope``, queries and keys turned by their positions; ``alibi`` and ``t5``,
            biases by distance, fixed or learned.
        longest: Rows of the table of ``learned`` positions.
        convolution: A short convolution on queries, keys and values.

    Raises:
        ValueError: A count below 1, heads that do not divide the width, unknown positions, or rotations of odd size.
    """

    width: int = 64
    layers: int = 2
    heads: int = 4
    units: int = 256
    positions: Literal["none", "learned", "rope", "alibi", "t5"] = "none"
    longest: int = 512
    convolution: bool = False

    def __post_init__(self) -> None:
        counts(self, "width", "layers", "heads", "longest", *(("units",) if self.units else ()))
        choices(self, positions=POSITIONS)
        if self.width % self.heads:
            raise ValueError(f"Transformer(heads={self.heads}): a divisor of {self.width} channels is needed")
        if self.positions == "rope" and self.width // self.heads % 2:
            raise ValueError(f"Transformer(heads={self.heads}, positions='rope'): heads of even size are needed")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> Network:
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        blocks: list[Block | Places] = [Places(self, seed)] if self.positions == "learned" else []
        for n in range(self.layers):
            blocks.append(Block(Attention(self, seed, f"attention.{n}"), self.width))
            if self.units:
                blocks.append(Block(FeedForward(self, seed, f"feedforward.{n}"), self.width))
        return Network(inputs, outputs, self.width, blocks, seed)

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step: keys and values of all steps, and the convolution's last inputs."""
        kept = 2 * steps * self.width + self.convolution * (TAPS - 1) * 3 * self.width
        return self.layers * kept + (self.positions == "learned")


class Attention(nn.Module):
    """Attention to this step and those before.

    Its state: the convolution's; keys and values, (batch, heads, steps seen, size).
    """

    no_weight_decay = ("bias",)

    def __init__(self, spec: Transformer, seed: int, name: str) -> None:
        super().__init__()
        self.spec, width = spec, spec.width
        self.inlet = linear(width, 3 * width, seed, f"{name}.inlet", biased=False)
        self.convolution = ShortConvolution(3 * width, seed, f"{name}.convolution") if spec.convolution else None
        if spec.positions == "t5":
            self.bias = nn.Parameter(torch.zeros(spec.heads, BUCKETS, **FIRST))
        self.outlet = linear(width, width, seed, f"{name}.outlet", biased=False)

    def begin(self, batch: int) -> tuple[Any, Tensor, Tensor]:
        """Before the first step."""
        past = () if self.convolution is None else self.convolution.begin(batch)
        none = self.outlet.weight.new_zeros(batch, self.spec.heads, 0, self.spec.width // self.spec.heads)
        return past, none, none

    def forward(self, x: Tensor, state: tuple[Any, Tensor, Tensor]) -> tuple[Tensor, tuple[Any, Tensor, Tensor]]:
        past, keys, values = state
        q, k, v, past = self.ask(x, past, keys.shape[2])
        if keys.shape[2]:
            k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        y = scaled_dot_product_attention(q, k, v, attn_mask=self.biases(len(x), k.shape[2]))
        return self.outlet(y.permute(2, 0, 1, 3).flatten(2)), (past, k, v)

    def look(self, x: Tensor) -> dict[str, Tensor]:
        """What is to be seen of a whole sequence, (time, batch, heads, time): what each step attends to."""
        q, k, *_ = self.ask(x, self.begin(x.shape[1])[0], 0)
        alike = q @ k.mT / q.shape[-1] ** 0.5 + self.biases(len(x), len(x))
        return {"read attention": alike.softmax(dim=-1).permute(2, 0, 1, 3)}

    def ask(self, x: Tensor, past: Any, seen: int) -> tuple[Tensor, Tensor, Tensor, Any]:
        """Queries, keys and values, (batch, heads, time, size), behind so many steps; the convolution's state."""
        mixed = self.inlet(x)
        if self.convolution is not None:
            mixed, past = self.convolution(mixed, past)
        q, k, v = (part.unflatten(-1, (self.spec.heads, -1)).permute(1, 2, 0, 3) for part in mixed.chunk(3, dim=-1))
        if self.spec.positions == "rope":
            q, k = rotated(q, seen), rotated(k, seen)
        return q, k, v, past

    def biases(self, queries: int, keys: int) -> Tensor:
        """What is added before the softmax, (heads or 1, queries, keys): for later steps, minus infinity.

        Of three axes, so that torch takes no kernel that ``vmap`` cannot map over a cohort.
        """
        like = self.outlet.weight
        far = distances(queries, keys, like.device)
        if self.spec.positions == "alibi":
            bias = -slopes(self.spec.heads, like.device).to(like)[:, None, None] * far
        elif self.spec.positions == "t5":
            bias = self.bias[:, buckets(far.clamp_min(0))]
        else:
            bias = like.new_zeros(1, queries, keys)
        return bias.masked_fill(far < 0, -torch.inf)


class FeedForward(nn.Module):
    """Two linear layers around a GELU. No state."""

    def __init__(self, spec: Transformer, seed: int, name: str) -> None:
        super().__init__()
        self.inlet = linear(spec.width, spec.units, seed, f"{name}.inlet")
        self.outlet = linear(spec.units, spec.width, seed, f"{name}.outlet")

    def begin(self, batch: int) -> tuple[()]:
        """Nothing."""
        return ()

    def forward(self, x: Tensor, state: tuple[()]) -> tuple[Tensor, tuple[()]]:
        return self.outlet(gelu(self.inlet(x))), ()


class Places(nn.Module):
    """Adds a row of a table to every step. Its state: how many it has seen, (batch,)."""

    no_weight_decay = ("table",)

    def __init__(self, spec: Transformer, seed: int) -> None:
        super().__init__()
        drawn = torch.randn(spec.longest, spec.width, **FIRST, generator=stream(seed, "weights", "positions"))
        self.table = nn.Parameter(0.02 * drawn)

    def begin(self, batch: int) -> Tensor:
        """Before the first step."""
        return self.table.new_zeros(batch)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        if len(x) > len(self.table):
            raise ValueError(f"{len(x)} steps: accepted are up to {len(self.table)}, the longest of learned positions")
        places = torch.arange(len(x), device=x.device)[:, None] + state.long()
        return x + self.table[places], state + len(x)
