"""A task whose answers are asked for step by step: for networks that give nothing where they see nothing."""

from dataclasses import dataclass

import torch
from torch import Generator

from ..objectives import Objective
from ..protocols import Batch, Size, Task, objective_of


@dataclass(frozen=True)
class Cued:
    """Another task, with one more channel that is 1 in every step whose answer is read.

    ``Cued(Copy(...))``, size (3,), time from left to right:

                  vectors  end  answer
        inputs    1 0 1    .    . . .    bit 0
                  . . .    1    . . .    marker
                  . . .    .    1 1 1    cue
        targets   . . .    .    1 0 1    bit 0

    Without it the steps of an answer are all zeros. Layers that have no biases, as most since the Transformer, give
    zeros there, whatever they remember, and a gate on what is read passes nothing on, not even a gradient.

    Attributes:
        task: It, without a cue; none with a ``floor``, which asks for an answer in every step.

    Raises:
        ValueError: The task has one.
    """

    task: Task

    def __post_init__(self) -> None:
        if hasattr(self.task, "floor"):
            kind = type(self.task).__name__
            raise ValueError(
                f"Cued({kind}(...)): a task whose best possible predictor is known needs no cue: {kind}(...)"
            )

    @property
    def objective(self) -> Objective:
        """The task's."""
        return objective_of(self.task)

    @property
    def inputs(self) -> int:
        """The task's and the cue."""
        return self.task.inputs + 1

    @property
    def outputs(self) -> int:
        """The task's."""
        return self.task.outputs

    @property
    def train(self) -> tuple[range, ...]:
        """The task's."""
        return self.task.train

    @property
    def test(self) -> tuple[Size, ...]:
        """The task's."""
        return tuple(self.task.test)

    def steps(self, size: Size) -> int:
        """The task's."""
        return self.task.steps(size)

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw the task's sequences."""
        inputs, targets, scored = self.task.sample(size, batch, generator)
        return Batch(torch.cat([inputs, scored[..., None]], dim=-1), targets, scored)
