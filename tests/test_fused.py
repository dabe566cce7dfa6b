"""The fused NTM gives the reference's values and gradients, or leaves the call to the reference and says so."""

import copy
import gc
import logging
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.utils.parametrizations import weight_norm

from membench.ntm import (
    NTM,
    Bounded,
    Constant,
    FeedforwardController,
    Learned,
    LSTMController,
    NTMModule,
    OneHot,
    Random,
    Scaled,
    Uniform,
    Weights,
    Zeros,
    stream,
    unroll,
)
from membench.ntm.fused import workspace as workspace
from membench.ntm.layer import fall_back
from membench.ntm.memory import Start

CLOSE = 2e-5
"""Of a tensor's largest element, or five times what the reference loses in float32 if that is more.

float32 keeps 6e-8 of a number, and some hundred operations lie between the weights and an output of these short
sequences. Where the problem itself is ill-conditioned, as the gradient of a first weighting is that later steps sharpen
away, any float32 arithmetic is as far off as the reference's own."""

INPUTS, OUTPUTS = 3, 2
SMALL = NTM(rows=8, width=5, controller=LSTMController(units=7))


def small(**fields: Any) -> NTM:
    return NTM(**{"rows": 8, "width": 5, "controller": LSTMController(units=7), **fields})


SPECS = {
    "collier2018": NTM(),
    "small": SMALL,
    "dot": small(similarity="dot"),
    "two reads, three writes": small(reads=2, writes=3),
    "four and four": small(reads=4, writes=4, width=8, rows=17),
    "no shift": small(reach=0),
    "reach two, odd rows": small(reach=2, rows=7),
    "reach three, all rows": small(reach=3, rows=7),
    "one row": small(rows=1, width=1, reach=0),
    "feedforward": small(controller=FeedforwardController(units=6)),
    "feedforward, three layers": small(controller=FeedforwardController(units=6, layers=3)),
    "two layers": small(controller=LSTMController(units=6, layers=2)),
    "three layers and an inlet": small(controller=LSTMController(units=6, layers=3, inlet=4)),
    "learned states": small(controller=LSTMController(units=6, layers=2, state=Learned("normal"))),
    "scaled states": small(controller=LSTMController(units=6, state=Scaled())),
    "zeros": small(memory=Zeros(), read=Zeros(), read_weighting=Uniform(), write_weighting=Uniform()),
    "trainable zeros": small(memory=Zeros(trainable=True), read=Zeros(trainable=True)),
    "trainable constant": small(memory=Constant(1e-6, trainable=True), read_weighting=OneHot(0, trainable=True)),
    "random": small(memory=Random(), read=Random(trainable=True, squash=False)),
    "learned": small(memory=Learned("uniform"), write_weighting=OneHot(2), read_weighting=Uniform(trainable=True)),
    "clips that act": small(clip_heads=0.2, clip_output=0.1),
    "no clips": small(clip_heads=None, clip_output=None),
    "written first": small(read_first=False),
    "written first, two and two, dot": small(read_first=False, reads=2, writes=2, similarity="dot"),
    "linear": small(squash="linear", writes=2),
    "relu": small(squash="relu", reads=2, clip_heads=0.2),
    "nothing fed back, feedforward": small(feedback=False, read=Zeros(), controller=FeedforwardController(units=6)),
    "zero weightings, two biases": small(
        read_weighting=Zeros(),
        write_weighting=Zeros(),
        memory=Bounded(0.3),
        controller=LSTMController(units=6, layers=2, second_bias=True, weights=Weights(Bounded(0.4), Bounded(0.2))),
    ),
    "Ha": small(
        squash="linear",
        gated=False,
        feedback=False,
        read=Zeros(),
        read_first=False,
        read_weighting=Zeros(),
        write_weighting=Zeros(),
        memory=Bounded(0.2),
        clip_heads=None,
        clip_output=None,
        controller=LSTMController(units=7, second_bias=True),
        write_order="pairs",
    ),
}


