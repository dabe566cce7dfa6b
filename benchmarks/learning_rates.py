"""How the learning rate changes as training goes on: a factor of the optimiser's own, a function of the step alone."""

import math
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class WarmUp:
    """A rise in equal parts to the whole learning rate, which then stays (Goyal et al. 2017, gradual warm-up).

    Attributes:
        steps: How many steps rise: step s, counted from 0, has (s + 1) / steps of the rate.

    Raises:
        ValueError: Less than one step.
    """

    steps: int

    def __post_init__(self) -> None:
        if not _whole(self.steps) or self.steps < 1:
            raise ValueError(f"WarmUp(steps={self.steps!r}): at least 1 is needed")

    def fits(self, steps: int) -> bool:
        """Whether a training of so many steps has room for it."""
        return self.steps <= steps

    def factor(self, step: int, steps: int) -> float:
        """Of the learning rate, in a step counted from 0, of a training of so many steps."""
        return min(1.0, (step + 1) / self.steps)


@dataclass(frozen=True)
class Cosine:
    """A warm-up, if any, then half a cosine down (Loshchilov & Hutter 2017, without restarts).

    Attributes:
        warm_up: Steps that rise, as those of ``WarmUp``.
        last: Towards which part of the learning rate it falls; it would be there one step after the last.

    Raises:
        ValueError: Less than no step; a part that is not of 0 to 1.
    """

    warm_up: int = 0
    last: float = 0.0

    def __post_init__(self) -> None:
        if not _whole(self.warm_up) or self.warm_up < 0:
            raise ValueError(f"Cosine(warm_up={self.warm_up!r}): at least 0 is needed")
        if not isinstance(self.last, int | float) or not 0 <= self.last <= 1:
            raise ValueError(f"Cosine(last={self.last!r}): a part of the learning rate, from 0 to 1, is needed")

    def fits(self, steps: int) -> bool:
        """Whether a training of so many steps has room for it: the warm-up, and a step to fall."""
        return self.warm_up < steps

    def factor(self, step: int, steps: int) -> float:
        """Of the learning rate, in a step counted from 0, of a training of so many steps."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        fallen = (step - self.warm_up) / (steps - self.warm_up)
        return self.last + (1 - self.last) * (1 + math.cos(math.pi * fallen)) / 2


@dataclass(frozen=True)
class Falls:
    """A fall to a part of what it was, at every one of some steps (torch's MultiStepLR).

    Attributes:
        at: The first steps, counted from 0, that are taken with less.
        to: Which part is left at each of them.

    Raises:
        ValueError: Steps that do not rise from 1 on; a part that is not between 0 and 1.
    """

    at: tuple[int, ...]
    to: float = 0.1

    def __post_init__(self) -> None:
        rises = all(map(_whole, self.at)) and all(one < other for one, other in pairwise((0, *self.at)))
        if not self.at or not rises:
            raise ValueError(f"Falls(at={self.at!r}): accepted are whole numbers that rise, from 1 on")
        if not isinstance(self.to, int | float) or not 0 < self.to < 1:
            raise ValueError(f"Falls(to={self.to!r}): a part of the learning rate, between 0 and 1, is needed")

    def fits(self, steps: int) -> bool:
        """Whether a training of so many steps comes to the last of them."""
        return self.at[-1] < steps

    def factor(self, step: int, steps: int) -> float:
        """Of the learning rate, in a step counted from 0, of a training of so many steps."""
        return float(self.to ** sum(step >= fall for fall in self.at))


Schedule = WarmUp | Cosine | Falls
"""How a learning rate changes."""


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
