"""Claims, measured: each is a function of the frames, chosen by name, and every claim is asked under each reading.

``MEASURES`` lists what can be asked and which roles the claim's ``arms`` must fill:

- ``speed-ratio`` {task, base, rival}: how many times faster the base solves the task.
- ``mean-speed-ratio`` {tasks, base, rivals}: that averaged over tasks, each with a rival of its own, named beforehand:
  to take whichever turns out to be the fastest would favour the rivals.
- ``differs`` {task, base, rival}: the one solves the task faster than the other, whichever it is.
- ``order`` {task, first, last}: the slowest of ``first`` solves the task before ``last`` does.
- ``never-solves`` {task, model}
- ``never-diverges`` {tasks, models}: no loss or gradient that is not finite.
- ``fewer-relapses`` {task, base, rivals}: after solving, the base rises above one wrong bit less often than each rival.
- ``generalises``, ``degrades`` {task, model, size}: the best weights of solved runs, at a size they were tested on.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from .. import statistics
from ..frames import Frames, SuiteFacts
from ..statistics import survival
from ..statistics.solving import ENOUGH, Array, Estimate
from .claim import Claim
from .evidence import MODEL_ROLES, Question
from .verdict import (
    AGREES,
    CONTRADICTS,
    NOT_ESTIMABLE,
    NOT_RUN,
    SAME,
    UNDECIDED,
    Verdict,
    decide_differs,
    decide_fraction,
    decide_ratio,
    decide_relapses,
    short,
)


def judge(frames: Frames, facts: SuiteFacts, claims: Iterable[Claim] | None = None) -> list[Verdict]:
    """A verdict on every claim under every reading that concerns it, in the order of the claims.

    Raises:
        ValueError: A claim names a measure that does not exist.
    """
    table = statistics.outcomes(frames, facts.solved)
    readings = [reading for reading in frames.runs["reading"].unique() if reading]
    verdicts = []
    for claim in facts.claims if claims is None else claims:
        if claim.measure not in MEASURES:
            raise ValueError(f"claim {claim.id}: measure {claim.measure!r}; there are {', '.join(sorted(MEASURES))}")
        questions = [Question(claim, r, facts, table, frames.generalisation) for r in readings or [""]]
        if len({tuple(q.models(*MODEL_ROLES)) for q in questions}) == 1:
            questions = [replace(questions[0], reading="")]
        verdicts += [ask(question) for question in questions]
    return verdicts


def ask(question: Question) -> Verdict:
    """The verdict on one claim under one reading."""
    missing = [model for model in question.models(*MODEL_ROLES) if model not in question.facts.models]
    missing += [task for task in question.tasks if task not in question.facts.tasks]
    if missing:
        return question.answer(NOT_RUN, reason=f"The suite does not have {', '.join(missing)}.", seeds=0)
    verdict = MEASURES[question.claim.measure](question)
    if verdict.verdict != NOT_RUN:
        return verdict
    counts = question.solved(question.arms(question.models(*MODEL_ROLES)))
    had = ", ".join(f"{arm} {runs} of {verdict.planned}" for arm, (_, runs) in counts.items())
    return replace(verdict, found="", reason=f"No seed has had its full budget in every arm ({had}).", solved=counts)


def _ratio(question: Question, bases: list[list[str]], rivals: list[list[str]]) -> Verdict:
    """Median times, averaged over the tasks: the slowest of each task's bases against the fastest of its rivals."""
    tasks = question.tasks
    arms = [(task, m) for task, base, rival in zip(tasks, bases, rivals, strict=True) for m in (*base, *rival)]
    seeds = question.seeds(arms)
    if not seeds:
        return question.answer(NOT_RUN, seeds=0)
    runs = {arm: question.runs(*arm).loc[seeds] for arm in arms}
    budgets = np.asarray([min(runs[arm]["budget"].max() for arm in arms if arm[0] == task) for task in tasks], float)

    def times_of(models: list[list[str]]) -> Array:
        rows = [[runs[task, model]["time"] for model in each] for task, each in zip(tasks, models, strict=True)]
        times = np.asarray(rows, dtype=float)
        return np.where(times <= budgets[:, None, None], times, np.inf)  # to the smallest of the arms' budgets

    base, rival = times_of(bases), times_of(rivals)
    estimate = statistics.speed_ratio(base, rival, budgets, question.chance)
    slow = [end.max(axis=1) for end in statistics.medians(base, budgets[:, None])]
    fast = [end.min(axis=1) for end in statistics.medians(rival, budgets[:, None])]
    solved = bool(np.isfinite(slow[1]).all())
    if question.claim.measure == "differs":
        verdict, reason = decide_differs(estimate)
    else:
        verdict, reason = decide_ratio(estimate, question.claim.paper, solved)
    if len(tasks) == 1:
        sides = [*zip(bases[0], base[0], strict=True), *zip(rivals[0], rival[0], strict=True)]
        two = len(sides) == 2
        alike = _logrank(base[0, 0], rival[0, 0], budgets[0]) if two else np.nan
        beside = {"log-rank p": alike} if two else {}
        each = (f"{question.arm(model)} {_median(times, budgets[0])}" for model, times in sides)
        found = f"Median steps to solve: {', '.join(each)}."
        found += f" Log-rank p {alike:.2g}." if len(seeds) >= ENOUGH and np.isfinite(alike) else ""
    else:
        geometric = statistics.speed_ratio(base, rival, budgets, question.chance, geometric=True)
        beside = {"geometric mean": geometric.low} if solved else {}
        each = (f"{task} {_times(*ends)}" for task, *ends in zip(tasks, *slow, *fast, strict=True))
        found = f"Task by task: {', '.join(each)} ({_seeds(len(seeds))})."
        more = " or more" if geometric.high > geometric.low else ""
        found += f" Geometric mean {short(geometric.low)}{more}." if solved else ""
        # The arithmetic mean is never below the geometric one, so only a verdict for the base can hang on one task.
        if verdict in (AGREES, SAME) and _side(geometric) != _side(estimate):
            verdict, reason = UNDECIDED, "The mean excludes 1, but not the geometric mean: one task decides it."
    known = estimate.low if solved else estimate.high if np.isfinite(estimate.high) else None
    return question.answer(
        verdict,
        found,
        reason,
        seeds=len(seeds),
        estimate=known,
        interval=estimate.interval if known is not None else None,
        bound="" if known is None or estimate.low == estimate.high else "at least" if solved else "at most",
        solved=question.solved(arms, seeds),
        beside=beside,
    )


