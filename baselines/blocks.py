"""What the layers compared here share: short convolution, residual block, and a network of them between linear layers.

A layer of any kind is a ``Mixer``: it takes a piece of a sequence and the state before it, and gives the state after.
Pieces one after the other give what the whole gives.
"""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

from ..ntm import twins
from ..ntm.streams import FIRST, stream
from ..ntm.weights import linear

TAPS = 4
"""Steps that a short convolution sees: the present one and three before (Mamba, DeltaNet and others)."""

EPSILON = 1e-5
"""What is added to a mean square."""


class Mixer(Protocol):
    """What mixes steps: (time, batch, width) to the same shape, of any number of steps from one on.

    A state is a tensor or a tuple of tensors or states, each tensor (batch, ...); of none, the empty tuple. One that
    can be looked into has ``look(x)``: see ``Block.look``.
    """

    def begin(self, batch: int) -> Any: ...

    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, Any]: ...


def drawn(*shape: int, bound: float, seed: int, name: str) -> nn.Parameter:
    """Values drawn uniformly from within the bound, from a stream of this name."""
    return nn.Parameter(torch.empty(shape, **FIRST).uniform_(-bound, bound, generator=stream(seed, "weights", name)))


def compiles(*given: Tensor) -> bool:
    """Whether the loops of ``fused`` may compute with these: float32 on a CPU, and nobody has to see or map them."""
    plain = all(type(t) in twins.PLAIN and t.dtype == torch.float32 and t.device.type == "cpu" for t in given)
    return plain and not twins.unseen() and not twins.uncompiled()


def norm(width: int) -> "RMSNorm":
    """Root mean square normalisation (Zhang & Sennrich 2019) with a learned scale."""
    return RMSNorm(width, eps=EPSILON, **FIRST)


class RMSNorm(nn.RMSNorm):
    """PyTorch's, quicker."""

    def forward(self, x: Tensor) -> Tensor:
        return normed(x, self.weight, EPSILON)


def unit(x: Tensor) -> Tensor:
    """Vectors (..., size) of length 1; of zeros, zeros."""
    size = x.shape[-1]
    return normed(x, x.new_full((size,), size**-0.5), 1e-24 / size)


