"""The fused DNC gives the reference's values and gradients, or leaves the call to the reference and says so."""

import logging

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from membench.baselines.dnc import DNC
from membench.baselines.dnc.cell import Interface
from membench.baselines.dnc.fused import memory as kernels
from membench.baselines.dnc.memory import allocate
from membench.baselines.dnc.model import DNCModule
from membench.ntm.layer import fall_back
from membench.ntm.unroll import unroll

CLOSE = 2e-5
"""Of a tensor's largest element. float32 keeps 6e-8 of a number; some hundred operations lie between the weights and
an output of these short sequences, and the reference in float32 is itself as far as 4e-6 from that in float64."""

SPECS = {
    "paper": DNC(rows=8, width=4, units=8),
    "deepmind": DNC.deepmind(rows=8, width=4, units=8),
    "collier2018": DNC.deepmind(rows=128, width=20, reads=1, units=100),
    "rows that are no multiple of four, two reads": DNC(rows=7, width=3, reads=2, units=5),
    "three reads, two layers": DNC.deepmind(rows=5, width=3, reads=3, units=6, layers=2),
    "one row": DNC(rows=1, width=1, units=1),
    "no links": DNC(rows=6, width=3, reads=2, units=5, links=False),
    "tanh layers": DNC(rows=6, width=3, units=5, layers=2, recurrent=False),
    "a clip that acts": DNC.deepmind(rows=6, width=3, units=8, clip=1.0),
    "gradient through usage and biases": DNC.deepmind(rows=6, width=3, units=8, detach_usage=False),
    "masked": DNC(rows=7, width=3, reads=2, units=5, masked=True),
    "masked, no links": DNC(rows=6, width=3, reads=2, units=5, masked=True, links=False),
    "deallocated": DNC.deepmind(rows=6, width=3, units=5, deallocate=True),
    "sharpened": DNC(rows=6, width=3, reads=2, units=5, sharpened=True),
    "all three": DNC.deepmind(rows=5, width=3, reads=3, units=5, masked=True, deallocate=True, sharpened=True),
}


def modules(spec: DNC, scale: float = 2.0) -> tuple[DNCModule, DNCModule]:
    """The fused one in float32, and the reference with the same weights in float64."""
    fused = spec.build(inputs=3, outputs=2, seed=1)
    with torch.no_grad():
        for parameter in fused.parameters():
            parameter.mul_(scale)
    fused.implementation = "fused"
    reference = spec.build(inputs=3, outputs=2, seed=1).double()
    reference.load_state_dict(fused.state_dict())
    reference.implementation = "reference"
    return fused, reference


def bits(steps: int, batch: int, seed: int = 2) -> Tensor:
    return torch.randint(0, 2, (steps, batch, 3), generator=torch.Generator().manual_seed(seed)).float()


def assert_equal(fused: DNCModule, reference: DNCModule, inputs: Tensor, close: float = CLOSE) -> None:
    """Logits and the gradients of the inputs and of every parameter."""
    answers = []
    for module in (fused, reference):
        x = inputs.to(next(module.parameters()).dtype).requires_grad_()
        outputs = module(x)
        towards = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(3)).to(outputs.dtype)
        watched = [x, *module.parameters()]
        answers.append([outputs.detach(), *torch.autograd.grad(outputs, watched, towards, materialize_grads=True)])
    for got, want in zip(*answers, strict=True):
        assert got.shape == want.shape
        assert float((got.double() - want).abs().max()) <= close * max(1e-3, float(want.abs().max()))


