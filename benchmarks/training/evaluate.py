"""Measuring a model: wrong bits and cross-entropy on fixed sets that depend on the task alone."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...ntm import stream
from ..core import Batch, Size, Task, Training, plain

Forward = Callable[[Tensor], Tensor]
"""(time, batch, inputs) to logits (time, batch, outputs), or (members, time, batch, outputs) of a cohort."""


class Score(NamedTuple):
    """Over a set of sequences."""

    loss: float  # nats a sequence
    errors: float  # wrong bits a sequence, outputs rounded at 0.5
    perfect: float  # fraction of sequences without a wrong bit
    bits: int  # scored bits of the set's longest sequence


def nats(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of every sequence, summed over its scored bits: (batch,)."""
    each = binary_cross_entropy_with_logits(logits, batch.targets, reduction="none")
    return (each * batch.scored[..., None]).sum(dim=(0, 2))


def evaluate(forward: Forward, batches: Sequence[Batch]) -> Score:
    """Score a model; no gradients are kept."""
    return evaluate_each(lambda inputs: forward(inputs)[None], batches)[0]


def evaluate_each(forward: Forward, batches: Sequence[Batch]) -> list[Score]:
    """Score every member of a cohort."""
    losses, wrongs, longest = [], [], 0
    with torch.no_grad():
        for batch in batches:
            each = forward(batch.inputs)
            wrong = ((each > 0) != (batch.targets > 0.5)) * batch.scored[..., None]
            losses.append(torch.stack([nats(logits, batch) for logits in each]))
            wrongs.append(wrong.sum(dim=(1, 3)))
            longest = max(longest, int(batch.scored.sum(dim=0).max()) * batch.targets.shape[2])
    members = zip(torch.cat(losses, dim=1).double(), torch.cat(wrongs, dim=1).double(), strict=True)
    return [
        Score(float(loss.mean()), float(errors.mean()), float((errors == 0).double().mean()), longest)
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


def identity(task: Task) -> str:
    """A task as text, without its test sizes: what its data is drawn from, whatever the model."""
    fields = plain(task)
    fields.pop("test", None)
    return json.dumps(fields, sort_keys=True)


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(part.to(device) for part in batch))
