"""Every verdict, reached from hand-made frames; the claims of collier2018."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handmade import BUDGET, FAST, NEVER, SAID, TWICE, UNSOLVED, WILD, ask, facts, records, speed

from membench.benchmarks.suites.collier2018_claims import CLAIMS
from membench.report import statistics
from membench.report.claims import (
    Degrades,
    Differs,
    Faster,
    FasterOverTasks,
    FewerRelapses,
    Generalises,
    MeanFaster,
    NeverDiverges,
    NeverSolves,
    Order,
    Solves,
)
from membench.report.claims.judge import judge
from membench.report.claims.verdict import Verdict
from membench.report.statistics import Interval


@pytest.mark.parametrize(
    ("base", "rival", "paper", "verdict"),
    [
        (FAST, TWICE, 2.0, "agrees"),
        (FAST, TWICE, (1.5, 2.5), "agrees"),
        (FAST, TWICE, None, "agrees"),
        (FAST, FAST, 1.0, "agrees"),
        (FAST, TWICE, 3.5, "same direction"),
        (FAST, TWICE, (3.0, 5.0), "same direction"),
        (FAST, UNSOLVED, 3.5, "same direction"),  # at least 9 times: a bound, which cannot hold a number
        (FAST, UNSOLVED, None, "agrees"),
        (TWICE, FAST, 2.0, "contradicts"),
        (FAST, TWICE, 0.5, "contradicts"),
        (FAST, TWICE, 1.0, "contradicts"),
        (FAST, UNSOLVED, 1.0, "contradicts"),
        (FAST, UNSOLVED, 0.5, "contradicts"),
        (FAST, FAST, 2.0, "undecided"),  # the interval includes 1
        (FAST, WILD, 2.0, "undecided"),  # the interval includes 1
        (FAST, [2400, 14_000, 2600, 9000, 9800, 3000], 4.0, "same direction"),  # wider than fourfold
        (FAST, [2400, 14_000, 2600, 9000, 9800, 3000], None, "agrees"),  # how much faster is not asked
        ([2400, 14_000, 2600, 9000, 9800, 3000], FAST, None, "contradicts"),
        (FAST, [1400] * 6, 1.0, "undecided"),  # 1.17 to 1.4: reaches beyond 1.25
        (FAST[:4], TWICE[:4], 2.0, "undecided"),  # four seeds
        (FAST, [*TWICE[:4], NEVER, NEVER], 2.0, "same direction"),  # open above: no size
        (FAST, [*TWICE[:4], NEVER, NEVER], None, "agrees"),
        (UNSOLVED, FAST, 2.0, "contradicts"),  # at most 0.11 times
        (UNSOLVED, FAST, None, "contradicts"),
        (UNSOLVED, FAST, 0.5, "same direction"),
        (UNSOLVED, FAST, 1.0, "contradicts"),
        (UNSOLVED, UNSOLVED, 2.0, "not estimable"),
        ([*FAST[:2], *UNSOLVED[:4]], FAST, 2.0, "not estimable"),  # a resample may have most of them solved
    ],
)
def test_verdict_on_a_ratio_of_times(base: list[int], rival: list[int], paper: Any, verdict: str) -> None:
    found = speed(base, rival, paper)
    assert found.verdict == verdict, found.sentence
    assert found.reason


def test_a_ratio_says_its_number_interval_and_solved_fractions() -> None:
    found = speed(FAST, [*TWICE[:5], NEVER], 2.0)
    assert found.estimate == pytest.approx(2200 / 1100)
    assert found.interval is not None and found.interval.low <= 2 <= found.interval.high
    assert found.solved == {"copy/a": (6, 6), "copy/b": (5, 6)}
    assert "5 of 6 solved" in found.sentence and found.ours.startswith("2.00\N{MULTIPLICATION SIGN}")
    assert found.p is not None and 0 < found.p < 0.05 and f"p {found.p:.2g}, corrected" in found.sentence
    assert "Ratio of medians 2.00, of restricted means 3." in found.sentence
    assert (
        np.isnan(speed(FAST[:4], TWICE[:4], 2.0).p or 0) and "corrected" not in speed(FAST[:4], TWICE[:4], 2.0).sentence
    )


def test_a_bound_is_said_as_a_bound() -> None:
    found, back = speed(FAST, UNSOLVED, 3.5), speed(UNSOLVED, FAST, 3.5)
    assert found.interval is not None and back.interval is not None
    assert found.ours == f"\N{GREATER-THAN OR EQUAL TO}{found.interval.low:.2f}\N{MULTIPLICATION SIGN}"
    assert back.ours == f"\N{LESS-THAN OR EQUAL TO}{back.interval.high:.2f}\N{MULTIPLICATION SIGN}"
    assert "Ratio of medians at least 9.09" in found.sentence and "Ratio of medians at most 0.11" in back.sentence
    assert found.to_json()["interval"][1] is None and found.to_json()["estimate"] is None
    assert speed(UNSOLVED, UNSOLVED, 3.5).ours == ""


def test_an_interval_that_nearly_holds_1_is_not_said_to() -> None:
    verdict = Verdict(
        Faster(*SAID, "copy", "a", "b"), "", lambda p: ("undecided", ""), "", 5, 5, 1.5, Interval(1.004, 2)
    )
    assert verdict.ours == "1.50\N{MULTIPLICATION SIGN} (1.004 to 2.00)"


def test_an_arm_without_its_full_budget_is_not_run() -> None:
    every = {f"copy/b/{seed}": "interrupted" for seed in range(1, 7)}
    found = speed(FAST, TWICE, 2.0, status=every)
    assert found.verdict == "not run" and "copy/b 0 of 6" in found.sentence and found.estimate is None


def test_one_seed_decides_nothing_and_has_no_p_value() -> None:
    found = speed(FAST[:1], TWICE[:1], 2.0)
    assert found.verdict == "undecided" and found.seeds == 1 and found.p is not None and np.isnan(found.p)
    assert found.to_json()["p"] is None and found.to_json()["corrected"] is None


def test_all_complete_seeds_of_each_arm_decide() -> None:
    """An arm's runs count whether or not the other has those seeds, unless the claim says that arms are paired."""
    status = {"copy/a/1": "failed", "copy/b/2": "new"}
    found = speed(FAST, TWICE, 2.0, status=status)
    assert found.seeds == 5 and found.planned == 6 and found.verdict == "agrees" and found.interim
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE}, status)
    paired = ask(tables, Faster(*SAID, task="copy", base="a", rival="b", paired=True))
    assert paired.seeds == 4 and paired.verdict == "undecided"
    uneven = speed(FAST, TWICE, 2.0, status={f"copy/b/{seed}": "new" for seed in (1, 2)})
    assert uneven.seeds == 4 and uneven.solved == {"copy/a": (6, 6), "copy/b": (4, 4)}


