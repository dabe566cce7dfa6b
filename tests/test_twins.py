"""What a fused twin is handed is checked first, and whatever it would not honour is left to the reference."""

import copy
import itertools
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap
from torch.nn import utils
from torch.nn.utils import parametrizations, prune

from membench.baselines.dnc import DNC
from membench.baselines.dnc.fused.autograd import fused as fused_dnc
from membench.baselines.lstm import LSTM
from membench.baselines.lstm import fused as fused_lstm
from membench.ntm import NTM, FeedforwardController, LSTMController, Random, stream
from membench.ntm.cell import NTMCell
from membench.ntm.fused.autograd import fused as fused_ntm
from membench.ntm.layer import fall_back

INPUTS, OUTPUTS = 3, 2
SPECS: dict[str, Any] = {
    "NTM": NTM(rows=6, width=4, memory=Random(), controller=LSTMController(units=5)),
    "NTM, feedforward": NTM(rows=6, width=4, reads=2, memory=Random(), controller=FeedforwardController(units=5)),
    "DNC": DNC(rows=5, width=4, units=5),
    "LSTM": LSTM(units=5, layers=2),
    "LSTM, skips": LSTM(units=5, layers=3, skips=True),
}
every = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
CLOSE = {"atol": 2e-6, "rtol": 2e-5}


def build(spec: Any) -> Any:
    return spec.build(INPUTS, OUTPUTS, seed=1)


def drawn(steps: int = 5, batch: int = 3) -> Tensor:
    return torch.randn(steps, batch, INPUTS, generator=stream("twins", steps, batch))


def loops(layer: Any, inputs: Tensor) -> Any:
    """What a layer computes, straight from the loops."""
    if isinstance(layer.spec, LSTM):
        return layer.output(fused_lstm(layer.stack, inputs)[0])
    return (fused_ntm if isinstance(layer.spec, NTM) else fused_dnc)(layer.cell, inputs)


def entries(layer: Any) -> list[Callable[[Tensor], Any]]:
    """Every way to the loops."""

    def steps(x: Tensor) -> list[int]:
        """As lengths of the whole."""
        return [*x.shape[:1]] * (x.shape[1] if x.dim() > 1 else 1)

    ways = [layer, lambda x: loops(layer, x), lambda x: layer(x, lengths=steps(x))]
    if isinstance(layer.spec, LSTM):
        ways.append(lambda x: layer(x, layer.begin(len(steps(x))))[0])
    if isinstance(layer.spec, NTM):
        ways.append(lambda x: layer.gradients()(x, lambda y, samples: y)[0])
    return ways


def by_reference(layer: Any, inputs: Tensor) -> Tensor:
    other = copy.deepcopy(layer)
    other.implementation = "reference"
    logits: Tensor = other(inputs)
    return logits


# Every sentence names what came and what would have been accepted.
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "too wide": (
        lambda: torch.rand(5, 3, 300),
        r"inputs of \(5, 3, 300\), float32 on cpu: accepted is \(time, batch, 3\)",
    ),
    "too narrow": (lambda: torch.rand(5, 3, 2), r"\(5, 3, 2\)"),
    "no width": (lambda: torch.rand(5, 3, 0), r"\(5, 3, 0\)"),
    "flat": (lambda: torch.rand(5, 3), r"\(5, 3\)"),
    "deep": (lambda: torch.rand(5, 3, 3, 1), r"\(5, 3, 3, 1\)"),
    "a number": (lambda: torch.tensor(1.0), r"inputs of \(\)"),
    "expanded too wide": (lambda: torch.rand(5, 3, 1).expand(5, 3, 7), r"\(5, 3, 7\)"),
    "complex": (lambda: torch.rand(5, 3, 3, dtype=torch.complex64), "complex64"),
    "double": (lambda: torch.rand(5, 3, 3, dtype=torch.float64), "float64"),
    "quantised": (lambda: torch.quantize_per_tensor(torch.rand(5, 3, 3), 0.1, 0, torch.qint8), "qint8"),
    "eight bits": (lambda: torch.rand(5, 3, 3).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    "sparse": (lambda: torch.rand(5, 3, 3).to_sparse(), "sparse_coo"),
    "elsewhere": (lambda: torch.rand(5, 3, 3, device="meta"), "on meta: accepted is .* on cpu"),
}


