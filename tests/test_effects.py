"""Effects of factors, on grids made by hand whose effects are known."""

import dataclasses
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from membench.report import statistics
from membench.report.claims import Arm
from membench.report.frames import SuiteFacts, frames
from membench.report.pages import render
from membench.report.pages.choices import alone, deciding, effects
from membench.report.statistics.effects import deviations, difference, mean_ratio

LEVELS = {"memory": ("constant", "learned", "random"), "first weighting": ("learned", "one-hot")}
BUDGET = 10_000
SEEDS = (1, 2, 3, 4, 5, 6)

FACTORS = {
    f"ntm-{memory}-{weighting}": {"memory": memory, "first weighting": weighting}
    for memory, weighting in product(*LEVELS.values())
}


def facts(**others: Any) -> SuiteFacts:
    values: dict[str, Any] = {"name": "grid", "title": "A grid", "paper": "", "solved": 0.1, "claims": ()}
    arms = tuple(Arm("copy", model, model) for model in FACTORS)
    values |= {"arms": arms, "seeds": SEEDS, "factors": FACTORS}
    return SuiteFacts(**values | others)


def outcomes(time: Callable[[str, str, int], float], **others: Any) -> pd.DataFrame:
    """Of every cell and six seeds, all with their full budget, solved at the time that is given; inf: never."""
    rows = []
    for model, levels in FACTORS.items():
        for seed in SEEDS:
            row: dict[str, Any] = dict.fromkeys(statistics.OUTCOME, 0)
            row |= {"task": "copy", "model": model, "reading": "", "seed": seed, "status": "done", "complete": True}
            row |= {"budget": BUDGET, "time": time(levels["memory"], levels["first weighting"], seed)} | others
            rows.append(row)
    return pd.DataFrame(rows).astype(statistics.OUTCOME)


def said_of(table: pd.DataFrame, known: SuiteFacts | None = None) -> str:
    return deciding(effects(table, known or facts()), alone(table, known or facts()))


def found(table: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["factor"], row["level"]): row for row in effects(table, facts()).frame.to_dict("records")}  # type: ignore[misc]


def test_a_factor_that_decides_and_one_that_does_not() -> None:
    rows = found(outcomes(lambda memory, weighting, seed: 1000.0 if weighting == "one-hot" else np.inf))
    decides = rows["first weighting", "one-hot"]
    assert (decides["solved"], decides["solved_base"], decides["difference"]) == (1, 0, 1)
    assert (decides["low"], decides["high"], decides["matches"]) == (1, 1, 18)
    assert decides["ratio"] == pytest.approx(10)  # 10,000 steps against 1,000
    assert rows["memory", "learned"]["difference"] == 0 and rows["memory", "learned"]["ratio"] == pytest.approx(1)
    assert rows["memory and first weighting", "random, one-hot"]["difference"] == 0
    assert len(rows) == 2 + 1 + 2


def test_the_choices_that_decide_are_said_strongest_first() -> None:
    def time(memory: str, weighting: str, seed: int) -> float:
        return 1000.0 * (1 if weighting == "one-hot" else 4) * (2 if memory == "random" else 1)

    assert said_of(outcomes(time)).endswith(
        "on copy first weighting (one-hot against learned: +0 points solved, 4.00\N{MULTIPLICATION SIGN} as fast, "
        "corrected p <0.001) and memory (random against constant: +0 points solved, 0.50\N{MULTIPLICATION SIGN} as "
        "fast, corrected p <0.001)."
    )
    assert "on copy no choice" in said_of(outcomes(lambda *_: 1000.0))
    assert said_of(outcomes(time, complete=False)) == ""


