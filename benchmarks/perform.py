"""One run, from its files to its files: what a worker of any engine does."""

import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from . import checkpoints, records
from .checkpoints import Snapshot
from .core import Run
from .events import Ended, Event, Status
from .records import Recorder
from .runner import state
from .train import train


def perform(
    run: Run,
    record: Path,
    device: torch.device,
    tell: Callable[[Event], None],
    stop: Callable[[], bool] = lambda: False,
) -> Status:
    """Train a run to its end, from its checkpoint if there is a good one, and write its record.

    Args:
        run: The run.
        record: The path of its record; the checkpoint lies beside it.
        device: Where to train.
        tell: Given every event once it is in the record.
        stop: Asked before every step; once true, the run ends as ``interrupted``.

    Raises:
        Busy: Another process is at it.
        OSError: The record cannot be written (the disk is full, say); what it holds stays good.
    """
    with Recorder(record, run.key) as recorder:
        already = state(run, record)
        if already.status in ("done", "diverged"):  # another process finished it meanwhile
            return "done" if already.status == "done" else "diverged"
        checkpoint = records.checkpoint_of(record)
        try:
            for event in train(run, device, usable(checkpoints.load(checkpoint), run, recorder), stop):
                if isinstance(event, Snapshot):
                    checkpoints.save(event, checkpoint)
                    continue
                if recorder.write(event):
                    tell(event)
                if isinstance(event, Ended):
                    return event.status
        except (OSError, KeyboardInterrupt):
            raise
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})"
            last = max(recorder.record.step, already.step)
            failed = Ended(run.key, "failed", last, 0.0, message[:2000])
            recorder.write(failed)
            tell(failed)
            return "failed"
    raise AssertionError("a training ends with `Ended`")


def usable(snapshot: Snapshot | None, run: Run, recorder: Recorder) -> Snapshot | None:
    """The snapshot, if it is of this run and the record holds every evaluation up to it.

    Otherwise training starts again: it repeats what the record holds and fills in what it lacks.
    """
    if snapshot is None or snapshot.key != run.key or snapshot.digest != run.digest:
        return None
    every = run.experiment.training.eval_every
    recorded = recorder.record.evaluated
    return snapshot if all(step in recorded for step in range(0, snapshot.step + 1, every)) else None
