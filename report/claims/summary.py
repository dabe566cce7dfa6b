"""The report in a sentence and a paragraph: what was found, how much has run, what the verdicts add up to."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .. import statistics
from ..frames import COMPLETE, Frames, SuiteFacts
from ..table import as_duration
from ..words import listed
from .verdict import AGREES, CONTRADICTS, DECIDED, NOT_ESTIMABLE, NOT_RUN, SAME, UNDECIDED, VERDICTS, Verdict

NAMED = 8
"""Models that a sentence names; more are counted."""

SAID = {
    AGREES: ("agrees", "agree"),
    SAME: ("shows the same direction", "show the same direction"),
    CONTRADICTS: ("is contradicted", "are contradicted"),
    UNDECIDED: ("is undecided", "are undecided"),
    NOT_ESTIMABLE: ("cannot be estimated", "cannot be estimated"),
    NOT_RUN: ("has not been run", "have not been run"),
}


def progress(frames: Frames) -> str:
    """Empty where every planned run has had its full budget; else what is there, beginning with "Partial report"."""
    counts = Counter(frames.runs["status"])
    complete, planned = sum(counts[status] for status in COMPLETE), len(frames.runs)
    if planned and complete == planned:
        return ""
    names = {"new": "not started", "running": "running", "interrupted": "interrupted", "failed": "failed"}
    rest = [f"{counts[status]:,} {name}" for status, name in names.items() if counts[status]]
    if counts["stale"]:
        rest.append(f"{counts['stale']:,} stale")
    of = f"{complete:,} of {planned:,} runs {'has' if complete == 1 else 'have'} had the full budget"
    if not complete:
        of = f"none of {_some(planned, 'run')} has had the full budget"
    return f"Partial report: {of}{f' ({listed(rest)})' if rest else ''}."


def tally(verdicts: Sequence[Verdict]) -> str:
    """Verdicts counted, in words."""
    counts = Counter(v.verdict for v in verdicts)
    every = "all " if len(counts) == 1 < len(verdicts) else ""
    return listed([f"{every}{counts[kind]} {SAID[kind][counts[kind] > 1]}" for kind in VERDICTS if counts[kind]])


def finding(frames: Frames, facts: SuiteFacts, verdicts: Sequence[Verdict], choices: str = "") -> str:
    """What was asked and what was found, in a sentence: the first line of a page.

    Of a grid it is what its choices do; else the decisive claim that speaks of most tasks, with how sure it is; else
    how many claims are decided, or without any how many runs are solved. As long as no run had its full budget it
    claims nothing.

    Args:
        frames: The records.
        facts: What is known of the suite.
        verdicts: On its claims.
        choices: What the choices of a grid do, in a sentence; empty where there is none.
    """
    finished = frames.runs[frames.runs["status"].isin(COMPLETE)]
    if finished.empty:
        return "Nothing is found yet."
    asked = f"Asked: {facts.title}{'' if facts.title.endswith('?') else '.'}"
    if choices:
        return f"{asked} Found: {choices}"
    primary = [v.claim for v in verdicts if v.claim.primary]
    if primary:
        there = [v.claim for v in verdicts if v.claim.primary and v.verdict != NOT_RUN]
        widest = max(there or primary, key=lambda claim: len({task for task, _ in claim.arms}))
        answers = [v for v in verdicts if v.claim.id == widest.id]
        found = map(found_said, [v for v in answers if v.verdict != NOT_RUN] or answers)
        return f"{'Our claim' if widest.ours else 'Claim'}: {widest.text} Found: {'; '.join(found)}."
    if verdicts:
        decided = [v for v in verdicts if v.verdict in DECIDED]
        few = f"{len(decided) or 'none'} of {_some(len(verdicts), 'verdict')} {'are' if len(decided) > 1 else 'is'}"
        some = "".join(f"; {v.label}{f' ({v.reading})' if v.reading else ''} {v.verdict}" for v in decided[:4])
        some += f"; {tally(decided[4:])}" if decided[4:] else ""
        left = [v for v in verdicts if v not in decided]
        kinds = {v.verdict for v in left}
        rest = f"; {tally(left)}" if len(kinds) > 1 else ""
        if decided and len(kinds) == 1:
            rest = f"; the other {len(left) if len(left) > 1 else 'one'} {SAID[left[0].verdict][len(left) > 1]}"
        fewest = min((v for v in verdicts if v.interim), key=lambda v: v.seeds, default=None)
        so_far = f" ({fewest.so_far})" if fewest else ""
        return f"{asked} Found: {few} decided{some}{rest}{so_far}."
    outcomes = statistics.outcomes(frames, facts.solved, facts.relapse)
    complete = outcomes[outcomes["complete"]]
    own = complete[~complete["model"].isin(facts.added)]
    complete = complete if own.empty else own  # of what was added the table speaks
    each = (solved(task, mine) for task in facts.tasks if len(mine := complete[complete["task"] == task]))
    least = min((len(arm) for _, arm in complete.groupby(["task", "model"])), default=0)
    so_far = f" (interim, {least} of {_some(len(facts.seeds), 'seed')} or more)" if least < len(facts.seeds) else ""
    return f"{asked} Found: {'; '.join(each)}{so_far}."


def solved(task: str, outcomes: pd.DataFrame) -> str:
    """By which models a task is solved with every seed, soonest first; of many only how many they are.

    Args:
        outcomes: Its complete runs: ``model``, and ``time`` to solve it, inf where it was not.
    """
    times = outcomes.groupby("model")["time"]
    share, median = times.agg(lambda of: np.isfinite(of).mean()), times.median()
    every = sorted(share.index[share == 1], key=lambda model: (median[model], model))
    some, none = int(share.between(0, 1, inclusive="neither").sum()), int((share == 0).sum())
    who = listed(every) if len(every) <= NAMED else f"{len(every)} models"
    groups = [f"every run of {who}{' (soonest first)' * (1 < len(every) <= NAMED)}"] if every else []
    groups += [f"some runs of {_some(some, 'model')}"] if some else []
    groups += [f"no run of {_some(none, 'model')}"] if none else []
    return f"{task} is solved by {listed(groups)}"


def found_said(v: Verdict) -> str:
    """A verdict with its number and how sure it is; without a number with what was seen, in its first sentence."""
    under = f"under the {v.reading} reading " if v.reading else ""
    seeds = "" if v.verdict == NOT_RUN else v.so_far or f"all {_some(v.planned, 'seed')}"
    sure = "; ".join(part for part in (v.chance, seeds) if part)
    number, _, interval = v.ours.removesuffix(")").partition(" (")
    within = "; ".join(part for part in (interval, sure) if part)
    said = f"{v.against} {number} as fast" if number and v.against else number
    seen = "" if number or v.verdict == NOT_RUN else f". {v.found.partition('. ')[0].removesuffix('.')}"
    return f"{under}{v.verdict}{f', {said}' if said else ''}{f' ({within})' if within else ''}{seen}"


def summary(frames: Frames, facts: SuiteFacts, verdicts: Sequence[Verdict]) -> str:
    """One paragraph: the verdicts counted, and the runs behind them; empty as long as no run had its full budget."""
    counts = Counter(frames.runs["status"])
    finished = frames.runs[frames.runs["status"].isin(COMPLETE)]
    complete = len(finished)
    if not complete:
        return ""
    readings = list(dict.fromkeys(v.reading for v in verdicts if v.reading))
    places = {
        **{reading: f"under the {reading} reading " for reading in readings},
        "": "whatever the reading " * bool(readings),
    }

    def under(asked: Sequence[Verdict]) -> str:
        each = {place: [v for v in asked if v.reading == reading] for reading, place in places.items()}
        return "; ".join(f"{place}{tally(mine)}" for place, mine in each.items() if mine)

    sentences = []
    primary = [v for v in verdicts if v.claim.primary]
    others = [v for v in verdicts if not v.claim.primary]
    for asked, kind in ((primary, "Claims named in advance as decisive"), (others, "Other claims")):
        if asked:
            sentences.append(f"{kind if primary else 'All claims'}: {under(asked)}.")
    if interim := sum(v.interim for v in verdicts):
        sentences.append(f"Interim, since not all planned seeds are there yet: {_some(interim, 'verdict')}.")
    sentences.append(
        f"Behind this: {_some(complete, 'run')} with the full budget, of {finished['model'].nunique()} of "
        f"{_some(len(facts.models), 'model')} on {finished['task'].nunique()} of {_some(len(facts.tasks), 'task')}, "
        f"with {_some(len(facts.seeds), 'seed')} planned; "
        f"{counts['diverged'] or 'none'} of them diverged. Training so far took "
        f"{as_duration(float(frames.runs['seconds'].sum()))} of one worker's time."
    )
    return " ".join(sentences)


def _some(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
