"""The NTM where it degenerates: identical rows, uniform and one-hot weightings, saturated heads, extreme weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from membench.ntm import (
    NTM,
    Constant,
    FeedforwardController,
    Learned,
    LSTMController,
    NTMCell,
    NTMModule,
    OneHot,
    Random,
    State,
    Uniform,
    Zeros,
    stream,
    unroll,
)

SMALL = NTM(rows=6, width=3, controller=LSTMController(units=4))
INPUTS, OUTPUTS, BATCH = 3, 2, 2


def cell_of(spec: NTM, dtype: torch.dtype = torch.float64) -> NTMCell:
    return NTMCell(spec, INPUTS, OUTPUTS, seed=1).to(dtype)


def inputs(*shape: int, dtype: torch.dtype = torch.float64, name: str = "") -> Tensor:
    return torch.rand(*shape, INPUTS, generator=stream("degenerate", name)).to(dtype)


# Identical rows


IDENTICAL = {"constant": Constant(1e-6, trainable=True), "large": Constant(0.3), "zeros": Zeros()}
ROWS_16 = NTM(rows=16, width=4, read_weighting=Uniform(), write_weighting=Uniform())


def spread(memory: Tensor) -> float:
    """The largest difference between two rows of one memory."""
    return float((memory.amax(dim=-2) - memory.amin(dim=-2)).max())


def after_steps(spec: NTM, dtype: torch.dtype = torch.float64) -> State:
    cell = cell_of(spec, dtype)
    with torch.no_grad():
        cell.heads.weight.mul_(5.0)
        state = cell.begin(BATCH)
        for x in inputs(40, BATCH, dtype=dtype):
            _, state = cell(x, state)
        return state


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("memory", IDENTICAL.values(), ids=IDENTICAL)
@pytest.mark.parametrize("fields", [{}, {"reads": 2, "writes": 2, "read_first": False, "reach": 2}], ids=["1+1", "2+2"])
def test_identical_rows_under_uniform_weightings_stay_identical(
    memory: Constant | Zeros, similarity: str, fields: dict[str, Any]
) -> None:
    """Nothing tells one row from another: the memory is a single slot for ever, whatever the controller does."""
    last = after_steps(replace(ROWS_16, memory=memory, similarity=similarity, **fields))
    assert last.memory.abs().max() > 0.05  # something was written
    assert spread(last.memory) < 1e-12
    torch.testing.assert_close(last.weightings, torch.full_like(last.weightings, 1 / 16), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "fields",
    [
        {"memory": Random(0.5)},
        {"memory": Learned()},
        {"read_weighting": OneHot(0), "write_weighting": OneHot(0)},
        {"read_weighting": Learned(), "write_weighting": Learned()},
    ],
    ids=["random memory", "learned memory", "one-hot weightings", "learned weightings"],
)
def test_different_rows_or_weightings_set_the_rows_apart(fields: dict[str, Any]) -> None:
    last = after_steps(replace(ROWS_16, **fields))
    assert spread(last.memory) > 1e-3
    assert float((last.weightings - 1 / 16).abs().max()) > 1e-3


def test_no_gradient_sets_identical_rows_apart_either() -> None:
    spec = replace(ROWS_16, memory=Constant(1e-6, trainable=True))
    spec = replace(spec, read_weighting=Uniform(trainable=True), write_weighting=Uniform(trainable=True))
    cell = cell_of(spec)
    loss = unroll(cell, inputs(12, BATCH)).square().sum()
    names = ["memory.raw", "read_weighting.raw", "write_weighting.raw"]
    memory, *weightings = torch.autograd.grad(loss, [cell.get_parameter(name) for name in names])
    assert memory.abs().max() > 1e-6
    assert spread(memory.view(16, 4)) < 1e-12 * float(memory.abs().max())
    for gradient in weightings:
        assert gradient.abs().max() < 1e-12


# Gradients at degenerate states

ONE_HOT = torch.eye(6, dtype=torch.float64)[[2, 4]].expand(BATCH, -1, -1)
EVEN = torch.full((BATCH, 2, 6), 1 / 6, dtype=torch.float64)
ROWS = torch.randn(BATCH, 6, 3, dtype=torch.float64, generator=stream("rows"))
DEGENERATE: dict[str, tuple[Tensor, Tensor, float]] = {  # memory, weightings, how large the heads' parameters are
    "ordinary": (ROWS, torch.softmax(ROWS[:, :2].repeat(1, 1, 2), dim=-1), 1.0),
    "equal rows, uniform weightings": (ROWS[:, :1].expand(-1, 6, -1), EVEN, 1.0),
    "one-hot weightings": (ROWS, ONE_HOT, 1.0),
    "uniform weightings, saturated heads": (ROWS, EVEN, 1e3),
    "nearly one-hot weightings, saturated heads": (ROWS, 0.99 * ONE_HOT + 0.01 * EVEN, 1e3),
    "tiny rows": (1e-3 * ROWS, EVEN, 1.0),
}


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize(("memory", "weightings", "size"), DEGENERATE.values(), ids=DEGENERATE)
def test_gradients_of_a_step(memory: Tensor, weightings: Tensor, size: float, similarity: str) -> None:
    cell = cell_of(replace(SMALL, similarity=similarity))
    with torch.no_grad():
        cell.heads.weight.mul_(size)

    def step(x: Tensor, memory: Tensor, weightings: Tensor, reads: Tensor) -> tuple[Tensor, ...]:
        y, after = cell(x, cell.begin(BATCH)._replace(memory=memory, weightings=weightings, reads=reads))
        return y, *after[1:]

    at = (inputs(BATCH), memory.clone(), weightings.clone(), torch.zeros(BATCH, 1, 3).double())
    assert torch.autograd.gradcheck(step, [part.requires_grad_() for part in at], rtol=1e-3, atol=1e-6)


def test_gradients_of_a_step_from_a_zero_memory() -> None:
    """With respect to all but the memory, whose similarity changes its slope within 1e-8 of zero."""
    cell = cell_of(replace(SMALL, memory=Zeros()))

    def step(x: Tensor, weightings: Tensor, reads: Tensor) -> tuple[Tensor, ...]:
        y, after = cell(x, cell.begin(BATCH)._replace(weightings=weightings, reads=reads))
        return y, *after[1:]

    at = (inputs(BATCH), EVEN.clone(), torch.zeros(BATCH, 1, 3).double())
    assert torch.autograd.gradcheck(step, [part.requires_grad_() for part in at])


# Nothing undefined

EXTREME = NTM(rows=128, width=20, controller=LSTMController(units=20))
EXTREMES = {
    "as released": EXTREME,
    "dot": replace(EXTREME, similarity="dot"),
    "zero memory, one-hot": replace(
        EXTREME, memory=Zeros(), read_weighting=OneHot(0), write_weighting=OneHot(0), read_first=False
    ),
    "equal rows, uniform": replace(EXTREME, read_weighting=Uniform(), write_weighting=Uniform()),
    "zero memory, uniform, trainable": replace(
        EXTREME, memory=Zeros(trainable=True), read_weighting=Uniform(trainable=True), write_weighting=Uniform()
    ),
    "no clips": replace(EXTREME, clip_heads=None, clip_output=None),
    "512 rows, feedforward, two heads, reach 3": replace(
        EXTREME, rows=512, reads=2, writes=2, reach=3, memory=Learned(), controller=FeedforwardController(20)
    ),
}


def extreme(spec: NTM, seed: int, dtype: torch.dtype, implementation: str = "reference") -> NTMModule:
    """A module whose heads' weights are a hundred times too large: gates saturate, strengths and sharpness reach 20."""
    module = NTMModule(NTMCell(spec, INPUTS, OUTPUTS, seed).to(dtype))
    module.implementation = implementation  # type: ignore[assignment]
    with torch.no_grad():
        module.cell.heads.weight.mul_(100.0)
    return module


