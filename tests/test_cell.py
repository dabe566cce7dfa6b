"""One step of the NTM: its state is a value, its heads are their own, and what cannot be is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from membench.ntm import NTM, Constant, FeedforwardController, LSTMController, NTMCell, OneHot, State, stream, unroll

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
        ({"clip_heads": -1.0}, r"NTM\(clip_heads=-1.0\): a bound above 0"),
        ({"clip_output": float("nan")}, r"NTM\(clip_output=nan\)"),
        ({"memory": OneHot(5)}, r"NTM\(memory=OneHot.*: accepted are Zeros, Constant, Learned, Random, Scaled"),
        ({"read_weighting": Constant()}, r"NTM\(read_weighting=Constant.*: accepted are Learned, OneHot, Uniform"),
    ],
)
def test_what_cannot_be_built_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NTM(**fields)


@pytest.mark.parametrize("kind", [LSTMController, FeedforwardController])
@pytest.mark.parametrize("size", ["units", "layers"])
def test_a_controller_needs_a_unit_and_a_layer(kind: Any, size: str) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}\({size}=0\): at least 1 is needed"):
        kind(**{size: 0})


def test_a_shift_may_reach_as_far_as_the_memory_has_room() -> None:
    spec = replace(SMALL, rows=7, reach=3)
    assert unroll(cell_of(spec), inputs(3, BATCH)).isfinite().all()
