"""Defects found in other implementations, each a test that they would fail.

Covered elsewhere: the gate missing from the interpolation, shifts in the wrong direction or discarded, heads that share
a weighting, a missing erase vector, heads that see the LSTM's cell state, controllers without a batch size
(test_addressing, test_cell, test_ntm_equations); whether a "constant" memory is trained (test_memory); copies that
differ in their random initial state (test_contracts).
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from membench.baselines.dnc import DNC
from membench.ntm import (
    NTM,
    Constant,
    FeedforwardController,
    Learned,
    LSTMController,
    OneHot,
    Random,
    Uniform,
    Zeros,
    stream,
)
from membench.ntm.memory import Weighting

SMALL = NTM(rows=6, width=3, controller=LSTMController(units=4))
SPECS = {"LSTM": SMALL, "feedforward": replace(SMALL, controller=FeedforwardController(units=4), read_first=False)}


def module(spec: NTM | DNC = SMALL) -> Any:
    made = spec.build(3, 2, seed=1)
    made.implementation = "reference"
    return made


def drawn(*shape: int) -> Tensor:
    return torch.rand(*shape, 3, generator=stream("peers", str(shape)))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_what_is_read_reaches_the_controller_within_the_sequence(spec: NTM) -> None:
    """ixaxaar/pytorch-dnc builds all controller inputs from the first read vector, before the loop."""
    ntm = module(replace(spec, memory=Random(0.5, trainable=True)))
    with torch.no_grad():
        ntm.cell.output.weight[:, 4:] = 0  # the logits see the controller alone
    outputs = ntm(drawn(3, 2))
    memory = ntm.cell.get_parameter("memory.raw")
    reached = [
        torch.autograd.grad(y.sum(), memory, retain_graph=True, materialize_grads=True)[0].any() for y in outputs
    ]
    assert reached == [False, True, True]


def test_evaluating_twice_gives_the_same() -> None:
    """ixaxaar/pytorch-dnc draws the controller's state, kuc2477/pytorch-ntm the memory, at every call."""
    ntm = module(replace(SMALL, memory=Random(0.5), controller=LSTMController(units=4, state=Learned("normal"))))
    assert ntm(drawn(5, 2)).equal(ntm(drawn(5, 2)))


@pytest.mark.parametrize(
    "scheme", [Learned(), OneHot(2), OneHot(2, trainable=True), Uniform(), Uniform(trainable=True)]
)
def test_the_first_interpolation_starts_from_weightings_and_from_those_that_were_asked_for(scheme: Weighting) -> None:
    """loudinthecloud/pytorch-ntm starts from zero vectors; snowkylin/ntm does by a misspelt option."""
    ntm = module(replace(SMALL, memory=Random(0.5), read_weighting=scheme, write_weighting=scheme))
    first = ntm.cell.begin(2).weightings
    torch.testing.assert_close(first.sum(dim=-1), torch.ones(2, 2))
    outputs = ntm(drawn(4, 2))
    for name in ("read_weighting", "write_weighting"):
        start = ntm.cell.get_submodule(name)
        if scheme.trainable:
            (gradient,) = torch.autograd.grad(outputs.sum(), start.get_parameter("raw"), retain_graph=True)
            assert gradient.any()
        else:
            assert not list(start.parameters())


def test_an_option_that_does_not_exist_is_an_error() -> None:
    for misspelt in ("cosin", "Dot", ""):
        with pytest.raises(ValueError, match="'cosine' or 'dot'"):
            NTM(similarity=misspelt)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        NTM(memory_init="constant")  # type: ignore[call-arg]


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bias", [0.0, 1.0, 2.0])
def test_the_forget_bias_is_what_was_asked_for_and_is_there_once(bias: float, layers: int) -> None:
    """The 2019 post sets it on both of PyTorch's bias vectors: asked for 1, it is 2."""
    ntm = module(replace(SMALL, controller=LSTMController(units=4, layers=layers, forget_bias=bias)))
    biases = {name: p for name, p in ntm.cell.controller.named_parameters() if "bias" in name}
    assert len(biases) == layers
    for values in biases.values():
        expected = torch.zeros(4, 4)
        expected[1] = bias
        assert values.view(4, 4).equal(expected)
    hidden, x = torch.zeros(1, 4), torch.zeros(1, 3 + 3)
    _, after = ntm.cell.controller(x, ((hidden, torch.ones(1, 4)),) * layers)
    torch.testing.assert_close(after[0][1], torch.sigmoid(torch.tensor(bias)).expand(1, 4))


