"""One step of the NTM: its state is a value, its heads are their own, and nothing in it becomes undefined."""

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
    return torch.rand(*shape, INPUTS, generator=stream("cell", name)).to(dtype)


def steps(cell: NTMCell, xs: Tensor) -> list[State]:
    """The state before the first step, and after each."""
    states = [cell.begin(xs.shape[1])]
    for x in xs:
        states.append(cell(x, states[-1])[1])
    return states


@pytest.mark.parametrize(
    ("i", "o", "parameters"), [(9, 8, 65_096), (10, 8, 65_496), (7, 6, 64_054)], ids=["copy", "repeat copy", "recall"]
)
def test_parameters_of_the_released_code(i: int, o: int, parameters: int) -> None:
    cell = NTMCell(NTM(memory=Constant(1e-6, trainable=True)), i, o, seed=1)
    assert sum(p.numel() for p in cell.parameters()) == parameters
    fixed = NTMCell(NTM(memory=Constant(1e-6)), i, o, seed=1)
    assert sum(p.numel() for p in fixed.parameters()) == parameters - 2560


def test_state_size_counts_what_the_state_holds() -> None:
    for spec in (SMALL, replace(SMALL, reads=2, writes=3, controller=FeedforwardController(4))):
        memory, weightings, reads = cell_of(spec).begin(1)[1:]
        controller = [part for pair in cell_of(spec).begin(1).controller for part in pair]
        assert spec.state_size(10) == sum(part.numel() for part in (memory, weightings, reads, *controller))


@pytest.mark.parametrize("read_first", [True, False])
def test_a_state_is_a_value(read_first: bool) -> None:
    cell = cell_of(replace(SMALL, read_first=read_first))
    x, other = inputs(BATCH, name="x"), inputs(BATCH, name="other")
    first = cell.begin(BATCH)
    kept = [part.clone() for part in first[1:]]
    y, after = cell(x, first)
    cell(other, after)  # what is done elsewhere does not matter
    again, after_again = cell(x, first)
    assert again.equal(y)
    assert all(a.equal(b) for a, b in zip(after[1:], after_again[1:], strict=True))
    assert all(a.equal(b) for a, b in zip(first[1:], kept, strict=True))
    assert not cell(x, after)[0].equal(y)


@pytest.mark.parametrize("spec", [SMALL, replace(SMALL, reads=2, writes=2, read_first=False)], ids=["1+1", "2+2"])
def test_sequences_of_a_batch_do_not_meet(spec: NTM) -> None:
    cell, xs = cell_of(spec), inputs(4, 3)
    together = steps(cell, xs)[-1]
    for n in range(3):
        alone = steps(cell, xs[:, n : n + 1])[-1]
        for one, all_of_them in zip(alone[1:], together[1:], strict=True):
            torch.testing.assert_close(one[0], all_of_them[n], rtol=1e-12, atol=1e-14)


def still(spec: NTM, erase: float = 0.0, add: float = 0.0) -> Tensor:
    """A bias that asks of every head: by location only, no shift, sharpness 21."""
    head = torch.zeros(spec.width + 2 + 2 * spec.reach + 1 + 1, dtype=torch.float64)
    head[spec.width + 1] = -20.0  # g
    head[spec.width + 2 + spec.reach] = 20.0  # s
    head[-1] = 20.0  # γ
    vector = torch.ones(spec.writes * spec.width, dtype=torch.float64)
    return torch.cat([head.repeat(spec.reads + spec.writes), erase * vector, add * vector])


def ask_always(cell: NTMCell, bias: Tensor) -> NTMCell:
    """The cell, with heads that are asked the same in every step."""
    with torch.no_grad():
        cell.heads.weight.zero_()
        cell.heads.bias.copy_(bias)
    return cell