def test_pairs_are_tested_as_pairs() -> None:
    """Seeds that differ more than the arms do: only pair by pair is it plain which is faster."""
    base = [500, 1000, 2000, 4000, 6000, 8000]
    tables = records({("copy", "a"): base, ("copy", "b"): [time + 400 for time in base]})
    alone, paired = (ask(tables, Faster(*SAID, "copy", "a", "b", paired=each)) for each in (False, True))
    assert alone.verdict == "undecided" and paired.verdict == "agrees" and paired.p == pytest.approx(2 / 64)


def test_a_diverged_run_counts_as_unsolved_and_is_never_dropped() -> None:
    rival = [*TWICE[:3], NEVER, NEVER, NEVER]
    diverged = {f"copy/b/{seed}": "diverged" for seed in (4, 5, 6)}
    assert speed(FAST, rival, 2.0, status=diverged).solved["copy/b"] == (3, 6)


def test_an_arm_that_a_reading_lacks_is_not_run_under_it() -> None:
    tables = records({("copy", model): FAST for model in ("a-cosine", "a-dot", "b-cosine")})
    cosine, dot = judge(tables, facts(tables, Faster(*SAID, task="copy", base="a", rival="b")))
    assert cosine.verdict == "undecided" and dot.verdict == "not run"
    assert dot.sentence == "The suite does not have b."


