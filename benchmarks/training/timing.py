"""A short trial: some steps of a training, timed as they are taken in earnest."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..core import Run
from ..protocols import Batch
from .ahead import ahead
from .evaluate import identity
from .graph import WARM
from .learner import Learner, on_gpu
from .train import drawn_batches

LIMIT = 10.0
"""Seconds after which no further step is timed."""


@dataclass(frozen=True)
class Timing:
    """How a cohort came along.

    Attributes:
        seconds: A step of all its members.
        waiting: The share of it that the device had nothing to do, since its next data were not there.
        peak: Bytes of the GPU that were taken at most; None on a CPU.
        how: By which implementation.
    """

    seconds: float
    waiting: float
    peak: int | None
    how: str


def timing(runs: Sequence[Run], where: torch.device | str, steps: int = 100) -> Timing:
    """Train a cohort for some steps, or as many as ``LIMIT`` allows, once it is compiled and captured."""
    device = torch.device(where)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    learner, drawn = Learner(runs, device), identity(runs[0].experiment.task)
    training = runs[0].experiment.training

    def make(first: int) -> list[Batch]:
        return learner.laid_out(drawn_batches(runs, drawn, first % training.steps, learner.ahead))

    with ahead(make, on_gpu(device)) as data:
        done = 0
        while done <= WARM:
            done += taken(learner, data(done))
        first, waited, began = done, data.waited, time.perf_counter()
        while done - first < steps and time.perf_counter() - began < LIMIT:
            done += taken(learner, data(done))
        seconds, waited = time.perf_counter() - began, data.waited - waited
    peak = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None
    how = str(learner.provenance()["implementation"])
    return Timing(seconds / (done - first), waited / seconds, peak, how)


def taken(learner: Learner, data: Sequence[Batch]) -> int:
    """Take these steps, and wait for them; gives how many they were."""
    losses, norms = learner.train(data)
    losses.cpu(), norms.cpu()
    return len(losses)
