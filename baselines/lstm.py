"""The LSTMs that NTMs are compared with: no memory but their own state, and twenty times the parameters."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..ntm import twins
from ..ntm.controller import ControllerState, LSTMController, LSTMLayer, LSTMStack
from ..ntm.layer import Layer, placed
from ..ntm.memory import Contents, Learned, Start
from ..ntm.streams import own_seed
from ..ntm.unroll import run
from ..ntm.weights import Weights, linear


@dataclass(frozen=True)
class LSTM:
    """Layers of LSTM units, each fed by the one below; the last one is read by a linear layer.

    The defaults are Collier & Beel 2018's, of the thesis code behind the paper: one matrix over [input; hidden] and one
    bias vector a layer, as TensorFlow's BasicLSTMCell; hidden and cell state begin at learned values. Nothing is
    clipped.

    With ``skips`` it is the LSTM of Graves et al. 2014. The paper does not print that wiring; it is the one that gives
    the numbers of parameters in its table 3.

    Attributes:
        units: Units of every layer.
        layers: How many layers.
        forget_bias: Where the forget gate's bias starts.
        state: How hidden and cell state begin, each layer's drawn on its own.
        output_weights: How the linear layer begins.
        skips: Every layer sees the input besides the layer below, and all layers are read.

    Raises:
        ValueError: No units or no layers.
    """

    units: int = 256
    layers: int = 3
    forget_bias: float = 1.0
    state: Contents = field(default_factory=Learned)
    output_weights: Weights = field(default=Weights(), metadata={"since": 2})
    skips: bool = field(default=False, metadata={"since": 2})

    def __post_init__(self) -> None:
        for name in ("units", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"LSTM({name}={getattr(self, name)}): at least 1 is needed")

    def build(self, inputs: int, outputs: int, seed: int | None = None, batch_first: bool = False) -> "LSTMModule":
        """The layer ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value.

        Without a seed, one is drawn from torch's generator; ``seed`` of the module says which.
        """
        return placed(LSTMModule(self, inputs, outputs, own_seed(seed), batch_first))

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step, however many steps there are: hidden and cell state of every layer."""
        return 2 * self.units * self.layers


class State(NamedTuple):
    """All that a step hands to the next."""

    layers: ControllerState

    def detach(self) -> "State":
        """The same values, where back-propagation ends."""
        detached: State = tree_map(Tensor.detach, self)
        return detached


class SkipLSTMStack(LSTMStack):
    """LSTM layers with skips: each sees the input and the layer below, and all of them are seen."""

    def __init__(self, inputs: int, spec: LSTMController, seed: int) -> None:
        super().__init__(inputs, spec, seed)
        self.outlet = spec.layers * spec.units

    def below(self, inputs: int) -> list[int]:
        return [inputs] + [inputs + self.spec.units] * (self.spec.layers - 1)

    def forward(self, x: Tensor, state: ControllerState) -> tuple[Tensor, ControllerState]:
        """(batch, inputs) and a pair a layer to (batch, layers * units) and the next pairs."""
        seen, after = x, []
        for layer, before in zip(self.layers, state, strict=True):
            after.append(layer(seen, before))
            seen = torch.cat([x, after[-1][0]], dim=-1)
        return torch.cat([hidden for hidden, _ in after], dim=-1), tuple(after)


