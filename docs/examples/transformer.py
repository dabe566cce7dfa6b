"""A small causal transformer: bench run --suite mini --with docs/examples/transformer.py"""

from dataclasses import dataclass

import torch
from torch import nn

from membench.ntm import seeded


@dataclass(frozen=True)
class Transformer:
    """Layers of causal self-attention, over sinusoidal positions so that longer sequences can be read."""

    width: int = 64
    layers: int = 2
    heads: int = 4

    def build(self, inputs, outputs, seed):
        with seeded(seed):
            return TransformerModule(self, inputs, outputs)

    def state_size(self, steps):
        return 2 * self.layers * self.width * steps  # a key and a value a step


class TransformerModule(nn.Module):
    """(time, batch, inputs) to logits (time, batch, outputs)."""

    def __init__(self, spec, inputs, outputs):
        super().__init__()
        width = spec.width
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.layers = nn.ModuleList(  # without dropout: a step is decided by weights and inputs
            nn.TransformerEncoderLayer(width, spec.heads, 4 * width, dropout=0.0, norm_first=True)
            for _ in range(spec.layers)
        )

    def forward(self, inputs):
        """Every step sees itself and those before it."""
        mask = nn.Transformer.generate_square_subsequent_mask(len(inputs), inputs.device)
        hidden = self.first(inputs)
        hidden = hidden + positions(len(inputs), hidden.shape[-1]).to(hidden)[:, None]
        for layer in self.layers:
            hidden = layer(hidden, src_mask=mask, is_causal=True)
        return self.last(hidden)


def positions(steps, width):
    """Sines and cosines (steps, width), width even; Vaswani et al. 2017, section 3.5."""
    rates = 10_000 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(steps)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


arms = {"transformer": Transformer()}