@pytest.mark.parametrize(
    ("times", "verdict"),
    [
        ([NEVER] * 6, "agrees"),
        ([NEVER] * 5, "agrees"),  # one half would give none of five in 3 % of cases
        ([NEVER] * 4, "undecided"),
        ([*[NEVER] * 9, 400], "same direction"),
        (FAST[:5], "contradicts"),
        ([*[NEVER] * 5, 400], "undecided"),
        (FAST, "contradicts"),
    ],
)
def test_never_solves(times: list[int], verdict: str) -> None:
    found = ask(records({("copy", "a"): times}), NeverSolves(*SAID, task="copy", model="a"))
    assert found.verdict == verdict, found.sentence
    assert found.solved["copy/a"] == (sum(time != NEVER for time in times), len(times))


@pytest.mark.parametrize(
    ("times", "by", "verdict"),
    [
        ([400, 600, 800, 1000, 1200], 2000, "agrees"),
        ([400, 600, 800, 1000], 2000, "undecided"),
        ([400, 600, 800, 1000, 1200, 400, 600, 800, 1000, 2200], 2000, "same direction"),
        ([2200] * 5, 2000, "contradicts"),
        ([2200] * 5, None, "agrees"),
        ([NEVER] * 5, None, "contradicts"),
    ],
)
def test_solves_by_a_step(times: list[int], by: int | None, verdict: str) -> None:
    found = ask(records({("copy", "a"): times}), Solves(*SAID, task="copy", models=("a",), within=by))
    assert found.verdict == verdict, found.sentence
    assert f"within {by or BUDGET:,} steps" in found.found


def test_a_step_to_solve_by_is_one() -> None:
    with pytest.raises(ValueError, match="within=0: at least 1 is needed, or None"):
        Solves(*SAID, "copy", ("a",), 0)


def test_never_solves_is_not_run_without_a_complete_run() -> None:
    tables = records({("copy", "a"): [NEVER]}, status={"copy/a/1": "interrupted"})
    assert ask(tables, NeverSolves(*SAID, task="copy", model="a")).verdict == "not run"


@pytest.mark.parametrize(
    ("status", "seeds", "verdict"),
    [
        ({}, 5, "agrees"),
        ({}, 4, "undecided"),
        ({"copy/a/1": "diverged"}, 5, "contradicts"),
        ({"copy/a/1": "diverged"}, 1, "contradicts"),  # one is enough
        ({"copy/a/1": "new"}, 1, "not run"),
    ],
)
def test_never_diverges(status: Mapping[str, str], seeds: int, verdict: str) -> None:
    tables = records({("copy", "a"): FAST[:seeds]}, status)
    assert ask(tables, NeverDiverges(*SAID, tasks=("copy",), models=("a",))).verdict == verdict


def test_a_mean_of_ratios_is_told_as_its_parts_and_decided_against_each_rival() -> None:
    four, three = ([n * time for time in FAST] for n in (4, 3))
    times = {("copy", "a"): FAST, ("copy", "b"): TWICE, ("copy", "c"): four}
    times |= {("recall", "a"): FAST, ("recall", "b"): four, ("recall", "c"): three}
    asked = MeanFaster(*SAID, tasks=("copy", "recall"), base="a", rivals=("b", "c"), paper=2.5)
    found = ask(records(times), asked)
    assert found.verdict == "same direction" and found.against == "a against b on copy and recall"
    strata = [statistics.Stratum(*(np.array(times[task, arm], float) for arm in "ab"), BUDGET) for task in asked.tasks]
    assert (found.estimate, found.interval, found.p) == statistics.time_ratio(strata)
    assert "copy 2.00 (1.74 to 2.29), p 0.0022 against b; recall 3.00" in found.sentence
    assert "the mean of the ratios of medians: 2.50." in found.sentence
    assert found.median_curves == "" and replace(asked, primary=True).by_curves(dict.fromkeys(times, 1.0))


