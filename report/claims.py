"""Claims, measured: each is a function of the frames, chosen by name, and every claim is asked under each reading.

``MEASURES`` lists what can be asked and which roles the claim's ``arms`` must fill:

- ``speed-ratio`` {task, base, rival}: how many times faster the base solves the task.
- ``mean-speed-ratio`` {tasks, base, rivals}: that against the fastest rival of each task, averaged over tasks.
- ``order`` {task, first, last}: the slowest of ``first`` solves the task before ``last`` does.
- ``never-solves`` {task, model}
- ``never-diverges`` {tasks, models}: no loss or gradient that is not finite.
- ``fewer-relapses`` {task, base, rivals}: after solving, the base rises above one wrong bit less often than any rival.
- ``generalises``, ``degrades`` {task, model, size}: the best weights of solved runs, at a size longer than trained.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from . import statistics
from .claim import Claim
from .frames import Frames, SuiteFacts
from .question import MODEL_ROLES, Question
from .statistics import Array
from .verdict import (
    AGREES,
    CONTRADICTS,
    ENOUGH,
    NOT_ESTIMABLE,
    NOT_RUN,
    UNDECIDED,
    Verdict,
    decide_difference,
    decide_fraction,
    decide_ratio,
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
    counts = question.solved(question.models(*MODEL_ROLES))
    had = ", ".join(f"{arm} {runs} of {verdict.planned}" for arm, (_, runs) in counts.items())
    return replace(verdict, found="", reason=f"No seed has had its full budget in every arm ({had}).", solved=counts)


def _ratio(question: Question, bases: list[str], rivals: list[str]) -> Verdict:
    """Median times: the slowest of the bases against the fastest of the rivals, averaged over the tasks."""
    seeds, tasks = question.seeds([*bases, *rivals]), question.tasks
    if not seeds:
        return question.answer(NOT_RUN, seeds=0)

    def times_of(models: list[str]) -> Array:
        rows = [[question.runs(task, model)["time"].loc[seeds] for model in models] for task in tasks]
        return np.asarray(rows, dtype=float)

    budgets = np.asarray([question.runs(task, bases[0])["budget"].loc[seeds].max() for task in tasks], dtype=float)
    base, rival = times_of(bases), times_of(rivals)
    estimate = statistics.speed_ratio(base, rival, budgets, question.chance)
    slow = statistics.medians(base, budgets[:, None])[1].max(axis=1)
    fast = statistics.medians(rival, budgets[:, None])[1].min(axis=1)
    solved = bool(np.isfinite(slow).all())
    bound = solved and bool(np.isinf(estimate.high))
    verdict, reason = decide_ratio(estimate, len(seeds), question.claim.paper, solved)
    if len(tasks) == 1:
        beside = {"log-rank p": _logrank(base[0, 0], rival[0, 0], budgets[0])}
        arms = [*zip(bases, base[0], strict=True), *zip(rivals, rival[0], strict=True)]
        each = (f"{question.arm(model)} {_median(times, budgets[0])}" for model, times in arms)
        found = f"Median steps to solve: {', '.join(each)}."
    else:
        geometric = statistics.speed_ratio(base, rival, budgets, question.chance, geometric=True)
        beside = {"geometric mean": geometric.low} if solved else {}
        each = (f"{task} {_times(*ends)}" for task, *ends in zip(tasks, slow, fast, budgets, strict=True))
        found = f"Against the next best: {', '.join(each)} ({_seeds(len(seeds))})."
        found += f" Geometric mean {short(geometric.low)}{' or more' if bound else ''}." if solved else ""
    return question.answer(
        verdict,
        found,
        reason,
        seeds=len(seeds),
        estimate=estimate.low if solved else None,
        interval=estimate.interval if solved else None,
        bound=bound,
        solved=question.solved([*bases, *rivals], seeds),
        beside=beside,
    )


def _logrank(base: Array, rival: Array, budget: float) -> float:
    return statistics.logrank(base, np.minimum(base, budget), rival, np.minimum(rival, budget))


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count != 1 else ''}"


def _median(times: Array, budget: float) -> str:
    middle, solved = float(statistics.medians(times, budget)[1]), np.isfinite(times).sum()
    said = f"{middle:,.0f}" if np.isfinite(middle) else f"beyond {budget:,.0f}"
    return f"{said} ({solved} of {len(times)} solved)"


def _times(base: float, rival: float, budget: float) -> str:
    if np.isinf(base):
        return "not estimable"
    return short(rival / base) if np.isfinite(rival) else f"at least {short(budget / base)}"


def speed_ratio(question: Question) -> Verdict:
    """{task, base, rival}."""
    return _ratio(question, question.models("base"), question.models("rival"))


def mean_speed_ratio(question: Question) -> Verdict:
    """{tasks, base, rivals}."""
    return _ratio(question, question.models("base"), question.models("rivals"))


def order(question: Question) -> Verdict:
    """{task, first, last}."""
    return _ratio(question, question.models("first"), question.models("last"))


def never_solves(question: Question) -> Verdict:
    """{task, model}."""
    (model,), (task,) = question.models("model"), question.tasks
    counts = question.solved([model])
    count, runs = counts[f"{task}/{model}"]
    verdict, reason = decide_fraction(count, runs, always=False)
    found = f"{count} of {runs} runs solve it."
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
    count, seeds = int((runs["status"] == "diverged").sum()), len(question.seeds(models))
    found = f"{count} of {len(runs)} runs diverged."
    if count:
        verdict, reason = CONTRADICTS, "The paper says none."
    else:
        verdict, reason = (AGREES, "") if seeds >= ENOUGH else decide_fraction(0, seeds, always=False)
    return question.answer(verdict, found, reason, **_fraction(count, len(runs)) | {"seeds": seeds})


def fewer_relapses(question: Question) -> Verdict:
    """{task, base, rivals}."""
    (base,), rivals, (task,) = question.models("base"), question.models("rivals"), question.tasks
    seeds = question.seeds([base, *rivals])
    if not seeds:
        return question.answer(NOT_RUN, seeds=0)
    counts = question.solved([base, *rivals], seeds)
    relapses = {m: question.runs(task, m)["relapses"].loc[seeds].to_numpy(float) for m in [base, *rivals]}
    solving = [model for model in relapses if counts[f"{task}/{model}"][0]]
    each = ", ".join(
        f"{question.arm(m)} {f'{np.nanmean(relapses[m]):.2f} ' if m in solving else ''}"
        f"({np.isfinite(relapses[m]).sum()} of {len(seeds)} solved)"
        for m in relapses
    )
    found = f"Relapses a solved run, mean: {each}."
    if base not in solving or solving == [base]:
        verdict = NOT_ESTIMABLE if len(seeds) >= ENOUGH else UNDECIDED
        reason = "Without solved runs on both sides there are no relapses to compare."
        return question.answer(verdict, found, reason, seeds=len(seeds), unit="difference", solved=counts)
    others = np.asarray([relapses[model] for model in solving if model != base])
    estimate = statistics.relapse_difference(relapses[base], others, question.chance)
    verdict, reason = decide_difference(estimate, min(counts[f"{task}/{model}"][0] for model in solving))
    numbers: dict[str, Any] = {"estimate": estimate.low, "interval": estimate.interval, "solved": counts}
    return question.answer(verdict, found, reason, seeds=len(seeds), unit="difference", **numbers)


def _at_size(question: Question, always: bool) -> Verdict:
    """Of the solved runs, those whose best weights stay below the bar at a size; or, for ``degrades``, do not."""
    (model,), (task,), (size,) = question.models("model"), question.tasks, question.names("size")
    runs = question.runs(task, model)
    if runs.empty:
        return question.answer(NOT_RUN, seeds=0)
    table = question.generalisation
    chosen = (table["task"] == task) & (table["model"] == model) & (table["size"] == size)
    errors = table[chosen & (table["weights"] == "best")].set_index("seed")["errors"]
    errors = errors.loc[runs.index[np.isfinite(runs["time"])].intersection(errors.index)]
    counts = question.solved([model])
    if errors.empty:
        verdict = NOT_ESTIMABLE if len(runs) >= ENOUGH else UNDECIDED
        found = f"Of {len(runs)} runs none was solved and tested at size {size}."
        return question.answer(verdict, found, seeds=0, unit="fraction", solved=counts)
    bar = question.facts.solved
    below = int((errors < bar).sum())
    count = below if always else len(errors) - below
    verdict, reason = decide_fraction(count, len(errors), always=True)
    did = f"stay below {bar:g} wrong bits a sequence" if always else f"make {bar:g} wrong bits a sequence or more"
    found = f"At size {size}, {count} of {len(errors)} solved runs {did}; the median is {errors.median():.2f}."
    beside = {"median wrong bits": float(errors.median())}
    return question.answer(verdict, found, reason, solved=counts, beside=beside, **_fraction(count, len(errors)))


def generalises(question: Question) -> Verdict:
    """{task, model, size}."""
    return _at_size(question, always=True)


def degrades(question: Question) -> Verdict:
    """{task, model, size}."""
    return _at_size(question, always=False)


MEASURES: Mapping[str, Callable[[Question], Verdict]] = {
    "speed-ratio": speed_ratio,
    "mean-speed-ratio": mean_speed_ratio,
    "order": order,
    "never-solves": never_solves,
    "never-diverges": never_diverges,
    "fewer-relapses": fewer_relapses,
    "generalises": generalises,
    "degrades": degrades,
}
