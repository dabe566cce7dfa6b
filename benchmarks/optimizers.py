"""Optimisers and gradient clipping on flat parameters, one row a member of the cohort.

All of a model's parameters lie in one vector, and those of a cohort in one matrix (members, parameters): an update is
a handful of operations whatever the model, and nothing passes from one member to another. Each optimiser is of the
exact form of those who used it, since that decides outcomes: TensorFlow's RMSProp starts the mean square at one and
has epsilon inside the root, torch's starts at zero and has it outside, Graves's takes the variance instead.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..ntm import twins


def sqrt(x: Tensor) -> Tensor:
    """The square root, rounded correctly: the same on every processor.

    On a CPU torch leaves it to MKL, which rounds otherwise for another vendor's processors, and there begins from an
    estimate that each vendor defines for itself.
    """
    if x.device.type != "cpu":
        return x.sqrt()
    with np.errstate(invalid="ignore"):  # NaN of a number below zero, as torch's
        return torch.from_numpy(np.sqrt(x.numpy()))


Rates = Sequence[float] | Tensor
"""What is an optimiser's step's own: numbers, or a vector of them on a device, where a CUDA graph looks them up."""


def add(x: Tensor, rate: float | Tensor, change: Tensor, over: Tensor | None = None) -> None:
    """To x the rate times a change, over something where it is given; x is changed in place."""
    if isinstance(rate, Tensor):
        if over is None:
            x.addcmul_(change, rate)
        else:
            x.addcdiv_(change * rate, over)
    elif over is None:
        x.add_(change, alpha=rate)
    else:
        x.addcdiv_(change, over, value=rate)


def compiled(*parts: Tensor) -> bool:
    """Whether a compiled pass takes these, of one shape; torch's operations take other types, places and processors."""
    shape, device = parts[0].shape, torch.device("cpu")
    plain = all(type(part) in twins.PLAIN and twins.fits(part, shape, torch.float32, device) for part in parts)
    if not plain or not all(part.is_contiguous() for part in parts) or twins.unseen() or twins.uncompiled():
        return False
    from ..ntm.kernels.baseline import BASELINES, settled

    return settled() in BASELINES  # where torch fuses products into sums, as the pass does


class Moments(NamedTuple):
    """An optimiser's state: (members, parameters) each, and the steps taken; ``third`` where there is one."""

    first: Tensor
    second: Tensor
    step: int
    third: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> "Moments":
        """Changed tensors of the same step."""
        third = None if self.third is None else change(self.third)
        return Moments(change(self.first), change(self.second), self.step, third)

    def copy(self, device: torch.device | str) -> "Moments":
        """The same state in tensors of its own, on a device."""
        return self.each(lambda moment: moment.to(device, copy=True))

    def tensors(self) -> list[Tensor]:
        """Without the count."""
        return [moment for moment in (self.first, self.second, self.third) if moment is not None]

    def put(self, others: "Moments") -> "Moments":
        """Those of others, in the tensors of this one."""
        for mine, other in zip(self.tensors(), others.tensors(), strict=True):
            mine.copy_(other)
        return self._replace(step=others.step)

    def row(self, member: int) -> "Moments":
        """One member's, as if it were alone."""
        return self.each(lambda moment: moment[member : member + 1])

    @classmethod
    def join(cls, members: Sequence["Moments"]) -> "Moments":
        """Those of a cohort whose members have taken equally many steps."""
        first, second, steps, third = zip(*members, strict=True)
        return cls(torch.cat(first), torch.cat(second), steps[0], None if third[0] is None else torch.cat(third))


NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)


