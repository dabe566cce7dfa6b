"""Ratios of times to solve: against a plain second implementation, and on cases whose answer is known."""

from collections.abc import Iterable, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from membench.report.statistics import Stratum, logrank, ratio, ratio_p, stratum, time_ratio
from membench.report.statistics.permutation import deals

INF = np.inf
GENERATOR = np.random.default_rng(5)


def arms(base: Iterable[float], rival: Iterable[float], budget: float = 100.0) -> Stratum:
    return Stratum(np.array(list(base), dtype=float), np.array(list(rival), dtype=float), budget)


def excess(times: Sequence[float], solved: Sequence[bool], mine: Iterable[int]) -> float:
    """Solved runs of a group less those expected, time by time, as log-rank tests are explained."""
    group, total = set(mine), 0.0
    for now in sorted({time for time, done in zip(times, solved, strict=True) if done}):
        at_risk = [run for run, time in enumerate(times) if time >= now]
        events = [run for run in at_risk if solved[run] and times[run] == now]
        total += sum(run in group for run in events)
        total -= len(events) * sum(run in group for run in at_risk) / len(at_risk)
    return total


def plain_p(strata: Sequence[Stratum], faster: int, per: int, paired: bool = False) -> float:
    """The p-value that the base is ``faster`` / ``per`` times as fast, over every way to deal the runs."""
    each = []
    for base, rival, budget in strata:
        end = budget * min(faster, per)
        scaled = [faster * time for time in base] + [per * time for time in rival]
        times, solved = [min(time, end) for time in scaled], [time <= end for time in scaled]
        one, other = len(base), len(base) + len(rival)
        if paired:
            ways: Iterable[Any] = product(*((run, run + one) for run in range(one)))
        else:
            ways = combinations(range(other), one)
        each.append([excess(times, solved, way) for way in ways])
    sums = [sum(parts) for parts in product(*each)]  # the first deal is the one that was had
    return min(1.0, 2 * min(np.mean([s >= sums[0] - 1e-9 for s in sums]), np.mean([s <= sums[0] + 1e-9 for s in sums])))


ONE = arms([2, 4, 4, 8, INF], [6, 8, 30, INF, 90])
TWO = [arms([2, 4, 90], [6, 8, INF]), arms([20, 40, INF, 300], [60, 90, 80], 400.0)]


@pytest.mark.parametrize("ratio", [(1, 1), (2, 1), (3, 1), (1, 2), (15, 2), (1, 10), (60, 1), (1, 60)])
def test_the_p_value_is_that_of_every_deal_counted_plainly(ratio: tuple[int, int]) -> None:
    faster, per = ratio
    assert ratio_p([ONE], faster / per) == pytest.approx(plain_p([ONE], faster, per))
    assert ratio_p(TWO, faster / per) == pytest.approx(plain_p(TWO, faster, per))
    assert ratio_p([ONE], faster / per, paired=True) == pytest.approx(plain_p([ONE], faster, per, paired=True))


@pytest.mark.parametrize("strata", [[ONE], [ONE, arms([3, 5, 7, 9, 80], [11, 13, 50, 70, INF])]], ids=["one", "two"])
def test_the_interval_holds_every_ratio_that_is_not_rejected(strata: list[Stratum]) -> None:
    asked = np.geomspace(1 / 60, 60, 241)
    kept = asked[[ratio_p(strata, each) > 0.05 for each in asked]]
    found = time_ratio(strata)
    assert found.interval is not None
    for end, outermost, last in zip(found.interval, (kept[0], kept[-1]), (asked[0], asked[-1]), strict=True):
        assert (outermost == last and end in (0, INF)) or 1 / 1.15 < end / outermost < 1.15
    assert found.p == ratio_p(strata)


def test_arms_of_equal_size_can_be_exchanged() -> None:
    strata = [arms(GENERATOR.exponential(30, 10), GENERATOR.exponential(50, 10)) for _ in range(2)]
    one, other = time_ratio(strata), time_ratio([Stratum(rival, base, end) for base, rival, end in strata])
    assert one.interval is not None and other.interval is not None and one.p == other.p
    assert one.estimate == pytest.approx(1 / other.estimate)
    assert one.interval == pytest.approx((1 / other.interval.high, 1 / other.interval.low))


def test_a_rival_that_takes_exactly_twice_as_long() -> None:
    base = [10, 11, 12, 13, 14]
    found = time_ratio([arms(base, [2 * time for time in base])])
    assert found.estimate == pytest.approx(2, rel=0.1) and found.p == pytest.approx(2 / 252)
    assert found.interval is not None and 1.4 < found.interval.low < 2 < found.interval.high < 2.8
    assert time_ratio([arms([10] * 5, [20] * 5)]).estimate == pytest.approx(2)


def test_runs_are_not_asked_beyond_what_both_arms_have_had() -> None:
    """Of the base times that are scaled up, those that leave the rival's budget are censored there, and vice versa."""
    late = arms([40, 45, 50, 55, 60], [INF] * 5)
    found = time_ratio([late])
    assert found.estimate == INF and found.interval is not None and found.interval.high == INF
    assert 100 / 60 < found.interval.low < 100 / 40  # below it, all of the base's times are before the end
    back = time_ratio([Stratum(late.rival, late.base, 100.0)])
    assert back.estimate == 0 and back.interval == pytest.approx((0, 1 / found.interval.low))


def test_nothing_solved_says_nothing() -> None:
    found = time_ratio([arms([INF] * 5, [INF] * 5)])
    assert np.isnan(found.estimate) and found.interval == (0, INF) and found.p == 1


