"""Runs as lines and rows: the plan before it is carried out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core import Suite
from ..records.plan import Planned
from ..running.estimate import Pace, duration


def plan_lines(
    suite: Suite,
    planned: Sequence[Planned],
    due: Sequence[Planned],
    pace: Pace,
    workers: int,
    together: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """What is to be done, arm by arm, in which cohorts if any (``slots.together``), and how long it may take."""
    width = max((len(each.run.experiment.key) for each in planned), default=0)
    for arm in dict.fromkeys(each.run.experiment.key for each in planned):
        statuses = [each.status for each in planned if each.run.experiment.key == arm]
        counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
        left = pace.left([each for each in due if each.run.experiment.key == arm], 1)
        added = next(each.run.experiment.added for each in planned if each.run.experiment.key == arm)
        whose = f"; {together[arm]}" if together and arm in together else ""
        said = f"; added, trained as {added} is" if added else ""
        yield f"  {arm:{width}}  {counts}{whose}" + (f"; about {duration(left)} on one worker" if left else "") + said
    stale = sum(each.status == "stale" for each in planned)
    if not due:
        done = "; the rest are done" if stale < len(planned) else ""
        rest = f"{stale} of {len(planned)} runs are stale, made under other settings{done}"
        yield f"{suite.name}: {rest if stale else f'all {len(planned)} runs are done'}."
        return
    arms = {each.run.experiment.key for each in due}
    guessed = arms - pace.known.keys()
    measured = {"from this machine's records": arms - pace.tried, "from a short trial": arms & pace.tried}
    basis = (
        " and ".join(words for words, of in measured.items() if of)
        if not guessed
        else f"a rough guess for {len(guessed)} of {len(arms)} arms, of which this machine has no records"
    )
    took = duration(pace.left(due, workers))
    hands = f"{workers} worker{'s' * (workers != 1)}"
    yield f"{suite.name}: {len(due)} of {len(planned)} runs to do on {hands}, about {took} ({basis})."


def rows(planned: Sequence[Planned]) -> list[dict[str, Any]]:
    """The runs, one row each."""
    return [
        {
            "key": each.run.key,
            "task": each.run.experiment.task_name,
            "model": each.run.experiment.model_name,
            "seed": each.run.seed,
            "digest": each.run.digest,
            "status": each.status,
        }
        for each in planned
    ]
