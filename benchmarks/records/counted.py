"""What of a record counts in a suite: all of it, or where the run is trained on for another suite, up to the budget."""

from typing import NamedTuple

from ..core import Run, Suite
from .events import Evaluated
from .record import Record, locked


class Counted(NamedTuple):
    """A record as far as a suite's budget."""

    budget: int  # steps that count
    cut: bool  # the run is trained beyond them: its weights belong to another suite
    status: str  # one of ``report.frames.COMPLETE``, failed, interrupted, running, new
    step: int  # last reached
    seconds: float | None  # until then
    evaluated: list[Evaluated]


def counted(suite: Suite, run: Run, record: Record | None) -> Counted:
    """What of a record counts; where there is none, of a run that is still to come."""
    budget = suite.counts(run.experiment)
    cut = budget < run.experiment.training.steps
    if record is None or record.started is None:
        return Counted(budget, cut, "new", 0, None, [])
    evaluated = [each for each in record.evaluated.values() if each.step <= budget]
    ended, furthest = record.ended, max(record.evaluated, default=0)
    if cut and furthest >= budget:
        status = "done"
    elif ended is not None:
        status = ended.status
    else:
        status = "running" if locked(record.path) else "interrupted"
    if ended is not None and ended.step <= budget:
        seconds: float | None = ended.seconds
    else:
        seconds = evaluated[-1].seconds if evaluated else None
    return Counted(budget, cut, status, min(record.step, budget), seconds, evaluated)
