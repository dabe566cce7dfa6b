"""How memory, first reads, first weightings and controller states begin: the subject of the benchmark, as data.

A scheme says from which values a state begins and whether training may move them. The same schemes serve every
state tensor; what a learned value passes through (tanh for contents, softmax for weightings) is decided by its place,
as in Collier & Beel's released ``ntm.py``.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from .streams import FIRST, stream

Draw = Literal["xavier", "normal", "uniform"]


@dataclass(frozen=True)
class Zeros:
    """All zeros."""

    trainable: bool = False


@dataclass(frozen=True)
class Constant:
    """The same small number everywhere, not squashed. Released code: 1e-6, and trainable by TensorFlow's default."""

    value: float = 1e-6
    trainable: bool = False


@dataclass(frozen=True)
class Learned:
    """A value that training finds, behind a squash: tanh for contents, softmax for weightings.

    Attributes:
        draw: What is drawn before the squash. ``xavier`` (released code): uniform in +/-sqrt(6 / (1 + elements));
            ``normal``: N(0, 1); ``uniform``: U(0, 1) (the draws of the Schmidinger post's read and write weightings).
        trainable: False keeps the drawn value: the same start, fixed.
    """

    draw: Draw = "xavier"
    trainable: bool = True


@dataclass(frozen=True)
class Random:
    """Normal values with this standard deviation, through tanh (as released) or as drawn."""

    std: float = 0.5
    trainable: bool = False
    squash: bool = True


@dataclass(frozen=True)
class Bounded:
    """U(-bound, bound), not squashed (Zana 2017's memory)."""

    bound: float
    trainable: bool = False


@dataclass(frozen=True)
class Redrawn:
    """What a scheme draws, drawn anew for every sequence (Ha 2017's memory); training moves none of it.

    As built, every sequence begins from the same draw, so that the module is a function. ``Start.redraw`` gives each
    sequence one of its own.

    Raises:
        ValueError: A scheme that draws nothing, or that training moves.
    """

    scheme: "Random | Bounded"

    trainable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.scheme, Random | Bounded) or self.scheme.trainable:
            raise ValueError(f"Redrawn({self.scheme}): accepted are Random and Bounded, not trainable")


@dataclass(frozen=True)
class Scaled:
    """U(0, 1) times ``alpha``, not squashed: the Schmidinger post's learned controller state."""

    alpha: float = 0.05
    trainable: bool = True


@dataclass(frozen=True)
class OneHot:
    """All attention on one row.

    A fixed one is exact. A trainable one is a softmax whose logit starts at 10 on the row and 0 elsewhere
    (0.994 of the attention among 128 rows), since an exact one-hot has no finite logits.
    """

    row: int = 0
    trainable: bool = False


@dataclass(frozen=True)
class Uniform:
    """Equal attention on every row; a trainable one starts from equal logits."""

    trainable: bool = False


Contents = Zeros | Constant | Learned | Random | Scaled | Bounded
"""Schemes for what is stored: memory, read vectors, controller states."""

Memory = Contents | Redrawn
"""Schemes for the NTM's memory, which alone may be drawn anew for every sequence."""

Weighting = Learned | OneHot | Uniform | Zeros
"""Schemes for where a head looks before the first step; ``Zeros``, nowhere, is no distribution, but published."""


class Start(nn.Module):
    """The value a state tensor begins each sequence with: a parameter if trainable, else a buffer.

    Args:
        scheme: The scheme.
        shape: The shape of one sequence's state. Its last axis is one variable of the released code, which is what
            Glorot's bound counts: (rows * width,) for memory, (heads, width) for reads, (heads, rows) for weightings.
        named: Of the stream that a drawn scheme draws from.
        weighting: True where the value must be a distribution over the last axis.
    """

    raw: Tensor
    no_weight_decay = ("raw",)  # an optimiser's: where a state begins is no matrix

    def __init__(
        self, scheme: Memory | Weighting, shape: tuple[int, ...], named: tuple[int | str, ...], weighting: bool = False
    ) -> None:
        super().__init__()
        self.anew, self.named, self.draws = isinstance(scheme, Redrawn), named, ""
        if isinstance(scheme, Redrawn):
            scheme = scheme.scheme
        self.scheme = scheme
        raw = first(scheme, shape, stream(*named))
        if isinstance(scheme, Learned):
            self.squash = "softmax" if weighting else "tanh"
        elif isinstance(scheme, Random) and scheme.squash:
            self.squash = "tanh"
        elif isinstance(scheme, OneHot | Uniform) and scheme.trainable:
            self.squash = "softmax"
        else:
            self.squash = "none"
        if scheme.trainable:
            self.raw = nn.Parameter(raw)
        else:
            self.register_buffer("raw", raw)

    def forward(self) -> Tensor:
        """The value, in the shape of one sequence's state."""
        return self.value(self.raw)

    def value(self, raw: Tensor) -> Tensor:
        """What values before the squash, (..., of one sequence's state), become."""
        if self.squash == "softmax":
            return torch.softmax(raw, dim=-1)
        return torch.tanh(raw) if self.squash == "tanh" else raw

    def redraw(self, draws: str) -> None:
        """Begin every sequence of a batch from a draw of its own: the n-th from the n-th of the stream of this name."""
        self.draws = draws

    def begin(self, batch: int) -> Tensor:
        """The value of every sequence, (batch, ...)."""
        if not self.draws:
            value: Tensor = self()
            return value.expand(batch, *self.raw.shape)
        generator = stream(*self.named, self.draws)
        raw = torch.stack([first(self.scheme, tuple(self.raw.shape), generator) for _ in range(batch)]).to(self.raw)
        return torch.tanh(raw) if self.squash == "tanh" else raw

    def back(self, value: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of ``raw``, given that of what ``forward`` gave: autograd's, without its graph."""
        if self.squash == "softmax":
            gradient = torch.ops.aten._softmax_backward_data(gradient, value, -1, value.dtype)
        elif self.squash == "tanh":
            gradient = torch.ops.aten.tanh_backward(gradient, value)
        return gradient


def first(scheme: Contents | Weighting, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """The tensor a scheme starts from, before its squash: float32, on the CPU."""
    match scheme:
        case Zeros():
            return torch.zeros(shape, **FIRST)
        case Constant(value=value):
            return torch.full(shape, value, **FIRST)
        case Learned(draw="xavier"):
            bound = math.sqrt(6 / (1 + shape[-1]))  # Glorot's uniform bound of a (1, elements) variable
            return (2 * torch.rand(shape, generator=generator, **FIRST) - 1) * bound
        case Learned(draw="normal"):
            return torch.randn(shape, generator=generator, **FIRST)
        case Learned():
            return torch.rand(shape, generator=generator, **FIRST)
        case Random(std=std):
            return torch.randn(shape, generator=generator, **FIRST) * std
        case Bounded(bound=bound):
            return (2 * torch.rand(shape, generator=generator, **FIRST) - 1) * bound
        case Scaled(alpha=alpha):
            return torch.rand(shape, generator=generator, **FIRST) * alpha
        case OneHot(row=row, trainable=trainable):
            raw = torch.zeros(shape, **FIRST)
            raw[..., row] = 10.0 if trainable else 1.0
            return raw
        case Uniform(trainable=trainable):
            return torch.full(shape, 0.0 if trainable else 1 / shape[-1], **FIRST)


def start(scheme: Memory | Weighting, shape: tuple[int, ...], seed: int, name: str, weighting: bool = False) -> Start:
    """A ``Start`` that draws from the stream of its seed and name."""
    return Start(scheme, shape, (seed, "start", name), weighting)