def matrices(module: nn.Module) -> list[slice]:
    """Where the matrices lie in the vector of a module's parameters: all that weight decay may shrink.

    Matrices are parameters of two axes or more, but for those of norms and those whose own module names them in an
    attribute ``no_weight_decay``, as it should decay rates, gate biases of several heads, and states to begin with.
    """
    spared = {
        id(parameter)
        for part in module.modules()
        for name, parameter in part.named_parameters(recurse=False)
        if isinstance(part, NORMS) or name in getattr(part, "no_weight_decay", ())
    }
    found, end = [], 0
    for parameter in module.parameters():
        start, end = end, end + parameter.numel()
        if parameter.ndim > 1 and id(parameter) not in spared:
            found.append(slice(start, end))
    return found


class Steps(ABC):
    """What all optimisers are: a state to begin with, numbers that change from step to step, and a step."""

    learning_rate: float

    @abstractmethod
    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step."""

    def rates(self, taken: int, factor: float = 1.0) -> tuple[float, ...]:
        """What the step after so many takes that others do not: the learning rate, where nothing else is said.

        Args:
            taken: Steps before it.
            factor: Of the learning rate.
        """
        return (self.learning_rate * factor,)

    @abstractmethod
    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """Move the parameters and the tensors of the state, in place. No number is asked of a device.

        Args:
            parameters: (members, parameters).
            gradients: Of the same shape.
            state: What ``begin`` gave; its count of steps does not matter.
            rates: What ``rates`` gave.
            decayed: Where the matrices lie in a row: which parameters weight decay shrinks, if there is one.
        """

    def step(
        self, parameters: Tensor, gradients: Tensor, state: Moments, factor: float = 1.0, decayed: Sequence[slice] = ()
    ) -> Moments:
        """Move ``parameters`` in place; gives the next state (its tensors are those of ``state``, updated).

        Args:
            parameters: (members, parameters).
            gradients: Of the same shape.
            state: What ``begin`` or the step before gave.
            factor: Of the learning rate.
            decayed: As ``move`` takes it.
        """
        self.move(parameters, gradients, state, self.rates(state.step, factor), decayed)
        return state._replace(step=state.step + 1)


@dataclass(frozen=True)
class Adam(Steps):
    """Adam as TensorFlow's AdamOptimizer computes it (Kingma & Ba 2015, the reordered form that ends section 2).

    Epsilon is added to the root of the *uncorrected* second moment. Defaults are TensorFlow's.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _above_zero(self, "learning_rate", "epsilon")
        _below_one(self, "beta1", "beta2")

    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step."""
        return Moments(torch.zeros_like(parameters), torch.zeros_like(parameters), 0)

    def rates(self, taken: int, factor: float = 1.0) -> tuple[float, ...]:
        """The learning rate, corrected for moments that began at zero."""
        step = taken + 1
        return (self.learning_rate * factor * (1 - self.beta2**step) ** 0.5 / (1 - self.beta1**step),)

    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """As ``Steps.move``; nothing decays."""
        first, second, (rate,) = state.first, state.second, rates
        first.lerp_(gradients, 1 - self.beta1)  # m
        second.mul_(self.beta2).addcmul_(gradients, gradients, value=1 - self.beta2)  # v
        add(parameters, -rate, first, sqrt(second).add_(self.epsilon))


@dataclass(frozen=True)
class AdamW(Steps):
    """Adam as ``torch.optim.AdamW`` computes it, with decoupled weight decay (Loshchilov & Hutter 2019) on matrices.

    Epsilon is added to the root of the *corrected* second moment. Defaults are torch's; without decay it is torch's
    Adam.

    Attributes:
        learning_rate: Also of the decay.
        beta1: Of the mean gradient.
        beta2: Of the mean square.
        epsilon: Added to the root.
        weight_decay: Times the learning rate, the part of a matrix's values that a step takes away.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        _above_zero(self, "learning_rate", "epsilon")
        _below_one(self, "beta1", "beta2")
        _demand(self, "a finite number from 0 on", lambda value: 0 <= value < math.inf, "weight_decay")

    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step."""
        return Moments(torch.zeros_like(parameters), torch.zeros_like(parameters), 0)

    def rates(self, taken: int, factor: float = 1.0) -> tuple[float, ...]:
        """What is left of a matrix; the root of what the second moment has of its mean; the corrected learning rate."""
        step, rate = taken + 1, self.learning_rate * factor
        return 1 - rate * self.weight_decay, (1 - self.beta2**step) ** 0.5, rate / (1 - self.beta1**step)

    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """As ``Steps.move``."""
        first, second, (left, part, rate) = state.first, state.second, rates
        if self.weight_decay:
            for matrix in decayed:
                parameters[:, matrix].mul_(left)
        first.lerp_(gradients, 1 - self.beta1)  # m
        second.mul_(self.beta2).addcmul_(gradients, gradients, value=1 - self.beta2)  # v
        add(parameters, -rate, first, sqrt(second).div_(part).add_(self.epsilon))


@dataclass(frozen=True)
class TorchAdam(AdamW):
    """Adam as ``torch.optim.Adam`` computes it: weight decay is added to the gradient, of all parameters.

    Attributes:
        weight_decay: Which part of the parameters is added to the gradient (L2).
    """

    weight_decay: float = 0.0

    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """As ``Steps.move``."""
        super().move(parameters, gradients.add(parameters, alpha=self.weight_decay), state, rates)


@dataclass(frozen=True)
class RMSProp(Steps):
    """RMSProp as TensorFlow's RMSPropOptimizer computes it: epsilon inside the root, mean square from one.

    Attributes:
        learning_rate: Released code: 1e-4.
        decay: Of the mean square.
        momentum: Of the steps.
        epsilon: Added to the mean square, inside the root.
    """

    learning_rate: float = 1e-4
    decay: float = 0.9
    momentum: float = 0.9
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        _above_zero(self, "learning_rate", "epsilon")
        _below_one(self, "decay", "momentum")

    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step: no momentum, mean square one."""
        return Moments(torch.zeros_like(parameters), torch.ones_like(parameters), 0)

    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """As ``Steps.move``."""
        momentum, square, (rate,) = state.first, state.second, rates
        square.mul_(self.decay).addcmul_(gradients, gradients, value=1 - self.decay)
        add(momentum.mul_(self.momentum), rate, gradients, sqrt(square + self.epsilon))
        parameters.sub_(momentum)