def _side(ratio: Estimate) -> int:
    """On which side of 1 the interval lies; 0 where it includes it."""
    return 0 if ratio.interval is None else (ratio.interval.low > 1) - (ratio.interval.high < 1)


def _logrank(base: Array, rival: Array, budget: float) -> float:
    return survival.logrank(base, np.minimum(base, budget), rival, np.minimum(rival, budget))


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count != 1 else ''}"


def _median(times: Array, budget: float) -> str:
    (low, high), solved = map(float, statistics.medians(times, budget)), np.isfinite(times).sum()
    said = f"{high:,.0f}" if np.isfinite(high) else f"beyond {low:,.0f}"
    return f"{said} ({solved} of {len(times)} solved)"


def _times(base_low: float, base_high: float, rival_low: float, rival_high: float) -> str:
    """The ratio of medians that lie between these ends."""
    if np.isinf(base_high):
        return f"at most {short(rival_high / base_low)}" if np.isfinite(rival_high) else "not estimable"
    return f"{'' if np.isfinite(rival_high) else 'at least '}{short(rival_low / base_high)}"


def speed_ratio(question: Question) -> Verdict:
    """{task, base, rival}."""
    return _ratio(question, [question.models("base")], [question.models("rival")])


def mean_speed_ratio(question: Question) -> Verdict:
    """{tasks, base, rivals}."""
    rivals = [[model] for model in question.models("rivals")]
    return _ratio(question, [question.models("base")] * len(rivals), rivals)


def order(question: Question) -> Verdict:
    """{task, first, last}."""
    return _ratio(question, [question.models("first")], [question.models("last")])


def never_solves(question: Question) -> Verdict:
    """{task, model}."""
    (model,), (task,) = question.models("model"), question.tasks
    counts = question.solved([(task, model)])
    count, runs = counts[f"{task}/{model}"]
    verdict, reason = decide_fraction(count, runs, always=False)
    table = question.runs(task, model)
    budget, half = table["budget"].max(), int((table["time"] <= table["budget"] / 2).sum())
    found = f"{count} of {runs} runs solve it within {budget:,} steps, {half} within half of them."
    if late := int((np.isinf(table["time"]) & (table["last"] < question.facts.solved)).sum()):
        found += f" {late} more {'is' if late == 1 else 'are'} below the bar at the end, too late to have held."
    return question.answer(verdict, found, reason, solved=counts, **_fraction(count, runs))


def _fraction(count: int, runs: int) -> dict[str, Any]:
    if runs == 0:
        return {"seeds": 0, "unit": "fraction"}
    interval = statistics.clopper_pearson(count, runs)
    return {"seeds": runs, "unit": "fraction", "estimate": count / runs, "interval": interval}


def never_diverges(question: Question) -> Verdict:
    """{tasks, models}."""
    models = question.models("models")
    runs = pd.concat([question.runs(task, model) for task in question.tasks for model in models])
    count, seeds = int((runs["status"] == "diverged").sum()), len(question.seeds(question.arms(models)))
    if not count and not seeds:
        return question.answer(NOT_RUN, seeds=0)
    found = f"{count} of {len(runs)} runs diverged."
    verdict, reason = (CONTRADICTS, "The paper says none.") if count else decide_fraction(0, seeds, always=False)
    return question.answer(verdict, found, reason, **_fraction(count, len(runs)) | {"seeds": seeds})


