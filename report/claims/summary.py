"""The report in a paragraph: how much of the suite has run, and what the verdicts add up to."""

from collections import Counter
from collections.abc import Callable, Sequence

from ..frames import COMPLETE, Frames, SuiteFacts
from ..table import as_duration
from ..words import listed
from .verdict import AGREES, CONTRADICTS, NOT_ESTIMABLE, NOT_RUN, SAME, UNDECIDED, VERDICTS, Verdict

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


def summary(frames: Frames, facts: SuiteFacts, verdicts: Sequence[Verdict]) -> str:
    """One paragraph: the first claim under each reading, the verdicts counted, and the runs behind them.

    As long as no run had its full budget it says so, and no claim: a claim alone reads as if it had been found.
    """
    counts = Counter(frames.runs["status"])
    finished = frames.runs[frames.runs["status"].isin(COMPLETE)]
    complete = len(finished)
    if not complete:
        return "Nothing is found yet."
    readings = list(dict.fromkeys(v.reading for v in verdicts if v.reading)) or [""]

    def under(asked: Sequence[Verdict], say: Callable[[Sequence[Verdict]], str]) -> str:
        parts = [
            f"{f'under the {reading} reading ' if reading else ''}{say(mine)}"
            for reading in readings
            if (mine := [v for v in asked if v.reading in (reading, "")])
        ]
        return "; ".join(parts)

    sentences = []
    if verdicts:
        first = [v for v in verdicts if v.claim.id == verdicts[0].claim.id]
        found = under(first, lambda mine: mine[0].verdict + (f" {mine[0].ours}" if mine[0].ours else ""))
        sentences.append(f"{first[0].claim.text} Measured: {found}.")
    primary = [v for v in verdicts if v.claim.primary]
    others = [v for v in verdicts if not v.claim.primary]
    for asked, kind in ((primary, "Claims named in advance as decisive"), (others, "Other claims")):
        if asked:
            sentences.append(f"{kind if primary else 'All claims'}: {under(asked, tally)}.")
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
