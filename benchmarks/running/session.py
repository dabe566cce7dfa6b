"""A run from its files to its files: what every engine does with the events of a training."""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import torch

from .. import records
from ..core import Run
from ..errors import UsageError
from ..records import checkpoints
from ..records.checkpoints import Snapshot
from ..records.differences import counterpart, differs, said_of
from ..records.events import Ended, Evaluated, Event, Resumed, Started, Status
from ..records.plan import state
from ..records.record import Recorder
from ..records.resume import begun_anew, kept
from ..training.memory import release
from ..training.train import train_together

SHARE = 0.05
"""Of the time, that checkpoints may take: a kill costs no more than twenty times what one takes."""


class Session:
    """The files of one run while it is trained: its record, locked, and its checkpoint; a context manager.

    Attributes:
        over: How the run ended; at first, where there is nothing left to do: another process may have finished it.
        snapshot: Where to go on from; None for the beginning.
        repeats: Whether it repeats what the record holds, and may come out otherwise: it was begun anew, or killed when
            its record was ahead of its checkpoint.

    Args:
        run: The run.
        record: The path of its record; the checkpoint lies beside it.
        wait: Seconds to wait for another process to let go of it.
        share: Of the time, that its checkpoints may take.
        exact: Whether what is repeated is equal to the last digit.

    Raises:
        Busy: Another process is at it.
        UsageError: The record is damaged or stale.
        OSError: The record cannot be written.
    """

    def __init__(self, run: Run, record: Path, wait: float = 0.0, share: float = SHARE, exact: bool = True) -> None:
        self.run, self.checkpoint, self.share = run, records.checkpoint_of(record), share
        self.unsaved: Snapshot | None = None
        self.due = 0.0  # when a checkpoint may be written again
        self.recorder = Recorder(record, run.key, wait)
        try:
            already = state(run, record)
            if already.status == "stale":
                raise UsageError(f"{record}: made under other settings; start again to be told what can be done")
        except UsageError:
            self.recorder.__exit__()
            raise
        self.provenance: Mapping[str, Any] = {}
        before = self.recorder.record
        self.over = before.ended if already.status in ("done", "diverged") else None
        self.whole = before.ended is not None and before.ended.status == "done"  # but for tests that were added since
        evaluated = list(before.evaluated.values())
        self.reached = (evaluated[-1].step, evaluated[-1].seconds) if evaluated else (0, 0.0)
        self.last = max(before.evaluated, default=-1)
        self.snapshot = None if self.over is not None else kept(run, before)
        self.again = -1 if self.snapshot is None else self.snapshot.step  # up to where it is known to be the record's
        self.own = self.snapshot is not None and not begun_anew(before)
        self.repeats = not self.own or (exact and self.again < self.last)

    def take(self, event: Event | Snapshot) -> Event | None:
        """See an event or a snapshot to the disk; gives the event as it was recorded, None where it is there already.

        Nothing is taken once the run is over, whatever its training still says. Snapshots may come faster than they are
        written: of those that wait for their turn the last counts, and is written at the latest when the run ends.

        A run that begins anew on its record (without its checkpoint, as in a clone) says so, and on what machine. If it
        comes out otherwise, as on a processor that rounds otherwise, it fails: no curve is of two trainings.

        Raises:
            OSError: It cannot be written (the disk is full, say); what is there stays good.
        """
        if self.over is not None:
            return None
        if isinstance(event, Snapshot):
            if self.own and self.repeats and event.step < self.last:
                return None  # the one that is there is the record's for sure
            self.unsaved = event
            if event.moments is None or time.monotonic() >= self.due:
                self.save()
            return None
        if difference := self.unlike(event):
            self.unsaved = None
            if not self.own:  # the next call would go on with it, on a record that is not its own
                checkpoints.forget(self.checkpoint)
            event = self.ended("failed", f"{difference}. With --force it is begun anew, and this record kept as .old")
        if isinstance(event, Ended):
            self.save()
            self.over = event
            if not self.recorder.begun:
                return event  # the model could not even be built: there is no run to say it of
            if self.whole and event.status != "done":
                return event  # the record is as good as before
        if isinstance(event, Started):
            self.provenance = event.provenance
        if isinstance(event, Started) and self.recorder.begun:
            event = Resumed(event.key, 0, event.provenance)
        if isinstance(event, Evaluated):
            self.reached = (event.step, event.seconds)
            self.again = event.step
        return event if self.recorder.write(event) else None

    def save(self) -> None:
        """Write the snapshot that waits, if one does."""
        if self.unsaved is None:
            return
        began = time.monotonic()
        checkpoints.save(self.unsaved, self.checkpoint)
        self.unsaved = None
        now = time.monotonic()
        self.due = now + (now - began) / self.share

    def unlike(self, event: Event) -> str:
        """How a training that repeats what is recorded is not that; empty where it is."""
        record = self.recorder.record
        if not self.repeats or record.started is None:
            return ""
        further = self.again >= self.last and not record.generalised
        if isinstance(event, Ended) and (event.status != "diverged" or further):
            return ""
        difference = differs(event, counterpart(event, record))
        return said_of(difference, record.started.provenance, self.provenance) if difference is not None else ""

    def ended(self, status: Status, message: str = "") -> Ended:
        """That the run ended from outside, at the evaluation it last reached."""
        return Ended(self.run.key, status, *self.reached, message)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it was told when it was first met
            self.save()
        self.recorder.__exit__()


