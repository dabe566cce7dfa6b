"""Intervals hold the truth as often as they say: the committed simulation, and a small part of it made again."""

import json
from pathlib import Path
from typing import Any

import pytest

from membench.report.statistics import simulate

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "oracles" / "coverage.json").read_text())


def named(row: dict[str, Any]) -> str:
    return " ".join(f"{value}" for name, value in row.items() if name != "coverage")


def test_every_case_is_there() -> None:
    assert TABLE["comparisons"] == simulate.COMPARISONS
    assert len(TABLE["ratio"]) == len(simulate.FAMILIES) * len(simulate.SEEDS) * (len(simulate.UNSOLVED) + 1)


@pytest.mark.parametrize("row", TABLE["ratio"], ids=named)
def test_ratios_of_times_are_covered(row: dict[str, Any]) -> None:
    assert 0.93 <= row["coverage"] <= 0.98


@pytest.mark.parametrize("row", TABLE["effects"], ids=named)
def test_effects_are_covered(row: dict[str, Any]) -> None:
    assert 0.93 <= row["difference"] <= 0.98 and 0.93 <= row["ratio"] <= 0.98
    assert row["ratio by bootstrap"] < 0.92, "else Student's interval would not be needed"


@pytest.mark.parametrize("family", simulate.FAMILIES)
def test_a_part_made_again_is_as_committed(family: str) -> None:
    (row,) = (
        row
        for row in TABLE["ratio"]
        if (row["family"], row["seeds"], row["unsolved"], row["tasks"]) == (family, 5, 0.15, 1)
    )
    again = simulate.ratio_coverage(family, 5, 0.15, comparisons=500)
    assert again == pytest.approx(row["coverage"], abs=0.03)  # three standard errors of 500 are 0.03


def test_the_effects_of_a_few_grids_made_again() -> None:
    (row,) = (row for row in TABLE["effects"] if (row["combinations"], row["seeds"]) == (12, 5))
    again = simulate.effect_coverage(12, 5, comparisons=300)
    assert again["ratio"] == pytest.approx(row["ratio"], abs=0.04)
    assert again["difference"] == pytest.approx(row["difference"], abs=0.04)