@pytest.mark.parametrize("read_first", [True, False])
def test_every_head_goes_on_from_its_own_weighting(read_first: bool) -> None:
    """A write head that is given the read head's weighting learns all the same, so no curve would show it."""
    spec = replace(SMALL, rows=12, reads=2, writes=2, read_first=read_first)
    cell = ask_always(cell_of(spec), still(spec))
    places = [1, 4, 7, 10]
    state = cell.begin(1)._replace(weightings=torch.eye(12, dtype=torch.float64)[None, places])
    for _ in range(3):
        _, state = cell(inputs(1), state)
    assert state.weightings.argmax(dim=-1).tolist() == [places]


@pytest.mark.parametrize("read_first", [True, False])
def test_a_row_is_read_before_or_after_it_is_written(read_first: bool) -> None:
    spec = replace(SMALL, memory=Constant(0.25), read_weighting=OneHot(2), write_weighting=OneHot(2))
    spec = replace(spec, read_first=read_first)
    cell = ask_always(cell_of(spec), still(spec, erase=20.0, add=20.0))
    _, after = cell(inputs(BATCH), cell.begin(BATCH))
    expected = torch.full((BATCH, 1, 3), 0.25 if read_first else 1.0, dtype=torch.float64)
    torch.testing.assert_close(after.reads, expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(after.memory[:, 2], torch.ones(BATCH, 3).double(), rtol=0, atol=1e-7)
    others = after.memory[:, [0, 1, 3, 4, 5]]
    torch.testing.assert_close(others, torch.full_like(others, 0.25), rtol=0, atol=1e-7)


def test_clips_bound_what_heads_are_asked_and_the_logits() -> None:
    cell = cell_of(replace(SMALL, clip_heads=1.0, clip_output=0.5))
    with torch.no_grad():
        cell.heads.weight.mul_(1e4)
        cell.output.weight.mul_(1e4)
    y, _ = cell(inputs(BATCH), cell.begin(BATCH))
    assert y.abs().eq(0.5).all()
    ask = cell.ask(inputs(BATCH, name="hidden").new_ones(BATCH, 4))
    one = torch.ones((), dtype=torch.float64)
    assert ask.key.abs().max() <= torch.tanh(one)
    assert ask.strength.max() <= torch.nn.functional.softplus(one)
    assert torch.sigmoid(-one) <= ask.gate.min() and ask.gate.max() <= torch.sigmoid(one)
    assert ask.sharpness.max() <= 1 + torch.nn.functional.softplus(one)


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
        return steps(cell, inputs(40, BATCH, dtype=dtype))[-1]


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
        EXTREME, rows=512, reads=2, writes=2, reach=3, controller=FeedforwardController(20), memory=Learned()
    ),
}


@pytest.mark.parametrize("spec", EXTREMES.values(), ids=EXTREMES)
def test_nothing_becomes_undefined_under_weights_a_hundred_times_too_large(spec: NTM) -> None:
    """210 steps forward and back in single precision: the complaint that NTM users make most."""
    module = NTMModule(cell_of(spec, torch.float32))
    module.implementation = "reference"
    with torch.no_grad():
        module.cell.heads.weight.mul_(100.0)
    xs = inputs(210, BATCH, dtype=torch.float32).round().requires_grad_()
    logits = module(xs)
    assert logits.isfinite().all()
    for gradient in torch.autograd.grad(logits.tanh().sum(), [xs, *module.parameters()], materialize_grads=True):
        assert gradient.isfinite().all()


# Refusals


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 0}, r"NTM\(rows=0\): at least 1 is needed"),
        ({"width": -1}, r"NTM\(width=-1\)"),
        ({"reads": 0}, r"NTM\(reads=0\)"),
        ({"writes": 0}, r"NTM\(writes=0\)"),
        ({"reach": -1}, r"NTM\(reach=-1\)"),
        ({"rows": 6, "reach": 3}, r"NTM\(reach=3\): 6 rows allow 0 to 2"),
        ({"similarity": "cosin"}, r"NTM\(similarity='cosin'\): 'cosine' or 'dot'"),
    ],
)
def test_what_cannot_be_built_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NTM(**fields)


def test_a_shift_may_reach_as_far_as_the_memory_has_room() -> None:
    spec = replace(SMALL, rows=7, reach=3)
    assert unroll(cell_of(spec), inputs(3, BATCH)).isfinite().all()
