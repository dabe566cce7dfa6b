"""What a page says first: finding, summary, progress."""

from dataclasses import replace

import pytest
from handmade import FAST, SAID, TWICE, UNSOLVED, WILD, facts, records

from membench.report.claims import (
    Faster,
    NeverSolves,
    Solves,
)
from membench.report.claims.claim import label_of
from membench.report.claims.judge import judge
from membench.report.claims.summary import finding, progress, summary, tally
from membench.report.claims.verdict import claimed, paper_text
from membench.report.figures.forest import papers
from membench.report.frames import frames
from membench.report.pages.render import grouped


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


def test_a_verdict_without_a_number_says_what_was_seen_and_a_reading_without_a_run_is_left_out() -> None:
    names = {"a-cosine": FAST[:3], "b-cosine": UNSOLVED[:3], "a-dot": FAST[:3], "b-dot": TWICE[:3]}
    tables = records({("copy", model): times for model, times in names.items()})
    dot = tables.runs["reading"] == "dot"
    tables = tables._replace(runs=tables.runs.assign(status=tables.runs["status"].where(~dot, "new")))
    known = facts(tables, replace(Faster(*SAID, task="copy", base="a", rival="b"), primary=True))
    seen = "Median steps to solve: a 1,000 (3 of 3 solved), b beyond 10,000 (0 of 3 solved)"
    said = finding(tables, known, judge(tables, known))
    assert said == f"Claim: Something is said. Found: under the cosine reading undecided (all 3 seeds). {seen}."


def test_what_is_left_when_some_is_decided_is_counted() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE, ("copy", "c"): WILD})
    asked = [Faster(*SAID, task="copy", base="a", rival=rival, paper=2.0) for rival in "bc"]
    known = facts(tables, *(replace(claim, id=f"suite-C{n}") for n, claim in enumerate(asked)))
    first = finding(tables, known, judge(tables, known))
    assert first.endswith("Found: 1 of 2 verdicts is decided; C0 agrees; the other one is undecided.")


def test_of_verdicts_that_more_seeds_may_move_it_is_said_how_many_there_are() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE}, status={"copy/b/1": "new", "copy/b/2": "new"})
    known = facts(tables, Faster(*SAID, task="copy", base="a", rival="b", paper=2.0))
    first = finding(tables, known, judge(tables, known))
    assert first.endswith("Found: none of 1 verdict is decided (interim, 4 of 6 seeds).")


def test_what_was_added_is_not_counted_among_a_suite_s_own_runs() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "mine"): UNSOLVED})
    known = replace(facts(tables), added=("mine",))
    assert finding(tables, known, ()) == "Asked: A suite. Found: copy is solved by every run of a."
    alone = records({("copy", "mine"): UNSOLVED})
    assert finding(alone, replace(facts(alone), added=("mine",)), ()).endswith("copy is solved by no run of 1 model.")


def test_without_claims_models_are_named_that_solve_a_task_with_every_run_soonest_first() -> None:
    tables = records({("copy", "a"): TWICE, ("copy", "b"): FAST, ("copy", "c"): WILD, ("copy", "d"): UNSOLVED})
    said = "copy is solved by every run of b and a (soonest first), some runs of 1 model and no run of 1 model."
    assert finding(tables, facts(tables), ()).endswith(said)


def test_a_verdict_without_a_reading_is_counted_once() -> None:
    tables = records({("copy", "a-cosine"): FAST, ("copy", "a-dot"): FAST, ("copy", "b"): UNSOLVED})
    asked = (Solves(*SAID, "copy", ("a",)), replace(NeverSolves(*SAID, task="copy", model="b"), id="suite-C2"))
    known = facts(tables, *asked)
    told = "under the cosine reading 1 agrees; under the dot reading 1 agrees; whatever the reading 1 agrees."
    assert f"All claims: {told}" in summary(tables, known, judge(tables, known))


def test_a_claim_that_is_ours_is_not_said_to_be_a_paper_s() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE})
    own = Faster("suite-C1", "It is faster.", "our claim [o]", "copy", "a", "b", 1.0, primary=True)
    sources = (
        "somewhere [p]; bar [o]",
        "told [s], after the counts [d]",
        "[o]; the code has it so [c]",
        "told [s]; our claim [o]",
    )
    assert [replace(own, source=source).ours for source in sources] == [False, False, True, True]
    for claim, said, number in ((own, "Our claim", "1 (our claim)"), (replace(own, source="[p]"), "Claim", "1")):
        (verdict,) = judge(tables, known := facts(tables, claim))
        assert finding(tables, known, [verdict]).startswith(f"{said}: It is faster. Found: contradicts")
        assert "paper" not in verdict.reason and claimed(claim) == number
        (entry,) = grouped([verdict])
        assert (entry["paper"], entry["marks"]) == (number, " (decisive, our claim)" if claim.ours else " (decisive)")
        assert papers(verdict) == (() if claim.ours else (1.0,))


def test_a_claim_of_another_paper_keeps_its_name() -> None:
    ids = ("dnc2016-C1", "csordas2019-C1a-recall")
    assert [label_of(id, "dnc2016", ids) for id in ids] == ["C1", "csordas2019-C1a-recall"]
    assert label_of("schmid2019-C2-one", "schmidinger2019", ["schmid2019-C3"]) == "C2-one"
    assert label_of("collier2018-C12a", "collier2018-control", ids) == "C12a" and label_of("C1", "mine", ids) == "C1"
    tables = records({("copy", "a"): FAST, ("copy", "b"): TWICE})
    asked = [Faster(f"{paper}-C1", "It is faster.", "[p]", "copy", "a", "b") for paper in ("suite", "other")]
    assert [v.label for v in judge(tables, facts(tables, *asked))] == ["C1", "other-C1"]


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
