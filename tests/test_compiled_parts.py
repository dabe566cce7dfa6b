"""The compiled loops of layers: values and gradients are those of torch's operations, to which the rest is left."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from membench.baselines import blocks, matrices, mlstm
from membench.ntm import stream

Given = tuple[Tensor, ...]


def drawn(name: str, *shape: int) -> Tensor:
    return torch.randn(shape, generator=stream("compiled", name))


def norm(x: Tensor, weight: Tensor) -> Tensor:
    return blocks.normed(x, weight, 1e-5)


def left(*given: Tensor) -> Tensor:
    return torch.cat([part.flatten() for part in matrices.left(*given)])


ROWS, DECAYS = drawn("rows", 7, 3, 21).transpose(0, 1), -drawn("logs", 5, 19).abs()
CASES: dict[str, tuple[Callable[..., Tensor], Given]] = {
    "convolution": (blocks.convolved, (drawn("past", 3, 2, 21), drawn("x", 7, 2, 21), drawn("taps", 4, 21))),
    "convolution of a step": (blocks.convolved, (drawn("past", 3, 1, 3), drawn("x", 1, 1, 3), drawn("taps", 4, 3))),
    "convolution of some columns": (
        blocks.convolved,
        (drawn("past", 3, 2, 21), drawn("wide", 7, 2, 45)[..., 22:43], drawn("taps", 4, 21)),
    ),
    "blocks": (mlstm.blockwise, (drawn("x", 3, 5, 24).transpose(0, 1), drawn("w", 6, 4, 4))),
    "norm": (norm, (ROWS, drawn("weight", 21))),
    "unit": (blocks.unit, (ROWS,)),
    "decay": (left, (DECAYS,)),
    "steep decay": (left, (40 * DECAYS,)),
    "scaled decay": (left, (DECAYS, 3 * drawn("gains", 5, 19), drawn("scale", 5))),
}


def slopes(function: Callable[..., Tensor], given: Given, again: bool) -> Given:
    """The gradient of a number, or that of the gradient's."""
    given = tuple(value.detach().requires_grad_() for value in given)
    first = torch.autograd.grad(function(*given).sin().sum(), given, create_graph=again)
    return torch.autograd.grad(sum(part.cos().sum() for part in first), given) if again else first


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_torch(name: str) -> None:
    function, given = CASES[name]
    double = tuple(value.double() for value in given)
    assert blocks.compiles(*given) and not blocks.compiles(*double)
    torch.testing.assert_close(function(*given).double(), function(*double), atol=2e-6, rtol=2e-6)
    for again in (False, True):
        for ours, theirs in zip(slopes(function, given, again), slopes(function, double, again), strict=True):
            torch.testing.assert_close(ours.double(), theirs, atol=3e-5, rtol=3e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_cohort_is_mapped_over_by_torch(name: str) -> None:
    function, given = CASES[name]
    mapped = torch.vmap(function)(*(torch.stack([value, value.flip(0)]) for value in given))
    torch.testing.assert_close(mapped[0], function(*given), atol=2e-6, rtol=2e-6)


def test_zeros_have_no_length_and_a_gradient_without_nan() -> None:
    x = torch.zeros(2, 64, requires_grad=True)
    y = blocks.unit(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert not y.any() and slope.isfinite().all()


@pytest.mark.parametrize("form", [torch.Tensor.float, torch.Tensor.double], ids=["compiled", "plain"])
def test_what_has_faded_is_nothing_and_no_number_stays_none(form: Callable[[Tensor], Tensor]) -> None:
    """Products with numbers near the smallest would be slow."""
    logs = -torch.tensor([[1.0, 20, 20, 20], [1, torch.nan, 1, 1]])
    since, between, _ = matrices.left(form(logs))
    assert since[0, -1] == between[0, -1, 0] == 0 < between[0, -1, 1]
    assert not since[1, 0].isnan() and since[1, 1:].isnan().all() and between[1, 3, 0].isnan()
