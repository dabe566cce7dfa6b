"""Verdicts beside one another: p values corrected for their number, and primary claims judged otherwise."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import FAST, SAID, TWICE, UNSOLVED, facts, records

from membench.report import statistics
from membench.report.claims import (
    Faster,
    MeanFaster,
    NeverSolves,
    Parameters,
)
from membench.report.claims.judge import judge


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


def test_the_budget_of_an_arm_that_is_not_asked_bounds_no_curve() -> None:
    tables = records({("copy", "a"): [1000] * 6, ("copy", "b"): UNSOLVED, ("copy", "c"): FAST})
    runs = tables.runs.assign(steps=tables.runs["steps"].where(tables.runs["model"] != "c", 2000))
    (found,) = judge(tables._replace(runs=runs), facts(tables, Faster(*SAID, "copy", "a", "b", primary=True)))
    assert found.median_curves == "\N{GREATER-THAN OR EQUAL TO}10.0\N{MULTIPLICATION SIGN}"


def test_a_claim_without_a_p_value_counts_against_none() -> None:
    tables = records({("copy", "a"): WEAK, ("copy", "b"): WEAKER})
    asked = Faster(*SAID, "copy", "a", "b")
    known = facts(tables, asked, Parameters("suite-C2", "", "", "copy", "a", 7))
    found, _ = judge(tables, replace(known, parameters={("copy", "a"): 7}))
    assert found.corrected == found.p