class LSTMModule(Layer):
    """An LSTM over whole sequences; gives logits.

    The layers are those of the NTM's controller. The twin is PyTorch's fused kernel (oneDNN on a CPU, cuDNN on a GPU),
    on any device and in any type; it takes and gives states, but for padded sequences. First states and
    the output layer, which torch would leave to MKL on a CPU, are compiled here.
    """

    made_of = frozenset({LSTMStack, SkipLSTMStack, LSTMLayer, nn.Linear, nn.ModuleList, Start})
    twin = "torch"

    def __init__(self, spec: LSTM, inputs: int, outputs: int, seed: int, batch_first: bool = False) -> None:
        super().__init__(spec, seed, batch_first)
        layers = LSTMController(spec.units, spec.layers, spec.forget_bias, spec.state)
        self.stack = (SkipLSTMStack if spec.skips else LSTMStack)(inputs, layers, seed)
        self.output = linear(self.stack.outlet, outputs, seed, "output", weights=spec.output_weights)

    @property
    def cell(self) -> LSTMStack:
        """What takes a step, but for the output layer: it sees all steps at once."""
        return self.stack

    def begin(self, batch: int) -> State:
        """The state before the first step of so many sequences."""
        return State(self.stack.begin(batch))

    def reference(self, inputs: Tensor, state: Any, over: Tensor | None) -> tuple[Tensor, Any]:
        hidden, layers = run(self.stack, inputs, state.layers, over)
        return self.output(hidden), State(layers)

    def fused(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden, layers = checked(self.stack, inputs, None if state is None else state.layers)
        return output(self.output, hidden), State(layers)

    def limits(self, device: torch.device, dtype: torch.dtype) -> str:
        """None: PyTorch's kernel runs on any device, in any type."""
        return ""

    def unable(self, inputs: Tensor, state: Any, over: Tensor | None) -> str:
        """Why PyTorch's kernel cannot do what a call asks for, or nothing."""
        return "" if state is None or over is None else "torch.lstm goes on to the end of padded sequences"


def fused(stack: LSTMStack, inputs: Tensor, state: ControllerState | None = None) -> tuple[Tensor, ControllerState]:
    """What ``run(stack, inputs, state)`` gives, by PyTorch's kernel, which takes all that it is handed for granted.

    Args:
        inputs: (time, batch, inputs), of one step and one sequence at least.
        state: The first one, if there is none.

    Returns:
        (time, batch, units) of the last layer, or of all layers where there are skips; and the state after the last
        step.

    Raises:
        ValueError: The inputs are not of that shape, or what the stack holds is not as it was built; or they are not of
            one type in one place.
    """
    weight = cast(LSTMLayer, stack.layers[0]).weight
    twins.check(stack, inputs, stack.inputs, weight.dtype, weight.device)
    return checked(stack, inputs, state)


def checked(stack: LSTMStack, inputs: Tensor, state: ControllerState | None = None) -> tuple[Tensor, ControllerState]:
    """``fused``, of what has been checked."""
    layers = cast(list[LSTMLayer], list(stack.layers))
    first = begin(stack, inputs) if state is None else state
    if not isinstance(stack, SkipLSTMStack):
        return kernel(layers, inputs, first)
    seen, hidden, after = inputs, [], []
    for layer, before in zip(layers, first, strict=True):  # no layer waits for one above: each runs over all steps
        own, (last,) = kernel([layer], seen, (before,))
        hidden.append(own)
        after.append(last)
        seen = torch.cat([inputs, own], dim=-1)
    return torch.cat(hidden, dim=-1), tuple(after)


def kernel(layers: list[LSTMLayer], inputs: Tensor, first: ControllerState) -> tuple[Tensor, ControllerState]:
    """Some layers, each fed by the one below: (time, batch, units) of the last, and the state after the last step."""
    hidden, cell = map(torch.stack, zip(*first, strict=True))
    weights: list[Tensor] = []
    for layer in layers:
        below = layer.weight.shape[1] - hidden.shape[-1]
        # The kernel adds two bias vectors, of which only their sum matters: the second is zero.
        weights += [layer.weight[:, :below], layer.weight[:, below:], layer.bias, torch.zeros_like(layer.bias)]
    training = torch.is_grad_enabled()  # only then does the kernel keep what its backward pass needs
    outputs, hidden, cell = torch.lstm(inputs, (hidden, cell), weights, True, len(layers), 0.0, training, False, False)
    return outputs, tuple(zip(hidden, cell, strict=True))


def compiled(tensor: Tensor) -> bool:
    """Whether there are compiled loops for such tensors."""
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32 and not twins.uncompiled()


def begin(stack: LSTMStack, inputs: Tensor) -> ControllerState:
    """What ``stack.begin`` gives for these inputs, by compiled loops where there are some."""
    if not compiled(inputs):
        return stack.begin(inputs.shape[1])
    from ..ntm.fused.functions import value  # compiled code is loaded once it is needed

    values = [value(start).expand(inputs.shape[1], -1) for start in cast(list[Start], list(stack.starts))]
    return tuple(zip(values[::2], values[1::2], strict=True))


def output(layer: nn.Linear, hidden: Tensor) -> Tensor:
    """What the layer gives, by compiled loops where there are some."""
    if not compiled(hidden):
        logits: Tensor = layer(hidden)
        return logits
    from ..ntm.fused.functions import linear

    return linear(hidden, layer.weight, layer.bias)
