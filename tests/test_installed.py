"""What is tested is what is installed."""

import os
from pathlib import Path

import pytest

import membench.benchmarks
import membench.ntm
from membench.benchmarks.suites import names


@pytest.mark.skipif("MEMBENCH_INSTALLED" not in os.environ, reason="only `make test` builds the wheel")
def test_the_tests_run_against_the_wheel() -> None:
    where = Path(os.environ["MEMBENCH_INSTALLED"]).resolve()
    for package in (membench.ntm, membench.benchmarks):
        assert package.__file__ is not None and Path(package.__file__).is_relative_to(where)


def test_the_wheel_brings_its_suites() -> None:
    assert {"collier2018", "mini"} <= set(names())