def test_one_task_does_not_make_a_mean() -> None:
    third = [400] * 6
    tables = records({("copy", "a"): FAST, ("copy", "b"): [4 * time for time in FAST]} | {
        (task, m): t for task in ("recall", "sort") for m, t in zip("ab", (FAST, third), strict=True)
    })  # fmt: skip
    found = ask(tables, MeanFaster(*SAID, tasks=("copy", "recall", "sort"), base="a", rivals=("b",) * 3, paper=2.0))
    assert "the mean of the ratios of medians: 1.58." in found.sentence, "(4 + 2 * 400 / 1100) / 3"
    assert found.verdict in ("undecided", "contradicts") and found.estimate is not None and found.estimate < 1


def test_a_median_between_a_solved_run_and_an_unsolved_one_is_bounded_by_the_two() -> None:
    half = [3000, 4000, 5000, NEVER, NEVER, NEVER]
    tables = records({(task, m): t for task in ("copy", "recall") for m, t in (("a", FAST), ("b", half))})
    found = ask(tables, Faster(*SAID, task="copy", base="a", rival="b"))
    assert "b beyond 7,500 (3 of 6 solved). Ratio of medians at least 6.82" in found.sentence
    assert np.isnan(found.beside["ratio of medians"]) and found.to_json()["beside"]["ratio of medians"] is None
    mean = ask(tables, MeanFaster(*SAID, tasks=("copy", "recall"), base="a", rivals=("b", "b")))
    assert "the mean of the ratios of medians: at least 6.82." in mean.sentence
    upside = ask(tables, MeanFaster(*SAID, tasks=("copy", "recall"), base="b", rivals=("a", "a")))
    assert "the mean of the ratios of medians: unknown." in upside.sentence and upside.verdict == "contradicts"


def test_a_run_of_a_longer_budget_is_not_beaten_after_the_shorter_one_ends() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): [9000] * 6})
    tables.runs.loc[tables.runs["model"] == "a", "steps"] = 5000
    found = ask(tables, Faster(*SAID, task="copy", base="a", rival="b"))
    assert found.estimate == np.inf and "Ratio of medians at least 4.55" in found.sentence
    assert "a 1,100 (6 of 6 solved), b beyond 5,000 (0 of 6 solved)" in found.sentence
    other = ask(tables, Faster(*SAID, task="copy", base="b", rival="a"))
    assert other.estimate == 0 and "Ratio of medians at most 0.22" in other.sentence


@pytest.mark.parametrize(
    ("rival", "verdict"),
    [(TWICE, "agrees"), ([time // 2 for time in FAST], "agrees"), (FAST, "contradicts"), (WILD, "undecided")],
)
def test_whether_something_matters_has_no_favoured_side(rival: list[int], verdict: str) -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): rival})
    assert ask(tables, Differs(*SAID, task="copy", base="a", rival="b")).verdict == verdict


def test_a_verdict_before_all_planned_seeds_is_interim() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE}, status={"copy/b/6": "new"})
    found = ask(tables, Faster(*SAID, task="copy", base="a", rival="b", paper=2.0))
    assert found.interim and found.so_far == "interim, 5 of 6 seeds" and "Interim, 5 of 6 seeds." in found.sentence
    assert not speed(FAST, TWICE, 2.0).interim and not speed(FAST[:3], TWICE[:3], 2.0).interim
    open_ = speed(FAST, FAST, 2.0, status={"copy/b/6": "new"})
    assert open_.verdict == "undecided" and open_.interim, "it may still be decided"
    assert not speed(FAST, TWICE, 2.0, status={f"copy/b/{seed}": "new" for seed in range(1, 7)}).interim


