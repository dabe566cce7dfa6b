"""What fused kernels compute with is exact to a few units in the last place; compiled code is kept, and never stale."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from membench.ntm.kernels import math as math32
from membench.ntm.kernels.math import Floats, kernel, loop, sources


@kernel
def each_exp(out: Floats, x: Floats) -> Any:
    for n in range(len(x)):
        out[n] = math32.exp(x[n])


@kernel
def each_log(out: Floats, x: Floats) -> Any:
    for n in range(len(x)):
        out[n] = math32.log(x[n])


@kernel
def each_tanh(out: Floats, x: Floats) -> Any:
    for n in range(len(x)):
        out[n] = math32.tanh(x[n])


@kernel
def each_sigmoid(out: Floats, x: Floats) -> Any:
    for n in range(len(x)):
        out[n] = math32.sigmoid(x[n])


@kernel
def each_softplus(out: Floats, x: Floats) -> Any:
    for n in range(len(x)):
        out[n] = math32.softplus(x[n])


class TestElementaryFunctions:
    @pytest.mark.parametrize(
        ("function", "exact", "low", "high"),
        [
            (each_exp, np.exp, -87, 88),
            (each_log, np.log, 2e-38, 2),
            (each_tanh, np.tanh, -30, 30),
            (each_tanh, np.tanh, -1e-3, 1e-3),
            (each_sigmoid, lambda x: 1 / (1 + np.exp(-x)), -80, 80),
            (each_softplus, lambda x: np.logaddexp(0, x), -80, 80),
        ],
    )
    def test_to_a_few_units_in_the_last_place(
        self, function: Any, exact: Callable[[Any], Any], low: float, high: float
    ) -> None:
        x = np.linspace(low, high, 100_001, dtype=np.float32)
        out = np.empty_like(x)
        function(out, x)
        want = exact(x.astype(np.float64))
        assert np.max(np.abs(out - want) / np.maximum(np.abs(want), 1e-30)) < 5e-7

    def test_beyond_the_ends(self) -> None:
        x = np.array([-np.inf, -1e9, np.inf, 1e9, np.nan], np.float32)
        out = np.empty_like(x)
        each_exp(out, x)
        assert 0 < out[0] == out[1] < 1e-37 and 1e38 < out[2] == out[3] < np.inf and np.isnan(out[4])
        each_log(out, np.array([0, 1e-45, 1, 1, 1], np.float32))
        assert -88 < out[0] == out[1] < -87 and out[2] == 0


def add_one(x: Floats) -> Any:
    for n in range(len(x)):
        x[n] += np.float32(1)


class TestKeptCode:
    def test_is_another_when_any_fused_file_changes(self, tmp_path: Path) -> None:
        hashes = {sources(tmp_path)}
        for text in ("a", "b"):
            (tmp_path / "fused_one.py").write_text(text)
            sources.cache_clear()
            hashes.add(sources(tmp_path))
        assert len(hashes) == 3

    def test_is_done_without_where_nothing_can_be_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("numba.core.config.CACHE_DIR", "/proc/nowhere")
        monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
        x = np.zeros(3, np.float32)
        loop(add_one)(x)
        assert x.tolist() == [1, 1, 1]
