"""The DNC's controller: layers of which each sees the input, itself a step ago and the layer below, and is seen by all
that follows (Graves et al. 2016, Methods, "Controller network")."""

import torch
from torch import Tensor, nn

from ...ntm import stream
from ...ntm.controller import ControllerState, LSTMLayer
from ...ntm.weights import linear

FORGET_BIAS = 1.0
"""Sonnet's LSTM adds it to the forget gate; the paper does not say."""


class SkipStack(nn.Module):
    """Layers with skip connections. ``forward(x, state)`` gives (the outputs of all layers, state).

    Args:
        inputs: Size of what every layer sees, reads included.
        units: Of every layer.
        layers: How many.
        recurrent: LSTM layers; or tanh layers, which have no state.
        seed: Decides every first value.
    """

    def __init__(self, inputs: int, units: int, layers: int, recurrent: bool, seed: int) -> None:
        super().__init__()
        self.units = units
        self.recurrent = recurrent
        self.outlet = layers * units
        build = lstm if recurrent else linear
        self.layers = nn.ModuleList(
            build(inputs + (units if n else 0), units, seed, f"controller.{n}") for n in range(layers)
        )

    def begin(self, batch: int) -> ControllerState:
        """The state before the first step: zeros."""
        if not self.recurrent:
            return ()
        zeros = next(self.parameters()).new_zeros
        return tuple((zeros(batch, self.units), zeros(batch, self.units)) for _ in self.layers)

    def forward(self, x: Tensor, state: ControllerState) -> tuple[Tensor, ControllerState]:
        """(batch, inputs) and a pair a layer to (batch, layers * units) and the next pairs."""
        hidden: list[Tensor] = []
        after = []
        for n, layer in enumerate(self.layers):
            seen = torch.cat([x, *hidden[-1:]], dim=-1)  # [χ_t; h^{l-1}_t]; the layer itself adds h^l_{t-1}
            if self.recurrent:
                after.append(layer(seen, state[n]))
                hidden.append(after[-1][0])
            else:
                hidden.append(torch.tanh(layer(seen)))
        return torch.cat(hidden, dim=-1), tuple(after)


def lstm(inputs: int, units: int, seed: int, name: str) -> LSTMLayer:
    """An LSTM layer that starts as Sonnet 1's: weights *and* gate biases normal with std 1/sqrt(inputs + units).

    Redrawn beyond two standard deviations; the forget gate's biases are moved by 1.
    """
    layer = LSTMLayer(inputs, units, FORGET_BIAS, seed, name)
    std = (inputs + units) ** -0.5
    for tensor, part in ((layer.weight, "weight"), (layer.bias, "bias")):
        nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std, generator=stream(seed, "weights", name, part))
    with torch.no_grad():
        layer.bias[units : 2 * units] += FORGET_BIAS
    return layer