@dataclass(frozen=True)
class GravesRMSProp(Steps):
    """RMSProp as Graves 2013 writes it and Graves et al. 2014 take it over: by the variance of the gradient.

    The variance is the mean square *less* the squared mean. Where it is lost in rounding it counts as zero, never as
    less. Defaults are those of Graves 2013.

    Attributes:
        learning_rate: Of what momentum adds up.
        decay: Of the mean square and the mean.
        momentum: Of the steps.
        epsilon: Added to the variance, inside the root.
    """

    learning_rate: float = 1e-4
    decay: float = 0.95
    momentum: float = 0.9
    epsilon: float = 1e-4

    def __post_init__(self) -> None:
        _above_zero(self, "learning_rate", "epsilon")
        _below_one(self, "decay", "momentum")

    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step: zeros."""
        zeros = torch.zeros_like(parameters)
        return Moments(zeros, zeros.clone(), 0, zeros.clone())

    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """As ``Steps.move``."""
        momentum, square, mean, (rate,) = state.first, state.second, state.third, rates
        assert mean is not None  # begin gave one
        every = (parameters, gradients, momentum, square, mean)
        if compiled(*every):
            from .one_pass import graves_rmsprop

            numbers = (-rate, self.momentum, self.decay, 1 - self.decay, self.epsilon)
            graves_rmsprop(*(part.view(-1).numpy() for part in every), *map(np.float32, numbers))
            return
        square.mul_(self.decay).addcmul_(gradients, gradients, value=1 - self.decay)  # n
        mean.mul_(self.decay).add_(gradients, alpha=1 - self.decay)  # g
        root = sqrt(square.addcmul(mean, mean, value=-1).clamp_min_(0.0).add_(self.epsilon))
        add(momentum.mul_(self.momentum), -rate, gradients, root)  # Delta
        parameters.add_(momentum)


@dataclass(frozen=True)
class TorchRMSprop(Steps):
    """RMSProp as ``torch.optim.RMSprop`` computes it: epsilon outside the root, mean square from zero.

    Defaults are torch's.

    Attributes:
        learning_rate: Of what momentum adds up: a step takes this part of it.
        decay: Of the mean square (torch: alpha).
        momentum: Of the steps.
        epsilon: Added to the root.
        centred: By the variance, not by the mean square. Gradients that stay equal for hundreds of steps can make it
            negative in rounding, and the step NaN, as torch's.
    """

    learning_rate: float = 1e-2
    decay: float = 0.99
    momentum: float = 0.0
    epsilon: float = 1e-8
    centred: bool = False

    def __post_init__(self) -> None:
        _above_zero(self, "learning_rate", "epsilon")
        _below_one(self, "decay", "momentum")

    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step: zeros."""
        zeros = torch.zeros_like(parameters)
        return Moments(zeros, zeros.clone(), 0, zeros.clone() if self.centred else None)

    def move(
        self, parameters: Tensor, gradients: Tensor, state: Moments, rates: Rates, decayed: Sequence[slice] = ()
    ) -> None:
        """As ``Steps.move``."""
        momentum, square, mean, (rate,) = state.first, state.second, state.third, rates
        square.mul_(self.decay).addcmul_(gradients, gradients, value=1 - self.decay)
        if mean is not None:
            mean.lerp_(gradients, 1 - self.decay)
            root = sqrt(square.addcmul(mean, mean, value=-1))
        else:
            root = sqrt(square)
        momentum.mul_(self.momentum).addcdiv_(gradients, root.add_(self.epsilon))
        add(parameters, -rate, momentum)


