"""Optimisers and gradient clipping on flat parameters, one row a member of the cohort.

All of a model's parameters lie in one vector, and those of a cohort in one matrix (members, parameters): an update is
a handful of operations whatever the model, and nothing passes from one member to another. TensorFlow's exact forms,
since they decide outcomes: its RMSProp starts the mean square at one and has epsilon inside the root.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """An optimiser's state: (members, parameters) each, and the steps taken."""

    first: Tensor
    second: Tensor
    step: int

    def copy(self, device: torch.device | str) -> "Moments":
        """The same state in tensors of its own, on a device."""
        return Moments(self.first.to(device, copy=True), self.second.to(device, copy=True), self.step)

    def row(self, member: int) -> "Moments":
        """One member's, as if it were alone."""
        return Moments(self.first[member : member + 1], self.second[member : member + 1], self.step)

    @classmethod
    def join(cls, members: Sequence["Moments"]) -> "Moments":
        """Those of a cohort whose members have taken equally many steps."""
        first, second, steps = zip(*members, strict=True)
        return cls(torch.cat(first), torch.cat(second), steps[0])


@dataclass(frozen=True)
class Adam:
    """Adam as TensorFlow's AdamOptimizer computes it (Kingma & Ba 2015, the reordered form that ends section 2).

    Epsilon is added to the root of the *uncorrected* second moment. Defaults are TensorFlow's.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step."""
        return Moments(torch.zeros_like(parameters), torch.zeros_like(parameters), 0)

    def step(self, parameters: Tensor, gradients: Tensor, state: Moments) -> Moments:
        """Move ``parameters`` in place; gives the next state (its tensors are those of ``state``, updated)."""
        first, second, step = state.first, state.second, state.step + 1
        first.lerp_(gradients, 1 - self.beta1)  # m
        second.mul_(self.beta2).addcmul_(gradients, gradients, value=1 - self.beta2)  # v
        rate = self.learning_rate * (1 - self.beta2**step) ** 0.5 / (1 - self.beta1**step)
        parameters.addcdiv_(first, second.sqrt().add_(self.epsilon), value=-rate)
        return Moments(first, second, step)


@dataclass(frozen=True)
class RMSProp:
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

    def begin(self, parameters: Tensor) -> Moments:
        """The state before the first step: no momentum, mean square one."""
        return Moments(torch.zeros_like(parameters), torch.ones_like(parameters), 0)

    def step(self, parameters: Tensor, gradients: Tensor, state: Moments) -> Moments:
        """Move ``parameters`` in place; gives the next state (its tensors are those of ``state``, updated)."""
        momentum, square = state.first, state.second
        square.mul_(self.decay).addcmul_(gradients, gradients, value=1 - self.decay)
        momentum.mul_(self.momentum).addcdiv_(gradients, (square + self.epsilon).sqrt_(), value=self.learning_rate)
        parameters.sub_(momentum)
        return Moments(momentum, square, state.step + 1)


@dataclass(frozen=True)
class GlobalNorm:
    """Scale a member's gradient down to this norm where it is longer (Pascanu et al. 2013; tf.clip_by_global_norm)."""

    norm: float

    def clip(self, gradients: Tensor, norms: Tensor) -> Tensor:
        """(members, parameters) by each member's own norm (members, 1); changed in place."""
        return gradients.mul_((self.norm / norms.clamp_min(torch.finfo(norms.dtype).tiny)).clamp_max(1.0))


@dataclass(frozen=True)
class ElementWise:
    """Clip every element to +/-limit (Graves et al. 2014, section 4.6)."""

    limit: float

    def clip(self, gradients: Tensor, norms: Tensor) -> Tensor:
        """(members, parameters), changed in place; the norms (members, 1) do not matter here."""
        return gradients.clamp_(-self.limit, self.limit)
