"""What tasks share: sizes that are accepted, fair coins, and symbols as vectors."""

from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Integral

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from ..protocols import Size, Task


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
        isinstance(number, Integral) and number >= low for number, low in zip(size, least.values(), strict=True)
    )
    if not fits:
        form = ", ".join(f"{name} >= {low}" for name, low in least.items())
        raise ValueError(f"{type(task).__name__}: size {size!r}: accepted is ({form})")
    return size


def check(task: Task, encodings: Sequence[str] = (), counts: Sequence[str] = ("bits",)) -> None:
    """Refuse a task that could not be sampled.

    Args:
        task: It.
        encodings: What its ``encoding`` may be, where it has one.
        counts: Its fields that are at least 1.

    Raises:
        ValueError: A count of none, an unknown encoding, an empty training range, or a size the task does not have.
    """
    name = type(task).__name__
    for field in counts:
        if (value := getattr(task, field)) < 1:
            raise ValueError(f"{name}({field}={value}): at least 1 is needed")
    if encodings and (encoding := getattr(task, "encoding")) not in encodings:  # noqa: B009  (not every task has one)
        raise ValueError(f"{name}(encoding={encoding!r}): one of {', '.join(map(repr, encodings))}")
    if not all(task.train):
        raise ValueError(f"{name}(train={task.train}): a range without a size")
    for size in (*product(*({min(sizes), max(sizes)} for sizes in task.train)), *task.test):
        task.steps(size)


def coins(*shape: int, generator: Generator) -> Tensor:
    """Independent fair bits, 0.0 or 1.0."""
    return torch.randint(2, shape, generator=generator).float()


def vectors(symbols: Tensor, vocabulary: int) -> Tensor:
    """Symbols, (...), as one-hot vectors, (..., vocabulary)."""
    return one_hot(symbols, vocabulary).float()
