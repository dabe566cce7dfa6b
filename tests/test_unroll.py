"""The unroll, the only place of the NTM that knows about time."""

from typing import Any

import pytest
import torch
from torch import Tensor

from membench.ntm import NTM, FeedforwardController, LSTMController, NTMModule, stream, unroll


class Counter:
    """A cell whose state is the number of steps taken; says the number, the batch element and the input."""

    def begin(self, batch: int) -> Any:
        return torch.zeros(batch), ()

    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        count = state[0] + 1
        return torch.stack([count, torch.arange(len(x)).float(), x[:, 0]], dim=-1), (count, ())


def test_one_step_a_time_step_in_order_from_a_fresh_state() -> None:
    inputs = torch.rand(5, 3, 2, generator=stream("counted"))
    for _ in range(2):  # the second call begins anew
        outputs = unroll(Counter(), inputs)
        assert outputs.shape == (5, 3, 3)
        assert outputs[..., 0].equal(torch.arange(1.0, 6)[:, None].expand(5, 3))
        assert outputs[..., 1].equal(torch.arange(3.0).expand(5, 3))
        assert outputs[..., 2].equal(inputs[..., 0])


def module(spec: NTM) -> NTMModule:
    made = spec.build(3, 2, seed=1).double()
    made.implementation = "reference"
    return made


def drawn(*shape: int) -> Tensor:
    return torch.rand(*shape, 3, dtype=torch.float64, generator=stream("unroll", str(shape)))


SPECS = [
    NTM(rows=6, width=3, controller=LSTMController(units=4)),
    NTM(rows=6, width=3, controller=FeedforwardController(units=4), reads=2, writes=2, read_first=False),
]


@pytest.mark.parametrize("spec", SPECS, ids=["LSTM", "feedforward"])
def test_an_unroll_is_the_steps_one_by_one(spec: NTM) -> None:
    ntm, inputs = module(spec), drawn(6, 2)
    state = ntm.cell.begin(2)
    for x, expected in zip(inputs, ntm(inputs), strict=True):
        y, state = ntm.cell(x, state)
        assert y.equal(expected)


@pytest.mark.parametrize("spec", SPECS, ids=["LSTM", "feedforward"])
def test_nothing_is_known_before_its_time_and_everything_can_be_remembered(spec: NTM) -> None:
    ntm = module(spec)
    inputs = drawn(4, 4).requires_grad_()  # as many steps as sequences: a transposition would show
    outputs = ntm(inputs)
    for t in range(4):
        for n in range(4):
            (gradient,) = torch.autograd.grad(outputs[t, n].sum(), inputs, retain_graph=True)
            matters = gradient.abs().sum(dim=-1) > 0
            expected = torch.zeros(4, 4, dtype=torch.bool)
            expected[: t + 1, n] = True
            assert matters.equal(expected)


@pytest.mark.parametrize("spec", SPECS, ids=["LSTM", "feedforward"])
def test_a_longer_sequence_begins_like_a_shorter_one(spec: NTM) -> None:
    ntm, inputs = module(spec), drawn(9, 2)
    assert ntm(inputs)[:4].equal(ntm(inputs[:4]))
    assert ntm(inputs[:1]).shape == (1, 2, 2)


@pytest.mark.parametrize("spec", SPECS, ids=["LSTM", "feedforward"])
def test_calling_twice_gives_the_same_and_changes_nothing(spec: NTM) -> None:
    ntm, inputs = module(spec), drawn(5, 2)
    before = {name: value.clone() for name, value in ntm.state_dict().items()}
    first = ntm(inputs)
    ntm(drawn(7, 3))
    assert ntm(inputs).equal(first)
    assert all(value.equal(before[name]) for name, value in ntm.state_dict().items())
