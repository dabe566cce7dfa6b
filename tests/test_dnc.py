"""What must hold of any DNC: sizes, bounds, recall through links, slots reused, reads that reach the controller."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from membench.baselines.dnc import DNC
from membench.baselines.dnc.cell import DNCCell, Interface, State, interface_shapes
from membench.baselines.dnc.model import DNCModule
from membench.ntm.unroll import unroll

SPECS = {
    "paper": DNC(rows=6, width=4, units=8),
    "deepmind": DNC.deepmind(rows=6, width=4, units=8),
    "heads and layers": DNC.deepmind(rows=6, width=4, reads=2, writes=2, units=8, layers=2),
    "no links": DNC(rows=6, width=4, units=8, links=False),
    "tanh layers": DNC(rows=6, width=4, units=8, layers=2, recurrent=False),
    "csordas": DNC(rows=6, width=4, reads=2, units=8, masked=True, deallocate=True, sharpened=True),
}

each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
BOTH: tuple[Literal["reference", "fused"], ...] = ("reference", "fused")
both_presets = pytest.mark.parametrize("preset", [DNC, DNC.deepmind], ids=["paper", "deepmind"])


def built(spec: DNC, scale: float = 3.0) -> DNCModule:
    module = spec.build(inputs=3, outputs=2, seed=1).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(scale)
    return module


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def states(cell: DNCCell, inputs: Tensor) -> list[State]:
    state, passed = cell.begin(inputs.shape[1]), []
    with torch.no_grad():
        for x in inputs:
            _, state = cell(x, state)
            passed.append(state)
    return passed


class TestSizes:
    @pytest.mark.parametrize(("width", "reads"), [(1, 1), (20, 1), (64, 4), (5, 3)])
    def test_interface_has_the_papers_size(self, width: int, reads: int) -> None:
        shapes = interface_shapes(DNC(width=width, reads=reads))
        assert sum(heads * size for heads, size in shapes) == width * reads + 3 * width + 5 * reads + 3

    @pytest.mark.parametrize(("inputs", "outputs", "parameters"), [(9, 8, 61_856), (10, 8, 62_256), (7, 6, 60_814)])
    def test_parameters_of_collier_and_beels_three_tasks(self, inputs: int, outputs: int, parameters: int) -> None:
        spec = DNC.deepmind(rows=128, width=20, reads=1, writes=1, units=100)
        assert sum(p.numel() for p in spec.build(inputs, outputs).parameters()) == parameters

    @each_spec
    def test_state_size_counts_every_float_that_is_carried(self, spec: DNC) -> None:
        state = built(spec).cell.begin(1)
        tensors = [*state[1:], *(tensor for pair in state.controller for tensor in pair)]
        assert spec.state_size(7) == sum(tensor.numel() for tensor in tensors)

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"rows": 0}, "rows=0"),
            ({"layers": -1}, "layers=-1"),
            ({"strength": "exp"}, "'exp'"),
            ({"cosine": "dot"}, "'dot'"),
            ({"least_usage": 1.0}, "least_usage=1.0"),
            ({"clip": 0.0}, "clip=0.0"),
            ({"sharpened": True, "links": False}, "no links to sharpen"),
        ],
    )
    def test_impossible_fields_are_refused_by_name(self, fields: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            DNC(**fields)


class TestFirstWeights:
    def test_are_sonnets(self) -> None:
        cell = DNC.deepmind(units=100).build(inputs=9, outputs=8, seed=3).cell
        layer = cell.controller.layers[0]
        for tensor, fan_in in (
            (layer.weight, 129),
            (layer.bias - torch.eye(4)[1].repeat_interleave(100), 129),
            (cell.interface.weight, 100),
            (cell.output.weight, 120),
        ):
            std = fan_in**-0.5
            assert float(tensor.detach().abs().max()) <= 2 * std + 1e-6
            assert float(tensor.detach().std()) == pytest.approx(0.88 * std, rel=0.1)  # 0.88: cut at two deviations
        assert not cell.interface.bias.any()
        assert not cell.output.bias.any()

    def test_do_not_depend_on_rows_links_or_preset(self) -> None:
        weights = dict(DNC(rows=8).build(3, 2, seed=1).named_parameters())
        for spec in (DNC(rows=9), DNC.deepmind(rows=8)):
            for name, value in spec.build(3, 2, seed=1).named_parameters():
                assert torch.equal(value, weights.get(name, torch.zeros_like(value)))  # biases begin at zero

    @each_spec
    def test_serve_another_number_of_rows(self, spec: DNC) -> None:
        module, inputs = built(spec), noise(5, 2, 3)
        other = dataclasses.replace(spec, rows=spec.rows + 5).build(inputs=3, outputs=2).double()
        other.load_state_dict(module.state_dict())
        assert other(inputs).shape == (5, 2, 2)
        assert not torch.equal(other(inputs), module(inputs))


class TestBounds:
    @each_spec
    def test_hold_at_every_step(self, spec: DNC) -> None:
        slack = 1e-12
        for state in states(built(spec, scale=6.0).cell, noise(25, 8, 3)):
            for value in (state.usage, state.links, state.precedence, state.writing, state.reading):
                assert torch.all((value >= -slack) & (value <= 1 + slack))
            for weighting in (state.writing, state.reading, state.precedence):
                assert torch.all(weighting.sum(dim=-1) <= 1 + slack)
            assert torch.all(state.links.diagonal(dim1=-2, dim2=-1) == 0)
            assert torch.all(state.links.sum(dim=-1) <= 1 + slack)
            assert torch.all(state.links.sum(dim=-2) <= 1 + slack)


def asked(spec: DNC, **parts: float | list[float]) -> Interface:
    """An interface written by hand: zero, but for these parts."""
    zero = Interface(*(torch.zeros(1, heads, size, dtype=torch.float64) for heads, size in interface_shapes(spec)))
    given = {name: torch.tensor(value, dtype=torch.float64) for name, value in parts.items()}
    return zero._replace(**{name: value.expand_as(getattr(zero, name)) for name, value in given.items()})


BACKWARD, FORWARD, CONTENT = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


class ByHand:
    """A DNC whose gates are set by hand."""

    def __init__(self, spec: DNC) -> None:
        self.spec, self.cell = spec, built(spec).cell
        self.state = self.cell.begin(1)

    def write(self, vector: Tensor, free: float = 0.0) -> int:
        """Into the least used row, which is told."""
        self.do(write_gate=1.0, allocation_gate=1.0, erase=1.0, write=vector.tolist(), modes=CONTENT, free=free)
        return int(self.state.writing.argmax())

    def read(self, modes: list[float], key: Tensor | None = None, free: float = 0.0) -> Tensor:
        """By content, or along the links; ``free`` frees what was read *before*."""
        parts: dict[str, Any] = {} if key is None else {"read_key": key.tolist(), "read_strength": 100.0}
        self.do(modes=modes, free=free, **parts)
        return self.state.reads[0, 0]

    def do(self, **parts: Any) -> None:
        with torch.no_grad():
            self.state = self.cell.access(asked(self.spec, **parts), self.state)


ITEMS = torch.tensor([[1, 0, 0, 1], [0, 1, 0, -1], [0, 0, 1, 1], [1, -1, 0, 0]], dtype=torch.float64)


@both_presets
class TestByHand:
    def test_a_list_is_recalled_forwards_and_backwards(self, preset: Callable[..., DNC]) -> None:
        dnc = ByHand(preset(rows=6, width=4))
        for item in ITEMS:
            dnc.write(item)
        forwards = [dnc.read(CONTENT, key=ITEMS[0]), *(dnc.read(FORWARD) for _ in ITEMS[1:])]
        torch.testing.assert_close(torch.stack(forwards), ITEMS, rtol=0, atol=1e-4)
        backwards = [dnc.read(CONTENT, key=ITEMS[-1]), *(dnc.read(BACKWARD) for _ in ITEMS[1:])]
        torch.testing.assert_close(torch.stack(backwards), ITEMS.flip(0), rtol=0, atol=1e-4)

    def test_freed_rows_are_written_again(self, preset: Callable[..., DNC]) -> None:
        """Three rows hold twelve items, three at a time; each reading frees the row read before it."""
        dnc = ByHand(preset(rows=3, width=4))
        for turn in range(4):
            items = ITEMS.roll(turn, dims=0)[:3]
            rows = {dnc.write(item, free=float(turn > 0 and n == 0)) for n, item in enumerate(items)}
            assert rows == {0, 1, 2}
            read = [dnc.read(CONTENT, key=items[0]), *(dnc.read(FORWARD, free=1.0) for _ in items[1:])]
            torch.testing.assert_close(torch.stack(read), items, rtol=0, atol=1e-3)

    def test_without_free_gates_a_full_memory_takes_nothing_in(self, preset: Callable[..., DNC]) -> None:
        dnc = ByHand(preset(rows=3, width=4))
        for item in ITEMS[:3]:
            dnc.write(item)
        full = dnc.state.memory
        dnc.write(ITEMS[3])
        assert float(dnc.state.writing.sum()) < 1e-5
        torch.testing.assert_close(dnc.state.memory, full, rtol=0, atol=1e-4)


class TestFiniteness:
    @each_spec
    def test_zero_memory_and_zero_weights_give_no_nan(self, spec: DNC) -> None:
        for scale in (0.0, 1.0, 30.0):
            module = built(spec, scale).float()
            outputs = module(torch.zeros(6, 2, 3))
            gradients = torch.autograd.grad(outputs.sum(), list(module.parameters()), materialize_grads=True)
            assert all(bool(value.isfinite().all()) for value in (outputs, *gradients))

    @pytest.mark.parametrize("scale", [10.0, 100.0])
    @each_spec
    def test_nor_do_extreme_weights(self, spec: DNC, scale: float) -> None:
        """ixaxaar/pytorch-dnc and ypxie/pytorch-NeuCom: gates saturate, strengths reach hundreds, usage is full."""
        module = built(dataclasses.replace(spec, rows=16), scale).float()
        inputs = noise(40, 2, 3).float().sign()
        for implementation in ("reference",) if module.uncovered(inputs.device, inputs.dtype) else BOTH:
            module.implementation = implementation
            outputs = module(inputs)
            gradients = torch.autograd.grad(outputs.tanh().sum(), list(module.parameters()), materialize_grads=True)
            assert all(bool(value.isfinite().all()) for value in (outputs, *gradients)), implementation


def heard(cell: DNCCell, inputs: Tensor) -> list[tuple[Tensor, Tensor]]:
    """At every step, the reads that the controller was given, and the reads of the step before."""
    given: list[Tensor] = []
    read: list[Tensor] = [cell.begin(inputs.shape[1]).reads.flatten(-2)]
    hooks = [
        cell.controller.register_forward_pre_hook(lambda _, args: given.append(args[0][:, inputs.shape[2] :])),
        cell.register_forward_hook(lambda _, args, result: read.append(result[1].reads.flatten(-2))),
    ]
    unroll(cell, inputs)
    for hook in hooks:
        hook.remove()
    return list(zip(given, read[:-1], strict=True))


class Deaf(nn.Module):
    """The defect of a package in wide use: the controller hears the initial read vectors at every step."""

    def __init__(self, cell: DNCCell) -> None:
        super().__init__()
        self.cell, self.begin = cell, cell.begin

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.cell(x, state._replace(reads=torch.zeros_like(state.reads)))


class TestReadsReachTheController:
    @each_spec
    def test_at_every_step(self, spec: DNC) -> None:
        steps = heard(built(spec).cell, noise(6, 2, 3))
        assert len(steps) == 6
        for given, read in steps:
            assert torch.equal(given, read)
        assert all(bool(given.any()) for given, _ in steps[1:])

    @each_spec
    def test_and_so_change_the_gradient(self, spec: DNC) -> None:
        """The weights on the reads are worth nothing to a controller that never hears any."""

        def worth(cell: nn.Module, weight: Tensor) -> float:
            (gradient,) = torch.autograd.grad(unroll(cell, noise(6, 2, 3)).square().sum(), weight)
            return float(gradient[:, 3 : 3 + spec.reads * spec.width].abs().min())

        cell = built(spec).cell
        weight = cell.controller.layers[0].weight
        assert worth(cell, weight) > 0
        assert worth(Deaf(cell), weight) == 0


class TestIndependence:
    @each_spec
    def test_padding_changes_nothing_before_it(self, spec: DNC) -> None:
        module, inputs = built(spec), noise(5, 3, 3)
        longer = torch.cat([inputs, torch.zeros(4, 3, 3, dtype=torch.float64)])
        assert torch.equal(module(longer)[:5], module(inputs))

    @each_spec
    def test_sequences_of_a_batch_do_not_touch(self, spec: DNC) -> None:
        module, inputs = built(spec), noise(5, 4, 3)
        together = module(inputs)
        alone = torch.cat([module(sequence) for sequence in inputs.split(1, dim=1)], dim=1)
        torch.testing.assert_close(alone, together, rtol=1e-9, atol=1e-9)
        order = torch.tensor([2, 0, 3, 1])
        torch.testing.assert_close(module(inputs[:, order]), together[:, order], rtol=1e-9, atol=1e-9)

    @each_spec
    def test_members_of_a_cohort_do_not_touch(self, spec: DNC) -> None:
        """Several sets of weights at once, under ``torch.func``, as each alone."""
        members = [spec.build(inputs=3, outputs=2, seed=seed).double() for seed in (1, 2, 3)]
        parameters, _ = stack_module_state(members)
        inputs = noise(4, 3, 2, 3)  # (time, members, batch, inputs)

        def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(members[0], weights, (x,)).square().sum()

        gradients = vmap(grad(loss), in_dims=(0, 1))(parameters, inputs)
        for n, member in enumerate(members):
            alone = torch.autograd.grad(member(inputs[:, n]).square().sum(), list(member.parameters()))
            for name, gradient in zip(parameters, alone, strict=True):
                torch.testing.assert_close(gradients[name][n], gradient, rtol=1e-9, atol=1e-9)
