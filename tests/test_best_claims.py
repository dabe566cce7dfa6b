"""Claims asked of the best of several arms: what a memory can do, and what none of its rates and seeds does."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from membench.report.claims import Arm, CannotSolve, Claim, FallsShort, Scores, Solves
from membench.report.claims.judge import judge
from membench.report.claims.verdict import Verdict
from membench.report.frames import SuiteFacts, frames

SAID = ("suite-C1", "Something is said.", "somewhere [p]")
SIZES = ((40,), (80,))
DIVERGED, TO_BE_TESTED = -1.0, -2.0


def ask(claim: Claim, runs: Mapping[str, Sequence[tuple[bool, float]]], missing: Sequence[str] = ()) -> Verdict:
    """The verdict, where every run of an arm is solved or not, and gets this share right at size 40, half of it at 80.

    Args:
        runs: By arm; a run with a share of ``DIVERGED`` or ``TO_BE_TESTED`` was not tested.
        missing: ``arm/seed`` that had not its full budget.
    """
    rows: dict[str, list[Any]] = {"runs": [], "evaluations": [], "generalisation": []}
    for model, outcomes in runs.items():
        for seed, (solved, right) in enumerate(outcomes, 1):
            arm = {"task": "copy", "model": model, "reading": "", "seed": seed}
            text = dict.fromkeys(("digest", "message", "device", "implementation", "commit"), "")
            numbers = {"step": 1000, "steps": 1000, "seconds": 1.0, "parameters": 1, "state_size": 1}
            state = "diverged" if right == DIVERGED else "done"
            state = "interrupted" if f"{model}/{seed}" in missing else state
            rows["runs"].append(
                {"key": f"copy/{model}/{seed}", **arm, "status": state, "cut": False, **numbers, **text}
            )
            zeros = dict.fromkeys(("loss", "train_loss", "gradient_norm", "seconds"), 0.0)
            for step in range(0, 1001, 100):
                errors = 0.0 if solved and step > 300 else 9.0
                rows["evaluations"].append({**arm, "step": step, "sequences": 0, "errors": errors, **zeros})
            for size, share in (("40", right), ("80", right / 2)) if right >= 0 else ():
                point = {"weights": "best", "step": 1000, "size": size, "steps": 81, "trained": False}
                rest = {"sequences": 192, "errors": 320 * (1 - share), "bits": 320, "perfect": 0.0}
                rows["generalisation"].append({**arm, **point, **rest})
    arms = tuple(Arm("copy", model, model, "", SIZES) for model in runs)
    (verdict,) = judge(
        frames(**rows), SuiteFacts("suite", "", "", 0.1, (claim,), arms, tuple(range(1, len(runs["a"]) + 1)))
    )
    return verdict


GOOD, BAD = (True, 1.0), (False, 0.4)


@pytest.mark.parametrize(
    "a, b, can, cannot",
    [
        ([BAD] * 6, [GOOD] * 6, "agrees", "contradicts"),
        ([BAD] * 5, [GOOD] * 5, "undecided", "contradicts"),  # p 0.031, but b was chosen of two
        ([BAD] * 6, [GOOD] * 5 + [BAD], "undecided", "contradicts"),
        ([BAD] * 6, [BAD] * 5 + [GOOD], "undecided", "contradicts"),
        ([BAD] * 6, [BAD] * 6, "contradicts", "agrees"),
        ([BAD] * 4, [BAD] * 4, "undecided", "undecided"),
    ],
)
def test_what_the_best_of_two_arms_does(a: Any, b: Any, can: str, cannot: str) -> None:
    positive, negative = (kind(*SAID, "copy", ("a", "b")) for kind in (Solves, CannotSolve))
    assert ask(positive, {"a": a, "b": b}).verdict == can
    assert ask(negative, {"a": a, "b": b}).verdict == cannot
    scores, short = (kind(*SAID, "copy", ("a", "b"), ((40,),)) for kind in (Scores, FallsShort))
    assert ask(scores, {"a": a, "b": b}).verdict == can
    assert ask(short, {"a": a, "b": b}).verdict == cannot


def test_the_sentence_names_budget_best_arm_median_and_maximum() -> None:
    runs = {"a": [BAD] * 3 + [GOOD] * 2, "b": [GOOD] * 4 + [BAD]}
    assert ask(Solves(*SAID, "copy", ("a", "b")), runs).found == (
        "4 of 5 runs of b solve it within 1,000 steps, the most of 2 arms."
    )
    assert ask(CannotSolve(*SAID, "copy", ("a", "b")), runs).found == (
        "6 of 10 runs of 2 arms solve it within 1,000 steps."
    )
    found = ask(Scores(*SAID, "copy", ("a", "b"), SIZES, least=0.75), runs)
    assert found.found == (
        "Over sizes 40, 80, 4 of 5 runs of b get 75 % right (a: median 30 %, best 75 %; b: median 75 %, best 75 %)."
    )
    assert found.beside == {"median": 0.75, "maximum": 0.75}


def test_a_run_that_diverged_before_it_was_tested_got_nothing_right() -> None:
    found = ask(Scores(*SAID, "copy", ("a",), ((40,),)), {"a": [GOOD] * 3 + [(True, DIVERGED)] * 4})
    assert found.found == "Over sizes 40, 3 of 7 runs of a get 90 % right (a: median 0 %, best 100 %)."


def test_arms_that_are_not_there_yet_decide_nothing_but_one_that_solves_it_refutes() -> None:
    runs, missing = {"a": [GOOD] * 6, "b": [BAD] * 6}, [f"b/{seed}" for seed in range(1, 7)]
    for kind in (Solves, Scores, FallsShort):
        sizes = () if kind is Solves else ((40,),)
        claim: Any = kind(*SAID, "copy", ("a", "b"), *([sizes] if sizes else []))
        assert ask(claim, runs, missing).verdict == "not run"
    assert ask(CannotSolve(*SAID, "copy", ("a", "b")), runs, missing).verdict == "contradicts"
    assert ask(CannotSolve(*SAID, "copy", ("b",)), runs, missing).verdict == "not run"


@pytest.mark.parametrize(
    "wrong, said",
    [
        (Solves(*SAID, "copy", ("a", "c")), "no arm 'c' on copy"),
        (Scores(*SAID, "copy", ("a",), ((41,),)), r"size=\(41,\): a is tested on copy at \(40,\), \(80,\)"),
        (Scores(*SAID, "copy", ("a",), ()), r"sizes=\(\), least=0.9: some sizes"),
        (FallsShort(*SAID, "copy", ("a",), SIZES, 90.0), r"least=90.0: some sizes, and a share up to 1"),
    ],
)
def test_what_the_suite_cannot_answer_is_refused(wrong: Claim, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong.check([Arm("copy", "a", "a", "", SIZES)])
