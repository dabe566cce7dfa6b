"""Stack and tape against loops over cells, in double precision and with gradients."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from membench.baselines.stack import StackModule, StackRNN
from membench.baselines.tape import TapeModule, TapeRNN
from membench.ntm import stream

ARMS: dict[str, Any] = {
    "stack": StackRNN(units=5, cells=4, size=2),
    "stacks": StackRNN(units=5, stacks=2, cells=4, size=2, depth=2, activation="tanh"),
    "joulin": StackRNN.joulin(units=5, stacks=3, cells=4),
    "plain": StackRNN(units=5, stacks=0),
    "tape": TapeRNN(units=5, cells=4, size=2, hidden=3),
    "tape-jumps": TapeRNN(units=5, cells=4, size=2, hidden=3, jumps=True, activation="tanh"),
}


def inputs(steps: int, batch: int = 3) -> Tensor:
    """Random, with a mark in the last channel: the sequences' lengths are 4, 3 and 6."""
    x = torch.randn(steps, batch, 3, generator=stream("x"), dtype=torch.float64)
    x[..., 2] = 0
    for n, length in enumerate((4, 3, 6)[:batch]):
        x[length, n, 2] = 1
    return x


def units(module: Any, x: Tensor, read: Tensor, h: Tensor) -> Tensor:
    """The next values of one sequence's units."""
    z = module.inlet.weight @ torch.cat([x, read]) + module.inlet.bias
    if module.inner is not None:
        z = z + module.inner.weight @ h
    return {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[module.spec.activation](z)


def stacked(module: StackModule, x: Tensor) -> Tensor:
    """Logits of one sequence (time, inputs)."""
    spec = module.spec
    stacks = [[torch.full((spec.size,), spec.empty).double() for _ in range(spec.cells)] for _ in range(spec.stacks)]
    h, logits = torch.zeros(spec.units).double(), []
    for x_t in x:
        read = [stack[depth] for stack in stacks for depth in range(spec.depth)]
        h = units(module, x_t, torch.cat([*read, torch.zeros(0)]), h)
        for k, stack in enumerate(stacks):
            push, pop, stay = torch.softmax(module.action(h)[3 * k : 3 * k + 3], 0)
            v = module.value(h)[k * spec.size : (k + 1) * spec.size]
            v = torch.sigmoid(v) if spec.squash else v
            wider = [v, *stack, torch.full_like(v, spec.empty)]
            stacks[k] = [push * wider[i] + pop * wider[i + 2] + stay * wider[i + 1] for i in range(spec.cells)]
        logits.append(module.readout(torch.relu(h)))
    return torch.stack(logits)


def taped(module: TapeModule, x: Tensor) -> Tensor:
    """Logits of one sequence (time, inputs)."""
    spec, length = module.spec, int(x[:, 2].argmax())
    tape = [torch.zeros(spec.size).double() for _ in range(spec.cells)]
    h, logits = torch.zeros(spec.units).double(), []
    for x_t in x:
        h = units(module, x_t, tape[0], h)
        tape[0] = module.value(h)
        by = [0, 1, -1, length, -length][: 5 if spec.jumps else 3]  # where from the cells come
        parts = torch.softmax(module.action(h), 0)
        tape = [sum(p * tape[(i + n) % spec.cells] for p, n in zip(parts, by, strict=True)) for i in range(spec.cells)]
        logits.append(module.readout(torch.relu(h)))
    return torch.stack(logits)


def gradients(y: Tensor, module: nn.Module, *others: Tensor) -> list[Tensor]:
    weights = torch.randn(y.shape, generator=stream("loss"), dtype=torch.float64)
    return list(torch.autograd.grad((y * weights).sum(), [*module.parameters(), *others]))


@pytest.mark.parametrize("spec", ARMS.values(), ids=ARMS)
def test_logits_and_gradients_equal_a_loop_over_cells(spec: Any) -> None:
    module, x = spec.build(3, 2, 1).double(), inputs(9).requires_grad_()
    slow = taped if isinstance(module, TapeModule) else stacked
    y, expected = module(x), torch.stack([slow(module, x[:, n]) for n in range(3)], dim=1)
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(gradients(y, module, x), gradients(expected, module, x), atol=1e-11, rtol=1e-9)


@pytest.mark.parametrize("spec", ARMS.values(), ids=ARMS)
def test_pieces_of_a_sequence_give_what_the_whole_gives(spec: Any) -> None:
    module, x = spec.build(3, 2, 1).double(), inputs(9)
    lengths = [torch.tensor([4, 3, 6])] if getattr(spec, "jumps", False) else []
    whole, state, pieces = module(x), module.begin(3, *lengths), []
    for piece in (x[:1], x[1:2], x[2:7], x[7:]):
        y, state = module(piece, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces), whole)
    torch.testing.assert_close(gradients(torch.cat(pieces), module), gradients(whole, module))
    leaves = torch.utils._pytree.tree_leaves(state)
    assert sum(part[0].numel() for part in leaves if part is not None) == spec.state_size(9)


@pytest.mark.parametrize("spec", ARMS.values(), ids=ARMS)
def test_members_of_a_cohort_are_mapped_over(spec: Any, mapped_over: Callable[..., None]) -> None:
    mapped_over([spec.build(3, 2, seed) for seed in (1, 2)], inputs(7).float())


@pytest.mark.parametrize("name", ["stack", "tape"])
def test_weights_serve_any_number_of_cells(name: str) -> None:
    """Which does not matter until a stack overflows, or a tape has gone round."""
    many = replace(ARMS[name], cells=20).build(3, 2, 1).double()
    for cells, enough in ((7, True), (2, False)):
        fewer = replace(ARMS[name], cells=cells).build(3, 2, 1).double()
        fewer.load_state_dict(many.state_dict())
        assert torch.allclose(fewer(inputs(7)), many(inputs(7))) == enough


def test_an_input_without_a_mark_is_as_long_as_it_is() -> None:
    module = ARMS["tape-jumps"].build(3, 2, 1)
    assert module.first(torch.zeros(5, 2, 3))[1][1].tolist() == [5, 5]
    with pytest.raises(ValueError, match=r"begin\(batch, lengths\)"):
        module.begin(2)


@pytest.mark.parametrize(
    "wrong, said",
    [
        (lambda: StackRNN(units=0), r"StackRNN\(units=0\): at least 1"),
        (lambda: StackRNN(stacks=-1), r"StackRNN\(stacks=-1\): at least 1"),
        (lambda: StackRNN(cells=2, depth=3), r"StackRNN\(depth=3\): at most its 2 cells"),
        (lambda: TapeRNN(activation="gelu"), r"TapeRNN\(activation='gelu'\): one of 'relu', 'tanh', 'sigmoid'"),
    ],
)
def test_bad_hyperparameters_are_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()
