"""What a run goes on from: the kept state that its record vouches for."""

from ..core import Run
from ..optimizers import fits
from . import checkpoints
from .checkpoints import Snapshot
from .events import Evaluated, Resumed
from .record import Record, checkpoint_of


def kept(run: Run, record: Record) -> Snapshot | None:
    """The last good snapshot of a run, if there is one."""
    good = (one for one in checkpoints.snapshots(checkpoint_of(record.path)) if usable(one, run, record))
    return next(good, None)


def usable(snapshot: Snapshot, run: Run, record: Record) -> bool:
    """Whether a snapshot is of this run, and the record holds every evaluation up to it, as this training found it.

    Otherwise training goes on from an earlier one or from the beginning: it repeats what the record holds and fills in
    what it lacks.
    """
    started, recorded, best = record.started, record.evaluated, snapshot.best
    every = range(0, snapshot.step + 1, run.experiment.training.eval_every)
    if started is None or any(step not in recorded for step in every):
        return False
    trail = 0
    for step in every:
        trail = checkpoints.trail(trail, step, recorded[step].loss)
    return (
        (snapshot.key, snapshot.digest) == (run.key, run.digest)
        and snapshot.weights.numel() == started.parameters
        and (snapshot.moments is None or fits(snapshot.moments, run.experiment.training.optimizer))
        and (best is None or (best.step in recorded and recorded[best.step].loss == best.loss))
        and snapshot.trail in (trail, 0)  # of this training; older files do not say
    )


def begun_anew(record: Record) -> bool:
    """Whether the last training of a record began anew, and has only repeated so far what was there."""
    since = [event for event in record.events if isinstance(event, Resumed | Evaluated)]
    while since and isinstance(since[-1], Resumed):
        if since.pop().step == 0:
            return True
    return False