def test_every_tensor_is_saved_once() -> None:
    """In the 2019 post the memory is a part of every head, and the first states are in no state_dict."""
    ntm = module(replace(SMALL, reads=2, writes=2))
    names = list(ntm.state_dict())
    assert sum("memory" in name for name in names) == 1
    assert sum("weighting" in name for name in names) == 2
    pointers = [value.data_ptr() for value in ntm.state_dict().values()]
    assert len(set(pointers)) == len(pointers)
    assert all(isinstance(value, Tensor) for value in ntm.state_dict().values())


class Operators(TorchDispatchMode):
    """Counts what is dispatched, and the largest result."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.largest = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.count += 1
        if isinstance(result, Tensor):
            self.largest = max(self.largest, result.numel())
        return result


@pytest.mark.parametrize("spec", [SMALL, DNC(rows=6, width=3, units=4)], ids=["NTM", "DNC"])
def test_no_loop_over_the_batch_and_no_work_of_its_square(spec: NTM | DNC) -> None:
    """loudinthecloud/pytorch-ntm and clemkoa/ntm shift in a loop over the batch.

    The convolution of kuc2477/pytorch-ntm and of the 2019 post shifts every sequence by every other's kernel.
    """
    seen = []
    for batch in (4, 32):
        with Operators() as operators:
            module(spec)(drawn(3, batch)).sum().backward()
        seen.append(operators)
    small, large = seen
    assert large.count == small.count
    assert large.largest <= 8 * small.largest


def test_a_sequence_costs_what_the_first_one_did() -> None:
    """State kept on the module keeps the graph of the last call: it grows, or has to be reset by hand."""
    ntm, counts = module(), []
    for _ in range(3):
        with Operators() as operators:
            ntm(drawn(3, 2)).sum().backward()
        counts.append(operators.count)
    assert counts[0] >= counts[1] == counts[2]


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_any_batch_size_at_any_time(spec: NTM, batch: int) -> None:
    """google-deepmind/dnc fixes it when built; vlgiitr/ntm-pytorch's convolution knows batches of one only."""
    ntm = module(spec)
    ntm(drawn(3, 4))
    assert ntm(drawn(3, batch)).shape == (3, batch, 2)


def test_a_zero_memory_divides_by_nothing() -> None:
    """carpedm20/NTM-tensorflow: 0/0 in the cosine of a memory that starts at zero."""
    ntm = module(replace(SMALL, memory=Zeros(trainable=True), read=Zeros(trainable=True)))
    outputs = ntm(torch.zeros(30, 2, 3))
    outputs.square().sum().backward()
    assert outputs.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in ntm.parameters())


def test_defaults_are_the_published_settings() -> None:
    """MarkPKCollier/NeuralTuringMachine's default scheme was not the paper's, nor its optimiser."""
    spec = NTM()
    assert (spec.rows, spec.width, spec.reads, spec.writes, spec.reach) == (128, 20, 1, 1, 1)
    assert spec.memory == Constant(1e-6, trainable=True)
    assert spec.read == spec.read_weighting == spec.write_weighting == Learned()
    assert spec.controller == LSTMController(units=100, layers=1, forget_bias=1.0)
    assert (spec.clip_heads, spec.clip_output, spec.read_first, spec.similarity) == (20.0, 20.0, True, "cosine")
