"""A verdict on every claim under every reading that concerns it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from .. import statistics
from ..answers import Bar
from ..frames import Frames, SuiteFacts
from .arms import Arm, meant, readings_of
from .claim import Claim
from .evidence import Question, completed
from .speed import Speed
from .verdict import NOT_RUN, Verdict, short

STRICTER = 10
"""By how much the bar is lowered, to see what hangs on it: 0.1 wrong bits to 0.01."""
LONGER = 9
"""Evaluations that must stay below the bar instead of three, to see what hangs on that."""

SECONDS = "in seconds"


def judge(frames: Frames, facts: SuiteFacts) -> list[Verdict]:
    """Verdicts in the order of the claims: each is measured alone, then all are corrected for their number.

    Primary claims are judged otherwise too: by a tenth of the bar, and by nine evaluations that hold it; those about
    speed by the clock as well, and by median curves, as the paper's figures are read.
    """
    verdicts = judged_by(statistics.outcomes(frames, facts.solved, facts.relapse), frames, facts, facts.claims)
    primary = tuple(claim for claim in facts.claims if claim.primary)
    if not primary:
        return verdicts
    strict = replace(facts, solved=_stricter(facts.solved))
    others = {
        _bar_said(strict.solved): judged_by(
            statistics.outcomes(frames, strict.solved, facts.relapse), frames, strict, primary
        ),
        f"held for {LONGER}": judged_by(
            statistics.outcomes(frames, facts.solved, facts.relapse, hold=LONGER), frames, facts, primary
        ),
        SECONDS: judged_by(
            statistics.outcomes(frames, facts.solved, facts.relapse, clock="seconds"), frames, facts, primary
        ),
    }
    found = {name: {(v.claim.id, v.reading): v for v in each} for name, each in others.items()}
    verdicts = [
        replace(
            v,
            judged_otherwise={
                name: each[v.claim.id, v.reading]
                for name, each in found.items()
                if name != SECONDS or isinstance(v.claim, Speed)
            },
        )
        if v.claim.primary
        else v
        for v in verdicts
    ]
    return by_curves(verdicts, frames, facts)


def judged_by(outcomes: pd.DataFrame, frames: Frames, facts: SuiteFacts, claims: Sequence[Claim]) -> list[Verdict]:
    """The verdicts on some claims, corrected for their number, by what became of the runs."""
    runs = completed(outcomes)
    asked = [
        Question(claim, reading, facts, runs, frames) for claim in claims for reading in asked_under(claim, facts.arms)
    ]
    return corrected([(question.answered(), question.asked) for question in asked])


def asked_under(claim: Claim, arms: Sequence[Arm]) -> list[str]:
    """The readings that a claim is asked under: all, or none (an empty one) where none of its arms stands under any."""
    return readings_of(arms) if any(arm.reading for arm in arms if (arm.task, arm.name) in claim.arms) else [""]


def corrected(answered: Sequence[tuple[Verdict, bool]]) -> list[Verdict]:
    """The verdicts with p-values corrected for how many are asked together.

    Holm's rule over the primary claims, Benjamini and Hochberg's over the others, each reading by itself: it is the
    paper anew. A verdict that has no reading is corrected under each, and the largest counts; one that sums others up
    (C1) is corrected with them and does not count against them; a claim that cannot be asked, or has no p-value
    whatever the runs, does not count at all; one whose runs are still to come does.

    Args:
        answered: Verdicts, and whether the suite has all their arms under their reading.
    """
    readings = list(dict.fromkeys(v.reading for v, _ in answered if v.reading)) or [""]
    found = []
    for one, asked in answered:
        under = [one.reading] if one.reading else readings
        sets = [
            [v for v, there in answered if there and v.claim.primary == one.claim.primary and v.reading in (each, "")]
            for each in under
        ]
        found.append(replace(one, corrected=max(_among(one, together) for together in sets)) if asked else one)
    return found


def _among(one: Verdict, together: Sequence[Verdict]) -> float:
    """Its p-value, corrected for all that count together."""
    others = [v for v in together if v is not one and v.claim.tested and not v.claim.sums_up]
    p = np.array([np.nan if v.p is None else v.p for v in (one, *others)])
    return float((statistics.holm if one.claim.primary else statistics.benjamini_hochberg)(p)[0])


def _stricter(bar: Bar) -> Bar:
    return {task: each / STRICTER for task, each in bar.items()} if isinstance(bar, Mapping) else bar / STRICTER


def _bar_said(bar: Bar) -> str:
    return f"bar {bar:g}" if isinstance(bar, float) else f"a {STRICTER}th of the bar"


def by_curves(verdicts: Sequence[Verdict], frames: Frames, facts: SuiteFacts) -> list[Verdict]:
    """Primary claims with the paper's reading beside: when the element-wise median of the curves crosses the bar."""
    times = {
        (row["task"], row["model"]): row["time"]
        for row in statistics.crossings(frames, facts.solved).to_dict("records")
    }
    budgets = frames.runs.groupby(["task", "model"])["steps"].min()
    found = []
    for verdict in verdicts:
        claim = verdict.claim
        if claim.primary and isinstance(claim, Speed) and verdict.verdict != NOT_RUN:
            arms = {arm: model for arm in claim.arms if (model := meant(facts.arms, *arm, verdict.reading)) is not None}
            own = {arm: times[model.task, model.model] for arm, model in arms.items()}
            least = {on: min(budgets[on, model.model] for model in arms.values() if model.task == on) for on, _ in arms}
            each = [(task, _curves(base, rival, least[task])) for task, base, rival in claim.by_curves(own)]
            said = each[0][1] if len(each) == 1 else ", ".join(f"{task} {ratio}" for task, ratio in each)
            verdict = replace(verdict, median_curves=said)
        found.append(verdict)
    return found


def _curves(base: float, rival: float, budget: float) -> str:
    """The ratio of two crossings; a bound where one is not below the bar within the budget of both."""
    base, rival = (max(time, 1.0) if time <= budget else np.inf for time in (base, rival))
    if np.isinf(base) and np.isinf(rival):
        return "unknown"
    bound = "\N{GREATER-THAN OR EQUAL TO}" if np.isinf(rival) else "\N{LESS-THAN OR EQUAL TO}" if np.isinf(base) else ""
    return f"{bound}{short(min(rival, budget) / min(base, budget))}\N{MULTIPLICATION SIGN}"
