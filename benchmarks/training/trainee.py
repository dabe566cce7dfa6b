"""One run of a cohort, while it is trained: what it remembers between evaluations, and the words of its record."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from torch import Tensor

from ...report.words import size_text
from ..core import Run, longest
from ..protocols import Size, state_size
from ..records.checkpoints import Best, Snapshot, trail
from ..records.events import Ended, Evaluated, Event, Generalised, Inspected, Resumed, Started, Status, rank
from .evaluate import INSPECTED, Score
from .learner import Learner


class Trainee:
    """A run whose weights are a row of the learner's.

    Attributes:
        over: Whether it has ended.
        best: The weights of the lowest validation error so far.

    Args:
        run: The run.
        learner: Where it is trained.
        row: Its row there.
        snapshot: Where it goes on from; None for the beginning.
    """

    def __init__(self, run: Run, learner: Learner, row: int, snapshot: Snapshot | None = None) -> None:
        self.run, self.learner, self.row = run, learner, row
        self.over = False
        self.began, self.before = time.perf_counter(), 0.0
        self.best: Best | None = None
        self.losses: list[float] = []  # since the last evaluation
        self.largest = 0.0  # gradient norm since then
        self.trail = 0  # of all evaluations so far
        self.broken: list[str] = []  # measurements in which something was not finite
        if snapshot is not None:
            self.before, self.best = snapshot.seconds, snapshot.best
            self.losses, self.largest = list(snapshot.losses), snapshot.gradient_norm
            self.trail = snapshot.trail

    def begin(self, snapshot: Snapshot | None) -> Event:
        """The first line of a record or of a session."""
        run, where = self.run, self.learner.provenance()
        if snapshot is not None:
            return Resumed(run.key, snapshot.step, where)
        model, steps = run.experiment.model, longest(run.experiment.task, run.experiment.training)
        parameters = self.learner.weights.shape[1]
        return Started(run.key, run.digest, run.params, parameters, state_size(model, steps), where)

    def trained(self, first: int, losses: Sequence[float], norms: Sequence[float]) -> Iterator[Event]:
        """Remember some steps; ends at the first that is not finite."""
        for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), first):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                what = "loss" if not math.isfinite(loss) else "gradient"
                yield self.end("diverged", step, f"the training {what} is not finite")
                return
            self.losses.append(loss)
            self.largest = max(self.largest, norm)

    def evaluated(self, step: int, score: Score) -> Iterator[Event | Snapshot]:
        """Say what an evaluation found; ends where it is not finite."""
        if not math.isfinite(score.loss):
            yield self.end("diverged", step, "the evaluation loss is not finite")
            return
        if self.best is None or rank(score) < rank(self.best):
            self.best = Best(step, score.errors, score.loss, self.weights(), score.floor)
        mean, norm = (sum(self.losses) / len(self.losses), self.largest) if self.losses else (None, None)
        self.losses, self.largest = [], 0.0
        if step == 0 or self.trail:  # that of an older snapshot is not known
            self.trail = trail(self.trail, step, score.loss)
        sequences = step * self.run.experiment.training.batch
        seconds = self.seconds()
        yield Evaluated(self.run.key, step, sequences, score.loss, score.errors, mean, norm, seconds, score.floor)
        yield self.snapshot(step)

    def generalised(self, weights: Literal["best", "final"], step: int, size: Size, score: Score) -> Event:
        """What a test of the best weights found, or of those after ``step``, the last; no loss that is not finite."""
        loss = score.loss if math.isfinite(score.loss) else None
        if loss is None:
            self.broken.append(f"{size_text(size)} ({weights} weights)")
        sequences = self.run.experiment.training.test_sequences
        at = self.best.step if weights == "best" and self.best is not None else step
        return Generalised(
            self.run.key,
            weights,
            at,
            list(size),
            sequences,
            score.errors,
            score.answers,
            score.perfect,
            loss,
            score.floor,
        )

    def inspected(self, what: str, size: Size, values: Mapping[str, float]) -> Event:
        """What an inspection of the best weights found; of its numbers those that are finite."""
        assert self.best is not None  # step 0 was evaluated
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if len(finite) < len(values):
            self.broken.append(f"{size_text(size)} ({what})")
        return Inspected(self.run.key, what, self.best.step, list(size), INSPECTED, finite)

    def remark(self) -> str:
        """What is to be said of a run that is done."""
        return f"not finite, and so not right, at size {', '.join(self.broken)}" if self.broken else ""

    def end(self, status: Status, step: int, message: str = "") -> Event:
        """The last line of a session."""
        self.over = True
        return Ended(self.run.key, status, step, self.seconds(), message)

    def snapshot(self, step: int) -> Snapshot:
        """All that later steps follow from."""
        run, moments = self.run, None
        if step < run.experiment.training.steps:
            moments = self.learner.moments.row(self.row).copy("cpu")
        return Snapshot(
            run.key,
            run.digest,
            step,
            self.seconds(),
            self.weights(),
            moments,
            self.best,
            tuple(self.losses),
            self.largest,
            self.trail,
        )

    def weights(self) -> Tensor:
        """A copy of its trainable values (parameters,), on the CPU."""
        return self.learner.weights[self.row].to("cpu", copy=True)

    def seconds(self) -> float:
        """Spent so far, over all sessions; of a cohort's time, its share."""
        return round(self.before + (time.perf_counter() - self.began) / len(self.learner.weights), 3)