class TestEqualsTheReference:
    @pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
    @pytest.mark.parametrize(("steps", "batch"), [(1, 1), (7, 3), (19, 4), (10, 5)])
    def test_with_random_weights(self, spec: DNC, steps: int, batch: int) -> None:
        assert_equal(*modules(spec), bits(steps, batch))

    @pytest.mark.parametrize("name", ["paper", "deepmind", "no links", "three reads, two layers", "all three"])
    def test_with_weights_of_zero(self, name: str) -> None:
        """All rows alike, all similarities 0/0 but for the epsilon."""
        assert_equal(*modules(SPECS[name], scale=0.0), bits(9, 3))

    @pytest.mark.parametrize("gate", ["free", "allocation_gate", "write_gate"])
    @pytest.mark.parametrize("value", [-30.0, 30.0])
    @pytest.mark.parametrize("name", ["deepmind", "three reads, two layers", "all three"])
    def test_with_gates_shut_and_open(self, name: str, gate: str, value: float) -> None:
        """Rows never used or all used, rows freed for good: usage of 0 and of 1, ties in its order."""
        both = modules(SPECS[name])
        sizes, place = both[0].cell.sizes, Interface._fields.index(gate)
        for module in both:
            with torch.no_grad():
                module.cell.interface.bias[sum(sizes[:place]) : sum(sizes[: place + 1])] = value
        assert_equal(*both, bits(12, 3))

    @pytest.mark.parametrize(
        "usage", [[0.0, 0, 0, 0, 0], [1.0, 1, 1], [0.5, 0, 0.5, 0.2, 0], [0.9, 0.3, 1, 0.3, 0.3, 0.7]]
    )
    @pytest.mark.parametrize("least", [0.0, 1e-6])
    def test_allocation_of_rows_equally_used(self, usage: list[float], least: float) -> None:
        """Of these the first comes first, in whatever order the rows were a step ago."""
        used = torch.tensor(usage, requires_grad=True)
        want = allocate(used, least)
        towards = torch.arange(1.0, len(usage) + 1)
        (d_want,) = torch.autograd.grad(want, used, towards)
        got, d_got, scratch = (np.zeros(len(usage), np.float32) for _ in range(3))
        order = np.arange(len(usage), dtype=np.int32)[::-1].copy()
        kernels.allocate(got, order, used.detach().numpy(), np.float32(least))
        kernels.allocate_back(d_got, towards.numpy(), order, used.detach().numpy(), np.float32(least), scratch)
        torch.testing.assert_close(torch.from_numpy(got), want.detach(), rtol=1e-6, atol=1e-12)
        torch.testing.assert_close(torch.from_numpy(d_got), d_want, rtol=1e-5, atol=1e-6)

    def test_over_many_steps_with_few_rows(self) -> None:
        """The memory is filled and freed many times over."""
        assert_equal(*modules(DNC.deepmind(rows=3, width=4, units=8), scale=1.0), bits(60, 2))

    @pytest.mark.parametrize("name", ["paper", "no links", "three reads, two layers", "all three"])
    def test_without_gradients_in_pieces(self, name: str) -> None:
        fused, reference = modules(SPECS[name], scale=1.0)
        inputs = bits(150, 2)
        with torch.no_grad():
            outputs = fused(inputs)
            torch.testing.assert_close(outputs.double(), reference(inputs.double()), rtol=0, atol=1e-4)
        torch.testing.assert_close(outputs, fused(inputs), rtol=0, atol=1e-6)

    def test_a_short_training_follows_the_references_curve(self) -> None:
        curves = []
        for module in modules(SPECS["deepmind"], scale=1.0):
            optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
            curve = []
            for step in range(40):
                inputs = bits(8, 4, seed=step).to(next(module.parameters()).dtype)
                loss = (module(inputs) - inputs[:, :, :2].roll(2, dims=0)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                curve.append(loss.detach().double())
            curves.append(torch.stack(curve))
        torch.testing.assert_close(curves[0], curves[1], rtol=1e-3, atol=0)
        assert float(curves[0][-1]) < 0.8 * float(curves[0][0])


class TestIsChosen:
    def test_by_device_and_type(self) -> None:
        module = SPECS["paper"].build(3, 2)
        assert module.implementation_for("cpu") == "fused"
        assert module.implementation_for("cuda") == "reference"
        assert module.double().implementation_for("cpu", torch.float64) == "reference"

    @pytest.mark.parametrize(
        ("spec", "named"),
        [
            (DNC(writes=2), "one write head, not 2"),
            (DNC.deepmind(clip=0.5), "at 1 or more, not at 0.5"),
        ],
    )
    def test_unless_it_does_not_cover_the_fields_which_is_said_once(
        self, spec: DNC, named: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        fall_back.cache_clear()
        module = spec.build(3, 2)
        with caplog.at_level(logging.INFO, logger="membench.ntm.layer"):
            for _ in range(3):
                assert module(bits(2, 1)).shape == (2, 1, 2)
        assert [named in record.message for record in caplog.records] == [True]
        module.implementation = "fused"
        with pytest.raises(ValueError, match=named):
            module(bits(2, 1))

    def test_unless_torch_func_is_at_work(self) -> None:
        module, inputs = SPECS["paper"].build(3, 2), bits(3, 2)
        stacked = {name: torch.stack([value, value]) for name, value in module.named_parameters()}
        both = vmap(lambda weights: functional_call(module, weights, (inputs,)))(stacked)
        torch.testing.assert_close(both[1], unroll(module.cell, inputs))

    def test_its_backward_pass_runs_once(self) -> None:
        outputs = SPECS["paper"].build(3, 2)(bits(2, 1)).sum()
        outputs.backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="call the module again"):
            outputs.backward()
