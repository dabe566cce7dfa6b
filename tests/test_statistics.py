"""Times to solve, censoring, intervals: against hand-made curves and against lifelines and rliable."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from membench.report import statistics
from membench.report.frames import frames
from membench.report.statistics import survival

INF = np.inf
STEPS = np.arange(10) * 200.0


def oracle(name: str) -> Any:
    return json.loads((Path(__file__).parent / "oracles" / f"{name}.json").read_text())


def array(*values: float) -> Any:
    return np.array(values, dtype=float)


@pytest.mark.parametrize(
    ("errors", "time"),
    [
        ([9, 9, 0, 0, 0, 0, 9, 9, 9, 9], 400),
        ([9, 0, 0, 0, 9, 0, 0, 0, 0, 9], 1000),  # three are not enough: the first must hold for the next three
        ([9, 9, 9, 9, 9, 9, 9, 0, 0, 0], INF),  # below at the end, but nobody saw it hold
        ([9, 9, 9, 9, 9, 9, 0, 0, 0, 0], 1200),
        ([0.1] * 10, INF),  # the bar itself is not below the bar
        ([0.09] * 10, 0),
    ],
)
def test_time_to_solve_is_the_first_evaluation_that_holds(errors: list[float], time: float) -> None:
    assert statistics.solved_at(STEPS, array(*errors), 0.1) == time


def test_a_record_of_three_evaluations_solves_nothing() -> None:
    assert statistics.solved_at(STEPS[:3], array(0, 0, 0), 0.1) == INF


def test_relapses_are_spells_above_one_bit_after_the_time() -> None:
    errors = array(9, 0, 0, 0, 0, 5, 5, 0.9, 1.0, 2)
    assert statistics.count_relapses(STEPS, errors, 200.0) == 2
    assert statistics.count_relapses(STEPS, errors, 1000.0) == 1


def test_mean_height_carries_the_last_value_to_the_budget() -> None:
    assert statistics.mean_height(array(0, 100), array(4, 2), 100) == 3
    assert statistics.mean_height(array(0, 100), array(4, 2), 200) == 2.5
    assert statistics.mean_height(array(0, 100), array(4, 2), 200, diverged=True) == 3.5


def run(seed: int, status: str = "done", task: str = "copy", model: str = "m") -> dict[str, Any]:
    text = dict.fromkeys(("digest", "message", "device", "implementation", "commit", "reading"), "")
    numbers = {"step": 1800, "steps": 1800, "seconds": 1.0, "parameters": 1.0, "state_size": 1.0, "cut": False}
    return (
        {"key": f"{task}/{model}/{seed}", "task": task, "model": model, "seed": seed, "status": status} | text | numbers
    )


def evaluations(seed: int, errors: list[float]) -> list[dict[str, Any]]:
    zeros = dict.fromkeys(("loss", "train_loss", "gradient_norm", "seconds"), 0.0)
    name = {"task": "copy", "model": "m", "reading": "", "seed": seed}
    return [name | zeros | {"step": 200 * i, "sequences": 0, "errors": error} for i, error in enumerate(errors)]


def test_outcomes_keep_the_unsolved_and_drop_the_stale() -> None:
    solved, never = [9.0, *[0.0] * 9], [9.0] * 10
    tables = frames(
        [run(1), run(2), run(3, "diverged"), run(4, "stale"), run(5, "new"), run(6, "interrupted")],
        [*evaluations(1, solved), *evaluations(2, never), *evaluations(3, solved[:4]), *evaluations(6, solved)],
    )
    assert list(statistics.outcomes(tables, 0.1)["after"].fillna(-1)) == [1600, -1, -1, 1600]
    table = statistics.outcomes(tables, 0.1).set_index("seed")
    assert list(table.index) == [1, 2, 3, 6]
    assert list(table["time"]) == [200, INF, INF, 200]  # seed 3 diverged before its solution had held
    assert list(table["first"]) == [200, INF, 200, 200]
    assert list(table["complete"]) == [True, True, True, False]
    assert np.isnan(table["relapses"][2])
    early = statistics.outcomes(frames([run(1, "diverged")]), 0.1)  # before anything was evaluated
    assert list(early["time"]) == [INF] and list(early["complete"]) == [True] and early["area"].isna().all()
    later = statistics.outcomes(frames([run(1, "diverged")], evaluations(1, solved)), 0.1)
    assert list(later["relapses"]) == [1], "a solved run that diverges has relapsed"


def test_outcomes_under_another_reading() -> None:
    """A looser or a stricter hold, another bar, and a clock: the same runs, read otherwise."""
    errors = [9.0, 0.05, 0.05, 0.05, 0.05, 9.0, 0.0, 0.0, 0.0, 0.0]
    rows = [row | {"seconds": 0.5 + row["step"] / 100} for row in evaluations(1, errors)]
    tables = frames([run(1), run(2, "diverged")], rows)

    def time(bar: float = 0.1, **others: Any) -> float:
        return float(statistics.outcomes(tables, bar, **others)["time"][0])

    assert (time(), time(hold=4), time(hold=2), time(bar=0.01)) == (200, INF, 200, 1200)
    table = statistics.outcomes(tables, 0.1, clock="seconds")
    (row, other) = table.to_dict("records")
    assert (row["time"], row["budget"], row["after"], row["relapses"]) == (2.5, 18.5, 16, 1)
    assert other["time"] == INF and other["budget"] == 1.0, "its seconds at its last step, at its own pace"
    assert row["area"] == pytest.approx(statistics.outcomes(tables, 0.1)["area"][0], rel=1e-9)


def test_a_budget_in_seconds_is_what_the_steps_left_would_take() -> None:
    rows = [row | {"seconds": row["step"] / 100} for row in evaluations(1, [9.0] * 5)]
    (row,) = statistics.outcomes(frames([run(1, "interrupted")], rows), 0.1, clock="seconds").to_dict("records")
    assert row["budget"] == 18.0


def test_the_paper_reads_the_median_curve_of_finished_runs() -> None:
    rows = [
        *evaluations(1, [9, 0, 0, 0]),
        *evaluations(2, [9, 9, 0, 0]),
        *evaluations(3, [9, 9, 9, 9]),
        *evaluations(4, [0] * 4),
    ]
    (row,) = statistics.crossings(frames([run(1), run(2), run(3), run(4, "running")], rows), 0.1).to_dict("records")
    assert row == {"task": "copy", "model": "m", "seeds": 3, "time": 400}
    assert statistics.crossings(frames(), 0.1).empty
    (looser,) = statistics.crossings(frames([run(1)], evaluations(1, [9, 2, 0])), {"copy": 3.0}).to_dict("records")
    assert looser["time"] == 200


def test_never_and_always_against_one_half() -> None:
    assert statistics.against_half(0, 5, always=False) == pytest.approx(1 / 32)
    assert statistics.against_half(1, 10, always=False) == pytest.approx(11 / 1024)
    assert statistics.against_half(10, 10, always=True) == pytest.approx(1 / 1024)
    assert statistics.against_half(0, 5, always=True) == 1 and np.isnan(statistics.against_half(0, 0, always=True))


def test_corrections_for_many_claims() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    assert statistics.holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert statistics.holm([0.6, 0.9]) == pytest.approx([1, 1])
    open_one = [0.01, np.nan, 0.02]
    assert statistics.holm(open_one) == pytest.approx([0.03, np.nan, 0.04], nan_ok=True), "it counts, as one of three"
    assert statistics.benjamini_hochberg(open_one) == pytest.approx([0.03, np.nan, 0.03], nan_ok=True)
    assert len(statistics.holm([])) == len(statistics.benjamini_hochberg([])) == 0


def test_every_task_has_bars_of_its_own() -> None:
    curve = [9.0, 0.5, 0.5, 0.5, 0.5, 3.0, 0.0]
    other = [{**point, "task": "parity"} for point in evaluations(1, curve)]
    tables = frames([run(1), run(1, task="parity")], [*evaluations(1, curve), *other])
    found = statistics.outcomes(tables, {"copy": 0.1, "parity": 1.0}, {"copy": 1.0, "parity": 5.0}).set_index("task")
    assert found["time"].to_dict() == {"copy": INF, "parity": 200}
    assert found["relapses"]["parity"] == 0 and found["relapsed"]["parity"] == 0
    lower = statistics.outcomes(tables, {"copy": 0.1, "parity": 1.0}, 2.0).set_index("task")
    assert lower["relapses"]["parity"] == 1 and lower["relapsed"]["parity"] == pytest.approx(1 / 6)


def test_the_median_curve_crosses_where_half_the_seeds_have() -> None:
    rows = [*evaluations(1, [9, 0, 0, 0]), *evaluations(2, [9, 9, 0, 0]), *evaluations(3, [9, 9, 9, 9, 9])]
    curve = statistics.median_curve(frames([], rows).evaluations)
    assert list(curve["step"]) == [0, 200, 400, 600]  # only steps that every seed has
    assert list(curve["median"]) == [9, 9, 0, 0]
    assert statistics.crossing(curve, 0.1) == 400


def test_a_diverged_seed_counts_as_untrained_in_the_median_curve() -> None:
    rows = [*evaluations(1, [9, 0, 0, 0]), *evaluations(2, [9, 9, 0, 0]), *evaluations(3, [8, 5])]
    curve = statistics.median_curve(frames([], rows).evaluations, diverged=[3, 7])
    assert list(curve["step"]) == [0, 200, 400, 600] and list(curve["median"]) == [9, 5, 0, 0]


def test_clopper_pearson() -> None:
    # Textbook values.
    assert statistics.clopper_pearson(0, 10) == pytest.approx((0, 0.3085), abs=1e-4)
    assert statistics.clopper_pearson(3, 10) == pytest.approx((0.0667, 0.6525), abs=1e-4)
    assert statistics.clopper_pearson(10, 10) == pytest.approx((0.6915, 1), abs=1e-4)


@pytest.mark.parametrize(
    ("times", "ends"),
    [
        (array(1, 2, 9), (2, 2)),
        (array(1, 2, INF), (2, 2)),
        (array(1, 2, INF, INF), (6, INF)),  # half of 2 and of more than 10
        (array(1, INF, INF), (10, INF)),
    ],
)
def test_a_censored_median_is_two_ends(times: Any, ends: tuple[float, float]) -> None:
    assert tuple(map(float, statistics.medians(times, 10.0))) == ends


def test_relapses_are_compared_over_solved_runs() -> None:
    nan = np.nan
    base = np.array([[0, 1, 0, nan, 0, 0], [20_000, 10_000, 5_000, nan, 4_000, 1_000]])
    rival = np.array([[2, 2, nan, 3, 1, 1, nan], [10_000, 10_000, nan, 5_000, 4_000, 1_000, nan]])
    estimate = statistics.relapse_difference(base, rival, seed=1)
    assert estimate.low == pytest.approx(10_000 * (9 / 30_000 - 1 / 40_000))
    assert estimate.interval is not None and 0 < estimate.interval.low < estimate.low < estimate.interval.high
    assert statistics.relapse_difference(base[:, :5], rival, seed=1).interval is None, "four solved runs are too few"
    nothing = statistics.relapse_difference(np.full((2, 5), nan), rival, seed=1)
    assert np.isnan(nothing.low) and nothing.interval is None


def test_a_difference_in_relapses_is_tested_over_all_deals_of_solved_runs() -> None:
    nan = np.nan
    base, rival = np.array([[0, 1, 0, nan, 0, 1], [9e3, 8e3, 5e3, nan, 4e3, 5e3]]), np.array([[2, 2, 3, 5, 4]] * 2)
    rival[1] = 9000
    runs = np.concatenate([base[:, [0, 1, 2, 4, 5]], rival], axis=1)

    def apart(group: tuple[int, ...]) -> float:
        rest = [run for run in range(10) if run not in group]
        one, other = (runs[:, list(part)].sum(axis=1) for part in (group, rest))
        return float(other[0] / other[1] - one[0] / one[1])

    every = np.array([apart(group) for group in combinations(range(10), 5)])
    assert statistics.relapse_p(base, rival) == pytest.approx(2 * np.mean(every >= every[0] - 1e-12))
    assert np.isnan(statistics.relapse_p(base[:, :5], rival)), "four solved runs are too few"


@pytest.mark.parametrize("group", ["a", "b"])
def test_solved_by_is_lifelines_kaplan_meier(group: str) -> None:
    expected = oracle("lifelines")[group]
    times = array(*(INF if time is None else time for time in expected["times"]))
    reached = array(*expected["reached"])
    curve = survival.solved_by(times, reached)
    at = np.isin(curve.steps, expected["steps"])
    np.testing.assert_allclose(1 - curve.fraction[at], expected["survival"], atol=1e-12)
    assert survival.restricted_mean(times, reached, 31250) == pytest.approx(expected["restricted_mean"], rel=1e-12)


def test_logrank_is_that_of_every_way_to_deal_the_runs() -> None:
    times = array(2, 3, 3, 9, INF, 5, 7, INF, INF, INF)
    reached = array(2, 3, 3, 9, 30, 5, 7, 4, 30, 30)  # one run was last seen early

    def apart(group: tuple[int, ...]) -> float:
        rest = [run for run in range(10) if run not in group]
        parts = [survival.censored(times[list(part)], reached[list(part)]) for part in (group, rest)]
        return abs(stats.logrank(*parts).statistic)

    ours, every = apart(tuple(range(5))), [apart(group) for group in combinations(range(10), 5)]
    expected = np.mean([each >= ours - 1e-9 for each in every])
    assert survival.logrank(times[:5], reached[:5], times[5:], reached[5:]) == pytest.approx(expected)


def test_logrank_of_five_against_five_is_at_least_2_of_252() -> None:
    early, late = array(1, 2, 3, 4, 5), array(6, 7, 8, 9, INF)
    reached = array(6, 7, 8, 9, 10)
    assert survival.logrank(early, early, late, reached) == pytest.approx(2 / 252)
    assert survival.logrank(late, reached, early, early) == pytest.approx(2 / 252)
    assert survival.logrank(early, early, early, early) == 1
    assert np.isnan(survival.logrank(early[:1], early[:1], late, reached))  # one run is no group


def test_logrank_is_near_that_of_lifelines() -> None:
    expected = oracle("lifelines")
    groups = [
        (array(*(INF if t is None else t for t in expected[g]["times"])), array(*expected[g]["reached"])) for g in "ab"
    ]
    assert survival.logrank(*groups[0], *groups[1]) == pytest.approx(expected["logrank"], rel=0.2)


def test_scores_are_those_of_lifelines_log_rank_test() -> None:
    """Its statistic is the square of a group's score over the variance that ties and sizes leave it."""
    expected = oracle("lifelines")
    a, b = (expected[group] for group in "ab")
    times = array(*a["reached"], *b["reached"])
    solved = np.array([time is not None for time in a["times"] + b["times"]])
    each = survival.scores(times, solved)
    assert each.sum() == pytest.approx(0)
    variance = 0.0
    for now in np.unique(times[solved]):
        risk, events, mine = (times >= now).sum(), ((times == now) & solved).sum(), (times[:10] >= now).sum()
        share = mine / risk
        variance += events * share * (1 - share) * (risk - events) / (risk - 1)
    assert stats.chi2.sf(each[:10].sum() ** 2 / variance, 1) == pytest.approx(expected["logrank"], rel=1e-9)