def bits(steps: int, seed: int, dtype: torch.dtype) -> Tensor:
    return inputs(steps, BATCH, dtype=dtype, name=str(seed)).round()


def finite(module: NTMModule, xs: Tensor) -> bool:
    """Whether the logits are, and every gradient."""
    logits = module(xs.requires_grad_())
    gradients = torch.autograd.grad(logits.tanh().sum(), [xs, *module.parameters()], materialize_grads=True)
    return all(bool(part.isfinite().all()) for part in (logits, *gradients))


@pytest.mark.parametrize("implementation", ["reference", "fused"])
@pytest.mark.parametrize("spec", EXTREMES.values(), ids=EXTREMES)
def test_nothing_becomes_undefined_under_extreme_weights(spec: NTM, implementation: str) -> None:
    """The complaint that NTM users make most; in single precision.

    Back over 25 steps: a uniform weighting that is kept, and sharpened by 21 in every step, has gradients that grow
    21-fold a step, which single precision holds for 29.
    """
    for seed in (1, 2):
        module = extreme(spec, seed, torch.float32, implementation)
        with torch.no_grad():
            assert module(bits(210, seed, torch.float32)).isfinite().all()
        assert finite(module, bits(25, seed, torch.float32))


@pytest.mark.parametrize("spec", EXTREMES.values(), ids=EXTREMES)
def test_nor_do_gradients_over_many_steps_where_their_size_can_be_held(spec: NTM) -> None:
    """Back over 210 steps, in double precision."""
    assert finite(extreme(spec, 7, torch.float64), bits(210, 7, torch.float64))