def perform(
    places: Sequence[tuple[Run, Path]],
    device: torch.device,
    tell: Callable[[Event], None],
    stop: Callable[[], bool] = lambda: False,
    wait: float = 0.0,
) -> dict[str, Status | None]:
    """Train a cohort to its end, each member from its checkpoint if there is a good one, and write their records.

    Args:
        places: The runs of the cohort, mostly one, and where their records are; checkpoints lie beside them.
        device: Where to train.
        tell: Given every event once it is in the record.
        stop: Asked before every step; once true, the runs end as ``interrupted``.
        wait: Seconds to wait for another process to let go of a run.

    Returns:
        How each run ended, by key; None where another process is at it.

    Raises:
        UsageError: A record is damaged or stale.
        OSError: A record cannot be written.
    """
    with ExitStack() as files:
        sessions, statuses = opened(places, files, tell, wait, device.type == "cpu")
        for event in training([(session.run, session.snapshot) for session in sessions.values()], device, stop):
            session = sessions[event.key]
            if (recorded := session.take(event)) is not None:
                tell(recorded)
            if session.over is not None:
                statuses[event.key] = session.over.status
            if all(each.over is not None for each in sessions.values()):
                break
    return statuses


def opened(
    places: Sequence[tuple[Run, Path]], files: ExitStack, tell: Callable[[Event], None], wait: float, exact: bool
) -> tuple[dict[str, Session], dict[str, Status | None]]:
    """Open the sessions of a cohort, as ``perform`` is asked to; ``files`` closes them.

    Args:
        places: As of ``perform``; likewise ``tell`` and ``wait``.
        files: What closes them.
        exact: Whether what they repeat is equal to the last digit, as on a CPU.

    Returns:
        The sessions of the runs to train, by key; and how the others ended, None where another process is at it.
    """
    sessions: dict[str, Session] = {}
    statuses: dict[str, Status | None] = {run.key: None for run, _ in places}
    for run, record in places:
        try:
            session = files.enter_context(Session(run, record, wait, SHARE / len(places), exact))
        except records.Busy:
            continue
        if session.over is None:
            sessions[run.key] = session
        else:
            tell(session.over)  # whoever wrote it may have died before telling anyone
            statuses[run.key] = session.over.status
    return sessions, statuses


def training(
    members: Sequence[tuple[Run, Snapshot | None]], device: torch.device, stop: Callable[[], bool]
) -> Iterator[Event | Snapshot]:
    """The events of a cohort, each member going on from its snapshot; if it raises, members end as ``failed``.

    Members at different steps cannot be trained in lockstep, and follow each other.
    """
    groups: dict[tuple[str, int | None], list[tuple[Run, Snapshot | None]]] = {}
    for run, snapshot in members:
        where = (run.experiment.key, snapshot.step if snapshot is not None else None)
        groups.setdefault(where, []).append((run, snapshot))
    for group in groups.values():
        reached = {run.key: (s.step, s.seconds) if s is not None else (0, 0.0) for run, s in group}
        try:
            snapshots = [snapshot for _, snapshot in group if snapshot is not None]
            for event in train_together([run for run, _ in group], device, snapshots, stop):
                if isinstance(event, Ended):
                    del reached[event.key]
                elif isinstance(event, Evaluated | Snapshot):
                    reached[event.key] = (event.step, event.seconds)
                yield event
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
            for key, (step, seconds) in reached.items():
                yield Ended(key, "failed", step, seconds, message[:2000])
        finally:
            release(device)


def give_up(run: Run, record: Path, message: str) -> Ended:
    """Write into a run's record that it failed, where its worker could not; gives the event."""
    try:
        with Session(run, record, wait=1.0) as session:
            session.take(session.ended("failed", message))
            assert session.over is not None  # if not through this, through another process
            return session.over
    except (records.Busy, UsageError, OSError):  # it is told all the same, and tried again at the next call
        return Ended(run.key, "failed", 0, 0.0, message)


def why(error: OSError | UsageError) -> str:
    """Why there is no sense in going on, in one sentence."""
    if isinstance(error, UsageError):
        return str(error)
    where = f"{error.filename} " if error.filename else ""
    return f"{where}cannot be written ({error.strerror or error}); nothing is lost: once it can, run again to go on"