def test_scores_by_hand() -> None:
    """Three runs at risk at 1, of which one is solved; the second leaves; the third is solved alone."""
    each = survival.scores(array(1, 2, 3), np.array([True, False, True]))
    assert each == pytest.approx([1 - 1 / 3, -1 / 3, 1 - 1 / 3 - 1])
    tied = survival.scores(array(1, 1, 1), np.array([True, True, False]))
    assert tied == pytest.approx([1 / 3, 1 / 3, -2 / 3])


def test_ratio_of_restricted_means_is_that_of_lifelines() -> None:
    expected = oracle("lifelines")["a"]
    times = array(*(INF if time is None else time for time in expected["times"]))
    rival = np.full(10, INF)
    assert statistics.restricted_ratio(times, rival, 31250) == pytest.approx(31250 / expected["restricted_mean"])


def test_logrank_of_many_runs_is_the_usual_one() -> None:
    generator = np.random.default_rng(0)
    groups = [np.where(t < 90, t, INF) for t in (generator.exponential(40, 60), generator.exponential(55, 60))]
    reached = [np.minimum(group, 90) for group in groups]
    usual = stats.logrank(*(survival.censored(*pair) for pair in zip(groups, reached, strict=True))).pvalue
    assert 0.02 < usual < 0.5
    assert survival.logrank(groups[0], reached[0], groups[1], reached[1]) == pytest.approx(usual, abs=0.015)


def test_nothing_solved_has_a_flat_curve_and_no_p_value() -> None:
    never, reached = np.full(3, INF), np.full(3, 100.0)
    assert (survival.solved_by(never, reached).fraction == 0).all()
    assert survival.restricted_mean(never, reached, 100) == 100
    assert np.isnan(survival.logrank(never, reached, never, reached))
    assert survival.solved_by(array(5), array(5)).fraction[-1] == 1


def test_iqm_is_rliable() -> None:
    expected = oracle("rliable")
    strata = [np.array(scores) for scores in expected["scores"]]
    estimate = statistics.iqm_estimate(strata, seed=1)
    assert estimate.low == pytest.approx(expected["iqm"], rel=1e-12)
    assert estimate.interval == pytest.approx(expected["interval"], abs=0.01)


def test_empty_frames_have_outcomes_without_rows() -> None:
    table = statistics.outcomes(frames(), 0.1)
    assert isinstance(table, pd.DataFrame) and table.empty and table["complete"].dtype == bool
    assert statistics.median_curve(frames().evaluations).empty
