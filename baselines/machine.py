"""A recurrent layer beside a memory of any kind: what stack and tape share."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear as linear_map

from ..ntm.weights import linear

Activation = Literal["relu", "tanh", "sigmoid"]

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def known(spec: Any) -> None:
    """Refuse a spec's activation that is none of these.

    Raises:
        ValueError: It is not.
    """
    if spec.activation not in ACTIVATIONS:
        accepted = ", ".join(map(repr, ACTIVATIONS))
        raise ValueError(f"{type(spec).__name__}(activation={spec.activation!r}): one of {accepted}")


class Machine(nn.Module):
    """A recurrent layer beside a memory: h = f(W [x; read] + U h + b), then h acts on it; logits of ReLU(h).

    - ``y = machine(x)``: every sequence begins from the first state.
    - ``y, state = machine(x, machine.begin(batch))``, then ``y, state = machine(more, state)``: the pieces of a
      sequence one after the other give what the whole gives, gradients too.

    A kind says what its memory is, ``begin``, ``read`` and ``act``, and perhaps ``moves``; and what is to be seen of
    it, ``unmarked`` and ``look``.

    Args:
        read: How many numbers are read from the memory.
        recurrent: Whether there is U h.
    """

    def __init__(
        self, inputs: int, outputs: int, units: int, read: int, activation: str, seed: int, recurrent: bool = True
    ) -> None:
        super().__init__()
        self.inputs, self.activation = inputs, ACTIVATIONS[activation]
        self.inlet = linear(inputs + read, units, seed, "inlet")
        self.inner = linear(units, units, seed, "inner", biased=False) if recurrent else None
        self.readout = linear(units, outputs, seed, "readout")

    def units(self, batch: int) -> Tensor:
        """Their values before the first step, of those that are kept: (batch, units) of zeros."""
        return self.readout.weight.new_zeros(batch, 0 if self.inner is None else self.readout.in_features)

    def begin(self, batch: int) -> Any:
        """The state before the first step of so many sequences: kept units, and the memory."""
        raise NotImplementedError

    def read(self, memory: Any) -> Tensor:
        """What the units see of the memory, (batch, read)."""
        raise NotImplementedError

    def moves(self, memory: Any) -> Any:
        """What every step's action is made of, computed once."""

    def act(self, h: Tensor, memory: Any, moves: Any) -> Any:
        """The memory after the units' action."""
        raise NotImplementedError

    def unmarked(self, memory: Any, steps: int) -> Any:
        """A memory of no step's mark, with room for those of so many."""
        raise NotImplementedError

    def look(self, h: Tensor, marks: Any, moves: Any, mark: Tensor) -> tuple[dict[str, Tensor], Any]:
        """What is to be seen of a step, each (batch, heads, size), and the marks after it.

        Args:
            h: The units that act.
            marks: What the memory would hold, had every step written its mark.
            moves: As for ``act``.
            mark: This step's, (steps,): one-hot.
        """
        raise NotImplementedError

    def forward(self, inputs: Tensor, state: Any = None) -> Tensor | tuple[Tensor, Any]:
        """(time, batch, inputs) to logits (time, batch, outputs); with a state given, also the one after."""
        passed = list(self.steps(inputs, self.first(inputs) if state is None else state))
        logits: Tensor = self.readout(torch.relu(torch.stack([now for now, _ in passed])))
        return logits if state is None else (logits, passed[-1][1])

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits, and by name what is to be seen, each (time, batch, heads, size).

        ``read attention`` is how much of what each step wrote is in what a step reads.
        """
        state = self.first(inputs)
        marks, moves, hs, seen = self.unmarked(state[1], len(inputs)), self.moves(state[1]), [], []
        for (now, _), mark in zip(self.steps(inputs, state), torch.eye(len(inputs)).to(inputs), strict=True):
            step, marks = self.look(now, marks, moves, mark)
            hs.append(now)
            seen.append(step)
        named = {name: torch.stack([step[name] for step in seen]) for name in seen[0]}
        return self.readout(torch.relu(torch.stack(hs))), named

    def steps(self, inputs: Tensor, state: Any) -> Iterator[tuple[Tensor, Any]]:
        """Of every step its units, and the state after it."""
        h, memory = state
        seen, past = self.inlet.weight[:, : self.inputs], self.inlet.weight[:, self.inputs :]
        if self.inner is not None:
            past = torch.cat([past, self.inner.weight], dim=1)  # over what is read, and h
        moves = self.moves(memory)
        for x in linear_map(inputs, seen, self.inlet.bias).unbind():
            now = self.activation(x + linear_map(torch.cat([self.read(memory), h], dim=1), past))
            memory = self.act(now, memory, moves)
            h = now[:, : h.shape[1]]
            yield now, (h, memory)

    def first(self, inputs: Tensor) -> Any:
        """The state before the first step of these sequences."""
        return self.begin(inputs.shape[1])