def test_order_is_decided_by_its_weakest_pair() -> None:
    slow = [3 * time for time in FAST]
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE, ("copy", "c"): slow})
    won = ask(tables, Order(*SAID, task="copy", first=("a", "b"), last="c"))
    assert won.verdict == "agrees" and won.estimate == pytest.approx(1.5) and won.against == "b against c on copy"
    lost = ask(tables, Order(*SAID, task="copy", first=("a", "c"), last="b"))
    assert lost.verdict == "contradicts" and lost.against == "c against b on copy"
    assert lost.p == pytest.approx(2 * won.p), "of two pairs it was the one that was looked for"  # type: ignore[operator]
    wild = ask(records({("copy", "a"): FAST, ("copy", "b"): WILD, ("copy", "c"): slow}), won.claim)
    assert wild.verdict == "undecided" and wild.p is not None and wild.p > 0.05, "the largest of the pairs"


@pytest.mark.parametrize(
    ("relapsing", "times", "verdict"),
    [
        ({"b": 3}, FAST, "agrees"),
        ({"a": 3}, FAST, "contradicts"),
        ({}, FAST, "undecided"),
        ({"b": 3}, FAST[:4], "undecided"),
        ({}, UNSOLVED, "not estimable"),
    ],
)
def test_fewer_relapses(relapsing: Mapping[str, int], times: list[int], verdict: str) -> None:
    tables = records({("copy", "a"): FAST[: len(times)], ("copy", "b"): times}, relapsing=relapsing)
    found = ask(tables, FewerRelapses(*SAID, task="copy", base="a", rivals=("b",)))
    assert found.verdict == verdict, found.sentence


def test_relapses_are_rates_against_every_rival() -> None:
    """A rival that is solved late has less time to relapse; one that is steadier is enough to contradict."""
    late = [time + 7000 for time in FAST]
    tables = records(
        {("copy", m): t for m, t in zip("abc", (FAST, late, FAST), strict=True)}, relapsing={"b": 1, "c": 3}
    )
    asked = FewerRelapses(*SAID, task="copy", base="a", rivals=("b", "c"))
    found = ask(tables, asked)
    assert found.verdict == "agrees" and found.estimate == pytest.approx(10_000 * 3 / 8900)  # c's, the lesser
    assert "Compared with c, which speaks most against it." in found.sentence
    busy = records({("copy", m): FAST for m in "abc"}, relapsing={"a": 1, "c": 3})
    assert ask(busy, asked).verdict == "contradicts" and "Compared with b, which" in ask(busy, asked).sentence
    never = records({("copy", m): t for m, t in zip("abc", (FAST, FAST, UNSOLVED), strict=True)}, relapsing={"b": 1})
    assert "Not compared, since unsolved: c" in ask(never, asked).sentence


def test_a_run_that_diverged_before_it_was_tested_is_an_exception_and_one_to_be_tested_yet_is_none() -> None:
    claim = Generalises(*SAID, task="copy", model="a", size=(12,))
    for status, share, said in (("diverged", 5 / 6, "(1 not tested)"), ("done", 1, "(1 more is still to be tested)")):
        tables = records({("copy", "a"): FAST}, status={"copy/a/2": status})
        points = tables.generalisation
        found = ask(tables._replace(generalisation=points[points["seed"] != 2]), claim)
        assert found.estimate == pytest.approx(share) and said in found.sentence
    hardly = tables._replace(generalisation=points[points["seed"] == 1])
    for kind in (Generalises, Degrades):
        assert ask(hardly, kind(*SAID, task="copy", model="a", size=(12,))).verdict == "undecided"


