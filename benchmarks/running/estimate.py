"""How long runs will take: as the records of this machine say, or a rough guess."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

from ..core import Run, Suite
from ..errors import UsageError
from ..outside import overheard
from ..protocols import state_size
from ..records.events import Evaluated, Resumed, Started
from ..records.plan import Planned
from ..records.provenance import device_name, implementation
from ..records.record import Record, path_of, read

GUESS = {"fused": 0.2e-3, "reference": 5e-3}
"""Seconds a time step of a batch of 32 takes to train on one core, by implementation; 0.3 ms where it is another."""

STATE = 4e-8
"""More of them for every float of state."""

RATE = 35e9
"""Multiplications and additions a second of one core."""


class Pace:
    """Seconds a training step, by arm (``copy/lstm``).

    Args:
        suite: Whose arms.
        results: The folder of records to learn from.
        device: Where it will run, ``cpu`` or ``cuda:0``; records of other processors say nothing.

    Attributes:
        known: Of the arms that were measured.
        tried: Which of them in a trial, not in records.
    """

    def __init__(self, suite: Suite, results: Path, device: str) -> None:
        seen: dict[str, list[float]] = {}
        for run in suite.runs():
            try:
                record = read(path_of(results, suite.name, run), run.key)
            except UsageError:  # damaged: whoever runs it is told
                continue
            if record is not None and (seconds := measured(record, run, device)) is not None:
                seen.setdefault(run.experiment.key, []).append(seconds)
        self.known = {arm: median(values) for arm, values in seen.items()}
        self.tried: set[str] = set()
        self._guessed: dict[str, float] = {}

    def learn(self, seconds: Mapping[str, float]) -> None:
        """Take over what a trial found."""
        self.known.update(seconds)
        self.tried.update(seconds)

    def step(self, run: Run) -> float:
        """Seconds a step of this run."""
        arm = run.experiment.key
        if arm in self.known:
            return self.known[arm]
        if arm not in self._guessed:
            self._guessed[arm] = guess(run)
        return self._guessed[arm]

    def left(self, planned: Iterable[Planned], workers: int) -> float:
        """Seconds for what is left of these runs, side by side: no less than the longest of them takes."""
        each = [self.step(one.run) * one.left for one in planned]
        return max(sum(each) / workers, max(each)) if each else 0.0


def measured(record: Record, run: Run, device: str) -> float | None:
    """Seconds a step in the last session of a record, if that was on this processor, or on a GPU of the same name."""
    if record.started is None or record.started.digest != run.digest:
        return None
    opened = record.started.provenance
    evaluated: list[Evaluated] = []
    for event in record.events:
        if isinstance(event, Started | Resumed):
            opened, evaluated = event.provenance, []
        elif isinstance(event, Evaluated):
            evaluated.append(event)
    there, here = (name.partition(" with ")[0] for name in (str(opened.get("device")), device_name(device)))
    if len(evaluated) < 2 or there != here:
        return None
    first, last = evaluated[0], evaluated[-1]
    return (last.seconds - first.seconds) / (last.step - first.step) if last.step > first.step else None


def guess(run: Run) -> float:
    """Seconds a step, from sizes alone: some for each time step, and three passes over the parameters."""
    experiment = run.experiment
    task, training = experiment.task, experiment.training
    steps = task.steps(tuple(sizes[len(sizes) // 2] for sizes in task.train))
    try:
        with overheard():
            module = experiment.model.build(task.inputs, task.outputs, run.seed)
        state = state_size(experiment.model, steps) or 0
    except Exception:  # the run itself says what is wrong with its model
        return steps * GUESS["reference"]
    parameters = sum(p.numel() for p in module.parameters())
    overhead = GUESS.get(implementation(module, next(module.parameters()).device), 0.3e-3)
    return steps * ((overhead + STATE * state) * (1 + training.batch / 32) / 2 + 3 * parameters * training.batch / RATE)


def duration(seconds: float) -> str:
    """E.g. ``2d03h``, ``1h05m``, ``12m30s``, ``9s``."""
    whole = round(seconds)
    for big, unit, small, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= big:
            return f"{whole // big}{unit}{whole % big // small:02d}{name}"
    return f"{whole}s"