def normed(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """weight x / sqrt(mean of x^2 + eps), of (..., size)."""
    if not compiles(x, weight):
        return _normed(x, weight, eps)
    from .fused.norm import Normed  # compiled code is loaded once it is needed

    y: Tensor = Normed.apply(_normed, x, weight, eps)  # type: ignore[no-untyped-call]
    return y


def _normed(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return rms_norm(x, weight.shape, weight, eps)


class ShortConvolution(nn.Module):
    """A causal convolution over time of every channel by itself, then SiLU; without a bias.

    Weights begin as those of ``nn.Conv1d``: uniform within 1/sqrt(taps). The state is the last inputs.
    """

    def __init__(self, width: int, seed: int, name: str, taps: int = TAPS) -> None:
        super().__init__()
        self.weight = drawn(taps, width, bound=taps**-0.5, seed=seed, name=name)

    def begin(self, batch: int) -> Tensor:
        """(batch, taps - 1, width) of zeros."""
        taps, width = self.weight.shape
        return self.weight.new_zeros(batch, taps - 1, width)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        past, (steps, before) = state.transpose(0, 1), (len(x), len(self.weight) - 1)
        last = torch.cat([past, x[max(0, steps - before) :]])[min(steps, before) :]
        return convolved(past, x, self.weight), last.transpose(0, 1)


def convolved(past: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """SiLU(sum of weight_k x_(t-taps+1+k)): (taps - 1, batch, width), (steps, batch, width) to the latter's shape."""
    if len(weight) != TAPS or not compiles(past, x, weight):
        return _convolved(past, x, weight)
    from .fused.convolution import Convolved as Fused

    y: Tensor = Fused.apply(_convolved, past, x, weight)  # type: ignore[no-untyped-call]
    return y


def _convolved(past: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    return silu(Convolved.apply(torch.cat([past, x]), weight))  # type: ignore[no-untyped-call]


class Convolved(torch.autograd.Function):
    """y_t = sum of weight_k x_(t+k), and its gradient, without a temporary tensor a tap."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        steps = len(x) - len(weight) + 1
        y = x[:steps] * weight[0]
        for k in range(1, len(weight)):
            y.addcmul_(x[k : k + steps], weight[k])
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (slope,), (x, weight) = grads, ctx.saved_tensors
        steps, by_x = len(slope), torch.zeros_like(x)
        for k in range(len(weight)):
            by_x[k : k + steps].addcmul_(slope, weight[k])
        return by_x, torch.stack([(slope * x[k : k + steps]).sum((0, 1)) for k in range(len(weight))])

    @staticmethod
    def vmap(info: Any, axes: tuple[int | None, ...], x: Tensor, weight: Tensor) -> tuple[Tensor, int]:
        """Members of a cohort are more channels, side by side."""
        members = info.batch_size
        x, weight = (
            part[..., None, :].expand(*part.shape[:-1], members, -1) if axis is None else part.movedim(axis, -2)
            for part, axis in zip((x, weight), axes, strict=True)
        )
        y: Tensor = Convolved.apply(x.flatten(-2), weight.flatten(-2))  # type: ignore[no-untyped-call]
        return y.view(*y.shape[:-1], members, -1), y.dim() - 1


class Block(nn.Module):
    """x + mixer(norm(x)), as all of these architectures are stacked (pre-norm).

    Args:
        mixer: The layer.
        width: Channels.
        convolution: A short convolution between norm and mixer, or None.
    """

    mixer: Any

    def __init__(self, mixer: nn.Module, width: int, convolution: ShortConvolution | None = None) -> None:
        super().__init__()
        self.norm, self.convolution, self.mixer = norm(width), convolution, mixer

    def begin(self, batch: int) -> tuple[Any, Any]:
        """Of convolution and mixer."""
        return () if self.convolution is None else self.convolution.begin(batch), self.mixer.begin(batch)

    def forward(self, x: Tensor, state: tuple[Any, Any]) -> tuple[Tensor, tuple[Any, Any]]:
        past, memory = state
        y, past = self.given(x, past)
        y, memory = self.mixer(y, memory)
        return x + y, (past, memory)

    def given(self, x: Tensor, past: Any) -> tuple[Tensor, Any]:
        """What the mixer is given, and the convolution's state."""
        y = self.norm(x)
        return (y, past) if self.convolution is None else self.convolution(y, past)

    def look(self, x: Tensor) -> dict[str, Tensor]:
        """What is to be seen of a whole sequence, by a mixer that shows something: each (time, batch, heads, size)."""
        if not hasattr(self.mixer, "look"):
            return {}
        seen: dict[str, Tensor] = self.mixer.look(self.given(x, self.begin(x.shape[1])[0])[0])
        return seen


class Network(nn.Module):
    """A linear layer in, blocks, a norm, a linear layer out; gives logits.

    - ``y = network(x)``: every sequence begins from the first state.
    - ``y, state = network(x, network.begin(batch))``, then ``y, state = network(more, state)``: the pieces of a
      sequence one after the other give what the whole gives, gradients too.

    Args:
        inputs: Channels in; of one-hot tokens the first layer is their embedding.
        outputs: Channels out.
        width: Channels between the blocks.
        blocks: One a layer.
        seed: Decides the first values of the layers in and out.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: Sequence[nn.Module], seed: int) -> None:
        super().__init__()
        self.embedding = linear(inputs, width, seed, "embedding")
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm(width)
        self.readout = linear(width, outputs, seed, "readout")

    def begin(self, batch: int) -> tuple[Any, ...]:
        """The state before the first step of so many sequences: a tuple of one a block."""
        return tuple(cast(Block, block).begin(batch) for block in self.blocks)

    def forward(self, inputs: Tensor, state: Any = None) -> Tensor | tuple[Tensor, Any]:
        """(time, batch, inputs) to logits (time, batch, outputs); with a state given, also the one after."""
        x, after = self.embedding(inputs), []
        for block, before in zip(self.blocks, self.begin(inputs.shape[1]) if state is None else state, strict=True):
            x, memory = block(x, before)
            after.append(memory)
        logits: Tensor = self.readout(self.norm(x))
        return logits if state is None else (logits, tuple(after))

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits, and by name what is to be seen of the mixers, each (time, batch, heads, size)."""
        x, layers = self.embedding(inputs), []
        for block in self.blocks:
            layers += [seen] if isinstance(block, Block) and (seen := block.look(x)) else []
            x, _ = block(x, cast(Block, block).begin(inputs.shape[1]))
        named = {}
        for n, seen in enumerate(layers, 1):
            for name, part in seen.items():
                side, what = name.split(maxsplit=1)
                named[f"{side} layer {n} {what}" if len(layers) > 1 else name] = part
        return self.readout(self.norm(x)), named


def network(
    inputs: int, outputs: int, width: int, mixers: Sequence[nn.Module], seed: int, convolution: bool = False
) -> Network:
    """A network of one block a mixer, all with a short convolution before the mixer, or none."""
    blocks = [
        Block(mixer, width, ShortConvolution(width, seed, f"convolution.{n}") if convolution else None)
        for n, mixer in enumerate(mixers)
    ]
    return Network(inputs, outputs, width, blocks, seed)


def counts(spec: object, *names: str) -> None:
    """Refuse hyperparameters, of these names, that are no whole number from 1 on.

    Raises:
        ValueError: One is not.
    """
    for name in names:
        value = getattr(spec, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{type(spec).__name__}({name}={value!r}): at least 1 is needed, a whole number")


def choices(spec: object, **accepted: tuple[str, ...]) -> None:
    """Refuse hyperparameters that are none of what is accepted under their names.

    Raises:
        ValueError: One is not.
    """
    for name, values in accepted.items():
        if (value := getattr(spec, name)) not in values:
            raise ValueError(f"{type(spec).__name__}({name}={value!r}): one of {', '.join(map(repr, values))}")