def modules(spec: NTM, scale: float = 2.0) -> tuple[NTMModule, NTMModule, NTMModule]:
    """The fused one; the reference with the same weights, in float32 and in float64."""
    made = []
    for implementation in ("fused", "reference", "reference"):
        module = spec.build(INPUTS, OUTPUTS, seed=1)
        module.implementation = implementation
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if "raw" not in name:
                    parameter.mul_(scale)
                    if name.endswith("bias"):
                        parameter.add_(torch.randn(parameter.shape, generator=stream("bias", name)) * 0.3 * scale)
        made.append(module)
    return made[0], made[1], made[2].double()


def drawn(steps: int, batch: int, seed: int = 2) -> Tensor:
    return torch.rand(steps, batch, INPUTS, generator=stream("fused", seed))


def answers(module: NTMModule, inputs: Tensor) -> list[Tensor]:
    """Logits, and gradients of the inputs and of every parameter."""
    x = inputs.to(next(module.parameters()).dtype).requires_grad_()
    outputs = module(x)
    towards = torch.randn(outputs.shape, generator=stream("towards")).to(outputs.dtype)
    watched = [x, *module.parameters()]
    return [outputs.detach(), *torch.autograd.grad(outputs, watched, towards, materialize_grads=True)]


def assert_equal(made: tuple[NTMModule, NTMModule, NTMModule], inputs: Tensor, close: float = CLOSE) -> None:
    names = ["logits", "inputs", *(name for name, _ in made[0].named_parameters())]
    for name, got, same, want in zip(names, *(answers(module, inputs) for module in made), strict=True):
        assert got.shape == want.shape and got.dtype == torch.float32
        bound = max(close * max(1e-3, float(want.abs().max())), 5 * float((same - want).abs().max()))
        assert float((got - want).abs().max()) <= bound, name