def test_generalises_and_degrades_ask_only_solved_runs() -> None:
    tables = records({("copy", "a"): [*FAST, NEVER]})
    degrades = ask(tables, Degrades(*SAID, task="copy", model="a", size=(40,)))
    assert degrades.verdict == "agrees" and degrades.estimate == 1
    assert degrades.seeds == degrades.planned == 7 and not degrades.interim, "all are there, though one is unsolved"
    assert ask(tables, Degrades(*SAID, task="copy", model="a", size=(12,))).verdict == "contradicts"
    assert ask(tables, Generalises(*SAID, task="copy", model="a", size=(12,))).verdict == "agrees"
    assert ask(tables, Generalises(*SAID, task="copy", model="a", size=(40,))).verdict == "contradicts"
    never = records({("copy", "a"): UNSOLVED})
    assert ask(never, Generalises(*SAID, task="copy", model="a", size=(12,))).verdict == "not estimable"
    few = records({("copy", "a"): FAST[:3]})
    assert ask(few, Generalises(*SAID, task="copy", model="a", size=(12,))).verdict == "undecided"


def test_an_arm_stands_for_each_reading_and_one_without_stands_for_itself() -> None:
    names = {"ntm-a-cosine": FAST, "ntm-a-dot": TWICE, "lstm": [4 * time for time in FAST]}
    tables = records({("copy", model): times for model, times in names.items()})
    asked = Faster(*SAID, task="copy", base="ntm-a", rival="lstm")
    verdicts = judge(tables, facts(tables, asked))
    assert [(v.reading, v.estimate) for v in verdicts] == [("cosine", pytest.approx(4)), ("dot", pytest.approx(2))]
    alone = NeverSolves(*SAID, task="copy", model="lstm")
    assert [v.reading for v in judge(tables, facts(tables, alone))] == [""]


def test_a_suite_of_one_reading_is_asked_under_it() -> None:
    tables = records({("copy", "a-cosine"): FAST, ("copy", "b-cosine"): TWICE})
    (found,) = judge(tables, facts(tables, Faster(*SAID, "copy", "a", "b", paper=2.0)))
    assert (found.reading, found.verdict, found.counts) == ("cosine", "agrees", "a 6 of 6, b 6 of 6")


def test_a_models_own_name_stands_for_it_alone() -> None:
    tables = records({("copy", "a-cosine"): FAST, ("copy", "a-dot"): TWICE})
    (found,) = judge(tables, facts(tables, Faster(*SAID, "copy", "a-cosine", "a-dot")))
    assert (found.reading, found.counts) == ("", "a-cosine 6 of 6, a-dot 6 of 6")
    assert "a-cosine 1,100 (6 of 6 solved), a-dot 2,200" in found.sentence


def test_several_tasks_can_be_one_test() -> None:
    tables = records({(t, m): s for t in ("copy", "recall") for m, s in (("a", FAST), ("b", TWICE))})
    asked = FasterOverTasks(*SAID, ("copy", "recall"), "a", "b", paper=(1.5, 2.5))
    found = ask(tables, asked)
    assert found.estimate == pytest.approx(2) and found.verdict == "agrees" and not found.beside
    assert found.sentence.startswith("Task by task, times as fast: copy 2.00 (1.74 to 2.29), p 0.0022 and recall 2.00")
    assert asked.sides == "copy, recall: a / b" and found.to_json()["measure"] == "speed-ratio-over-tasks"


def test_the_claims_of_collier2018_ask_what_can_be_measured() -> None:
    assert len({c.id for c in CLAIMS}) == len(CLAIMS)
    assert [c.id for c in CLAIMS if c.primary] == [
        f"collier2018-{n}" for n in ("C1", "C2", "C3", "C4a", "C4b", "C5a", "C5b")
    ]
    tables = records({("copy", "ntm-constant-cosine"): FAST})
    for verdict in judge(tables, facts(tables, *CLAIMS)):
        assert verdict.verdict == "not run" or verdict.claim.id == "collier2018-C13a"
        assert (verdict.p is None) == (verdict.verdict == "not run")
