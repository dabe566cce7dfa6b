"""The LSTM that Collier & Beel 2018 compare with: no memory but its own state, and twenty times the parameters."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from ..ntm.controller import LSTMController, LSTMLayer, LSTMStack, linear
from ..ntm.memory import Contents, Learned
from ..ntm.unroll import unroll


@dataclass(frozen=True)
class LSTM:
    """Layers of LSTM units, each fed by the one below; the last one is read by a linear layer.

    The defaults are those of the thesis code behind the paper: one matrix over [input; hidden] and one bias vector a
    layer, as TensorFlow's BasicLSTMCell; hidden and cell state begin at learned values. Nothing is clipped.

    Attributes:
        units: Units of every layer.
        layers: How many layers.
        forget_bias: Where the forget gate's bias starts.
        state: How hidden and cell state begin, each layer's drawn on its own.

    Raises:
        ValueError: No units or no layers.
    """

    units: int = 256
    layers: int = 3
    forget_bias: float = 1.0
    state: Contents = field(default_factory=Learned)

    def __post_init__(self) -> None:
        for name in ("units", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"LSTM({name}={getattr(self, name)}): at least 1 is needed")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> "LSTMModule":
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        return LSTMModule(self, inputs, outputs, seed)

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step, however many steps there are: hidden and cell state of every layer."""
        return 2 * self.units * self.layers


class LSTMModule(nn.Module):
    """An LSTM over whole sequences; gives logits.

    The layers are those of the NTM's controller. PyTorch's fused kernel (oneDNN on a CPU, cuDNN on a GPU) computes
    them; where ``torch.func`` maps or differentiates the module, which that kernel cannot follow, the layers run step
    by step.
    """

    def __init__(self, spec: LSTM, inputs: int, outputs: int, seed: int) -> None:
        super().__init__()
        layers = LSTMController(spec.units, spec.layers, spec.forget_bias, spec.state)
        self.stack = LSTMStack(inputs, layers, seed)
        self.output = linear(spec.units, outputs, seed, "output")

    def forward(self, inputs: Tensor) -> Tensor:
        """(time, batch, inputs) to logits (time, batch, outputs); every sequence begins from the first state."""
        tensors = (inputs, *self.stack.parameters())
        transformed = any(torch._C._functorch.is_functorch_wrapped_tensor(tensor) for tensor in tensors)
        logits: Tensor = self.output((unroll if transformed else fused)(self.stack, inputs))
        return logits


def fused(stack: LSTMStack, inputs: Tensor) -> Tensor:
    """What ``unroll(stack, inputs)`` gives, by PyTorch's kernel: (time, batch, units) of the last layer."""
    hidden, cell = map(torch.stack, zip(*stack.begin(inputs.shape[1]), strict=True))
    weights: list[Tensor] = []
    for layer in cast(list[LSTMLayer], list(stack.layers)):
        below = layer.weight.shape[1] - hidden.shape[-1]
        # The kernel adds two bias vectors, of which only their sum matters: the second is zero.
        weights += [layer.weight[:, :below], layer.weight[:, below:], layer.bias, torch.zeros_like(layer.bias)]
    training = torch.is_grad_enabled()  # only then does the kernel keep what its backward pass needs
    return torch.lstm(inputs, (hidden, cell), weights, True, len(stack.layers), 0.0, training, False, False)[0]