class TestEqualsTheReference:
    @pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
    @pytest.mark.parametrize(("steps", "batch"), [(1, 1), (9, 3), (19, 5)])
    def test_with_random_weights(self, spec: NTM, steps: int, batch: int) -> None:
        assert_equal(modules(spec), drawn(steps, batch))

    @pytest.mark.slow  # compiles again
    def test_with_more_layers_than_kernels_are_made_for(self) -> None:
        assert_equal(modules(small(controller=LSTMController(units=3, layers=6))), drawn(5, 2))

    @pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
    def test_whatever_lay_in_memory_before(self, spec: NTM, monkeypatch: pytest.MonkeyPatch) -> None:
        """A number that is read before it is written is not a number."""
        monkeypatch.setattr(workspace, "free", [])
        monkeypatch.setattr(workspace.np, "empty", lambda shape, kind: np.full(shape, np.nan, kind))
        assert_equal(modules(spec), drawn(9, 3))

    def test_with_weights_that_lie_crosswise(self) -> None:
        made = modules(SMALL)
        for module in made:
            for layer in (module.cell.heads, module.cell.output):
                layer.weight.data = layer.weight.data.t().contiguous().t()
                layer.bias.data = layer.bias.data.repeat_interleave(2)[::2]
        assert_equal(made, drawn(5, 3).transpose(0, 1).contiguous().transpose(0, 1))

    @pytest.mark.parametrize("batch", [4, 32, 33])
    def test_with_batches_of_any_size(self, batch: int) -> None:
        assert_equal(modules(SMALL), drawn(8, batch))

    def test_over_the_papers_sequence(self) -> None:
        assert_equal(modules(NTM(), scale=1.0), drawn(41, 4))

    @pytest.mark.parametrize("name", ["zeros", "dot", "two reads, three writes", "written first", "feedforward"])
    def test_with_weights_of_zero(self, name: str) -> None:
        """All keys and rows alike, similarities 0/0 but for the epsilon."""
        assert_equal(modules(SPECS[name], scale=0.0), drawn(9, 3))

    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    @pytest.mark.parametrize("value", [-20.0, 20.0])
    @pytest.mark.parametrize("part", range(4))
    def test_with_head_parameters_at_their_ends(self, similarity: str, value: float, part: int) -> None:
        """Strength 0 or 20, gate shut or open, all weight on one shift, sharpness 1 or 21.

        At sharpness 21 what a step rounds away grows 21-fold in the next: over twenty draws of the input the reference
        itself loses 2e-5 at the median and 1e-4 at most.
        """
        made = modules(small(similarity=similarity, memory=Random()), scale=1.0)
        width, place = 5, (5, 6, 7, 10)[part]
        for module in made:
            with torch.no_grad():
                for head in range(2):
                    module.cell.heads.bias[head * (width + 6) + place] = value
        assert_equal(made, drawn(12, 3), close=6e-5 if (part, value) == (3, 20.0) else CLOSE)

    @pytest.mark.parametrize("similarity", ["cosine", "dot"])
    def test_with_head_parameters_far_beyond(self, similarity: str) -> None:
        """Without a clip: weightings underflow, gates are 0 and 1. All is finite, and so are the gradients."""
        fused, same, _ = modules(small(similarity=similarity, memory=Random(), clip_heads=None), scale=300.0)
        for got, want in zip(answers(fused, drawn(12, 3)), answers(same, drawn(12, 3)), strict=True):
            assert bool(got.isfinite().all()) and bool(want.isfinite().all())

    def test_with_memory_that_is_all_but_zero(self) -> None:
        """Squares of its rows are below float32's range, the rows are not."""
        assert_equal(modules(small(memory=Constant(1e-21, trainable=True), read_weighting=OneHot(0))), drawn(3, 2))

    def test_in_a_short_training(self) -> None:
        curves = []
        for module in modules(small(memory=Constant(1e-6, trainable=True)), scale=1.0):
            optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
            curve = []
            for step in range(40):
                inputs = (drawn(1 + step % 9, 4, seed=step) > 0.5).to(next(module.parameters()).dtype)
                loss = (module(inputs) - inputs[:, :, :OUTPUTS].roll(1, dims=0)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                curve.append(loss.detach().double())
            curves.append(torch.stack(curve))
        torch.testing.assert_close(curves[0], curves[2], rtol=1e-3, atol=0)
        assert float(curves[0][-9:].mean()) < 0.9 * float(curves[0][:9].mean())

    def test_not_a_number_stays_one(self) -> None:
        """What diverged must be seen to."""
        inputs = drawn(6, 3)
        inputs[2, 1, 0] = math.nan
        outputs = modules(SMALL)[0](inputs)
        assert bool(outputs[2:, 1].isnan().all())
        assert bool(outputs[:2].isfinite().all()) and bool(outputs[:, [0, 2]].isfinite().all())


class TestFourAfterFour:
    """Forward and back four samples at a time: ``NTMModule.gradients``, and when a trainer asks for it."""

    @pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
    @pytest.mark.parametrize("batch", [1, 6, 8])
    def test_equals_autograd_to_the_last_bit(self, spec: NTM, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Equals the fused twin under autograd, which the other tests hold against the reference."""
        monkeypatch.setattr(workspace, "free", [])
        monkeypatch.setattr(workspace.np, "empty", lambda shape, kind: np.full(shape, np.nan, kind))
        module, inputs = modules(spec)[0], drawn(9, batch)
        towards = torch.randn(9, batch, OUTPUTS, generator=stream("towards"))
        logits, *found = answers(module, inputs)
        step = module.gradients()
        for _ in range(2):  # the second time on what the first left behind
            ours = step(inputs, lambda y, samples: towards[:, samples])
            assert ours[0].equal(logits)
            assert ours[1].equal(torch.cat([part.flatten() for part in found[1:]]))

    def test_follows_values_that_change(self) -> None:
        module, inputs = modules(SMALL)[0], drawn(5, 3)
        step = module.gradients()

        def follows() -> bool:
            fresh = module.gradients()(inputs, lambda y, samples: y)
            return all(a.equal(b) for a, b in zip(step(inputs, lambda y, samples: y), fresh, strict=True))

        assert follows()
        for parameter in module.parameters():
            parameter.data = parameter.data * 0.5
        assert follows()
        module.cell.output.weight.data = module.cell.output.weight.data.t().contiguous().t()  # not in one piece
        for _ in range(2):
            assert follows()
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.mul_(1.5)  # in place

    @pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
    def test_a_sample_alone_is_what_it_is_beside_others(self, spec: NTM) -> None:
        """To the last bit, though its products with weights are not done four at a time."""
        module, inputs = modules(spec)[0], drawn(9, 4)
        assert module(inputs[:, :1].contiguous()).equal(module(inputs)[:, :1])

    def test_grad_mode_does_not_matter(self) -> None:
        """The slope is asked without it, either way."""

        def slope(logits: Tensor, samples: slice) -> Tensor:
            assert not torch.is_grad_enabled() and not logits.requires_grad
            return logits

        module, inputs = modules(SMALL)[0], drawn(5, 3)
        with torch.no_grad():
            without = module.gradients()(inputs, slope)
        assert module.gradients()(inputs, slope)[1].equal(without[1])

    def test_starts_that_share_a_parameter_share_its_gradient(self) -> None:
        module, inputs = modules(SMALL)[0], drawn(5, 3)
        module.cell.write_weighting.raw = module.cell.read_weighting.raw
        _, found = module.gradients()(inputs, lambda y, samples: torch.ones_like(y))
        expected = torch.autograd.grad(module(inputs).sum(), list(module.parameters()))
        assert found.equal(torch.cat([part.flatten() for part in expected]))

    def test_a_copy_stands_alone(self) -> None:
        step, inputs = modules(SMALL)[0].gradients(), drawn(5, 3)
        copied = copy.deepcopy(step)
        gradient = step(inputs, lambda y, samples: y)[1].clone()
        step.cell.heads.weight.data.zero_()
        assert copied(inputs, lambda y, samples: y)[1].equal(gradient)

    @pytest.mark.parametrize(
        "slope",
        [lambda y, _: torch.zeros(5, 6, OUTPUTS), lambda y, _: y[:-1], lambda y, _: y.double()],
    )
    def test_a_slope_of_something_else_is_refused(self, slope: Any) -> None:
        with pytest.raises(ValueError, match=r"a slope of .*: accepted is \(5, 4, 2\), torch.float32, as the logits"):
            modules(SMALL)[0].gradients()(drawn(5, 6), slope)

    def test_a_module_is_plain_unless_autograd_would_find_something_else(self) -> None:
        class Other(NTMModule):
            pass

        class Halved(Start):
            def forward(self) -> Tensor:
                return super().forward() / 2

        frozen, hooked, parametrised, watched, other = (SMALL.build(INPUTS, OUTPUTS) for _ in range(5))
        other.cell.memory = Halved(Learned(), other.cell.memory.raw.shape, ("halved",))
        assert frozen.plain() and not Other(frozen.cell).plain()
        frozen.cell.heads.bias.requires_grad_(False)
        hooked.cell.heads.register_forward_hook(lambda *_: None)
        watched.register_full_backward_hook(lambda *_: None)
        weight_norm(parametrised.cell.output)
        assert not any(module.plain() for module in (frozen, hooked, parametrised, watched, other))


class TestWithoutGradients:
    @pytest.mark.parametrize("name", ["small", "written first", "three layers and an inlet", "feedforward"])
    def test_gives_the_same(self, name: str) -> None:
        """In pieces, of which the last is short."""
        module, inputs = modules(SPECS[name])[0], drawn(150, 3)
        with torch.no_grad():
            pieces = module(inputs)
        assert pieces.equal(module(inputs).detach())

    def test_takes_no_more_memory_for_longer_sequences(self) -> None:
        module = modules(SMALL)[0]
        sizes = []
        for steps in (100, 1000):
            workspace.free.clear()
            with torch.no_grad():
                module(drawn(steps, 2))
            sizes.append([each.size for each in workspace.free])
        assert sizes[0] == sizes[1] and len(sizes[0]) == 1


class TestArraysAreReused:
    @pytest.fixture(autouse=True)
    def nothing_free(self) -> None:
        gc.collect()
        workspace.free.clear()

    def test_from_step_to_step(self) -> None:
        module = modules(SMALL)[0]
        for steps in (5, 9, 2, 9):
            answers(module, drawn(steps, 3))
        assert len(workspace.free) == 1

    def test_not_while_a_backward_pass_is_due(self) -> None:
        module, inputs = modules(SMALL)[0], [drawn(5, 3, seed=seed) for seed in range(3)]
        alone = [torch.autograd.grad(module(x).sum(), module.cell.heads.weight)[0] for x in inputs]
        sums = [module(x).sum() for x in inputs]
        together = [torch.autograd.grad(total, module.cell.heads.weight)[0] for total in sums]
        assert all(a.equal(b) for a, b in zip(alone, together, strict=True))
        assert len(workspace.free) == 2  # and the third was given back to the system

    def test_after_a_forward_pass_that_is_not_followed(self) -> None:
        outputs = modules(SMALL)[0](drawn(5, 3))
        assert not workspace.free
        del outputs
        assert len(workspace.free) == 1

    def test_unless_they_are_very_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workspace, "LARGEST", 1000)
        answers(modules(SMALL)[0], drawn(5, 3))
        assert not workspace.free


class TestIsChosen:
    def test_by_device_and_type(self) -> None:
        module = SMALL.build(INPUTS, OUTPUTS)
        assert module.implementation_for("cpu") == "fused"
        assert module.implementation_for("cuda") == "reference"
        assert module.double().implementation_for("cpu", torch.float64) == "reference"

    def test_or_not_which_is_said_once(self, caplog: pytest.LogCaptureFixture) -> None:
        fall_back.cache_clear()
        module = SMALL.build(INPUTS, OUTPUTS).double()
        with caplog.at_level(logging.INFO, logger="membench.ntm.layer"):
            for _ in range(3):
                assert module(drawn(2, 1).double()).dtype == torch.float64
        assert ["float32, not torch.float64" in record.message for record in caplog.records] == [True]
        module.implementation = "fused"
        with pytest.raises(ValueError, match="'auto' or 'reference' would run"):
            module(drawn(2, 1).double())

    def test_unless_torch_func_is_at_work(self) -> None:
        module, inputs = SMALL.build(INPUTS, OUTPUTS), drawn(3, 2)
        stacked = {name: torch.stack([value, value]) for name, value in module.named_parameters()}
        both = vmap(lambda weights: functional_call(module, weights, (inputs,)))(stacked)
        torch.testing.assert_close(both[1], unroll(module.cell, inputs))

    def test_for_parameters_that_are_views(self) -> None:
        """A trainer's parameters lie in one vector."""
        inputs, module = drawn(5, 3), modules(SMALL)[0]
        want = answers(module, inputs)
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])
        start = 1  # so that nothing is aligned
        flat = torch.cat([flat[:1], flat])
        for parameter in module.parameters():
            parameter.data = flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        assert all(a.equal(b) for a, b in zip(answers(module, inputs), want, strict=True))

    def test_its_backward_pass_runs_once(self) -> None:
        total = SMALL.build(INPUTS, OUTPUTS)(drawn(2, 1)).sum()
        total.backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="run it forward again"):
            total.backward()

    @pytest.mark.parametrize("flushed", [False, True])
    def test_denormal_numbers_are_treated_as_before(self, flushed: bool) -> None:
        try:
            torch.set_flush_denormal(flushed)
            answers(modules(SMALL)[0], drawn(2, 1))
            assert (float(torch.tensor([1e-310], dtype=torch.float64) * 1.0) == 0.0) is flushed
        finally:
            torch.set_flush_denormal(False)