@every
class TestInputs:
    @pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
    @pytest.mark.parametrize("enabled", [True, False])
    def test_that_loops_would_run_beyond_are_refused(self, spec: Any, wrong: Any, enabled: bool) -> None:
        """At every way in, and before anything of theirs is read."""
        make, said = wrong
        layer = build(spec)
        with warnings.catch_warnings(), torch.set_grad_enabled(enabled):
            warnings.simplefilter("ignore")  # quantised tensors are deprecated
            for way in entries(layer):
                with pytest.raises(ValueError, match=said):
                    way(make())

    @pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16])
    def test_of_a_type_that_the_weights_hold_are_taken(self, spec: Any, kind: torch.dtype) -> None:
        layer, x = build(spec), (drawn() > 0).to(kind)
        assert layer(x).equal(layer(x.float())) and layer(x).dtype == torch.float32
        with pytest.raises(ValueError, match=f"{str(kind)[6:]} on cpu: accepted is"):
            loops(layer, x)

    def test_of_any_strides_are_read_right(self, spec: Any) -> None:
        layer, x = build(spec), drawn(5, 3)
        lines = torch.rand(9, 5, 7, generator=stream("lines"))
        conjugate = torch.view_as_complex(torch.rand(5, 3, 3, 2, generator=stream("conjugate"))).conj().imag
        assert conjugate.is_neg()
        for given in (
            x.transpose(0, 1).contiguous().transpose(0, 1),
            x.permute(2, 0, 1).contiguous().permute(1, 2, 0),
            x[:1].expand(5, 3, 3),
            x[:, :1].expand(5, 3, 3),
            x[..., :1].expand(5, 3, 3),
            x[0, 0, 0].expand(5, 3, 3),
            lines[::2, ::2, ::3],
            lines.flip(0)[4:, 1:4, 2:5],
            lines.as_strided((5, 3, 3), (1, 1, 1)),
            lines.flatten()[1 : 1 + 45].view(5, 3, 3),  # not aligned
            conjugate,
            x[:1],
            x[:, :1],
            x[:1, :1],
        ):
            wanted = by_reference(layer, given.clone())
            for way in entries(layer):
                with torch.no_grad():
                    torch.testing.assert_close(way(given), wanted, **CLOSE)
            x2 = given.clone().requires_grad_()
            ours = torch.autograd.grad(loops(layer, given).square().sum(), list(layer.parameters()))
            theirs = torch.autograd.grad(loops(layer, x2).square().sum(), list(layer.parameters()))
            assert all(a.equal(b) for a, b in zip(ours, theirs, strict=True))

    def test_that_are_no_numbers_end_nothing(self, spec: Any) -> None:
        for value in (torch.nan, torch.inf, -torch.inf, 3e38, 1e-45):
            layer, x = build(spec), drawn(12, 5)
            x[3:5, 1] = value
            for way in entries(layer):
                with torch.no_grad():
                    logits = way(x)
                assert bool(logits[:3].isfinite().all()) and bool(logits[:, [0, 2, 3, 4]].isfinite().all())
            layer(x).sum().backward()

    @pytest.mark.parametrize("given", [[[[0.0] * 3]], None, "x", 1.0])
    def test_that_are_no_tensors_are_refused(self, spec: Any, given: Any) -> None:
        with pytest.raises(ValueError, match=r"inputs of type \w+: accepted is a tensor"):
            build(spec)(given)


