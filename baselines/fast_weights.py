"""A fast weight memory by itself (Schlag et al. 2021, section 6.1): how much it holds, and what replaces what."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, relu

from ..ntm.streams import FIRST, stream
from .blocks import choices, counts, drawn
from .matrices import added, causal, pieces, replaced


@dataclass(frozen=True)
class FastWeights:
    """One layer that is fed pairs of a key and a value and then a key, and says what it holds under it.

    Inputs are [key; value], one-hot; what is said is a value. Values are stored as they are. An input without a value
    is a query, and writes nothing.

    Attributes:
        values: How many there are.
        keys: Size of keys and queries, before the feature map.
        feature: What they go through: ``elu``, elu(x) + 1; ``dpfp``, products of [relu(x); relu(-x)] with itself
            shifted by 1 to ``shifts``, which have 2 shifts keys channels.
        shifts: Of ``dpfp``; in the paper, nu.
        rule: ``sum``, S_t = S_(t-1) + k v^T; ``delta``, S_t = S_(t-1) + b k (v - k S_(t-1))^T, b = sigmoid(w x);
            ``softmax``, attention, without feature map.

    Raises:
        ValueError: A count below 1, an unknown feature or rule.
    """

    values: int = 20
    keys: int = 64
    feature: Literal["elu", "dpfp"] = "elu"
    shifts: int = 1
    rule: Literal["sum", "delta", "softmax"] = "sum"

    def __post_init__(self) -> None:
        counts(self, "values", "keys", "shifts")
        choices(self, feature=("elu", "dpfp"), rule=("sum", "delta", "softmax"))

    def build(self, inputs: int, outputs: int, seed: int = 0) -> "FastWeightsModule":
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        if outputs != self.values or inputs <= outputs:
            wanted = f"more than {self.values} inputs and {self.values} outputs"
            raise ValueError(f"FastWeights(values={self.values}) of {inputs} inputs, {outputs} outputs: takes {wanted}")
        return FastWeightsModule(self, inputs - outputs, seed)

    @property
    def channels(self) -> int:
        """Of a key behind the feature map: as many keys can be told apart without error."""
        return self.keys * (2 * self.shifts if self.feature == "dpfp" and self.rule != "softmax" else 1)

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step: the matrix, the sum of keys; of attention all keys, values and a mark."""
        if self.rule == "softmax":
            return steps * (self.keys + self.values + 1)
        return self.channels * (self.values + (self.rule == "sum"))


class FastWeightsModule(nn.Module):
    """See ``FastWeights``. First values as released (ischlag/fast-weight-transformers)."""

    def __init__(self, spec: FastWeights, symbols: int, seed: int) -> None:
        super().__init__()
        self.spec, width = spec, int(1.1 * (symbols + spec.values))
        drawing = stream(seed, "weights", "embedding")
        self.embedding = nn.Parameter(torch.randn(symbols, width, **FIRST, generator=drawing))

        self.key = layer(spec, spec.values + width, seed, "key")
        self.query = layer(spec, width, seed, "query")
        if spec.rule == "delta":
            self.strength = layer(spec, spec.values + width, seed, "strength")

    def begin(self, batch: int) -> Any:
        """Before the first step: the matrix (batch, keys, values), with a column for the sum of keys under that rule.

        Of attention: keys and values seen, (batch, steps, size), and whether they were written, (batch, steps).
        """
        spec, like = self.spec, self.embedding
        if spec.rule == "softmax":
            return like.new_zeros(batch, 0, spec.keys), like.new_zeros(batch, 0, spec.values), like.new_zeros(batch, 0)
        return like.new_zeros(batch, spec.channels, spec.values + (spec.rule == "sum"))

    def forward(self, inputs: Tensor, state: Any = None) -> Tensor | tuple[Tensor, Any]:
        """(time, batch, symbols + values) to what is held, (time, batch, values); with a state, also the one after."""
        symbols = len(self.embedding)
        memory = self.begin(inputs.shape[1]) if state is None else state
        v, key = inputs[..., symbols:], inputs[..., :symbols]
        q = (
            key @ (self.embedding @ self.query.weight.T) + self.query.bias
        )  # of every symbol first, then those that came
        q, k, v, present = (part.transpose(0, 1) for part in (q, self.seen(self.key, inputs), v, v.sum(-1)))
        if self.spec.rule == "softmax":
            keys, values, written = (torch.cat(pair, dim=1) for pair in zip(memory, (k, v, present), strict=True))
            scores = q @ keys.mT / self.spec.keys**0.5
            late = ~causal(keys.shape[1], keys)[-len(inputs) :] | (written[:, None] == 0)
            # A query before any pair attends to nothing: minus infinity everywhere would be no number.
            y, memory = scores.masked_fill(late, -1e9).softmax(dim=-1) @ values, (keys, values, written)
        else:
            q, k = self.features(q), self.features(k)
            none = q.new_zeros(1, len(inputs))
            if self.spec.rule == "sum":
                parts = q, k * present[..., None], torch.cat([v, torch.ones_like(v[..., :1])], dim=-1), none
                y, memory = pieces(added, memory, *parts)
                y = y[..., :-1] / (y[..., -1:] + 1e-6)
            else:
                q, k = q / (q.sum(-1, keepdim=True) + 1e-6), k / k.sum(-1, keepdim=True).clamp_min(1e-6)
                b = self.seen(self.strength, inputs)[..., 0].sigmoid().T * present
                y, memory = pieces(replaced, memory, q, k, v, b, none)
        y = y.transpose(0, 1)
        return y if state is None else (y, memory)

    def seen(self, layer: nn.Linear, inputs: Tensor) -> Tensor:
        """What a layer makes of [value; embedded key], likewise."""
        of_values, of_keys = torch.split(layer.weight.T, [self.spec.values, self.embedding.shape[1]])
        return inputs @ torch.cat([self.embedding @ of_keys, of_values]) + layer.bias

    def features(self, x: Tensor) -> Tensor:
        """(..., keys) to (..., channels), none below 0."""
        if self.spec.feature == "elu":
            return elu(x) + 1
        both = relu(torch.cat([x, -x], dim=-1))
        return torch.cat([both * both.roll(shift, dims=-1) for shift in range(1, self.spec.shifts + 1)], dim=-1)


def layer(spec: FastWeights, inputs: int, seed: int, name: str) -> nn.Linear:
    """A linear layer: uniform within 1/sqrt(keys), for ``softmax`` Glorot's; the strength's and biases as torch's."""
    units, bound = (1, inputs**-0.5) if name == "strength" else (spec.keys, spec.keys**-0.5)
    if name != "strength" and spec.rule == "softmax":
        bound = (6 / (inputs + spec.keys)) ** 0.5
    made: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, units, **FIRST)  # type: ignore[no-untyped-call]
    made.weight = drawn(units, inputs, bound=bound, seed=seed, name=name)
    made.bias = drawn(units, bound=inputs**-0.5, seed=seed, name=f"{name}.bias")
    return made
