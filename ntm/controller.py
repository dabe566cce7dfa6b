"""Controllers: what turns an input and the last reads into head parameters. LSTM layers, or feedforward layers."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .memory import Contents, Zeros, start
from .streams import FIRST, stream
from .twins import built

ControllerState = tuple[tuple[Tensor, Tensor], ...]
"""One (hidden, cell) pair a layer, each (batch, units); a feedforward controller has no pair."""


def linear(inputs: int, outputs: int, seed: int, name: str, bias: bool = True) -> nn.Linear:
    """A linear layer that starts as the released code's head and output layers do.

    Weights: normal with std 1/sqrt(inputs), redrawn beyond two standard deviations; bias: zero.
    """
    layer = nn.Linear(inputs, outputs, bias, device="meta", dtype=torch.float32)
    layer.to_empty(device="cpu")  # drawn once, from our stream
    std = inputs**-0.5
    nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std, generator=stream(seed, "weights", name))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class LSTMLayer(nn.Module):
    """One LSTM layer, one step at a time (Gers et al. 1999; gates in the order input, forget, candidate, output).

    One matrix over [input; hidden] and one bias vector, as TensorFlow's BasicLSTMCell: Glorot uniform over
    (inputs + units, 4 * units), bias zero but for the forget gate.
    """

    def __init__(self, inputs: int, units: int, forget_bias: float, seed: int, name: str) -> None:
        super().__init__()
        weight = torch.empty(4 * units, inputs + units, **FIRST)
        nn.init.xavier_uniform_(weight, generator=stream(seed, "weights", name))
        bias = torch.zeros(4, units, **FIRST)
        bias[1] = forget_bias
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias.flatten())

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(batch, inputs) and (hidden, cell) to the next (hidden, cell)."""
        hidden, cell = state
        gates = nn.functional.linear(torch.cat([x, hidden], dim=-1), self.weight, self.bias)
        i, f, g, o = gates.chunk(4, dim=-1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell


class Controller(nn.Module):
    """A stack of layers. ``forward(x, state)`` gives (output, state), output (batch, units)."""

    outlet: int

    def begin(self, batch: int) -> ControllerState:
        """The state before the first step."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: ControllerState) -> tuple[Tensor, ControllerState]:
        raise NotImplementedError


class LSTMStack(Controller):
    """LSTM layers, each fed by the one below; optionally a linear layer first."""

    def __init__(self, inputs: int, spec: "LSTMController", seed: int) -> None:
        super().__init__()
        self.spec, self.inputs, self.outlet = spec, inputs, spec.units
        self.inlet = linear(inputs, spec.inlet, seed, "controller.inlet") if spec.inlet else None
        below = [spec.inlet or inputs] + [spec.units] * (spec.layers - 1)
        self.layers = nn.ModuleList(
            LSTMLayer(size, spec.units, spec.forget_bias, seed, f"controller.{n}") for n, size in enumerate(below)
        )
        self.starts = nn.ModuleList(
            start(spec.state, (spec.units,), seed, f"controller.{n}.{part}")
            for n in range(spec.layers)
            for part in ("hidden", "cell")
        )
        self.built = built(self)

    def begin(self, batch: int) -> ControllerState:
        values = [first().expand(batch, -1) for first in self.starts]
        return tuple(zip(values[::2], values[1::2], strict=True))

    def forward(self, x: Tensor, state: ControllerState) -> tuple[Tensor, ControllerState]:
        if self.inlet is not None:
            x = self.inlet(x)
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            after.append(layer(x, before))
            x = after[-1][0]
        return x, tuple(after)


class FeedforwardStack(Controller):
    """Layers of tanh units, without a state of their own: all memory is in the memory."""

    def __init__(self, inputs: int, spec: "FeedforwardController", seed: int) -> None:
        super().__init__()
        self.outlet = spec.units
        below = [inputs] + [spec.units] * (spec.layers - 1)
        self.layers = nn.ModuleList(linear(size, spec.units, seed, f"controller.{n}") for n, size in enumerate(below))

    def begin(self, batch: int) -> ControllerState:
        return ()

    def forward(self, x: Tensor, state: ControllerState) -> tuple[Tensor, ControllerState]:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x, ()


@dataclass(frozen=True)
class LSTMController:
    """An LSTM of ``layers`` layers.

    Attributes:
        units: Units of every layer.
        layers: How many layers.
        forget_bias: Where the forget gate's bias starts (Gers et al. 1999: large enough to remember at first).
        state: How hidden and cell state begin, each layer's drawn on its own.
        inlet: Units of a linear layer between the input and the stack (the Schmidinger post), or None.

    Raises:
        ValueError: A size below one.
    """

    units: int = 100
    layers: int = 1
    forget_bias: float = 1.0
    state: Contents = field(default_factory=Zeros)
    inlet: int | None = None

    def __post_init__(self) -> None:
        for name in ("units", "layers", *(["inlet"] if self.inlet is not None else [])):
            if getattr(self, name) < 1:
                raise ValueError(f"LSTMController({name}={getattr(self, name)}): at least 1 is needed")

    def build(self, inputs: int, seed: int) -> Controller:
        """The module, for inputs of this size."""
        return LSTMStack(inputs, self, seed)

    @property
    def state_size(self) -> int:
        """Floats carried from step to step."""
        return 2 * self.units * self.layers


@dataclass(frozen=True)
class FeedforwardController:
    """Layers of tanh units (Graves et al. 2014's feedforward controller; the non-linearity is our choice).

    Raises:
        ValueError: A size below one.
    """

    units: int = 100
    layers: int = 1

    def __post_init__(self) -> None:
        for name in ("units", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"FeedforwardController({name}={getattr(self, name)}): at least 1 is needed")

    def build(self, inputs: int, seed: int) -> Controller:
        """The module, for inputs of this size."""
        return FeedforwardStack(inputs, self, seed)

    @property
    def state_size(self) -> int:
        """Floats carried from step to step: none."""
        return 0
