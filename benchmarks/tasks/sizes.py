"""What tasks of random bit vectors share: sizes that are accepted, and fair coins."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from ..core import Size


class Sized(Protocol):
    """The fields that are checked, the same in every task."""

    @property
    def bits(self) -> int: ...
    @property
    def train(self) -> tuple[range, ...]: ...
    @property
    def test(self) -> Sequence[Size]: ...
    @property
    def encoding(self) -> str: ...


def accepted(task: object, size: Size, least: Mapping[str, int]) -> Size:
    """The size itself, if the task has sequences of it.

    Args:
        task: Named in the message.
        size: What is asked for.
        least: The dimensions of a size, in order, and the least value of each.

    Raises:
        ValueError: Another number of dimensions, or one too small.
    """
    fits = len(size) == len(least) and all(
        isinstance(number, int) and number >= low for number, low in zip(size, least.values(), strict=True)
    )
    if not fits:
        form = ", ".join(f"{name} >= {low}" for name, low in least.items())
        raise ValueError(f"{type(task).__name__}: size {size!r}: accepted is ({form})")
    return size


def check(task: Sized, least: Mapping[str, int], encodings: Sequence[str]) -> None:
    """Refuse a task that could not be sampled.

    Raises:
        ValueError: No bits, an unknown encoding, an empty training range, or a size the task does not have.
    """
    name = type(task).__name__
    if task.bits < 1:
        raise ValueError(f"{name}(bits={task.bits}): at least 1 is needed")
    if task.encoding not in encodings:
        raise ValueError(f"{name}(encoding={task.encoding!r}): one of {', '.join(map(repr, encodings))}")
    if not all(task.train):
        raise ValueError(f"{name}(train={task.train}): a range without a size")
    accepted(task, tuple(min(numbers) for numbers in task.train), least)
    for size in task.test:
        accepted(task, size, least)


def coins(*shape: int, generator: Generator) -> Tensor:
    """Independent fair bits, 0.0 or 1.0."""
    return torch.randint(2, shape, generator=generator).float()
