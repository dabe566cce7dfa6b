"""What the benchmark asks of a task, of a model, and of what is measured of trained weights.

Any frozen dataclass that has these attributes will do; nothing is to be registered or inherited from.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from ..report.answers import Answer
from .objectives import Bits, Objective

Size = tuple[int, ...]
"""How long an instance is, in the task's own terms: (length,), (length, repeats) or (items,)."""


class Batch(NamedTuple):
    """Sequences of a task, time first."""

    inputs: Tensor  # (time, batch, task.inputs)
    targets: Tensor  # (time, batch, task.outputs), 0 or 1; of a task of tokens one-hot
    scored: Tensor  # (time, batch), 1 where the answer is read


@runtime_checkable
class Task(Protocol):
    """What is learned. Implementations are frozen dataclasses, so that their fields identify them.

    Two more attributes may be there: ``objective``, what an answer is (see ``objective_of``), and ``floor``, how far
    the best possible predictor gets (see ``floor_of``).
    """

    @property
    def inputs(self) -> int:
        """Channels in."""
        ...

    @property
    def outputs(self) -> int:
        """Channels out."""
        ...

    @property
    def train(self) -> tuple[range, ...]:
        """Sizes drawn from while training, one range a dimension of Size."""
        ...

    @property
    def test(self) -> Sequence[Size]:
        """Sizes tested on at the end, most of them longer than any trained on."""
        ...

    def steps(self, size: Size) -> int:
        """Time steps of a sequence of this size."""
        ...

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of one size."""
        ...


def objective_of(task: Task) -> Objective:
    """What an answer of the task is: its ``objective``; bits where it has none."""
    objective: Objective = getattr(task, "objective", Bits())
    return objective


def floor_of(task: Task, batch: Batch) -> Tensor | None:
    """Nats of every sequence, (batch,), by the best possible predictor: ``task.floor(batch)``.

    None where the task has no ``floor``, since all of its answers can be known. Where it has one, what is judged is not
    how many answers are wrong, but the nats above it.
    """
    floor = getattr(task, "floor", None)
    nats: Tensor | None = None if floor is None else floor(batch)
    return nats


def answer_of(task: Task) -> Answer:
    """What the task asks for and what is counted, in a page's words."""
    objective = objective_of(task)
    if hasattr(task, "floor"):
        return Answer(objective.noun, f"{objective.unit} above the optimum", 1.0)
    return Answer(objective.noun, f"wrong {objective.noun}s", objective.chance(task.outputs))


def smallest(task: Task) -> Size:
    """The smallest size trained on."""
    return tuple(min(sizes) for sizes in task.train)


def largest(task: Task) -> Size:
    """The largest size trained on."""
    return tuple(max(sizes) for sizes in task.train)


@runtime_checkable
class Model(Protocol):
    """What learns. Implementations are frozen dataclasses of hyperparameters.

    The module is a function of its parameters and its input: it draws nothing at random and changes no buffer. A model
    may have ``state_size(steps) -> int``, the floats carried from step to step, at most, over so many steps. Its module
    may say how it is differentiated, by a method ``differentiation`` (``training.differentiate``), and a part of it
    which of its parameters never decay, by an attribute ``no_weight_decay`` (``optimizers.matrices``). What is to be
    drawn anew for every sequence, it draws from a stream of its own: ``redraw(name)``, if it has one that is not None,
    is called before every step, and with another name before every evaluation; then the n-th sequence of a batch has
    the n-th draw of that name. As built it draws nothing.
    """

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        """A module from (time, batch, inputs) to logits (time, batch, outputs); the seed decides its first values."""
        ...


def state_size(model: Model, steps: int) -> int | None:
    """Floats that a model carries from step to step, at most, over this many steps; None where it does not say."""
    size = getattr(model, "state_size", None)
    return None if size is None else size(steps)


@runtime_checkable
class Inspection(Protocol):
    """What else is measured of the best weights, once training is over. Frozen dataclasses: see ``inspections``.

    Attributes:
        numbers: The names of what it measures.
        size: Of the sequences that it is measured on.
    """

    numbers: ClassVar[tuple[str, ...]]

    @property
    def size(self) -> Size: ...

    def __call__(self, batch: Batch, wrong: Tensor, seen: Mapping[str, Tensor]) -> dict[str, float]:
        """The numbers by name, each 0 or more; none where the model does not show what is asked for.

        Args:
            batch: Sequences of the size.
            wrong: Which answers are wrong, (time, batch, answers): 1 or 0, and 0 in steps that are not scored.
            seen: What is to be seen of the module, each (time, batch, heads, size): see ``unroll.watch``.
        """
        ...


def pad(batches: Sequence[Batch]) -> Batch:
    """Several batches side by side, the shorter ones ended by silent, unscored steps."""
    steps = max(batch.inputs.shape[0] for batch in batches)

    def padded(part: Tensor) -> Tensor:
        return torch.cat([part, part.new_zeros(steps - part.shape[0], *part.shape[1:])])

    parts = ([padded(part) for part in group] for group in zip(*batches, strict=True))
    return Batch(*(torch.cat(group, dim=1) for group in parts))
