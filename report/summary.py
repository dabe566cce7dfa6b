"""The report in a paragraph: how much of the suite has run, and what the verdicts add up to."""

from collections import Counter
from collections.abc import Sequence

from .frames import COMPLETE, Frames, SuiteFacts
from .verdict import AGREES, CONTRADICTS, NOT_ESTIMABLE, NOT_RUN, SAME, UNDECIDED, VERDICTS, Verdict

SAID = {
    AGREES: ("agrees", "agree"),
    SAME: ("shows the same direction but another size", "show the same direction but another size"),
    CONTRADICTS: ("is contradicted", "are contradicted"),
    UNDECIDED: ("is undecided", "are undecided"),
    NOT_ESTIMABLE: ("cannot be estimated", "cannot be estimated"),
    NOT_RUN: ("has not been run", "have not been run"),
}


def listed(parts: Sequence[str]) -> str:
    """Parts in a sentence: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def progress(frames: Frames) -> str:
    """Empty where every planned run has had its full budget; else what is there, beginning with "Partial report"."""
    counts = Counter(frames.runs["status"])
    complete, planned = sum(counts[status] for status in COMPLETE), len(frames.runs)
    if planned and complete == planned:
        return ""
    names = {"new": "not started", "running": "running", "interrupted": "interrupted", "failed": "failed"}
    rest = [f"{counts[status]:,} {name}" for status, name in names.items() if counts[status]]
    if counts["stale"]:
        rest.append(f"{counts['stale']:,} stale (of other settings than the suite's, left out)")
    of = f"{complete:,} of {planned:,} runs {'has' if complete == 1 else 'have'} had the full budget"
    return f"Partial report: {of}{f' ({listed(rest)})' if rest else ''}."


def tally(verdicts: Sequence[Verdict]) -> str:
    """Verdicts counted, in words."""
    counts = Counter(v.verdict for v in verdicts)
    return listed([f"{counts[kind]} {SAID[kind][counts[kind] > 1]}" for kind in VERDICTS if counts[kind]])


def summary(frames: Frames, facts: SuiteFacts, verdicts: Sequence[Verdict]) -> str:
    """One paragraph: the runs, the verdicts under each reading, and the first claim's in full."""
    counts = Counter(frames.runs["status"])
    complete = sum(counts[status] for status in COMPLETE)
    arms, tasks, seeds = len(facts.models), len(facts.tasks), len(facts.seeds)
    sentences = [
        f"{complete:,} runs of {arms} model{'s' * (arms != 1)} on {tasks} task{'s' * (tasks != 1)} have had their full "
        f"budget, {seeds} seed{'s' * (seeds != 1)} planned for each; {counts['diverged'] or 'none'} of them diverged."
    ]
    readings = list(dict.fromkeys(v.reading for v in verdicts if v.reading)) or [""]
    decisive = any(v.claim.primary for v in verdicts)
    for primary in (True, False) if decisive else (False,):
        asked = [v for v in verdicts if v.claim.primary == primary]
        if not asked:
            continue
        number = len({v.claim.id for v in asked})
        kind = "that decide" if primary else "others" if decisive else ""
        under = [
            f"{f'under the {reading} reading ' if reading else ''}{tally(mine)}"
            for reading in readings
            if (mine := [v for v in asked if v.reading in (reading, "")])
        ]
        what = {"that decide": f"{number} claims named in advance as those that decide", "others": f"{number} others"}
        sentences.append(f"Of the {what.get(kind, f'{number} claims')}, {'; '.join(under)}.")
    if not verdicts:
        sentences.append("The suite states no claims.")
    else:
        first = [v for v in verdicts if v.claim.id == verdicts[0].claim.id and v.verdict != NOT_RUN]
        for v in first:
            where = f", {v.reading} reading" if v.reading else ""
            sentences.append(f"The first of them ({v.claim.text.rstrip('.')}{where}): {v.sentence}")
    return " ".join(sentences)