@every
class TestParameters:
    @pytest.mark.parametrize(
        "change",
        [
            lambda value: torch.cat([value, value]),
            lambda value: value[:-1].clone(),
            lambda value: value[None],
            lambda value: value[..., :1],
            lambda value: torch.zeros(0),
            lambda value: value.flatten() if value.dim() > 1 else value[:, None],
            lambda value: value.double(),
            lambda value: value.to("meta"),
        ],
        ids=["longer", "shorter", "deeper", "narrow", "empty", "flat", "double", "meta"],
    )
    def test_of_another_shape_are_refused_by_name(self, spec: Any, change: Callable[[Tensor], Tensor]) -> None:
        """Each in turn; put in the place of the old one, or its new data."""
        x = drawn()
        for name, whole in itertools.product(build(spec).state_dict(), [True, False]):
            if name.startswith("output"):
                continue  # the LSTM's, which torch computes
            layer = build(spec)
            layer(x)  # as it was; what is remembered of that must not last
            step = layer.gradients() if isinstance(spec, NTM) else layer
            owner, _, last = name.rpartition(".")
            of, value = layer.get_submodule(owner), layer.state_dict()[name]
            new = change(value)
            if (new.shape, new.dtype, new.device) == (value.shape, value.dtype, value.device):
                continue
            if last not in of._parameters:
                setattr(of, last, new)
            elif whole:
                setattr(of, last, nn.Parameter(new))
            elif (new.dtype, new.device) != (value.dtype, value.device):
                continue  # torch itself refuses such data
            else:
                getattr(of, last).data = new
            told = name.removeprefix("cell.").removeprefix("stack.")
            with pytest.raises(ValueError, match=rf"{told} of .*: accepted is \(|^inputs of .*: accepted is"):
                loops(layer, x)
            with pytest.raises((ValueError, RuntimeError)):
                layer(x)
            if isinstance(spec, NTM):
                with pytest.raises(ValueError, match=rf"{told} of .*: accepted is \("):
                    step(x, lambda y, samples: y)
                with pytest.raises(ValueError, match=rf"{told} of .*: accepted is \("):
                    layer.gradients()

    def test_that_there_are_not_or_no_longer_are_refused(self, spec: Any) -> None:
        without, more, layers = build(spec), build(spec), build(spec)
        for layer in (without, more, layers):
            layer(drawn())
        if isinstance(spec, LSTM):
            without.stack.layers[0].bias = None
        else:
            without.cell.output.weight = None
        more.cell.more = nn.Parameter(torch.zeros(3))
        (layers.cell if isinstance(spec, LSTM) else layers.cell.controller).layers.append(nn.Linear(3, 3))
        for layer in (without, more, layers):
            with pytest.raises(ValueError, match=r"accepted is|no longer made of what it was built from"):
                loops(layer, drawn())
        assert "no longer made" in more.uncovered(torch.device("cpu"), torch.float32)
        assert more(drawn()).equal(by_reference(build(spec), drawn()))

    def test_of_other_strides_are_read_right(self, spec: Any) -> None:
        layer = build(spec)
        wanted = layer(drawn())
        for parameter in layer.parameters():
            if parameter.dim() == 2:
                parameter.data = parameter.data.t().contiguous().t()
            else:
                parameter.data = parameter.data.repeat_interleave(2)[::2]
        torch.testing.assert_close(layer(drawn()), wanted, **CLOSE)
        layer.cell.built  # noqa: B018  (it is asked for by name above)

    def test_swapped_between_the_ways_end_nothing(self, spec: Any) -> None:
        """Whoever puts other data into a parameter meanwhile gets the gradient that was due, or torch's error."""
        for at in range(len(list(build(spec).parameters()))):
            layer = build(spec)
            expected = torch.autograd.grad(layer(drawn()).sum(), list(layer.parameters()), materialize_grads=True)
            logits = layer(drawn())
            parameter = list(layer.parameters())[at]
            parameter.data = torch.zeros(*(9 * size for size in parameter.shape))
            try:
                logits.sum().backward()
            except RuntimeError as error:
                assert "returned an invalid gradient" not in str(error)  # as if the loops had gone by the new shape
            else:
                for other, theirs in zip(layer.parameters(), expected, strict=True):
                    assert other.grad is None or other.grad.equal(theirs)


def test_a_cell_of_another_spec_is_refused() -> None:
    ntm = build(SPECS["NTM"])
    ntm(drawn())
    ntm.cell.spec = NTM(rows=60, width=4, memory=Random(), controller=LSTMController(units=5))
    with pytest.raises(ValueError, match=r"no longer made of what it was built from, NTM\(rows=6"):
        loops(ntm, drawn())
    assert "no longer made" in ntm.uncovered(torch.device("cpu"), torch.float32) and not ntm.plain()
    dnc = build(SPECS["DNC"])
    dnc.cell.spec = DNC(rows=500, width=4, units=5)
    assert dnc(drawn()).shape == (5, 3, 2)  # by the reference: no weight depends on the rows


@every
def test_parts_that_hold_their_whole_are_no_circle(spec: Any) -> None:
    layer = build(spec)
    layer.cell.whole = layer
    torch.testing.assert_close(layer(drawn()), by_reference(build(spec), drawn()), **CLOSE)


def test_gradients_follow_no_parameter_that_was_replaced() -> None:
    layer = build(SPECS["NTM"])
    step = layer.gradients()
    layer.cell.heads.weight = nn.Parameter(torch.zeros_like(layer.cell.heads.weight))
    with pytest.raises(ValueError, match="ask for its gradients anew"):
        step(drawn(), lambda y, samples: y)
    assert layer.gradients()(drawn(), lambda y, samples: y)[0].equal(layer(drawn()).detach())