def fewer_relapses(question: Question) -> Verdict:
    """{task, base, rivals}."""
    (base,), rivals, (task,) = question.models("base"), question.models("rivals"), question.tasks
    arms = question.arms([base, *rivals])
    seeds = question.seeds(arms)
    if not seeds:
        return question.answer(NOT_RUN, seeds=0)
    counts = question.solved(arms, seeds)
    runs = {m: question.runs(task, m).loc[seeds, ["relapses", "after"]].to_numpy(float).T for m in [base, *rivals]}
    rates = {model: float(statistics.relapse_rate(*runs[model])) for model in runs}
    each = ", ".join(
        f"{question.arm(m)} {f'{rate:.2f} ' if np.isfinite(rate) else ''}"
        f"({counts[f'{task}/{m}'][0]} of {len(seeds)} solved)"
        for m, rate in rates.items()
    )
    found = f"Relapses per {statistics.PER:,} steps after solving: {each}."
    others = [model for model in rivals if np.isfinite(rates[model])]
    left_out = [question.arm(model) for model in rivals if model not in others]
    if np.isnan(rates[base]) or not others:
        verdict = NOT_ESTIMABLE if len(seeds) >= ENOUGH else UNDECIDED
        reason = "Without solved runs on both sides there are no relapses to compare."
        return question.answer(verdict, found, reason, seeds=len(seeds), unit="difference", solved=counts)
    solved = min(counts[f"{task}/{model}"][0] for model in [base, *others])
    estimates = {m: statistics.relapse_difference(runs[base], runs[m], question.chance) for m in others}
    hardest = _hardest(estimates)
    estimate = estimates[hardest]
    verdict, reason = decide_relapses(estimate, solved)
    found += f" Compared with {question.arm(hardest)}, which speaks most against it." if len(others) > 1 else ""
    reason += f" Not compared, since unsolved: {', '.join(left_out)}." if left_out else ""
    numbers: dict[str, Any] = {"estimate": estimate.low, "interval": estimate.interval, "solved": counts}
    return question.answer(verdict, found, reason, seeds=len(seeds), unit="difference", **numbers)


def _hardest(estimates: Mapping[str, Estimate]) -> str:
    """Of several differences that are all said to be above zero, the one that most speaks against it.

    Each has an interval of its own; the smallest of them, resampled, would be biased downwards.
    """

    def lowest(model: str) -> tuple[bool, float, float]:
        value, _, interval = estimates[model]
        return (not interval or interval.high >= 0, interval.low if interval else value, value)

    return min(estimates, key=lowest)


def _at_size(question: Question, always: bool) -> Verdict:
    """Of the solved runs, those whose best weights stay below the bar at a size; or, for ``degrades``, do not.

    A solved run that was not tested, since it diverged later, counts as an exception.
    """
    (model,), (task,), (size,) = question.models("model"), question.tasks, question.claim.names("size")
    runs = question.runs(task, model)
    if runs.empty:
        return question.answer(NOT_RUN, seeds=0)
    table = question.generalisation
    chosen = (table["task"] == task) & (table["model"] == model) & (table["size"] == size)
    errors = table[chosen & (table["weights"] == "best")].set_index("seed")["errors"]
    solved = runs.index[np.isfinite(runs["time"])]
    errors = errors.loc[solved.intersection(errors.index)]
    counts = question.solved([(task, model)])
    if errors.empty:
        verdict = NOT_ESTIMABLE if len(runs) >= ENOUGH else UNDECIDED
        found = f"Of {len(runs)} runs none was solved and tested at size {size}."
        return question.answer(verdict, found, seeds=0, unit="fraction", solved=counts)
    bar = question.facts.solved
    below = int((errors < bar).sum())
    count = below if always else len(errors) - below
    verdict, reason = decide_fraction(count, len(solved), always=True)
    did = f"stay below {bar:g} wrong bits a sequence" if always else f"make {bar:g} wrong bits a sequence or more"
    untested = len(solved) - len(errors)
    found = (
        f"At size {size}, {count} of {len(solved)} solved runs {did}{f' ({untested} not tested)' if untested else ''}"
    )
    found += f"; the median is {errors.median():.2f}."
    beside = {"median wrong bits": float(errors.median())}
    numbers = _fraction(count, len(solved)) | {"seeds": len(runs)}
    return question.answer(verdict, found, reason, solved=counts, beside=beside, **numbers)


def generalises(question: Question) -> Verdict:
    """{task, model, size}."""
    return _at_size(question, always=True)


def degrades(question: Question) -> Verdict:
    """{task, model, size}."""
    return _at_size(question, always=False)


MEASURES: Mapping[str, Callable[[Question], Verdict]] = {
    "speed-ratio": speed_ratio,
    "mean-speed-ratio": mean_speed_ratio,
    "differs": speed_ratio,
    "order": order,
    "never-solves": never_solves,
    "never-diverges": never_diverges,
    "fewer-relapses": fewer_relapses,
    "generalises": generalises,
    "degrades": degrades,
}