def test_of_the_papers_own_arm_it_is_said_what_each_choice_does_there() -> None:
    """First weighting decides over the grid, but not where the memory is constant; random memory does."""

    def time(memory: str, weighting: str, seed: int) -> float:
        slow = {"constant": 1, "learned": 4, "random": 8}[memory] if weighting == "learned" else 1
        return 600.0 * slow + 40 * seed

    own = facts(own="ntm-constant-learned")
    table = alone(outcomes(time), own).frame.set_index(["factor", "level"])
    assert list(table.index) == [("memory", "learned"), ("memory", "random"), ("first weighting", "one-hot")]
    assert table["ratio"]["memory", "random"] < 0.2 and table["ratio"]["first weighting", "one-hot"] == pytest.approx(1)
    assert table["corrected"].to_list() == pytest.approx(statistics.benjamini_hochberg(table["p"].to_list()))
    said = said_of(outcomes(time), own)
    assert "what decides is on copy memory" in said or "first weighting (one-hot" in said
    assert said.endswith(
        "In the paper's own arm, one choice changed alone, on copy memory (learned) and memory (random) are shown to "
        "matter, and first weighting not."
    )
    assert said_of(outcomes(lambda *_: 1000.0), own).endswith("on copy none is shown to matter.")
    assert alone(outcomes(time), facts()).frame.empty, "no arm is said to be the paper's"


def test_two_factors_that_need_each_other() -> None:
    both = found(outcomes(lambda m, w, seed: 1000.0 if (m, w) == ("random", "one-hot") else np.inf))
    assert both["memory", "random"]["difference"] == 0.5
    assert both["memory and first weighting", "random, one-hot"]["difference"] == 1
    assert both["memory and first weighting", "learned, one-hot"]["difference"] == 0


def test_an_interval_is_as_wide_as_seeds_disagree() -> None:
    rows = found(outcomes(lambda m, w, seed: 1000.0 if w == "one-hot" and seed % 2 else np.inf))
    row = rows["first weighting", "one-hot"]
    assert (row["difference"], row["seeds"]) == (0.5, 6)
    assert row["low"] < 0.2 and row["high"] > 0.8, "three of six seeds: matches of one seed are not independent"


def test_an_interval_is_student_s_over_seeds() -> None:
    """With all seeds in every combination: of each seed's own mean difference, and of the logarithm of a ratio."""
    values = np.random.default_rng(3).uniform(1, 9, (2, 4, 6))
    own = (values[1] - values[0]).mean(axis=0)
    usual, found = stats.ttest_1samp(own, 0), difference(values / 9)
    ends = usual.confidence_interval()
    assert (9 * found.low, 9 * found.high, found.p) == pytest.approx((ends.low, ends.high, usual.pvalue))
    each = values.mean(axis=1)
    shares = each[0] / each[0].mean() - each[1] / each[1].mean()
    half = stats.t.ppf(0.975, 5) * shares.std(ddof=1) / np.sqrt(6)
    ratio = each[0].mean() / each[1].mean()
    assert mean_ratio(values)[:3] == pytest.approx((ratio, ratio * np.exp(-half), ratio * np.exp(half)))


def test_what_seeds_add_to_a_mean_is_what_leaving_them_at_the_mean_takes_away() -> None:
    """Also where combinations have different seeds: to move a seed's values moves the mean by its part."""
    values = np.random.default_rng(4).uniform(1, 9, (2, 3, 7))
    values[:, 0, :2] = values[:, 2, 4:] = np.nan
    means, parts = deviations(values)
    assert means == pytest.approx([np.nanmean(np.nanmean(each, axis=1)) for each in values])
    middle = np.nanmean(values, axis=2, keepdims=True)
    for seed in range(7):
        moved = values.copy()
        moved[:, :, seed] += (values - middle)[:, :, seed]
        assert deviations(moved)[0] - means == pytest.approx(parts[:, seed])


def test_an_interval_of_shares_ends_where_shares_do() -> None:
    found = difference(np.array([[[0.0] * 6], [[1.0] * 5 + [0.0]]]))
    assert found.high == 1 and 0 < found.low < 1
    assert difference(np.ones((2, 3, 6)))[1:] == (0, 0, 1)
    assert np.isnan(difference(np.ones((2, 3, 4)))[1:]).all()


