"""What a compiled loop leaves to torch's operations: to be differentiated again, or for many gradients at once."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def gradient(plain: Callable[..., Any], given: Sequence[Tensor], asked: Sequence[bool], slope: Any) -> Any:
    """The gradient by those of ``given`` that are asked for, None by the others, differentiable itself.

    Args:
        plain: The function, in torch's operations; it gives a tensor or several.
        slope: The gradient by what it gives.
    """
    wanted = [value for value, needed in zip(given, asked, strict=True) if needed]
    with torch.enable_grad():
        found = iter(torch.autograd.grad(plain(*given), wanted, slope, create_graph=True))
    return tuple(next(found) if needed else None for needed in asked)
