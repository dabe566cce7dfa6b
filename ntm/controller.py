"""Controllers: what turns an input and the last reads into head parameters. LSTM layers, or feedforward layers."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .memory import Contents, Zeros, start
from .twins import built
from .weights import Glorot, Weights, bias, linear, matrix

ControllerState = tuple[tuple[Tensor, Tensor], ...]
"""One (hidden, cell) pair a layer, each (batch, units); a feedforward controller has no pair."""

LSTM_WEIGHTS = Weights(Glorot())
"""How an LSTM's weights begin in TensorFlow."""


class LSTMLayer(nn.Module):
    """One LSTM layer, one step at a time (Gers et al. 1999; gates in the order input, forget, candidate, output).

    One matrix over [input; hidden] and one bias vector, as TensorFlow's BasicLSTMCell: Glorot uniform over
    (inputs + units, 4 * units), bias zero but for the forget gate. Or two bias vectors, as torch's LSTM: only their sum
    is seen, but each is trained, so that the sum moves twice as far.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        forget_bias: float,
        seed: int,
        name: str,
        weights: Weights = LSTM_WEIGHTS,
        second_bias: bool = False,
    ) -> None:
        super().__init__()
        first = bias(weights.bias, 4 * units, seed, name)
        first[units : 2 * units] += forget_bias
        self.weight = nn.Parameter(matrix(weights.matrix, 4 * units, inputs + units, seed, name))
        self.bias = nn.Parameter(first)
        self.second_bias: nn.Parameter | None
        second = nn.Parameter(bias(weights.bias, 4 * units, seed, f"{name}.second")) if second_bias else None
        self.register_parameter("second_bias", second)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(batch, inputs) and (hidden, cell) to the next (hidden, cell)."""
        hidden, cell = state
        bias = self.bias if self.second_bias is None else self.bias + self.second_bias
        gates = nn.functional.linear(torch.cat([x, hidden], dim=-1), self.weight, bias)
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
        below = self.below(spec.inlet or inputs)
        self.layers = nn.ModuleList(
            LSTMLayer(size, spec.units, spec.forget_bias, seed, f"controller.{n}", spec.weights, spec.second_bias)
            for n, size in enumerate(below)
        )
        self.starts = nn.ModuleList(
            start(spec.state, (spec.units,), seed, f"controller.{n}.{part}")
            for n in range(spec.layers)
            for part in ("hidden", "cell")
        )
        self.built = built(self)

    def below(self, inputs: int) -> list[int]:
        """How much each layer is given, itself a step ago apart."""
        return [inputs] + [self.spec.units] * (self.spec.layers - 1)

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
        weights: How the weights of every layer begin; the forget gate's bias is added.
        second_bias: Whether a layer has two bias vectors, both trained, as torch's.

    Raises:
        ValueError: A size below one.
    """

    units: int = 100
    layers: int = 1
    forget_bias: float = 1.0
    state: Contents = field(default_factory=Zeros)
    inlet: int | None = None
    weights: Weights = field(default=LSTM_WEIGHTS, metadata={"since": 2})
    second_bias: bool = field(default=False, metadata={"since": 2})

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
