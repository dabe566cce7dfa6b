"""CUDA graphs: what is computed again and again from the same places, in one launch instead of thousands."""

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

Function = Callable[..., tuple[Tensor, ...]]
"""From tensors to tensors; what else it reads or changes stays where it is."""

WARM = 3
"""Calls that are computed as they stand: libraries choose, compile and allocate in them, which cannot be captured."""


class Graph:
    """A function that is captured once it has been called a few times on tensors of the same shapes.

    From then on calls of these shapes are replayed. Nothing in it may ask a device for a number: see ``asks``. The
    first calls are real ones, so that nothing has to be undone. Not measured on a GPU.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.calls: Counter[tuple[torch.Size, ...]] = Counter()
        self.captured: dict[tuple[torch.Size, ...], Captured] = {}

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        """What the function gives, in tensors of its own."""
        shapes = tuple(part.shape for part in given)
        if shapes not in self.captured:
            self.calls[shapes] += 1
            if self.calls[shapes] <= WARM:
                return self.function(*given)
            self.captured[shapes] = Captured(self.function, given)
        return self.captured[shapes](*given)


class Captured:
    """One graph: what it is given is copied to where it reads, and what it gives from where it writes."""

    def __init__(self, function: Function, given: tuple[Tensor, ...]) -> None:
        self.given = tuple(part.clone() for part in given)
        self.answers, self.replay = capture(lambda: function(*self.given))

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        for part, new in zip(self.given, given, strict=True):
            part.copy_(new)
        self.replay()
        return tuple(answer.clone() for answer in self.answers)


def capture(function: Callable[[], tuple[Tensor, ...]]) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
    """Where a function will write its answers, and what computes them; capturing computes nothing."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # another thread makes the next batches
        answers = function()
    return answers, graph.replay


def asks(function: Function, *given: Tensor) -> str:
    """Why a function cannot be captured, as when it asks for a number on its way; empty where it can.

    It is computed on fake tensors, which have no numbers to give.
    """
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            function(*given)
    except Exception as error:  # of the function's own kind
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return ""