def test_a_time_beyond_the_budget_is_unsolved() -> None:
    base, rival = [10, 20, 30, 40, 500], [60, 70, 120, 130, 140]
    cut = arms(*([time if time <= 100 else INF for time in arm] for arm in (base, rival)))
    assert time_ratio([arms(base, rival)]) == time_ratio([cut])


def test_arms_are_cut_at_the_smaller_of_their_budgets() -> None:
    base = pd.DataFrame({"time": [10.0, 60.0, INF], "budget": [100, 100, 100]})
    rival = pd.DataFrame({"time": [30.0, INF], "budget": [50, 55]})
    cut = stratum(base, rival)
    assert list(cut.base) == [10, INF, INF] and list(cut.rival) == [30, INF] and cut.budget == 50
    assert list(stratum(rival, base).rival) == [10, INF, INF]


def test_of_four_runs_there_is_no_interval() -> None:
    found = time_ratio([arms([1, 2, 3, 4], [5, 6, 7, 8, 9])])
    assert found.interval is None and np.isnan(found.p) and found.estimate > 1
    assert time_ratio([ONE, arms([1] * 4, [2] * 5)]).interval is None
    with pytest.raises(ValueError, match="one task at least"):
        time_ratio([])
    for wrong in (arms([0, 1, 2, 3, 4], [1, 2, 3, 4, 5]), arms([1] * 5, [2] * 5, INF)):
        with pytest.raises(ValueError, match="a ratio needs a finite budget, all above zero"):
            ratio_p([wrong])


def test_pairs() -> None:
    base = GENERATOR.exponential(30, 12)
    strata = [Stratum(base, 1.2 * base + GENERATOR.uniform(0, 1, 12), 1000.0)]
    alone, paired = time_ratio(strata), time_ratio(strata, paired=True)
    assert alone.interval is not None and paired.interval is not None
    assert alone.interval.low < 1 < paired.interval.low < paired.interval.high < 1.3 < alone.interval.high
    five = time_ratio([arms([1, 2, 3, 4, 5], [11, 12, 13, 14, 15])], paired=True)
    assert five.p == 2 / 32 and five.interval == (0, INF), "five pairs can reject nothing"
    assert time_ratio([arms([1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16])], paired=True).p == 2 / 64
    with pytest.raises(ValueError, match="as many runs on both sides, not 5 and 6"):
        time_ratio([arms([1] * 5, [2] * 6)], paired=True)


def test_tasks_are_strata_and_not_one_pool() -> None:
    """The tasks differ a hundredfold; within each the base is faster, which one test of both sees best."""
    quick, slow = arms([10, 12, 14, 16, 18], [15, 17, 19, 21, 23]), arms([10, 12, 14, 16, 18], [15, 17, 19, 21, 23])
    slow = Stratum(100 * slow.base, 100 * slow.rival, 10_000.0)
    both, one = time_ratio([quick, slow]), time_ratio([quick])
    assert both.p < one.p / 2 and both.estimate == pytest.approx(one.estimate, rel=0.1)
    pool = Stratum(*(np.concatenate(arm) for arm in zip(quick[:2], slow[:2], strict=True)), 10_000.0)  # type: ignore[arg-type,call-arg]
    assert time_ratio([pool]).p > 0.1


def test_equally_fast_is_the_log_rank_test() -> None:
    for strata in (ONE, arms(GENERATOR.exponential(30, 11), GENERATOR.exponential(50, 12))):
        base, rival, budget = (np.where(each <= 100, each, INF) for each in strata)
        expected = logrank(base, np.minimum(base, budget), rival, np.minimum(rival, budget))
        assert ratio_p([strata]) == pytest.approx(expected)


def test_few_of_many_break_points_give_nearly_the_same_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    strata = [arms(GENERATOR.exponential(30, 15), GENERATOR.exponential(50, 15))]
    every = time_ratio(strata)
    monkeypatch.setattr(ratio, "MOST", 100)
    some = time_ratio(strata)
    assert some.interval is not None and some.interval == pytest.approx(every.interval, rel=0.05)
    assert some.p == every.p and some.estimate == pytest.approx(every.estimate, rel=0.05)


def test_deals_are_dealt_within_strata_from_the_one_that_was_had() -> None:
    sizes = ((2, 2), (1, 3))
    labels = deals(sizes)
    assert len(labels) == 6 * 4 == len(np.unique(labels, axis=0)) and list(labels[0]) == [1, 1, 0, 0, 1, 0, 0, 0]
    assert set(labels[:, :4].sum(axis=1)) == {2} and set(labels[:, 4:].sum(axis=1)) == {1}
    many = deals(((10, 10), (3, 9)))
    assert many[0].sum() == 13 and set(many[:, :20].sum(axis=1)) == {10} and set(many[:, 20:].sum(axis=1)) <= {3, 9}


times = st.lists(st.integers(1, 12).map(float) | st.just(INF), min_size=5, max_size=6)


@given(times, times)
@example([1.0, INF, INF, INF, INF], [1.0] * 5)  # a tie of p-values beside the estimate
@settings(max_examples=40)
def test_an_interval_holds_1_unless_it_is_rejected(base: list[float], rival: list[float]) -> None:
    found = time_ratio([arms(base, rival, 10.0)])
    assert found.interval is not None and found.interval.low < found.interval.high
    low, high = found.interval
    assert found.p <= 0.05 or low < 1 < high
    assert np.isnan(found.estimate) or low <= found.estimate <= high
