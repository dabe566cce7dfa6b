"""Measuring a model: wrong answers and cross-entropy on fixed sets that depend on the task alone."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import nan
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ...ntm import stream
from ..core import Training
from ..objectives import Objective
from ..protocols import Batch, Inspection, Size, Task, floor_of, objective_of
from ..values import plain

INSPECTED = 64
"""Sequences that an inspection looks at."""

Forward = Callable[[Tensor], Tensor]
"""(time, batch, inputs) to logits (time, batch, outputs), or (members, time, batch, outputs) of a cohort."""


class Score(NamedTuple):
    """Over a set of sequences."""

    loss: float  # nats a sequence
    errors: float  # wrong answers a sequence
    perfect: float  # fraction of sequences without a wrong answer
    answers: int  # scored answers of the set's longest sequence
    floor: float | None = None  # nats a sequence by the best possible predictor, where the task knows it


def nats(objective: Objective, logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of every sequence, summed over its scored answers: (batch,)."""
    return (objective.nats(logits, batch.targets) * batch.scored[..., None]).sum(dim=(0, 2))


def marked(objective: Objective, each: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Whether the answers of every member's logits are wrong: all of a sequence whose cross-entropy is not finite.

    Returns:
        Nats of every sequence, (members, batch); wrong answers, (members, time, batch, answers), 1 or 0.
    """
    scored = batch.scored[..., None]
    losses = torch.stack([nats(objective, logits, batch) for logits in each])
    wrong = objective.wrong(each, batch.targets.expand_as(each)) * scored
    return losses, torch.where(losses.isfinite()[:, None, :, None], wrong, scored)


@contextmanager
def measured(module: nn.Module) -> Iterator[None]:
    """Put every part into evaluation mode meanwhile; afterwards each is in the mode it was in."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def evaluate(forward: Forward, batches: Sequence[Batch], task: Task) -> Score:
    """Score a model on sequences of a task; no gradients are kept."""
    return evaluate_each(lambda inputs: forward(inputs)[None], batches, task)[0]


def evaluate_each(forward: Forward, batches: Sequence[Batch], task: Task) -> list[Score]:
    """Score every member of a cohort."""
    objective, losses, wrongs, longest = objective_of(task), [], [], 0
    with torch.no_grad():
        for batch in batches:
            each = forward(batch.inputs)
            loss, wrong = marked(objective, each, batch)
            losses.append(loss)
            wrongs.append(wrong.sum(dim=(1, 3)))
            longest = max(longest, int(batch.scored.sum(dim=0).max()) * objective.answers(batch.targets.shape[2]))
    floors = [found for batch in batches if (found := floor_of(task, batch)) is not None]
    floor = float(torch.cat(floors).double().mean()) if floors else None
    members = zip(*(torch.cat(parts, dim=1).double().cpu() for parts in (losses, wrongs)), strict=True)
    return [
        Score(float(loss.mean()), float(errors.mean()), float((errors == 0).double().mean()), longest, floor)
        for loss, errors in members
    ]


def evaluation_set(task: Task, training: Training, device: torch.device) -> list[Batch]:
    """The sequences every model is watched on: ``eval_batch`` of each of ``eval_sizes``."""
    return [
        _to(task.sample(size, training.eval_batch, stream("evaluation", identity(task), index)), device)
        for index, size in enumerate(training.eval_sizes)
    ]


def test_set(task: Task, size: Size, sequences: int, device: torch.device, at_once: int = 32) -> list[Batch]:
    """The sequences a generalisation point is measured on, a few at a time since they may be long."""
    return [
        _to(
            task.sample(size, min(at_once, sequences - start), stream("test", identity(task), str(size), start)), device
        )
        for start in range(0, sequences, at_once)
    ]


@runtime_checkable
class Watchable(Protocol):
    """A module that can be looked into: ``watch`` gives the logits, and what is to be seen by name."""

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]: ...


def watched(module: nn.Module, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and what is to be seen of the module, each (time, batch, heads, size); nothing of most."""
    with torch.no_grad(), measured(module):
        return module.watch(inputs) if isinstance(module, Watchable) else (module(inputs), {})


def inspect(module: nn.Module, task: Task, inspection: Inspection) -> dict[str, float]:
    """What an inspection finds of a module, on sequences that the generalisation points begin with.

    What is to be seen of the module but not finite is not shown to it; a number that it then lacks is NaN.
    """
    (batch,) = test_set(task, inspection.size, INSPECTED, torch.device("cpu"), at_once=INSPECTED)
    if (redraw := getattr(module, "redraw", None)) is not None:
        redraw("measured")
    logits, seen = watched(module, batch.inputs)
    _, (wrong,) = marked(objective_of(task), logits[None], batch)
    finite = {name: value for name, value in seen.items() if value.isfinite().all()}
    lacking = {} if len(finite) == len(seen) else dict.fromkeys(inspection.numbers, nan)
    return {name: round(value, 6) for name, value in (lacking | inspection(batch, wrong, finite)).items()}


def identity(task: Task) -> str:
    """A task as text, without its test sizes: what its data is drawn from, whatever the model.

    Those of a task within a task (``Cued``) stay.
    """
    fields = plain(task)
    fields.pop("test", None)
    return json.dumps(fields, sort_keys=True)


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(part.to(device) for part in batch))
