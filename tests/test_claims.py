"""Every verdict, reached from hand-made frames; the claims of collier2018; the summary."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from membench.benchmarks.suites.collier2018_claims import CLAIMS
from membench.report import claims, statistics
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
from membench.report.claims.summary import finding, progress, summary, tally
from membench.report.claims.verdict import MEANS, VERDICTS, Verdict, paper_text
from membench.report.frames import Frames, SuiteFacts, frames
from membench.report.statistics import Interval

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
                zeros = dict.fromkeys(("loss", "train_loss", "gradient_norm"), 0.0) | {"seconds": step / 100}
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
    assert [(v.reading, v.estimate) for v in verdicts] == [("cosine", pytest.approx(4)), ("dot", pytest.approx(2))]
    alone = NeverSolves(*SAID, task="copy", model="lstm")
    assert [v.reading for v in judge(tables, facts(tables, alone))] == [""]


def test_another_claim_moves_no_interval_but_the_corrected_p() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): [1200, 1400, 1600, 1200, 2000, 1000]})
    asked = Faster(*SAID, task="copy", base="a", rival="b", paper=2.0)
    (alone,) = judge(tables, facts(tables, asked))
    *_, beside = judge(tables, facts(tables, NeverSolves("suite-C0", "", "", "copy", "a"), asked))
    assert (alone.estimate, alone.interval, alone.p) == (beside.estimate, beside.interval, beside.p)
    assert alone.corrected == alone.p


WEAK = [1000, 1000, 1200, 1200, 1000, 1600]
WEAKER = [1400, 1400, 1600, 1800, 1400, 1400]


def test_the_corrected_p_decides_and_the_reason_says_so() -> None:
    """Alone p is 0.039; of three claims it is not enough."""
    tables = records({("copy", "a"): WEAK, ("copy", "b"): WEAKER, ("copy", "c"): WEAK, ("copy", "d"): WEAK})
    first, *others = (
        replace(Faster(f"suite-{rival}", "", "", "copy", "a", rival), primary=True) for rival in ("b", "c", "d")
    )
    (alone,) = judge(tables, facts(tables, first))
    assert alone.verdict == "agrees" and alone.p is not None and 0.02 < alone.p < 0.05
    found = judge(tables, facts(tables, first, *others))[0]
    assert found.verdict == "undecided" and found.p == alone.p and found.corrected == pytest.approx(3 * alone.p)
    assert "Alone it would decide" in found.reason and f"corrected {3 * alone.p:.2f}" in found.sentence


def test_primary_claims_are_corrected_by_holm_and_the_rest_by_benjamini_and_hochberg() -> None:
    times = {("copy", name): [n * time for time in FAST] for n, name in ((1, "a"), (2, "b"), (3, "c"), (1, "d"))}
    tables = records(times)
    each = [Faster(f"suite-{rival}", "", "", "copy", "a", rival) for rival in "bcd"]
    p = [v.p for v in judge(tables, facts(tables, *each))]
    rest = judge(tables, facts(tables, *each))
    assert [v.corrected for v in rest] == pytest.approx(statistics.benjamini_hochberg(p))
    primary = judge(tables, facts(tables, *(replace(claim, primary=True) for claim in each)))
    assert [v.corrected for v in primary] == pytest.approx(statistics.holm(p))
    mixed = judge(tables, facts(tables, replace(each[0], primary=True), *each[1:]))
    assert mixed[0].corrected == mixed[0].p and mixed[1].corrected == pytest.approx(2 * p[1])  # type: ignore[operator]


def test_each_reading_is_corrected_by_itself_and_a_sum_does_not_count_against_its_parts() -> None:
    times = {("copy", f"{name}-{reading}"): [n * time for time in FAST]
             for reading in ("cosine", "dot") for n, name in ((1, "a"), (2, "b"))}  # fmt: skip
    tables = records(times)
    part = Faster("suite-C2", "", "", "copy", "a", "b", primary=True)
    whole = MeanFaster("suite-C1", "", "", ("copy",), "a", ("b",), primary=True)
    verdicts = {(v.claim.id, v.reading): v for v in judge(tables, facts(tables, whole, part))}
    assert verdicts["suite-C2", "dot"].corrected == verdicts["suite-C2", "dot"].p
    assert verdicts["suite-C1", "dot"].corrected == pytest.approx(2 * verdicts["suite-C1", "dot"].p)  # type: ignore[operator]


def test_a_claim_that_cannot_be_asked_counts_against_none() -> None:
    tables = records({("copy", model): FAST for model in ("a-cosine", "a-dot", "b-cosine")})
    never, faster = NeverSolves("suite-C1", "", "", "copy", "a"), Faster("suite-C2", "", "", "copy", "a", "b")
    dot = judge(tables, facts(tables, never, faster))[1]
    assert dot.reading == "dot" and dot.corrected == dot.p


def test_primary_claims_are_judged_otherwise_too() -> None:
    """Runs that stay at half the bar; others that do not hold it for long; steps that take longer on one side."""
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE})
    mine = tables.evaluations["model"] == "a"
    steps = tables.evaluations["step"]
    low = tables.evaluations["errors"].where(~mine | (tables.evaluations["errors"] > 0), 0.05)
    low = low.where(mine | (steps != 3400), 9.0)
    seconds = steps * np.where(mine, 4.0, 1.0)
    tables = tables._replace(evaluations=tables.evaluations.assign(errors=low, seconds=seconds))
    (found,) = judge(tables, facts(tables, Faster(*SAID, "copy", "a", "b", primary=True)))
    assert found.verdict == "agrees" and found.median_curves == "2.00\N{MULTIPLICATION SIGN}"
    other = found.judged_otherwise
    assert {way: v.verdict for way, v in other.items()} == {
        "bar 0.01": "contradicts", "held for 9": "agrees", "in seconds": "contradicts"
    }  # fmt: skip
    assert found.estimate == pytest.approx(2) and (other["held for 9"].estimate or 0) > 2.5
    assert other["in seconds"].estimate == pytest.approx(0.5)
    assert found.to_json()["judged_otherwise"]["in seconds"]["corrected"] == pytest.approx(other["in seconds"].p, 1e-4)


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
        (MeanFaster(*SAID, ("recall", "copy"), "dnc", ("b", "dnc")), "no arm 'b' on recall; there are dnc"),
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


def test_the_summary_counts_verdicts_and_the_progress_says_partial_first() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE}, status={"copy/a/1": "stale", "copy/a/2": "new"})
    asked = (
        replace(Faster(*SAID, task="copy", base="a", rival="b", paper=2.0), primary=True),
        replace(NeverSolves(*SAID, task="copy", model="b"), id="suite-C2"),
    )
    known = facts(tables, *asked)
    verdicts = judge(tables, known)
    assert tally(verdicts) == "1 is contradicted and 1 is undecided"
    text, first = summary(tables, known, verdicts), finding(tables, known, verdicts)
    assert "Claims named in advance as decisive: 1 is undecided." in text
    found = "undecided, a against b on copy 2.00\N{MULTIPLICATION SIGN} as fast (interim, 4 of 6 seeds)"
    assert first == f"Claim: Something is said. Found: {found}."
    said = progress(tables)
    assert said.startswith("Partial report: 10 of 12 runs have had") and "1 stale" in said and "1 not started" in said
    assert progress(records({("copy", "a"): FAST})) == ""
    assert progress(frames()).startswith("Partial report: none of 0")


def test_what_is_left_when_some_is_decided_is_counted() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE, ("copy", "c"): WILD})
    asked = [Faster(*SAID, task="copy", base="a", rival=rival, paper=2.0) for rival in "bc"]
    known = facts(tables, *(replace(claim, id=f"suite-C{n}") for n, claim in enumerate(asked)))
    first = finding(tables, known, judge(tables, known))
    assert first.endswith("Found: 1 of 2 verdicts is decided; C0 agrees; the other one is undecided.")


def test_what_was_added_is_not_counted_among_a_suite_s_own_runs() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "mine"): UNSOLVED})
    known = replace(facts(tables), added=("mine",))
    assert finding(tables, known, ()) == "Asked: A suite. Found: copy is solved by 6 of 6 runs."
    alone = records({("copy", "mine"): UNSOLVED})
    assert finding(alone, replace(facts(alone), added=("mine",)), ()).endswith("copy is solved by 0 of 6 runs.")


def test_a_verdict_without_a_reading_is_counted_once() -> None:
    tables = records({("copy", "a-cosine"): FAST, ("copy", "a-dot"): FAST, ("copy", "b"): UNSOLVED})
    asked = (Solves(*SAID, "copy", ("a",)), replace(NeverSolves(*SAID, task="copy", model="b"), id="suite-C2"))
    known = facts(tables, *asked)
    told = "All claims: under the cosine reading 1 agrees; under the dot reading 1 agrees; without one 1 agrees."
    assert told in summary(tables, known, judge(tables, known))


def test_numbers_of_a_paper_are_said_in_full() -> None:
    assert [paper_text(each) for each in (1_352_969, 3.5, (2.0, 3.5))] == ["1,352,969", "3.5", "2 to 3.5"]


@pytest.mark.parametrize("status", ["new", "interrupted", "stale"])
def test_nothing_is_claimed_before_a_run_has_had_its_budget(status: str) -> None:
    """A claim printed alone would read as what was found."""
    tables = records({("copy", "a"): FAST})
    tables = tables._replace(runs=tables.runs.assign(status=status))
    known = facts(tables, NeverSolves(*SAID, task="copy", model="a"))
    verdicts = judge(tables, known)
    assert finding(tables, known, verdicts) == "Nothing is found yet." and summary(tables, known, verdicts) == ""
    assert progress(tables).startswith("Partial report: none of ")
