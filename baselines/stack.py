"""Stack-RNN (Joulin & Mikolov 2015): a recurrent network that pushes to and pops from stacks, a bit of each at a time.

The defaults are the network of Delétang et al. 2023 (google-deepmind/neural_networks_chomsky_hierarchy, 2a0eecc), one
stack of vectors; ``StackRNN.joulin()`` is Joulin & Mikolov's own. Without stacks it is the plain recurrent network.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..ntm.weights import linear
from .blocks import counts
from .machine import Activation, Machine, known

State = tuple[Tensor, Tensor]
"""Units (batch, units), and stacks (batch, stacks, cells, size), their tops first."""


@dataclass(frozen=True)
class StackRNN:
    """Units fed by input, own last values and the tops of stacks; they push and pop, and a linear layer reads them.

    Attributes:
        units: Of the recurrent layer.
        stacks: How many; 0 for none.
        cells: Of a stack: what is pushed beyond the last one is lost. Weights serve any number.
        size: Numbers in a cell.
        depth: Cells that are read, from the top.
        empty: What cells hold where nothing was pushed.
        squash: What is pushed goes through a sigmoid.
        activation: Of the units. That of Delétang et al. is haiku's VanillaRNN, a ReLU.
        recurrent: Whether units see their own last values, or have no memory but the stacks.

    Raises:
        ValueError: A number below one, a depth beyond the cells, or an unknown activation.
    """

    units: int = 256
    stacks: int = 1
    cells: int = 30
    size: int = 8
    depth: int = 1
    empty: float = 0.0
    squash: bool = False
    activation: Activation = "relu"
    recurrent: bool = True

    def __post_init__(self) -> None:
        counts(self, "units", "cells", "size", "depth", *(["stacks"] if self.stacks else []))
        if self.depth > self.cells:
            raise ValueError(f"StackRNN(depth={self.depth}): at most its {self.cells} cells can be read")
        known(self)

    @classmethod
    def joulin(cls, units: int = 40, stacks: int = 10, cells: int = 200, recurrent: bool = False) -> "StackRNN":
        """Joulin & Mikolov's: stacks of numbers from 0 to 1, empty ones of -1, the two topmost read."""
        return cls(units, stacks, cells, 1, 2, -1.0, True, "sigmoid", recurrent)

    def build(self, inputs: int, outputs: int, seed: int = 0) -> "StackModule":
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        return StackModule(self, inputs, outputs, seed)

    def state_size(self, steps: int) -> int:
        """Units and cells; of the units none, where they do not see their last values."""
        return self.units * self.recurrent + self.stacks * self.cells * self.size


class StackModule(Machine):
    """Every stack's a = softmax(A h), of push, pop and neither, and v = V h, perhaps through a sigmoid:

    M'[0] = a_push v + a_pop M[1] + a_stay M[0]; M'[i] = a_push M[i - 1] + a_pop M[i + 1] + a_stay M[i].
    """

    def __init__(self, spec: StackRNN, inputs: int, outputs: int, seed: int) -> None:
        read = spec.stacks * spec.depth * spec.size
        super().__init__(inputs, outputs, spec.units, read, spec.activation, seed, spec.recurrent)
        self.spec = spec
        if spec.stacks:
            self.action = linear(spec.units, 3 * spec.stacks, seed, "action")
            self.value = linear(spec.units, spec.stacks * spec.size, seed, "value")

    def begin(self, batch: int) -> State:
        """Units of zeros, and empty stacks."""
        spec, h = self.spec, self.units(batch)
        return h, h.new_full((batch, spec.stacks, spec.cells, spec.size), spec.empty)

    def read(self, memory: Tensor) -> Tensor:
        return memory[:, :, : self.spec.depth].flatten(1)

    def act(self, h: Tensor, memory: Tensor, moves: None) -> Tensor:
        if not self.spec.stacks:
            return memory
        actions, v = self.actions(h), self.value(h).view(*memory.shape[:2], 1, -1)
        if self.spec.squash:
            v = torch.sigmoid(v)
        return moved(memory, actions, v, self.spec.empty)

    def actions(self, h: Tensor) -> tuple[Tensor, ...]:
        """Push, pop and neither, each (batch, stacks, 1, 1)."""
        scores: Tensor = self.action(h).view(len(h), self.spec.stacks, 1, 1, 3)
        return scores.softmax(dim=-1).unbind(-1)

    def unmarked(self, memory: Tensor, steps: int) -> Tensor:
        return memory.new_zeros(*memory.shape[:3], steps)

    def look(self, h: Tensor, marks: Tensor, moves: None, mark: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The top's marks, and the actions; nothing without stacks."""
        if not self.spec.stacks:
            return {}, marks
        actions = self.actions(h)
        push, pop, _ = (action[..., 0] for action in actions)
        seen = {"write push gate": push, "write pop gate": pop, "read attention": marks[:, :, 0]}
        return seen, moved(marks, actions, mark.expand_as(marks[:, :, :1]), 0.0)


def moved(memory: Tensor, actions: tuple[Tensor, ...], v: Tensor, empty: float) -> Tensor:
    """Stacks (batch, stacks, cells, size) after their actions; v (batch, stacks, 1, size) is what is pushed."""
    push, pop, stay = actions
    below = torch.full_like(v, empty)  # what comes up from beneath the last cell
    down, up = torch.cat([v, memory[:, :, :-1]], dim=2), torch.cat([memory[:, :, 1:], below], dim=2)
    return push * down + pop * up + stay * memory
