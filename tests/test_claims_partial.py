"""Claims asked of records that are not whole: seeds, arms, tests or budgets that differ, runs that diverged."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import test_best_claims as best_claims
import test_claims_costs as costs
from handmade import FAST, NEVER, SAID, TWICE, UNSOLVED, ask, facts, records, speed

from membench.report.claims import (
    Cheaper,
    Claim,
    Excess,
    FallsShort,
    Faster,
    FasterOverTasks,
    FewerErrors,
    FewerRelapses,
    NeverSolves,
    Scores,
    Solves,
)
from membench.report.claims.judge import judge
from membench.report.claims.power import least_p
from membench.report.claims.summary import finding
from membench.report.claims.verdict import Verdict
from membench.report.frames import Frames
from membench.report.pages.drawings import seeds_said

SPEED = Faster(*SAID, task="copy", base="a", rival="b")


def test_who_loses_with_few_seeds_has_no_p_value_either() -> None:
    for base, rival in ((FAST[:4], TWICE[:4]), (TWICE[:4], FAST[:4])):
        found = speed(base, rival, None)
        assert found.p is not None and np.isnan(found.p) and found.chance == "" and found.to_json()["p"] is None


def test_relapses_of_few_solved_runs_have_no_p_value_and_no_interval() -> None:
    claim = FewerRelapses(*SAID, task="copy", base="a", rivals=("b",))
    few = [*FAST[:2], NEVER, NEVER, NEVER, NEVER]
    for relapsing in ({"a": 1}, {"b": 1}):
        found = ask(records({("copy", "a"): FAST, ("copy", "b"): few}, relapsing=relapsing), claim)
        assert found.p is not None and np.isnan(found.p) and found.interval is None
        assert found.verdict == "undecided" and "Fewer than 5 solved runs" in found.reason


def test_an_arm_that_does_best_of_few_decides_nothing_whatever_the_order() -> None:
    runs = {"a": [best_claims.BAD] * 6, "b": [best_claims.BAD] * 6}
    missing = [f"b/{seed}" for seed in range(2, 7)]
    for models in (("a", "b"), ("b", "a")):
        for claim in (Solves(*SAID, "copy", models), Scores(*SAID, "copy", models, ((40,),))):
            assert best_claims.ask(claim, runs, missing).verdict == "undecided", claim
    runs = {"a": [best_claims.GOOD] * 8, "b": [best_claims.GOOD] * 8}
    found = best_claims.ask(Solves(*SAID, "copy", ("b", "a")), runs, [f"b/{seed}" for seed in range(2, 9)])
    assert found.verdict == "agrees" and found.interim  # whatever b will do


def test_runs_that_are_still_to_be_tested_are_no_exceptions() -> None:
    runs = {"a": [best_claims.GOOD, *[(True, best_claims.TO_BE_TESTED)] * 9]}
    found = best_claims.ask(Scores(*SAID, "copy", ("a",), ((40,),)), runs)
    assert found.verdict == "undecided" and "1 of 1 runs" in found.found and found.interim
    none = {"a": [(True, best_claims.TO_BE_TESTED)] * 6}
    for kind in (Scores, FallsShort):
        found = best_claims.ask(kind(*SAID, "copy", ("a",), ((40,),)), none)
        assert found.verdict == "not run" and found.reason == "An arm has no run that was measured at sizes 40."


def cut(tables: Frames, model: str, budget: int) -> Frames:
    """The same, as if a model had had a smaller budget."""
    runs, evaluations = tables.runs.copy(), tables.evaluations
    runs.loc[runs["model"] == model, ["steps", "step"]] = budget
    within = (evaluations["model"] != model) | (evaluations["step"] <= budget)
    return tables._replace(runs=runs, evaluations=evaluations[within])


def test_of_unequal_budgets_the_smaller_counts_everywhere() -> None:
    tables = cut(records({("copy", "a"): [8000] * 6, ("copy", "b"): [3000] * 6}), "b", 5000)
    found = ask(tables, replace(SPEED, primary=True))
    assert found.solved == {"copy/a": (0, 6), "copy/b": (6, 6)} and "a beyond 5,000 (0 of 6 solved)" in found.found
    assert found.median_curves.startswith("\N{LESS-THAN OR EQUAL TO}0.60")
    neither = cut(records({("copy", "a"): [8000] * 6, ("copy", "b"): UNSOLVED}), "b", 5000)
    assert ask(neither, replace(SPEED, primary=True)).median_curves == "unknown"


def test_a_median_curve_below_the_bar_at_once_has_a_ratio() -> None:
    tables = records({("copy", "a"): [-1] * 6, ("copy", "b"): FAST})
    assert ask(tables, replace(SPEED, primary=True)).median_curves.startswith("1,2")


def test_pairs_that_no_seed_has_both_of_are_not_run() -> None:
    status = {**{f"copy/a/{seed}": "new" for seed in (4, 5, 6)}, **{f"copy/b/{seed}": "new" for seed in (1, 2, 3)}}
    found = ask(records({("copy", "a"): FAST, ("copy", "b"): TWICE}, status), replace(SPEED, paired=True))
    assert found.verdict == "not run"


def altered(tables: Frames, **status: str) -> Frames:
    """The same, with other ends of runs, by ``model_seed``."""
    runs = tables.runs.copy()
    for key, said in status.items():
        model, seed = key.split("_")
        runs.loc[(runs["model"] == model) & (runs["seed"] == int(seed)), "status"] = said
    return tables._replace(runs=runs)


def of_costs(claim: Claim, tables: Frames) -> Verdict:
    known = costs.known(claim, ("a", "b"), 5)
    (verdict,) = judge(tables, known)
    return verdict


def without_end(tables: Frames, model: str, seed: int, last: int) -> Frames:
    """The same, but that a run has no evaluation later than that, and no tests."""
    evaluations, points = tables.evaluations, tables.generalisation
    mine, tested = ((table["model"] == model) & (table["seed"] == seed) for table in (evaluations, points))
    runs = tables.runs.copy()
    runs.loc[(runs["model"] == model) & (runs["seed"] == seed), "step"] = last
    return Frames(runs, evaluations[~mine | (evaluations["step"] <= last)], points[~tested], *tables[3:])


def test_a_run_that_diverged_counts_as_untrained() -> None:
    tables = costs.records({"a": costs.LOW, "b": costs.HIGH})
    tables = altered(without_end(tables, "b", 1, 200), b_1="diverged")
    cost = of_costs(Cheaper(*SAID, "task", "a", "b"), tables)
    rest = sum(costs.HIGH[1:])
    assert cost.estimate == pytest.approx((100 + rest) / 5 - np.mean(costs.LOW)) and cost.seeds == 5
    errors = of_costs(FewerErrors(*SAID, "task", "a", "b", size=(9,)), tables)
    assert errors.estimate == pytest.approx((9 + rest) / 5 - np.mean(costs.LOW)) and errors.seeds == 5
    excess = of_costs(Excess(*SAID, "task", "b", 2.0), tables)
    assert excess.estimate == pytest.approx((99 + rest - 4) / 5)


def test_runs_that_are_not_complete_count_in_no_difference_of_errors() -> None:
    tables = altered(costs.records({"a": costs.LOW, "b": costs.HIGH}), b_1="interrupted")
    found = of_costs(FewerErrors(*SAID, "task", "a", "b", size=(9,)), tables)
    assert found.verdict == "undecided" and found.seeds == 4 and "of 4." in found.found
    untested = costs.records({"a": costs.LOW, "b": costs.HIGH})
    untested = untested._replace(generalisation=untested.generalisation.iloc[:0])
    found = of_costs(FewerErrors(*SAID, "task", "a", "b", size=(9,)), untested)
    assert found.reason == "An arm has no run that was measured at size 9."


def test_only_claims_about_speed_are_judged_in_seconds() -> None:
    tables = costs.records({"a": costs.LOW, "b": costs.HIGH})
    tables = tables._replace(evaluations=tables.evaluations.assign(seconds=tables.evaluations["step"] / 10))
    cheaper = of_costs(replace(Cheaper(*SAID, "task", "a", "b"), primary=True), tables)
    assert cheaper.judged_otherwise and "in seconds" not in cheaper.judged_otherwise
    faster = ask(records({("copy", "a"): FAST, ("copy", "b"): TWICE}), replace(SPEED, primary=True))
    assert "in seconds" in faster.judged_otherwise


def test_a_run_that_diverged_was_not_too_late_to_hold() -> None:
    late = [9600] * 6
    tables = records({("copy", "a"): late}, status={"copy/a/1": "diverged"})
    assert "5 more are below the bar at the end" in ask(tables, NeverSolves(*SAID, task="copy", model="a")).found


def test_nobody_is_said_to_be_faster_where_both_are_said_to_be_equal() -> None:
    for paper in (1.0, 0.5):
        assert speed(UNSOLVED, UNSOLVED, paper).verdict == "undecided"


def test_the_first_line_is_about_claims_that_have_run_and_says_what_else_is_decided() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE, ("recall", "a"): FAST, ("recall", "b"): TWICE})
    runs = tables.runs
    part = tables._replace(runs=runs.assign(status=runs["status"].where(runs["task"] == "copy", "new")))
    both = FasterOverTasks("suite-C2", "Over both it is faster.", "[p]", ("copy", "recall"), "a", "b", primary=True)
    known = facts(tables, replace(SPEED, primary=True), both)
    assert finding(part, known, judge(part, known)).startswith("Claim: Something is said. Found: agrees")
    five = facts(tables, *(replace(SPEED, id=f"suite-C{n}") for n in range(5)))
    said = finding(tables, five, judge(tables, five))
    assert said.endswith("Found: 5 of 5 verdicts are decided; C0 agrees; C1 agrees; C2 agrees; C3 agrees; 1 agrees.")


def test_seeds_are_counted_by_arm_a_model_on_a_task() -> None:
    rows = [("copy", "a", seed) for seed in range(1, 7)] + [("recall", "a", 1)]
    assert seeds_said(pd.DataFrame(rows, columns=["task", "model", "seed"])) == "n = 1 to 6 seeds an arm."
    tables = records({("copy", "a"): FAST, ("copy", "b"): FAST}, {f"copy/b/{seed}": "new" for seed in range(2, 7)})
    assert finding(tables, facts(tables), ()).endswith("b and a (soonest first) (interim, 1 of 6 seeds or more).")


def test_several_tasks_in_one_test_can_decide_with_fewer_seeds() -> None:
    one, three = SPEED, FasterOverTasks(*SAID, ("copy", "recall", "sort"), "a", "b")
    assert least_p(one, 5) == pytest.approx(2 / 252) and least_p(three, 5) == pytest.approx(1e-4)
    assert least_p(FewerRelapses(*SAID, task="copy", base="a", rivals=("b",)), 5) == pytest.approx(2 / 252)
