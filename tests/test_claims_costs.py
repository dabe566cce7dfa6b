"""Claims about costs, errors at a size, optima, times and numbers of parameters, from hand-made frames."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from membench.report.answers import Answer
from membench.report.claims import Arm, Cheaper, Claim, Excess, FewerErrors, Generalises, Parameters, Solves
from membench.report.claims.judge import judge
from membench.report.claims.verdict import Verdict
from membench.report.frames import Frames, SuiteFacts, frames

SAID = ("suite-C1", "Something is said.", "somewhere [p]")
LOW, HIGH = [1.0, 1.2, 0.9, 1.1, 1.0], [3.0, 3.4, 2.9, 3.1, 3.2]


def records(bits: Mapping[str, Sequence[float]], budgets: Mapping[str, int] | None = None) -> Frames:
    """Runs of seeds 1, 2, ... of a task: at 0 and in four looks from 100 on every sequence costs 100 bits, then these.

    Of so many bits all but 1 are above the optimum, and there are as many errors at size 9 as bits.
    """
    runs, evaluations, points = [], [], []
    for model, costs in bits.items():
        budget = (budgets or {}).get(model, 1000)
        for seed, cost in enumerate(costs, 1):
            arm = {"task": "task", "model": model, "reading": "", "seed": seed}
            text = {"key": f"task/{model}/{seed}", "status": "done", "cut": False}
            text |= dict.fromkeys(("digest", "message", "device", "implementation", "commit"), "")
            numbers = {"step": budget, "steps": budget, "seconds": 1.0, "parameters": 1, "state_size": 1}
            runs.append({**arm, **text, **numbers})
            for step in (0, 100, 200, 300, 400, 1000, 2000):
                if step <= budget:
                    nats = (100.0 if step == 0 else cost * (2000 if step > 1000 else 1)) * np.log(2)
                    zeros = dict.fromkeys(("train_loss", "gradient_norm", "seconds"), 0.0)
                    row = {"step": step, "sequences": 0, "loss": nats, "errors": nats - np.log(2)}
                    evaluations.append({**arm, **row, **zeros})
            point = {"weights": "best", "step": budget, "size": "9", "steps": 9, "trained": False}
            points.append({**arm, **point, "sequences": 8, "errors": cost, "bits": 9, "perfect": 0.0})
    return frames(runs, evaluations, points)


def ask(claim: Claim, bits: Mapping[str, Sequence[float]], solved: float = 1.0, **others: Any) -> Verdict:
    tables = records(bits, others.pop("budgets", None))
    (verdict,) = judge(tables, known(claim, bits, max(map(len, bits.values())), solved, **others))
    return verdict


def known(claim: Claim, models: Iterable[str], seeds: int, solved: float = 1.0, **others: Any) -> SuiteFacts:
    """A suite of these models and so many seeds."""
    floored = others.pop("floored", True)
    arms = tuple(Arm("task", model, model, "", ((9,),), floored=floored) for model in models)
    claim.check(arms)
    given = {"answers": {"task": Answer("bit", "nats above the optimum", 1.0)}, "clock": "sequences", **others}
    return SuiteFacts("suite", "A suite", "", solved, (claim,), arms, tuple(range(1, 1 + seeds)), **given)


@pytest.mark.parametrize(
    ("base", "rival", "paper", "verdict"),
    [
        (LOW, HIGH, None, "agrees"),
        (LOW, HIGH, (2.0, 2.5), "agrees"),
        (LOW, HIGH, 5.0, "same direction"),
        (HIGH, LOW, None, "contradicts"),
        (LOW, [1.1, 0.9, 1.2, 1.0, 0.8], None, "undecided"),
        (LOW[:4], HIGH, None, "undecided"),  # four seeds
        ([1.0] * 5, [2.0] * 5, 1.0, "agrees"),  # nothing varies
    ],
)
def test_who_needs_fewer_bits(base: list[float], rival: list[float], paper: Any, verdict: str) -> None:
    found = ask(Cheaper(*SAID, "task", "a", "b", paper), {"a": base, "b": rival})
    assert found.verdict == verdict, found.sentence
    assert found.estimate == pytest.approx(np.mean(rival) - np.mean(base))
    if len(base) == 5 and np.ptp(base):
        ends = stats.ttest_ind(rival, base, equal_var=False).confidence_interval(0.95)
        assert found.interval == pytest.approx((ends.low, ends.high))


def test_costs_are_compared_at_the_smaller_budget() -> None:
    found = ask(Cheaper(*SAID, "task", "a", "b"), {"a": LOW, "b": HIGH}, budgets={"b": 2000})
    assert found.verdict == "agrees" and "after 1,000 sequences" in found.found
    assert "Bits a sequence (95 % interval): 2.08 bits" in found.sentence
    assert ask(Cheaper(*SAID, "task", "a", "b"), {"a": LOW, "b": []}).verdict == "not run"


def test_errors_at_a_size() -> None:
    claim = FewerErrors(*SAID, "task", "a", "b", size=(9,))
    assert ask(claim, {"a": LOW, "b": HIGH}).verdict == "agrees"
    assert ask(claim, {"a": HIGH, "b": LOW}).verdict == "contradicts"
    with pytest.raises(ValueError, match=r"suite-C1: size=\(7,\): a is tested on task at \(9,\)"):
        ask(FewerErrors(*SAID, "task", "a", "b", size=(7,)), {"a": LOW, "b": HIGH})


@pytest.mark.parametrize(
    ("paper", "verdict"), [((0.03, 0.3), "agrees"), ((0.5, 0.6), "contradicts"), (2.0, "contradicts")]
)
def test_how_far_from_the_optimum(paper: Any, verdict: str) -> None:
    found = ask(Excess(*SAID, "task", "a", paper), {"a": LOW})
    assert found.verdict == verdict and found.estimate == pytest.approx(np.mean(LOW) - 1)
    assert ask(Excess(*SAID, "task", "a", paper), {"a": LOW[:4]}).verdict == "undecided"


def test_an_interval_that_meets_every_number_agrees_with_none() -> None:
    found = ask(Excess(*SAID, "task", "a", (0.5, 2.0)), {"a": [1.8, 2.0, 16.0, 21.0, 31.0]})
    assert found.interval is not None and found.interval.low < 0.5 and found.interval.high > 20
    assert found.verdict == "undecided" and "wider than the paper's 0.5 to 2" in found.sentence


def test_an_optimum_has_to_be_known_and_a_number_told() -> None:
    with pytest.raises(ValueError, match="task has no best possible predictor"):
        ask(Excess(*SAID, "task", "a", 1.0), {"a": LOW}, floored=False)
    with pytest.raises(ValueError, match="how many bits more"):
        Excess(*SAID, "task", "a")


@pytest.mark.parametrize(
    ("bits", "within", "verdict"),
    [
        ([1.0] * 5, None, "agrees"),
        ([1.0] * 5, 100, "agrees"),
        ([1.0] * 5, 99, "contradicts"),  # sooner than they did
        ([9.0] * 5, None, "contradicts"),
        ([1.0] * 4, None, "undecided"),
    ],
)
def test_solves(bits: list[float], within: int | None, verdict: str) -> None:
    found = ask(Solves(*SAID, "task", ("a",), within), {"a": bits})
    assert found.verdict == verdict, found.sentence
    with pytest.raises(ValueError, match="within=0"):
        Solves(*SAID, "task", ("a",), 0)


def test_a_claim_may_have_a_bar_of_its_own() -> None:
    easy, hard = (Generalises(*SAID, "task", "a", (9,), bar) for bar in (1.5, 0.5))
    assert ask(easy, {"a": LOW}).verdict == "agrees" and ask(hard, {"a": LOW}).verdict == "contradicts"


def test_numbers_of_parameters_are_exact_and_need_no_run() -> None:
    claim, known = Parameters(*SAID, "task", "a", 5), {("task", "a"): 5}
    found = ask(claim, {"a": [], "b": LOW}, parameters=known)
    assert found.verdict == "agrees" and found.ours == "5" and not found.interim
    wrong = ask(Parameters(*SAID, "task", "a", 6), {"a": []}, parameters=known)
    assert wrong.verdict == "contradicts" and "6, 1 away" in wrong.reason
    with pytest.raises(ValueError, match="a number above zero"):
        Parameters(*SAID, "task", "a")
