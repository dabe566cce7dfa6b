"""What a suite cannot answer is refused when the suite, or the claim, is made."""

import re
from collections.abc import Callable

import pytest
from handmade import SAID, arm_of

from membench.report import claims
from membench.report.claims import (
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
)
from membench.report.claims.verdict import MEANS

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
