"""How memory, reads, weightings and controller states begin: values, bounds, and what training may move."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from membench.ntm import (
    NTM,
    Constant,
    FeedforwardController,
    Learned,
    LSTMController,
    NTMModule,
    OneHot,
    Random,
    Scaled,
    Uniform,
    Zeros,
    stream,
)
from membench.ntm.memory import Contents, Start, Weighting, start

SHAPE = (2, 50)
CONTENTS: list[Contents] = [
    Zeros(),
    Zeros(trainable=True),
    Constant(1e-6),
    Constant(1e-6, trainable=True),
    Learned(),
    Learned("normal"),
    Learned("uniform", trainable=False),
    Random(0.5),
    Random(0.5, trainable=True),
    Random(2.0, squash=False),
    Scaled(0.05),
    Scaled(0.05, trainable=False),
]
WEIGHTINGS: list[Weighting] = [
    Learned(),
    Learned("normal"),
    Learned("uniform", trainable=False),
    OneHot(0),
    OneHot(49),
    OneHot(7, trainable=True),
    Uniform(),
    Uniform(trainable=True),
]


def contents(scheme: Contents, shape: tuple[int, ...] = SHAPE, seed: int = 1) -> Tensor:
    return start(scheme, shape, seed, "test")().detach()


def weighting(scheme: Weighting) -> Tensor:
    return start(scheme, SHAPE, 1, "test", weighting=True)().detach()


def module(seed: int = 1, **fields: object) -> NTMModule:
    spec = NTM(rows=6, width=3, controller=LSTMController(units=4))
    made = replace(spec, **fields).build(3, 2, seed)  # type: ignore[arg-type]
    made.implementation = "reference"
    return made


def test_zeros_and_constants_are_what_they_say() -> None:
    assert contents(Zeros()).equal(torch.zeros(SHAPE))
    assert contents(Constant(1e-6)).equal(torch.full(SHAPE, 1e-6))
    assert contents(Constant(-3.0)).equal(torch.full(SHAPE, -3.0))  # not squashed


@pytest.mark.parametrize(("elements", "bound"), [(2560, 0.0484), (20, 0.5345), (128, 0.2157)])
def test_learned_is_a_squash_of_xavier_s_uniform_draw(elements: int, bound: float) -> None:
    """The bounds of the released code's variables: 128 x 20 memory cells, a read vector, a weighting."""
    assert math.sqrt(6 / (1 + elements)) == pytest.approx(bound, abs=5e-5)
    made = start(Learned(), (400, elements), 1, "test")
    raw = made.raw.detach()
    assert bound * 0.99 < raw.abs().max() <= bound * 1.001
    assert raw.mean().abs() < bound * 0.05
    assert raw.std() == pytest.approx(bound / math.sqrt(3), rel=0.03)
    assert made().equal(torch.tanh(made.raw))
    as_weighting = start(Learned(), (400, elements), 1, "test", weighting=True)
    assert as_weighting.raw.equal(made.raw)
    assert as_weighting().equal(torch.softmax(made.raw, dim=-1))


def test_the_draws_of_the_2019_post() -> None:
    normal, uniform = (start(Learned(draw), (40, 100), 1, "test").raw.detach() for draw in ("normal", "uniform"))
    assert abs(float(normal.mean())) < 0.06 and float(normal.std()) == pytest.approx(1, abs=0.05)
    assert 0 <= uniform.min() < 0.01 and 0.99 < uniform.max() <= 1
    scaled = contents(Scaled(0.05), (40, 100))
    assert scaled.min() >= 0 and 0.0495 < scaled.max() <= 0.05
    assert scaled.mean() == pytest.approx(0.025, rel=0.05)


def test_random_is_normal_through_tanh_or_as_drawn() -> None:
    squashed, drawn = contents(Random(0.5), (40, 100)), contents(Random(0.5, squash=False), (40, 100))
    assert squashed.equal(torch.tanh(drawn))
    assert drawn.std() == pytest.approx(0.5, rel=0.05) and abs(drawn.mean()) < 0.03


@pytest.mark.parametrize("scheme", WEIGHTINGS, ids=repr)
def test_first_weightings_are_weightings(scheme: Weighting) -> None:
    w = weighting(scheme)
    assert (w >= 0).all()
    torch.testing.assert_close(w.sum(dim=-1), torch.ones(2))