Optimizer = Adam | AdamW | TorchAdam | RMSProp | GravesRMSProp | TorchRMSprop


def fits(moments: Moments, optimizer: Optimizer) -> bool:
    """Whether an optimiser can go on from a state: it has as many tensors as its own."""
    return (moments.third is None) == (optimizer.begin(torch.zeros(1, 1)).third is None)


@dataclass(frozen=True)
class GlobalNorm:
    """Scale a member's gradient down to this norm where it is longer (Pascanu et al. 2013; tf.clip_by_global_norm)."""

    norm: float

    def __post_init__(self) -> None:
        _above_zero(self, "norm")

    def clip(self, gradients: Tensor, norms: Tensor) -> Tensor:
        """(members, parameters) by each member's own norm (members, 1); changed in place."""
        return gradients.mul_((self.norm / norms.clamp_min(torch.finfo(norms.dtype).tiny)).clamp_max(1.0))


@dataclass(frozen=True)
class ElementWise:
    """Clip every element to +/-limit (Graves et al. 2014, section 4.6)."""

    limit: float

    def __post_init__(self) -> None:
        _above_zero(self, "limit")

    def clip(self, gradients: Tensor, norms: Tensor) -> Tensor:
        """(members, parameters), changed in place; the norms (members, 1) do not matter here."""
        return gradients.clamp_(-self.limit, self.limit)


def _above_zero(spec: object, *names: str) -> None:
    _demand(spec, "a finite number above 0", lambda value: 0 < value < math.inf, *names)


def _below_one(spec: object, *names: str) -> None:
    _demand(spec, "a number from 0 on and below 1", lambda value: 0 <= value < 1, *names)


def _demand(spec: object, accepted: str, holds: Callable[[float], bool], *names: str) -> None:
    """Refuse fields that are no such number."""
    for name in names:
        value = getattr(spec, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not holds(value):
            raise ValueError(f"{type(spec).__name__}({name}={value!r}): {accepted} is needed")
