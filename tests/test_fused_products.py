"""Lanes behave as numbers do, up to the ends of rows, and products in panels are those of NumPy, of any size."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from membench.ntm.fused.heads import TANH, ask_heads, clip, clip_back
from membench.ntm.kernels import math as math32
from membench.ntm.kernels.lanes import (
    LANES,
    absolute,
    choose,
    exponent,
    floor,
    fma,
    load,
    mantissa,
    power_of_two,
    store,
)
from membench.ntm.kernels.math import Floats, kernel
from membench.ntm.kernels.products import NO_BIAS, PANEL, multiply_few, multiply_four, pack, pack_back, weight_gradient

SIZES = (1, LANES - 1, LANES, LANES + 1, 5 * LANES + 3)
"""Of a row: less than a vector, one, more, and not a whole number of them."""


def drawn(*shape: int) -> Floats:
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape).astype(np.float32)


def on_both(function: Any) -> tuple[Any, Any]:
    """The function on every number of a row: as lanes, and one number at a time."""

    @kernel
    def lanes(out: Floats, x: Floats) -> Any:
        for at in range(0, x.shape[0], LANES):
            store(out, at, function(load(x, at)))

    @kernel
    def numbers(out: Floats, x: Floats) -> Any:
        for n in range(x.shape[0]):
            out[n] = function(x[n])

    return lanes, numbers


@kernel
def parts(x: Any) -> Any:
    """All that is defined on lanes, with numbers on either side."""
    whole = floor(x * np.float32(3))
    put_together = mantissa(absolute(x)) * power_of_two(exponent(absolute(x)))
    return (
        choose(x, np.float32(0.5), whole - x, np.float32(2) / (x + np.float32(3)))
        + fma(whole, np.float32(0.5), power_of_two(whole))
        + put_together
    )


FUNCTIONS = {"parts": parts, **{name: getattr(math32, name) for name in ("exp", "log", "tanh", "sigmoid", "softplus")}}


class TestLanes:
    @pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
    def test_are_as_many_numbers(self, function: Any) -> None:
        lanes, numbers = on_both(function)
        for size in SIZES:
            x = drawn(size)
            out, one_by_one, beyond = np.empty_like(x), np.empty_like(x), np.full(size + LANES, 7, np.float32)
            lanes(out, x)
            numbers(one_by_one, x)
            np.testing.assert_allclose(out, one_by_one, rtol=3e-7)
            lanes(beyond[:size], x)
            assert (beyond[size:] == 7).all(), "nothing is stored beyond the end of a row"

    def test_are_zero_beyond_the_end_of_a_row(self) -> None:
        @kernel
        def copied(out: Floats, x: Floats) -> Any:
            for at in range(0, out.shape[0], LANES):
                store(out, at, load(x, at))

        for size in SIZES:
            followed, out = drawn(size + 3 * LANES), np.full(size + 2 * LANES, np.nan, np.float32)
            copied(out, followed[:size])
            np.testing.assert_array_equal(out, np.append(followed[:size], np.zeros(2 * LANES, np.float32)))

    def test_are_put_together_from_numbers(self) -> None:
        lanes, _ = on_both(parts)
        x = drawn(1000)
        out = np.empty_like(x)
        lanes(out, x)
        whole = np.floor(3 * x)
        want = np.where(x < 0.5, whole - x, 2 / (x + 3)) + whole / 2 + 2**whole + np.abs(x)
        np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-6)

    def test_round_a_product_and_its_sum_once(self) -> None:
        @kernel
        def fused(out: Floats, a: Floats, x: Floats, y: Floats) -> Any:
            for at in range(0, out.shape[0], LANES):
                store(out, at, fma(load(a, at), load(x, at), load(y, at)))

        a, x, out = drawn(1000), drawn(1001)[1:], np.empty(1000, np.float32)
        y = -a * x
        fused(out, a, x, y)
        assert (out != 0).sum() > 900, "what is left is what rounding takes from the product"
        np.testing.assert_array_equal(out, a.astype(np.float64) * x + y)


class TestProducts:
    @pytest.mark.parametrize("outlets", [1, 8, PANEL, PANEL + 2 * LANES, PANEL + 2 * LANES + 1])
    @pytest.mark.parametrize("inlets", [1, 5, 129])
    def test_with_weights_in_panels(self, outlets: int, inlets: int) -> None:
        weights, bias, a = drawn(outlets, inlets), drawn(outlets), drawn(4, inlets + 2)
        out = np.full((4, outlets), np.nan, np.float32)
        panels = np.empty((-(-outlets // PANEL), inlets, PANEL), np.float32)
        pack(panels, weights)
        multiply_four(out, a, panels, bias)
        np.testing.assert_allclose(out, a[:, :inlets] @ weights.T + bias, rtol=1e-4, atol=1e-5)
        one = np.full((4, outlets), np.nan, np.float32)
        multiply_few(one, a, panels, bias, 1)
        assert np.array_equal(one[0], out[0]) and np.isnan(one[1:]).all()

    @pytest.mark.parametrize("first", [0, 3])
    def test_with_their_transpose(self, first: int) -> None:
        weights, a = drawn(13, PANEL + LANES + 3), drawn(4, 13)
        out = np.full((4, weights.shape[1] - first), np.nan, np.float32)
        panels = np.empty((-(-out.shape[1] // PANEL), 13, PANEL), np.float32)
        pack_back(panels, weights, first)
        multiply_four(out, a, panels, NO_BIAS)
        np.testing.assert_allclose(out, a @ weights[:, first:], rtol=1e-4, atol=1e-5)
        one = np.full_like(out, np.nan)
        multiply_few(one, a, panels, NO_BIAS, 1)
        assert np.array_equal(one[0], out[0])

    @pytest.mark.parametrize(("units", "inputs"), [(1, 1), (6, 5), (8, PANEL), (9, PANEL + 1)])
    def test_summed_over_samples(self, units: int, inputs: int) -> None:
        deltas, given = drawn(12, units), drawn(12, PANEL * -(-inputs // PANEL))
        d_weights, d_bias = drawn(units, inputs), drawn(units)
        want, want_bias = d_weights + deltas.T @ given[:, :inputs], d_bias + deltas.sum(0)
        weight_gradient(d_weights, d_bias, deltas, given, 1)
        np.testing.assert_allclose(d_weights, want, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(d_bias, want_bias, rtol=1e-4, atol=1e-5)
        deltas[np.arange(12) % 4 > 0] = 0  # of blocks of one sample
        one, one_bias, whole, whole_bias = d_weights.copy(), d_bias.copy(), d_weights.copy(), d_bias.copy()
        weight_gradient(one, one_bias, deltas, given, 4)
        weight_gradient(whole, whole_bias, deltas, given, 1)
        assert np.array_equal(one, whole) and np.array_equal(one_bias, whole_bias)


@pytest.mark.parametrize("limit", [20.0, np.inf])
def test_the_clip_is_torchs_at_its_bounds_and_where_there_is_no_number(limit: float) -> None:
    @kernel
    def both(out: Floats, d: Floats, raw: Floats, bound: Any) -> Any:
        clip(out, raw, bound)
        clip_back(raw, d, bound)

    edge = np.nextafter(np.float32(20), np.float32(21))
    raw = np.array([0, 20, -20, edge, -edge, np.inf, -np.inf, np.nan, 3], np.float32)
    given = torch.tensor(raw, requires_grad=True)
    clipped = given.clamp(-limit, limit) if limit < np.inf else given * 1
    d, out = drawn(raw.size), np.empty_like(raw)
    clipped.backward(torch.from_numpy(d))  # type: ignore[no-untyped-call]
    both(out, d, raw, np.float32(limit))  # raw turns into its gradient
    np.testing.assert_array_equal(out, clipped.detach().numpy())
    assert given.grad is not None
    np.testing.assert_array_equal(raw, given.grad.numpy())


@pytest.mark.parametrize("limit", [20, np.inf])
@pytest.mark.parametrize(("heads", "writes", "shifts"), [(2, 1, 3), (5, 2, 5)])
def test_what_heads_are_asked_is_in_its_range_where_raw_numbers_are_extreme_too(
    limit: float, heads: int, writes: int, shifts: int
) -> None:
    """Of heads that fill lanes and heads that do not, against float64."""

    @kernel
    def asked(asks: Floats, raws: Floats, numbers: Floats, limit: float) -> Any:
        ask_heads(asks, raws, numbers, heads, writes, width, shifts, limit, TANH, 4)

    width, per = LANES + 3, LANES + 3 + shifts + 3
    size = heads * per + 2 * writes * width
    raws = 200 * drawn(4, size)
    raws[1] *= 0.01
    asks, numbers = np.full_like(raws, np.nan), np.full((shifts + 3, 4 * heads), np.nan, np.float32)
    asked(asks, raws, numbers, np.float32(limit))
    raw = torch.from_numpy(raws).double().clamp(-limit, limit)
    each = raw[:, : heads * per].unflatten(1, (heads, per))
    key, strength, gate, kernels, sharpness = each.split([width, 1, 1, shifts, 1], dim=-1)
    ranged = [key.tanh(), softplus(strength), gate.sigmoid(), kernels.softmax(-1), softplus(sharpness)]
    erase, add = raw[:, heads * per :].split(writes * width, dim=1)
    expected = torch.cat([torch.cat(ranged, dim=-1).flatten(1), erase.sigmoid(), add.tanh()], dim=1)
    torch.testing.assert_close(torch.from_numpy(asks).double(), expected, rtol=2e-6, atol=1e-37)
