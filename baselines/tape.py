"""Tape-RNN (Delétang et al. 2023): a recurrent network that writes where it stands on a tape, then moves it.

Written after google-deepmind/neural_networks_chomsky_hierarchy (2a0eecc), with one tape. Their network is told how long
the input is, and may jump that far: an oracle, which is a switch here.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..ntm.weights import linear
from .blocks import counts
from .machine import Activation, Machine, known

Tape = tuple[Tensor, Tensor | None]
"""Cells (batch, cells, size), that under the head first; and how far jumps go, (batch,), where there are any."""


@dataclass(frozen=True)
class TapeRNN:
    """Units fed by input, own last values and the cell under the head; they write there and move, in parts.

    Attributes:
        units: Of the recurrent layer.
        cells: Of the tape, which is a ring. Weights serve any number.
        size: Numbers in a cell.
        jumps: Besides staying and one cell to either side, it may go as many as the input is long, which it is told.
            The last channel of the input has to mark its end: its length is the steps before the first mark.
        hidden: Units of both layers between the recurrent one and what is written.
        activation: Of the recurrent units: see ``StackRNN``.

    Raises:
        ValueError: A number below one, or an unknown activation.
    """

    units: int = 256
    cells: int = 30
    size: int = 8
    jumps: bool = False
    hidden: int = 64
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        counts(self, "units", "cells", "size", "hidden")
        known(self)

    def build(self, inputs: int, outputs: int, seed: int = 0) -> "TapeModule":
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        return TapeModule(self, inputs, outputs, seed)

    def state_size(self, steps: int) -> int:
        """Units, cells, and how far jumps go."""
        return self.units + self.cells * self.size + self.jumps


class TapeModule(Machine):
    """v = MLP(h) replaces the cell under the head; then the tape moves by a = softmax(A h), in parts:

    M' = a_stay M + a_left roll(M, -1) + a_right roll(M, 1), with jumps also + a_back roll(M, -n) + a_on roll(M, n).
    """

    def __init__(self, spec: TapeRNN, inputs: int, outputs: int, seed: int) -> None:
        super().__init__(inputs, outputs, spec.units, spec.size, spec.activation, seed)
        self.spec = spec
        self.action = linear(spec.units, 5 if spec.jumps else 3, seed, "action")
        sizes = (spec.units, spec.hidden, spec.hidden, spec.size)
        layers = [linear(*pair, seed, f"value.{n}") for n, pair in enumerate(pairwise(sizes))]
        self.value = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def begin(self, batch: int, lengths: Tensor | None = None) -> tuple[Tensor, Tape]:
        """Units and cells of zeros.

        Args:
            lengths: Of the inputs, (batch,): whole numbers.

        Raises:
            ValueError: There are jumps, and no lengths.
        """
        if self.spec.jumps and lengths is None:
            raise ValueError("TapeRNN(jumps=True) is told how long its inputs are: begin(batch, lengths)")
        h = self.units(batch)
        return h, (h.new_zeros(batch, self.spec.cells, self.spec.size), lengths if self.spec.jumps else None)

    def first(self, inputs: Tensor) -> tuple[Tensor, Tape]:
        return self.begin(inputs.shape[1], ((inputs[..., -1] > 0.5).cumsum(0) == 0).sum(0))

    def read(self, memory: Tape) -> Tensor:
        return memory[0][:, 0]

    def moves(self, memory: Tape) -> Tensor:
        """Every action's permutation of the cells, (batch, actions, cells * cells)."""
        cells, jump = memory
        batch, count, _ = cells.shape
        each = 1 - (torch.arange(3, device=cells.device) + 1) % 3  # 0, -1, 1: stay, left, right
        each = each.expand(batch, 3)
        if jump is not None:
            each = torch.cat([each, torch.stack([-jump, jump], dim=1)], dim=1)
        places = (torch.arange(count, device=each.device) - each[..., None]) % count
        return torch.eye(count, dtype=cells.dtype, device=cells.device)[places].flatten(2)

    def act(self, h: Tensor, memory: Tape, moves: Tensor) -> Tape:
        cells, jump = memory
        cells = torch.cat([self.value(h)[:, None], cells[:, 1:]], dim=1)
        return self.move(h, moves) @ cells, jump

    def move(self, h: Tensor, moves: Tensor) -> Tensor:
        """How the cells change places, in parts: (batch, cells, cells)."""
        parts: Tensor = self.action(h).softmax(dim=-1)[:, None] @ moves
        return parts.view(len(h), self.spec.cells, self.spec.cells)

    def unmarked(self, memory: Tape, steps: int) -> tuple[Tensor, Tensor]:
        """The steps' marks in every cell, and which cell of the first step it is."""
        cells, _ = memory
        batch, count, _ = cells.shape
        return cells.new_zeros(batch, count, steps), torch.eye(count).to(cells).expand(batch, count, count)

    def look(
        self, h: Tensor, marks: tuple[Tensor, Tensor], moves: Tensor, mark: Tensor
    ) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
        """Where the head stands, and the marks that it reads there."""
        steps, cells = marks
        seen = {"write weighting": cells[:, :1], "read weighting": cells[:, :1], "read attention": steps[:, :1]}
        move, written = self.move(h, moves), torch.cat([mark.expand_as(steps[:, :1]), steps[:, 1:]], dim=1)
        return seen, (move @ written, move @ cells)
