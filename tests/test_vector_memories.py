"""Memories that are a vector: each against a loop over its equations, in double precision and with gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, softplus

from membench.baselines.gru import GRU
from membench.baselines.lru import LRU, LRULayer
from membench.baselines.mingru import MinGRU, MinGRULayer, MinLSTM, MinLSTMLayer
from membench.baselines.scan import scan
from membench.baselines.slstm import SLSTM, SLSTMLayer
from membench.ntm import stream

ARMS: dict[str, Any] = {
    "gru": GRU(layers=2, width=6, convolution=True),
    "mingru": MinGRU(layers=2, width=6, expansion=2, convolution=True),
    "mingru-positive": MinGRU(width=6, positive=True),
    "minlstm": MinLSTM(width=6, forget_bias=1.0),
    "lru": LRU(width=6, units=4, convolution=True),
    "slstm": SLSTM(layers=2, width=6, heads=2, recurrence="standard", convolution=True),
}


def inputs(steps: int, batch: int, size: int) -> Tensor:
    return torch.randn(steps, batch, size, generator=stream("x"), dtype=torch.float64)


def gradients(y: Tensor, module: nn.Module, *others: Tensor) -> list[Tensor]:
    """Of a loss that weighs every output differently, by parameters and others."""
    return list(torch.autograd.grad((y * inputs(*y.shape)).sum(), [*module.parameters(), *others]))


def mingru(layer: MinGRULayer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    hs, h = [], state
    for x_t in x:
        z, n = layer.inlet(x_t).chunk(2, -1)
        if layer.positive:
            n = torch.where(n >= 0, n + 0.5, torch.sigmoid(n))
        h = (1 - torch.sigmoid(z)) * h + torch.sigmoid(z) * n
        hs.append(h)
    return layer.outlet(torch.stack(hs)), h


def minlstm(layer: MinLSTMLayer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    hs, h = [], state
    for x_t in x:
        f, i, n = layer.inlet(x_t).chunk(3, -1)
        f, i = torch.sigmoid(f), torch.sigmoid(i)
        if layer.normalised:
            f, i = f / (f + i), i / (f + i)
        h = f * h + i * n
        hs.append(h)
    return layer.outlet(torch.stack(hs)), h


def lru(layer: LRULayer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    decay = torch.exp(-torch.exp(layer.nu) + 1j * torch.exp(layer.theta))
    b, c = torch.view_as_complex(layer.B.unflatten(0, (-1, 2)).transpose(1, 2).contiguous()), layer.C
    ys, h = [], state
    for x_t in x:
        h = decay * h + torch.exp(layer.gamma) * ((x_t + 0j) @ b.T)
        y = (h @ torch.complex(c[:, ::2], -c[:, 1::2]).T).real + layer.D * x_t
        value, gate = layer.outlet(gelu(y)).chunk(2, -1)
        ys.append(value * torch.sigmoid(gate))
    return torch.stack(ys), h


def slstm(layer: SLSTMLayer, x: Tensor, state: Any) -> tuple[Tensor, Tensor]:
    """In plain units, number by number: nothing overflows where the inputs are small."""
    (_, batch, width), size = x.shape, x.shape[2] // layer.heads
    c = n = h = x.new_zeros(batch, width)
    seen = x if layer.convolution is None else layer.convolution(x, state[1])[0]
    ys = []
    for x_t, seen_t in zip(x, seen, strict=True):
        gates = []
        for at, (of, row) in enumerate(((seen_t, 0), (seen_t, 1), (x_t, 0), (x_t, 1))):
            weight = layer.weights[at // 2].weight[row * width : (row + 1) * width]
            mixed = [
                h[:, k * size : (k + 1) * size] @ layer.recurrence[k, :, at * size : (at + 1) * size]
                for k in range(layer.heads)
            ]
            gates.append(of @ weight.T + torch.cat(mixed, 1) + layer.bias[at])
        i, f, z, o = gates
        c = torch.sigmoid(f) * c + torch.exp(i) * torch.tanh(z)
        n = torch.sigmoid(f) * n + torch.exp(i)
        h = torch.sigmoid(o) * c / n
        heads = h.view(batch, layer.heads, size)
        normed = (heads - heads.mean(-1, True)) / (heads.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
        ys.append(normed.view(batch, width) * layer.scale)
    return torch.stack(ys), h


SLOW: dict[str, tuple[nn.Module, Callable[..., tuple[Tensor, Tensor]]]] = {
    "mingru": (MinGRULayer(MinGRU(width=3), 1, "name"), mingru),
    "mingru-positive": (MinGRULayer(MinGRU(width=3, expansion=1, positive=True), 1, "name"), mingru),
    "minlstm": (MinLSTMLayer(MinLSTM(width=3, forget_bias=1.0), 1, "name"), minlstm),
    "minlstm-unnormalised": (MinLSTMLayer(MinLSTM(width=3, normalised=False), 1, "name"), minlstm),
    "lru": (LRULayer(LRU(width=3, units=5), 1, "name"), lru),
}


@pytest.mark.parametrize("layer, slow", SLOW.values(), ids=SLOW)
def test_a_layer_equals_a_loop_over_its_equations(layer: nn.Module, slow: Callable[..., tuple[Tensor, Tensor]]) -> None:
    layer, x = layer.double(), inputs(7, 2, 3).requires_grad_()
    state = layer.begin(2)
    state = (state + torch.randn(state.shape, generator=stream("h"), dtype=state.dtype)).requires_grad_()
    (y, after), (expected, last) = layer(x, state), slow(layer, x, state)
    torch.testing.assert_close((y, after), (expected, last), atol=1e-12, rtol=1e-10)
    ours, theirs = (
        gradients(torch.cat([y, end.abs().sum() + y[:1]]), layer, x, state) for y, end in ((y, after), (expected, last))
    )
    torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-9)


@pytest.mark.parametrize("convolution", [False, True])
@pytest.mark.parametrize("recurrence, bias", [("zeros", "power"), ("standard", "even"), ("standard", "standard")])
def test_an_slstm_layer_equals_a_loop_in_plain_units(convolution: bool, recurrence: Any, bias: Any) -> None:
    spec = SLSTM(width=6, heads=2, convolution=convolution, recurrence=recurrence, bias=bias)
    layer, x = SLSTMLayer(spec, 0, 1, "name").double(), inputs(6, 2, 6).requires_grad_()
    state = layer.begin(2)
    (y, (cell, _)), (expected, h) = layer(x, state), slstm(layer, x, state)
    torch.testing.assert_close((y, cell[3]), (expected, h), atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(gradients(y, layer, x), gradients(expected, layer, x), atol=1e-11, rtol=1e-9)


def test_an_slstm_layer_outlives_gates_that_no_float_could_hold() -> None:
    layer, x = SLSTMLayer(SLSTM(width=4, heads=2), 0, 1, "name"), inputs(5, 1, 4).float() * 1e3
    y, ((_, n, _, _), _) = layer(x, layer.begin(1))
    assert y.isfinite().all() and (n >= 1).all()
    assert all(part.isfinite().all() for part in gradients(y.double(), layer))


def test_forget_gates_of_an_slstm_begin_as_its_authors_let_them() -> None:
    def forget(**chosen: Any) -> Tensor:
        return SLSTM(layers=3, width=8, heads=2, **chosen).build(4, 2, 1).blocks[-2].mixer.bias.detach()[1]

    part = torch.arange(4) / 3
    torch.testing.assert_close(forget(), (5 - 12 * part**1.6).repeat(2))  # in the last layer: 0.3 + 1.3
    torch.testing.assert_close(forget(bias="even"), torch.tensor([3.0, 4, 5, 6]).repeat(2))
    assert 0 < forget(bias="standard").abs().max() <= 8**-0.5


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_the_gradient_of_a_scan_is_that_of_finite_differences(dtype: torch.dtype) -> None:
    parts = [torch.randn(4, 2, 3, dtype=dtype, generator=stream(name)) for name in ("decay", "write", "first")]
    parts[2] = parts[2][0]
    assert torch.autograd.gradcheck(scan, [part.requires_grad_() for part in parts])


def test_a_gru_layer_is_torch_s() -> None:
    layer, x = GRU(width=5).build(3, 2, 1).double().blocks[0].mixer, inputs(6, 2, 5)
    theirs = nn.GRU(5, 5).double()
    theirs.load_state_dict({f"{name}_l0": value for name, value in layer.state_dict().items()})
    y, last = layer(x, layer.begin(2))
    torch.testing.assert_close((y, last), (theirs(x)[0], theirs(x)[1][0]))


def test_a_diagonal_begins_within_its_ring_and_inputs_with_its_power() -> None:
    layer = LRULayer(LRU(width=3, units=2000, ring=(0.9, 0.999), phase=1.0), 1, "name")
    size = torch.exp(-torch.exp(layer.nu))
    assert 0.9 <= size.min() < 0.902 and 0.998 < size.max() <= 0.999
    assert 0.99 < torch.exp(layer.theta).max() <= 1
    torch.testing.assert_close(torch.exp(layer.gamma) ** 2, 1 - size**2, atol=1e-5, rtol=1e-4)


def test_a_positive_state_is_never_below_zero_and_a_free_one_is() -> None:
    x = inputs(20, 4, 3)
    for layer, lowest in ((SLOW["mingru-positive"][0], True), (SLOW["mingru"][0], False)):
        layer.outlet = nn.Identity()
        assert bool((layer.double()(x, torch.zeros(4, layer.units).double())[0] >= 0).all()) == lowest


def test_gates_of_a_minlstm_stay_numbers_where_both_are_shut() -> None:
    shut = torch.full((1,), -200.0).requires_grad_()
    keep, write = MinLSTMLayer(MinLSTM(width=3), 1, "name").gated(shut, shut)
    assert keep.item() == write.item() == 0.5
    assert torch.autograd.grad(keep, shut)[0].isfinite()


@pytest.mark.parametrize("spec", ARMS.values(), ids=ARMS)
def test_pieces_of_a_sequence_give_what_the_whole_gives(spec: Any) -> None:
    module, x = spec.build(4, 2, 1), inputs(9, 2, 4).float()
    whole, state, pieces = module(x), module.begin(2), []
    for piece in (x[:1], x[1:2], x[2:7], x[7:]):
        y, state = module(piece, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces), whole, atol=1e-5, rtol=1e-5)
    apart, together = gradients(torch.cat(pieces).double(), module), gradients(whole.double(), module)
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in ARMS if name != "gru"])
def test_members_of_a_cohort_are_mapped_over(name: str, mapped_over: Callable[..., None]) -> None:
    mapped_over([ARMS[name].build(4, 2, seed) for seed in (1, 2, 3)], inputs(6, 2, 4).float())


def test_state_sizes_count_what_a_state_holds() -> None:
    for spec in ARMS.values():
        parts = torch.utils._pytree.tree_leaves(spec.build(4, 2, 1).begin(1))
        assert sum(part.numel() * (2 if part.is_complex() else 1) for part in parts) == spec.state_size(9)


@pytest.mark.parametrize(
    "wrong, said",
    [
        (lambda: GRU(width=0), r"GRU\(width=0\): at least 1"),
        (lambda: MinLSTM(expansion=0), r"MinLSTM\(expansion=0\): at least 1"),
        (lambda: LRU(ring=(0.9, 0.9)), r"LRU\(ring=\(0.9, 0.9\)\): two magnitudes"),
        (lambda: LRU(phase=7.0), r"LRU\(phase=7.0\): a number above 0"),
        (lambda: SLSTM(width=6, heads=4), r"SLSTM\(width=6, heads=4\): the heads do not divide"),
        (lambda: SLSTM(bias="none"), r"SLSTM\(bias='none'\): one of 'power', 'even', 'standard'"),
        (lambda: SLSTM(expansion=0.0), r"SLSTM\(expansion=0.0\): at least one unit"),
    ],
)
def test_bad_hyperparameters_are_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()


def test_minlstm_is_normalised_as_the_authors_compute_it() -> None:
    """In logarithms: log f' = -softplus(softplus(-f) - softplus(-i))."""
    f, i = inputs(2, 5, 3)
    keep, write = MinLSTMLayer(MinLSTM(width=3), 1, "name").gated(f, i)
    difference = softplus(-f) - softplus(-i)
    torch.testing.assert_close(keep.log(), -softplus(difference))
    torch.testing.assert_close(write.log(), -softplus(-difference))