def test_a_choice_is_said_to_decide_if_that_stands_up_to_how_many_were_asked() -> None:
    """Of one seed of six, times differ by chance alone: 5 % of what is asked would be below 5 %."""
    noise = np.random.default_rng(0)
    table = effects(outcomes(lambda m, w, seed: float(noise.integers(5, 45) * 200)), facts())
    own = alone(outcomes(lambda *_: 1.0), facts())
    p, corrected = table.frame["ratio_p"].dropna(), table.frame["ratio_corrected"].dropna()
    assert len(p) == 3 and (corrected >= p).all() and "on copy no choice" in deciding(table, own)
    strong = effects(outcomes(lambda m, w, seed: (1000.0 if w == "one-hot" else 3000.0) + 200 * seed), facts())
    assert "one-hot against learned" in deciding(strong, own) and "constant" not in deciding(strong, own)
    weak = dataclasses.replace(table, frame=table.frame.assign(ratio_low=1.1, ratio_p=0.04, ratio_corrected=0.06))
    assert "on copy no choice" in deciding(weak, own), "what is said rests on the corrected p"


def test_of_four_seeds_there_is_no_interval() -> None:
    table = outcomes(lambda m, w, seed: 1000.0 if w == "one-hot" else np.inf)
    row = found(table[table["seed"] < 5])["first weighting", "one-hot"]
    assert (row["difference_text"], row["ratio_text"], row["seeds"], row["matches"]) == ("+100", "10.00×", 4, 12)  # noqa: RUF001
    assert np.isnan(row["low"]) and np.isnan(row["ratio_high"])


def test_where_nothing_is_solved_there_is_no_ratio() -> None:
    assert found(outcomes(lambda m, w, seed: np.inf))["first weighting", "one-hot"]["ratio_text"] is None


def test_only_runs_with_a_match_and_their_full_budget_count() -> None:
    table = outcomes(lambda m, w, seed: 1000.0)
    table.loc[(table["model"] == "ntm-random-one-hot"), "complete"] = False
    rows = found(table[table["model"] != "ntm-learned-learned"])
    assert rows["first weighting", "one-hot"]["matches"] == 6  # of constant memory alone
    assert ("memory and first weighting", "random, one-hot") not in rows
    assert found(outcomes(lambda m, w, seed: 1.0, complete=False)) == {}


def test_every_combination_weighs_the_same_however_many_seeds_it_has() -> None:
    """One-hot helps with random memory alone, of which all six seeds are there; of the others there is one."""
    table = outcomes(lambda m, w, seed: 1000.0 if m != "random" or w == "one-hot" else np.inf)
    rows = found(table[(table["model"].str.startswith("ntm-random")) | (table["seed"] == 1)])
    row = rows["first weighting", "one-hot"]
    assert (row["matches"], row["seeds"]) == (8, 1) and np.isnan(row["low"]), "no interval from one combination alone"
    assert row["difference"] == pytest.approx(1 / 3) and row["ratio"] == pytest.approx((1 + 1 + 10) / 3)


def test_the_same_records_give_the_same_interval() -> None:
    table = outcomes(lambda m, w, seed: 1000.0 * seed if w == "one-hot" else np.inf)
    first, second = effects(table, facts()), effects(table.sample(frac=1, random_state=1), facts())
    pd.testing.assert_frame_equal(first.frame, second.frame)


def test_a_suite_without_a_grid_has_no_such_table(tmp_path: Any) -> None:
    empty = effects(outcomes(lambda m, w, seed: 1.0), facts(factors={}))
    assert len(empty.frame) == 0
    render.report(frames(), facts(factors={}), tmp_path)
    assert "What each choice does" not in (tmp_path / "report.html").read_text()
