"""Every verdict, reached from hand-made frames; the claims of collier2018; the summary."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from membench.benchmarks.suites.collier2018_claims import CLAIMS
from membench.report import claims
from membench.report.claims import (
    Arm,
    Claim,
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
from membench.report.claims.summary import progress, summary, tally
from membench.report.claims.verdict import MEANS, VERDICTS, Verdict
from membench.report.frames import Frames, SuiteFacts, frames

BUDGET = 10_000
NEVER = 0
Times = Mapping[tuple[str, str], Sequence[int]]
SAID = ("suite-C1", "Something is said.", "somewhere [p]")


def arm_of(task: str, model: str, *sizes: tuple[int, ...]) -> Arm:
    """An arm of these tests, which ends in its reading where it has one."""
    for reading in ("cosine", "dot"):
        if model.endswith(f"-{reading}"):
            return Arm(task, model, model.removesuffix(f"-{reading}"), reading, sizes)
    return Arm(task, model, model, "", sizes)


def records(
    times: Times, status: Mapping[str, str] | None = None, relapsing: Mapping[str, int] | None = None
) -> Frames:
    """Runs of seeds 1, 2, ... that drop from 9 wrong bits to none at the given steps (``NEVER``: not at all)."""
    runs, evaluations, points = [], [], []
    for (task, model), solved in times.items():
        for seed, time in enumerate(solved, 1):
            key = f"{task}/{model}/{seed}"
            arm = {"task": task, "model": model, "reading": arm_of(task, model).reading, "seed": seed}
            state = (status or {}).get(key, "done")
            text = dict.fromkeys(("digest", "message", "device", "implementation", "commit"), "")
            text |= {"cut": False}
            numbers = {"step": BUDGET, "steps": BUDGET, "seconds": 1.0, "parameters": 1, "state_size": 1}
            runs.append({"key": key, **arm, "status": state, **numbers, **text})
            if state in ("new", "stale"):
                continue
            steps = np.arange(0, BUDGET + 1, 200)
            errors = np.where((steps >= time) & (time != NEVER), 0.0, 9.0)
            for spell in range((relapsing or {}).get(model, 0)):
                errors[-2 - 3 * spell] = 5.0
            for step, error in zip(steps, errors, strict=True):
                zeros = dict.fromkeys(("loss", "train_loss", "gradient_norm", "seconds"), 0.0)
                evaluations.append({**arm, "step": int(step), "sequences": 0, "errors": float(error), **zeros})
            for size, wrong in (("40", 3.0), ("12", 0.0)):
                point = {"weights": "best", "step": BUDGET, "size": size, "steps": 81, "trained": False}
                points.append({**arm, **point, "sequences": 192, "errors": wrong, "bits": 320, "perfect": 0.0})
    return frames(runs, evaluations, points)


def facts(tables: Frames, *asked: Claim) -> SuiteFacts:
    runs = tables.runs
    seeds = tuple(sorted({int(seed) for seed in runs["seed"]}))
    cells = runs[["task", "model"]].drop_duplicates()
    arms = tuple(arm_of(task, model) for task, model in zip(cells["task"], cells["model"], strict=True))
    return SuiteFacts("suite", "A suite", "", 0.1, asked, arms, seeds)


def ask(tables: Frames, asked: Claim) -> Verdict:
    (verdict,) = judge(tables, facts(tables, asked))
    assert verdict.verdict in VERDICTS
    return verdict


def speed(base: Sequence[int], rival: Sequence[int], paper: Any, **others: Any) -> Verdict:
    tables = records({("copy", "a"): base, ("copy", "b"): rival}, **others)
    return ask(tables, Faster(*SAID, task="copy", base="a", rival="b", paper=paper))


FAST = [1000, 1000, 1200, 1200, 1000, 1200]
TWICE = [2 * time for time in FAST]
WILD = [400, 8000, 600, 9000, 1200, 9800]
UNSOLVED = [NEVER] * 6


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
    assert 0 < found.beside["log-rank p"] < 0.05 and "Log-rank p 0.0" in found.sentence
    assert "Log-rank" not in speed(FAST[:4], TWICE[:4], 2.0).sentence
    three = records({("copy", "a"): FAST, ("copy", "b"): FAST, ("copy", "c"): TWICE})
    assert "log-rank p" not in ask(three, Order(*SAID, task="copy", first=("a", "b"), last="c")).beside


def test_an_interval_that_leaves_the_order_open_may_exclude_the_size() -> None:
    assert "not the paper's 3.5" in speed(FAST, FAST, 3.5).sentence
    assert "not the paper's" not in speed(FAST, WILD, 3.5).sentence + speed(FAST, FAST, None).sentence


def test_a_bound_is_said_as_a_bound() -> None:
    found = speed(FAST, UNSOLVED, 3.5)
    assert (
        found.bound == "at least"
        and found.ours.startswith("\N{GREATER-THAN OR EQUAL TO}9.09\N{MULTIPLICATION SIGN}")
        and "from" in found.ours
    )
    assert found.to_json()["interval"][1] is None


def test_an_arm_without_its_full_budget_is_not_run() -> None:
    every = {f"copy/b/{seed}": "interrupted" for seed in range(1, 7)}
    found = speed(FAST, TWICE, 2.0, status=every)
    assert found.verdict == "not run" and "copy/b 0 of 6" in found.sentence and found.estimate is None


def test_one_seed_decides_nothing_and_has_no_p_value() -> None:
    found = speed(FAST[:1], TWICE[:1], 2.0)
    assert found.verdict == "undecided" and found.seeds == 1 and np.isnan(found.beside["log-rank p"])
    assert found.to_json()["beside"]["log-rank p"] is None


def test_only_seeds_complete_in_every_arm_decide() -> None:
    found = speed(FAST, TWICE, 2.0, status={"copy/a/1": "failed", "copy/b/2": "new"})
    assert found.seeds == 4 and found.planned == 6 and found.verdict == "undecided"
    assert speed(FAST, TWICE, 2.0, status={"copy/a/1": "stale"}).seeds == 5


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
    found = ask(records({("copy", "a"): times}), Solves(*SAID, task="copy", models=("a",), by=by))
    assert found.verdict == verdict, found.sentence
    assert f"within {by or BUDGET:,} steps" in found.found


def test_a_step_to_solve_by_is_one() -> None:
    with pytest.raises(ValueError, match="by=0: a step from 1 on is needed, or None"):
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


def test_mean_speed_ratio_has_a_rival_for_each_task() -> None:
    tables = records(
        {
            ("copy", "a"): FAST,
            ("copy", "b"): TWICE,
            ("copy", "c"): UNSOLVED,
            ("recall", "a"): FAST,
            ("recall", "b"): [4 * time for time in FAST],
            ("recall", "c"): [3 * time for time in FAST],
        }
    )
    asked = MeanFaster(*SAID, tasks=("copy", "recall"), base="a", rivals=("b", "c"), paper=2.5)
    found = ask(tables, asked)
    assert found.verdict == "agrees" and found.estimate == pytest.approx(2.5)
    assert found.beside["geometric mean"] == pytest.approx(6**0.5)
    assert len(found.solved) == 4 and "copy/c" not in found.solved


def test_one_task_does_not_make_a_mean() -> None:
    third = [400] * 6
    tables = records({("copy", "a"): FAST, ("copy", "b"): [4 * time for time in FAST]} | {
        (task, m): t for task in ("recall", "sort") for m, t in zip("ab", (FAST, third), strict=True)
    })  # fmt: skip
    found = ask(tables, MeanFaster(*SAID, tasks=("copy", "recall", "sort"), base="a", rivals=("b",) * 3, paper=2.0))
    assert found.estimate == pytest.approx((4 + 2 * 400 / 1100) / 3)
    assert found.interval is not None and found.interval.low > 1
    assert found.verdict == "undecided" and "one task decides it" in found.sentence


def test_one_task_that_the_base_does_not_solve_leaves_a_bound_of_the_mean() -> None:
    tables = records({("copy", m): t for m, t in zip("ab", (UNSOLVED, TWICE), strict=True)} | {
        ("recall", m): t for m, t in zip("ab", (FAST, TWICE), strict=True)
    })  # fmt: skip
    found = ask(tables, MeanFaster(*SAID, tasks=("copy", "recall"), base="a", rivals=("b", "b"), paper=2.0))
    assert found.verdict == "not estimable" and found.bound == "at most" and "copy at most 0.22" in found.sentence
    assert found.estimate == pytest.approx((0.22 + 2) / 2)
    slow = records({(task, m): t for task in ("copy", "recall") for m, t in (("a", UNSOLVED), ("b", FAST))})
    found = ask(slow, MeanFaster(*SAID, tasks=("copy", "recall"), base="a", rivals=("b", "b"), paper=2.0))
    assert found.verdict == "contradicts" and found.ours.startswith("\N{LESS-THAN OR EQUAL TO}0.11")


def test_a_median_between_a_solved_run_and_an_unsolved_one_is_bounded_by_the_two() -> None:
    half = [3000, 4000, 5000, NEVER, NEVER, NEVER]
    tables = records({(task, m): t for task in ("copy", "recall") for m, t in (("a", FAST), ("b", half))})
    found = ask(tables, Faster(*SAID, task="copy", base="a", rival="b"))
    least = (5000 + 10000) / 2
    assert found.estimate == pytest.approx(least / 1100) and f"b beyond {least:,.0f} (3 of 6 solved)" in found.sentence
    mean = ask(tables, MeanFaster(*SAID, tasks=("copy", "recall"), base="a", rivals=("b", "b")))
    assert mean.estimate == pytest.approx(least / 1100) and "copy at least 6.82, recall at least 6.82" in mean.sentence
    upside = ask(tables, MeanFaster(*SAID, tasks=("copy", "recall"), base="b", rivals=("a", "a")))
    assert upside.estimate == pytest.approx(1100 / least) and "copy at most 0.15, recall at most" in upside.sentence


def test_a_run_of_a_longer_budget_is_not_beaten_after_the_shorter_one_ends() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): [9000] * 6})
    tables.runs.loc[tables.runs["model"] == "a", "steps"] = 5000
    found = ask(tables, Faster(*SAID, task="copy", base="a", rival="b"))
    assert found.bound == "at least" and found.estimate == pytest.approx(5000 / 1100)
    assert "a 1,100 (6 of 6 solved), b beyond 5,000 (0 of 6 solved)" in found.sentence
    other = ask(tables, Faster(*SAID, task="copy", base="b", rival="a"))
    assert other.bound == "at most" and other.estimate == pytest.approx(1100 / 5000)


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
    assert found.interim and "Interim: 5 of 6 planned seeds." in found.sentence
    assert not speed(FAST, TWICE, 2.0).interim and not speed(FAST[:3], TWICE[:3], 2.0).interim


def test_order_takes_the_slowest_of_the_first() -> None:
    slow = [3 * time for time in FAST]
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE, ("copy", "c"): slow})
    assert ask(tables, Order(*SAID, task="copy", first=("a", "b"), last="c")).estimate == pytest.approx(1.5)
    assert ask(tables, Order(*SAID, task="copy", first=("a", "b"), last="c")).verdict == "agrees"
    assert ask(tables, Order(*SAID, task="copy", first=("a", "c"), last="b")).verdict == "contradicts"


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


def test_a_solved_run_that_was_not_tested_is_an_exception() -> None:
    tables = records({("copy", "a"): FAST})
    points = tables.generalisation
    tables = tables._replace(generalisation=points[points["seed"] != 2])
    found = ask(tables, Generalises(*SAID, task="copy", model="a", size=(12,)))
    assert found.estimate == pytest.approx(5 / 6) and "(1 not tested)" in found.sentence


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
    assert [(v.reading, v.estimate) for v in verdicts] == [("cosine", 4.0), ("dot", 2.0)]
    alone = NeverSolves(*SAID, task="copy", model="lstm")
    assert [v.reading for v in judge(tables, facts(tables, alone))] == [""]


def test_another_claim_moves_no_interval() -> None:
    tables = records({("copy", "a"): WILD, ("copy", "b"): FAST})
    asked = Faster(*SAID, task="copy", base="a", rival="b", paper=2.0)
    (alone,) = judge(tables, facts(tables, asked))
    *_, beside = judge(tables, facts(tables, replace(asked, id="suite-C0"), asked))
    assert alone == beside


SUITE = (
    *(arm_of("copy", model, (40,), (60,)) for model in ("a-cosine", "a-dot", "b-cosine", "c-dot", "lstm")),
    arm_of("recall", "dnc", (12,)),
)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Faster(*SAID, "cpoy", "a", "b"), "no task 'cpoy'; there are copy, recall"),
        (Faster(*SAID, "copy", "a", "bb"), "no arm 'bb' on copy; there are a, b, c, lstm"),
        (Faster(*SAID, "copy", "dnc", "a"), "no arm 'dnc' on copy; there are a, b, c, lstm"),
        (Differs(*SAID, "copy", "a-sine", "b"), "no arm 'a-sine' on copy"),
        (Faster(*SAID, "copy", "b", "c"), "b, c never stand under the same reading; there are cosine, dot"),
        (MeanFaster(*SAID, ("copy", "recall"), "a", ("b", "dnc")), "no arm 'a' on recall; there are dnc"),
        (FasterOverTasks(*SAID, ("copy", "sort"), "a", "b"), "no task 'sort'; there are copy, recall"),
        (Order(*SAID, "copy", ("a", "lsmt"), "b"), "no arm 'lsmt' on copy"),
        (NeverSolves(*SAID, "copy", "lstm2"), "no arm 'lstm2' on copy"),
        (NeverDiverges(*SAID, ("copy", "recall"), ("a",)), "no arm 'a' on recall; there are dnc"),
        (FewerRelapses(*SAID, "copy", "a", ("b", "q")), "no arm 'q' on copy"),
        (Generalises(*SAID, "copy", "lstm", (41,)), r"size=(41,): lstm is tested on copy at (40,), (60,)"),
        (Degrades(*SAID, "copy", "a", 40), r"size=40: a-cosine is tested on copy at (40,), (60,)"),
        (Generalises(*SAID, "copy", "a", "40"), r"size='40': a-cosine is tested"),
        (Generalises(*SAID, "recall", "dcn", (12,)), "no arm 'dcn' on recall; there are dnc"),
    ],
)
def test_a_claim_that_the_suite_cannot_answer_is_named_with_what_there_is(wrong: Claim, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"claim suite-C1: {said}")):
        wrong.check(SUITE)


def test_what_a_suite_can_answer_is_accepted() -> None:
    Faster(*SAID, "copy", "a", "lstm").check(SUITE)
    Faster(*SAID, "copy", "a-cosine", "c-dot").check(SUITE)
    Faster(*SAID, "copy", "a", "c").check(SUITE)  # under one of the readings
    Generalises(*SAID, "copy", "a", (60,)).check(SUITE)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MeanFaster(*SAID, "copy", "a", ("b",)), "tasks='copy': a tuple of names"),
        (lambda: MeanFaster(*SAID, ("copy", "recall"), "a", ("b",)), "rivals=('b',): one for each of the tasks copy,"),
        (lambda: Order(*SAID, "copy", "a", "b"), "first='a': a tuple of names"),
        (lambda: FewerRelapses(*SAID, "copy", "a", ()), "rivals=(): a tuple of names"),
        (lambda: NeverDiverges(*SAID, ["copy"], ("a",)), "tasks=['copy']: a tuple of names"),
        (lambda: NeverDiverges(*SAID, ("copy",), (3,)), "models=(3,): a tuple of names"),
        (lambda: Faster(*SAID, "copy", "a", "b", "3.5"), "paper='3.5': a number above zero"),
        (lambda: Faster(*SAID, "copy", "a", "b", (5.0, 4.0)), "paper=(5.0, 4.0): a number above zero"),
        (lambda: Faster(*SAID, "copy", "a", "b", (1.0, 2.0, 3.0)), "paper=(1.0, 2.0, 3.0): a number above zero"),
        (lambda: MeanFaster(*SAID, ("copy",), "a", ("b",), 0), "paper=0: a number above zero"),
    ],
)
def test_a_claim_of_the_wrong_types_is_refused_when_it_is_made(make: Callable[[], Claim], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"claim suite-C1: {said}")):
        make()


def test_every_kind_says_what_it_measures() -> None:
    kinds = [each for each in vars(claims).values() if isinstance(each, type) and issubclass(each, Claim)]
    kinds.remove(Claim)
    assert len({kind.kind for kind in kinds}) == len(kinds)
    assert {kind.unit for kind in kinds} == MEANS.keys()


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
    assert found.sentence.startswith("Task by task: copy 2.00, recall 2.00 (6 seeds). Times as fast")
    assert asked.sides == "copy, recall: a / b" and found.to_json()["measure"] == "speed-ratio-over-tasks"


def test_the_claims_of_collier2018_ask_what_can_be_measured() -> None:
    assert len({c.id for c in CLAIMS}) == len(CLAIMS)
    assert [c.id for c in CLAIMS if c.primary] == [
        f"collier2018-{n}" for n in ("C1", "C2", "C3", "C4a", "C4b", "C5a", "C5b")
    ]
    tables = records({("copy", "ntm-constant-cosine"): FAST})
    for verdict in judge(tables, facts(tables, *CLAIMS)):
        assert verdict.verdict == "not run" or verdict.claim.id == "collier2018-C13a"
        assert verdict.p is None


def test_the_summary_counts_verdicts_and_the_progress_says_partial_first() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE}, status={"copy/a/1": "stale", "copy/a/2": "new"})
    asked = (
        replace(Faster(*SAID, task="copy", base="a", rival="b", paper=2.0), primary=True),
        replace(NeverSolves(*SAID, task="copy", model="b"), id="suite-C2"),
    )
    known = facts(tables, *asked)
    verdicts = judge(tables, known)
    assert tally(verdicts) == "1 is contradicted and 1 is undecided"
    text = summary(tables, known, verdicts)
    assert "Claims named in advance as decisive: 1 is undecided." in text and "2.00\N{MULTIPLICATION SIGN}" in text
    said = progress(tables)
    assert said.startswith("Partial report: 10 of 12 runs have had") and "1 stale" in said and "1 not started" in said
    assert progress(records({("copy", "a"): FAST})) == ""
    assert progress(frames()).startswith("Partial report: none of 0")


@pytest.mark.parametrize("status", ["new", "interrupted", "stale"])
def test_nothing_is_claimed_before_a_run_has_had_its_budget(status: str) -> None:
    """A claim printed alone would read as what was found."""
    tables = records({("copy", "a"): FAST})
    tables = tables._replace(runs=tables.runs.assign(status=status))
    known = facts(tables, NeverSolves(*SAID, task="copy", model="a"))
    assert summary(tables, known, judge(tables, known)) == "Nothing is found yet."
    assert progress(tables).startswith("Partial report: none of ")