def part(layer: Any) -> Any:
    """Something below a layer that has a weight."""
    if isinstance(layer.spec, LSTM):
        return layer.stack.layers[0]
    return layer.cell.heads if isinstance(layer.spec, NTM) else layer.cell.interface


def halved(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(halved(each) for each in value)
    return value if value is None else value / 2


def with_a_method(layer: Any) -> None:
    of, own = part(layer), part(layer).forward
    of.forward = lambda *given: halved(own(*given))


def of_a_class(layer: Any) -> None:
    of = part(layer)
    kind = type(of)
    of.__class__ = type("Halved", (kind,), {"forward": lambda self, *given: halved(kind.forward(self, *given))})


def computed(layer: Any) -> None:
    """As those do who have another network make the weights."""
    of = part(layer)
    value = of.weight.detach() / 2
    del of.weight
    of.weight = value


class Doubled(Tensor):
    """A tensor that means twice what it holds."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is nn.functional.linear:
            args = tuple(2 * each.as_subclass(Tensor) if isinstance(each, cls) else each for each in args)
        return super().__torch_function__(function, types, args, kwargs or {})


def doubled(layer: Any) -> None:
    part(layer).weight = nn.Parameter(part(layer).weight.detach().as_subclass(Doubled))


CHANGES: dict[str, Callable[[Any], Any]] = {
    "forward hook": lambda layer: part(layer).register_forward_hook(lambda *_: None),
    "forward hook that changes": lambda layer: part(layer).register_forward_hook(lambda of, x, y: halved(y)),
    "pre hook": lambda layer: part(layer).register_forward_pre_hook(lambda of, x: halved(x)),
    "backward hook": lambda layer: part(layer).register_full_backward_hook(lambda *_: None),
    "backward hook that changes": lambda layer: part(layer).register_full_backward_hook(lambda of, x, y: halved(x)),
    "backward pre hook": lambda layer: part(layer).register_full_backward_pre_hook(lambda of, y: halved(y)),
    "pruned": lambda layer: prune.random_unstructured(part(layer), "weight", 0.5),
    "weight norm": lambda layer: parametrizations.weight_norm(part(layer)),
    "spectral norm": lambda layer: parametrizations.spectral_norm(part(layer)),
    "old weight norm": lambda layer: utils.weight_norm(part(layer)),
    "old spectral norm": lambda layer: utils.spectral_norm(part(layer)),
    "a method of its own": with_a_method,
    "another class": of_a_class,
    "a computed weight": computed,
    "a weight of another class": doubled,
}


@every
class TestIsLeftToTheReference:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    @pytest.mark.filterwarnings("ignore:.*deprecated.*:FutureWarning", "ignore:Full backward hook is firing")
    def test_where_a_part_was_changed(self, spec: Any, change: Callable[[Any], Any]) -> None:
        """Logits and gradients over three steps of training, in which nothing is left behind."""
        layers = [build(spec), build(spec)]
        layers[1].implementation = "reference"
        layers[0](drawn())  # as it was; what is remembered of that must not last
        for layer in layers:
            torch.manual_seed(1)
            change(layer)
        assert layers[0].uncovered(torch.device("cpu"), torch.float32)
        if isinstance(spec, NTM):
            assert not layers[0].plain()
        x = drawn()
        optimizers = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in layers]
        for _ in range(3):
            losses = [layer(x).square().sum() for layer in layers]
            assert losses[0].equal(losses[1])
            for optimizer, loss in zip(optimizers, losses, strict=True):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            for one, other in zip(*(layer.parameters() for layer in layers), strict=True):
                assert one.equal(other) and (one.grad is None) == (other.grad is None)
        layers[0].implementation = "fused"
        with pytest.raises(ValueError, match=r"implementation='fused': .*; 'auto' or 'reference' would run"):
            layers[0](x)

    def test_a_hook_runs_at_every_step(self, spec: Any) -> None:
        layer, ran = build(spec), []
        for part in layer.modules():
            part.register_forward_hook(lambda part, x, y: ran.append(type(part).__name__))
        layer(drawn(5))
        assert ran.count("LSTMLayer" if isinstance(spec, LSTM) else "Linear") >= 5
        assert ran[-1] == type(layer).__name__

    def test_a_hook_on_every_module_too(self, spec: Any) -> None:
        ran: list[str] = []
        layer = build(spec)
        layer(drawn())
        handle = nn.modules.module.register_module_forward_hook(lambda part, x, y: ran.append(type(part).__name__))
        try:
            layer(drawn(5))
        finally:
            handle.remove()
        assert len(ran) > 5
        assert build(spec).uncovered(torch.device("cpu"), torch.float32) == ""

    def test_but_not_what_is_hooked_from_outside(self, spec: Any) -> None:
        """Of the layer itself whoever calls it runs the hooks, and autograd those of parameters."""
        layer, seen = build(spec), []
        layer.register_forward_hook(lambda part, x, y: y * 2)
        layer.register_full_backward_hook(lambda *_: seen.append("module"))
        parameter = next(layer.parameters())
        parameter.register_hook(lambda gradient: seen.append("parameter"))
        assert layer.uncovered(torch.device("cpu"), torch.float32) == ""
        x = drawn().requires_grad_()
        logits = layer(x)
        torch.testing.assert_close(logits, 2 * by_reference(build(spec), x), **CLOSE)
        logits.sum().backward()
        assert sorted(seen) == ["module", "parameter"]
        if isinstance(spec, NTM):
            assert not layer.plain()

    def test_but_not_what_is_frozen(self, spec: Any) -> None:
        layer, x = build(spec), drawn()
        for n, parameter in enumerate(layer.parameters()):
            parameter.requires_grad_(n % 2 == 0)
        assert layer.implementation_for("cpu") != "reference"
        layer(x).square().sum().backward()
        wanted = [p for p in layer.parameters() if p.requires_grad]
        other = copy.deepcopy(layer)
        other.implementation, other_wanted = "reference", [p for p in other.parameters() if p.requires_grad]
        expected = torch.autograd.grad(other(x).square().sum(), other_wanted)
        for parameter, theirs in zip(wanted, expected, strict=True):
            torch.testing.assert_close(parameter.grad, theirs, atol=1e-5, rtol=1e-4)
        assert all(p.grad is None for p in layer.parameters() if not p.requires_grad)
        if isinstance(spec, NTM):
            assert not layer.plain()

    def test_where_a_state_is_asked_for(self, spec: Any, caplog: pytest.LogCaptureFixture) -> None:
        fall_back.cache_clear()
        layer = build(spec)
        with caplog.at_level(logging.INFO, logger="membench.ntm.layer"):
            for _ in range(3):
                layer(drawn(), layer.begin(3))
        said = [record.message for record in caplog.records]
        if isinstance(spec, LSTM):
            assert said == []
        else:
            assert len(said) == 1 and "neither takes nor gives a state: the reference runs instead" in said[0]
            layer.implementation = "fused"
            with pytest.raises(ValueError, match="neither takes nor gives a state; 'auto' or 'reference' would run"):
                layer(drawn(), layer.begin(3))


def test_where_a_cell_is_of_another_class() -> None:
    class Louder(NTMCell):
        def forward(self, x: Tensor, state: Any) -> Any:
            y, after = super().forward(x, state)
            return y * 2, after

    layer = build(SPECS["NTM"])
    layer(drawn())
    layer.cell = Louder(SPECS["NTM"], INPUTS, OUTPUTS, 1)
    torch.testing.assert_close(layer(drawn()), 2 * build(SPECS["NTM"])(drawn()), **CLOSE)


@every
class TestTransforms:
    """Under each of them the reference runs: never a constant, never a derivative that is lost."""

    @pytest.fixture(autouse=True)
    def quietly(self) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch deprecates its tracer, and warns of what it traces
            yield

    def test_jit_trace(self, spec: Any) -> None:
        layer = build(spec).eval()
        traced = torch.jit.trace(layer, drawn(4))
        x = torch.randn(4, 7, INPUTS, generator=stream("other"))
        torch.testing.assert_close(traced(x), layer(x), **CLOSE)
        with pytest.raises(RuntimeError):
            traced(drawn(6))  # it was traced for four steps, and does not pretend

    def test_export(self, spec: Any) -> None:
        layer, x = build(spec), drawn(3)
        module = torch.export.export(layer, (x,)).module()
        torch.testing.assert_close(module(x * 2), layer(x * 2), **CLOSE)
        lengths = torch.tensor([1, 3, 2])
        module = torch.export.export(layer, (x,), {"lengths": lengths}).module()
        torch.testing.assert_close(module(x * 2, lengths=3 - lengths), layer(x * 2, lengths=3 - lengths), **CLOSE)

    def test_compile(self, spec: Any) -> None:
        layer, x = build(spec), drawn(3)
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), layer(x), **CLOSE)
        ours = torch.autograd.grad(compiled(x).square().sum(), list(layer.parameters()))
        theirs = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
        (logits, state), (expected, after) = (each(x, layer.begin(3)) for each in (compiled, layer))
        torch.testing.assert_close(logits, expected, **CLOSE)
        torch.testing.assert_close(state[-1], after[-1], **CLOSE)
        torch._dynamo.reset()

    def test_fake_tensors_and_other_modes(self, spec: Any) -> None:
        from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
        from torch.utils._python_dispatch import TorchDispatchMode

        outside = build(spec)
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            logits = outside(mode.from_tensor(drawn(4)))
            assert type(logits) is FakeTensor and logits.shape == (4, 3, OUTPUTS)
        seen: list[str] = []

        class Seeing(TorchDispatchMode):
            def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                seen.append(str(function))
                return function(*args, **kwargs or {})

        with Seeing():
            outside(drawn(4))
        assert sum("mm" in name for name in seen) >= 4

    def test_tangents(self, spec: Any) -> None:
        layer, x, direction = build(spec), drawn(), torch.ones(5, 3, INPUTS)
        eps = 1e-2
        expected = (layer(x + eps * direction) - layer(x - eps * direction)) / (2 * eps)
        with forward_ad.dual_level(), torch.no_grad():
            found = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, direction))).tangent
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=2e-2)
        torch.testing.assert_close(jvp(layer, (x,), (direction,))[1], found, **CLOSE)

    def test_functional_transforms(self, spec: Any) -> None:
        layer, x = build(spec), drawn()
        weights = dict(layer.named_parameters())
        stacked = {name: torch.stack([value, value]) for name, value in weights.items()}
        both = vmap(lambda values: functional_call(layer, values, (x,)))(stacked)
        torch.testing.assert_close(both[1], layer(x), **CLOSE)
        found = grad(lambda values: functional_call(layer, values, (x,)).square().sum())(weights)
        expected = torch.autograd.grad(layer(x).square().sum(), list(weights.values()), materialize_grads=True)
        for ours, theirs in zip(found.values(), expected, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
        halves = {name: value / 2 for name, value in weights.items()}
        other = copy.deepcopy(layer)
        other.load_state_dict({**layer.state_dict(), **halves})
        assert functional_call(layer, halves, (x,)).equal(other(x))  # without a transform the twin may run

    @pytest.mark.parametrize("batched", [True, False])
    def test_more_than_a_gradient(self, spec: Any, batched: bool) -> None:
        """A second derivative, or several at once: by the reference, or refused in words."""
        layer, x = build(spec), drawn()
        parameters = list(layer.parameters())
        towards = torch.stack([torch.ones(5, 3, OUTPUTS), torch.rand(5, 3, OUTPUTS, generator=stream("towards"))])

        def found() -> list[Tensor]:
            if batched:
                return list(torch.autograd.grad(layer(x), parameters, towards, is_grads_batched=True))
            first = torch.autograd.grad(layer(x).sum(), parameters, create_graph=True)  # whose slope needs no graph
            return list(torch.autograd.grad(sum(part.square().sum() for part in first), parameters, allow_unused=True))

        layer.implementation = "reference"
        expected = found()
        layer.implementation = "auto"
        if isinstance(spec, LSTM):  # torch's kernel can
            for ours, theirs in zip(found(), expected, strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
        else:
            why = "is_grads_batched" if batched else "create_graph=True"
            with pytest.raises(
                RuntimeError, match=f"the fused {type(spec).__name__} .*{why}.*implementation='reference'"
            ):
                found()


@pytest.mark.parametrize("broken", [False, True])
def test_nothing_is_compiled_where_numba_cannot(broken: bool, tmp_path: Any) -> None:
    if broken:
        (tmp_path / "numba.py").write_text("raise RuntimeError('it was built for another numpy')")
    code = """
import logging, torch
logging.basicConfig(level=logging.INFO, format="%(message)s")
from membench.baselines.dnc import DNC
from membench.baselines.lstm import LSTM
from membench.ntm import NTM
for spec in (NTM(rows=4, width=2), DNC(rows=4, width=2), LSTM(units=4)):
    layer = spec.build(3, 2, seed=1)
    for _ in range(2):
        layer(torch.zeros(3, 2, 3)).sum().backward()
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"} | ({"PYTHONPATH": str(tmp_path)} if broken else {})
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    why = "numba does not import (it was built for another numpy)" if broken else "(NUMBA_DISABLE_JIT)"
    lines = [line for line in done.stderr.splitlines() if "the reference runs instead" in line]
    assert len(lines) == 2 and all(why in line for line in lines)