def test_one_hot_and_uniform() -> None:
    assert weighting(OneHot(7)).equal(torch.eye(50)[7].expand(2, -1))
    assert weighting(Uniform()).equal(torch.full(SHAPE, 1 / 50))
    torch.testing.assert_close(weighting(Uniform(trainable=True)), torch.full(SHAPE, 1 / 50))
    softened = start(OneHot(7, trainable=True), (1, 128), 1, "test", weighting=True)()
    assert softened[0, 7].item() == pytest.approx(0.994, abs=5e-4)


@pytest.mark.parametrize("scheme", [*CONTENTS, *WEIGHTINGS], ids=repr)
def test_trainable_is_a_parameter_and_fixed_a_buffer(scheme: Contents | Weighting) -> None:
    made = start(scheme, SHAPE, 1, "test", weighting=not isinstance(scheme, Contents))
    assert isinstance(made.raw, nn.Parameter) == scheme.trainable
    assert [name for name, _ in made.named_parameters()] == ["raw"] * scheme.trainable
    assert list(made.state_dict()) == ["raw"]  # either way it is saved and moved
    if scheme.trainable:  # and training can move it
        (made() * torch.arange(50)).sum().backward()
        assert made.raw.grad is not None and made.raw.grad.any()


@pytest.mark.parametrize("trainable", [True, False])
def test_a_fixed_memory_stays_while_a_trainable_constant_leaves_its_start_at_once(trainable: bool) -> None:
    """In the released code "constant" is where a learned memory starts; here a scheme says which it is."""
    ntm = module(memory=Constant(1e-6, trainable=trainable))
    optimizer = torch.optim.Adam(ntm.parameters(), lr=1e-3)
    ntm(torch.ones(3, 2, 3)).sum().backward()
    optimizer.step()
    memory = ntm.cell.memory()
    if trainable:
        assert memory.abs().max() > 1e-4
    else:
        assert memory.equal(torch.full((18,), 1e-6))


def test_a_start_draws_from_a_stream_of_its_own() -> None:
    one = contents(Random())
    assert one.equal(contents(Random()))
    assert not one.equal(contents(Random(), seed=2))
    assert not one.equal(start(Random(), SHAPE, 1, "another place")())
    assert one.equal(torch.tanh(torch.randn(SHAPE, generator=stream(1, "start", "test")) * 0.5))


def test_arms_that_differ_in_how_they_begin_share_every_layer() -> None:
    first = module()
    others = [
        module(memory=Random(0.5, trainable=True)),
        module(memory=Learned(), read=Zeros()),
        module(read_weighting=OneHot(1), write_weighting=Uniform(trainable=True)),
        module(controller=LSTMController(units=4, state=Learned())),
    ]
    for other in others:
        for name, value in first.state_dict().items():
            if not name.endswith("raw"):
                assert other.state_dict()[name].equal(value), name


ALL = [
    {"memory": memory, "read": memory, "read_weighting": w, "write_weighting": w, "controller": controller}
    for memory, w, controller in [
        (Constant(), OneHot(2), LSTMController(units=4, state=Scaled())),
        (Learned(), Learned(), FeedforwardController(units=4)),
        (Random(trainable=True), Uniform(), LSTMController(units=3, layers=2)),
    ]
]


@pytest.mark.parametrize("fields", ALL, ids=lambda fields: type(fields["memory"]).__name__)
def test_saved_and_loaded_it_computes_the_same(fields: dict[str, object]) -> None:
    one, other = module(1, **fields), module(2, **fields)
    x = torch.rand(4, 2, 3, generator=stream("saved"))
    assert not one(x).equal(other(x))
    other.load_state_dict(one.state_dict(), strict=True)
    assert one(x).equal(other(x))


@pytest.mark.parametrize("fields", ALL, ids=lambda fields: type(fields["memory"]).__name__)
def test_everything_moves_with_to(fields: dict[str, object]) -> None:
    """A state built from tensors that are no parameter and no buffer stays behind (the 2019 post's)."""
    ntm = module(**fields)
    ntm.to(torch.float64)
    assert {value.dtype for value in ntm.state_dict().values()} == {torch.float64}
    assert ntm(torch.rand(2, 2, 3, dtype=torch.float64)).dtype == torch.float64
    ntm.to("meta")
    assert ntm(torch.rand(2, 2, 3, dtype=torch.float64, device="meta")).device.type == "meta"


def test_a_row_outside_the_memory_is_refused() -> None:
    for row in (-1, 6, 100):
        with pytest.raises(ValueError, match=rf"OneHot\(row={row}\): 6 rows allow 0 to 5"):
            NTM(rows=6, read_weighting=OneHot(row))
    assert isinstance(start(OneHot(5), (1, 6), 1, "test", weighting=True), Start)
