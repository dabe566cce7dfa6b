"""One step of a Neural Turing Machine (Graves et al. 2014, section 3)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils._pytree import tree_map

from . import addressing
from .controller import ControllerState
from .memory import start
from .twins import built
from .weights import linear

if TYPE_CHECKING:
    from .model import NTM


SQUASHES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "linear": lambda vector: vector,
    "relu": torch.relu,
}
"""What a key and an addition pass through, by its name."""


class State(NamedTuple):
    """All that a step hands to the next. Heads are in the order: reads, then writes."""

    controller: ControllerState
    memory: Tensor  # M_t (batch, rows, width)
    weightings: Tensor  # w_t (batch, heads, rows)
    reads: Tensor  # r_t (batch, read heads, width)

    def detach(self) -> "State":
        """The same values, where back-propagation ends."""
        detached: State = tree_map(Tensor.detach, self)
        return detached


class Heads(NamedTuple):
    """What the controller asks of its heads in one step."""

    key: Tensor  # k (batch, heads, width)
    strength: Tensor  # β (batch, heads, 1), >= 0
    gate: Tensor  # g (batch, heads, 1), in [0, 1]
    kernel: Tensor  # s (batch, heads, 2 * reach + 1), a distribution over shifts
    sharpness: Tensor  # γ (batch, heads, 1), >= 1
    erase: Tensor  # e (batch, write heads, width), in [0, 1]
    add: Tensor  # a (batch, write heads, width)


class NTMCell(nn.Module):
    """The step ``(x, state) -> (y, state)``; a cell never remembers.

    Args:
        spec: The hyperparameters.
        inputs: Size of x.
        outputs: Size of y.
        seed: Decides every first value, each tensor from a stream of its own.
    """

    def __init__(self, spec: "NTM", inputs: int, outputs: int, seed: int) -> None:
        super().__init__()
        self.spec, self.inputs, self.seed = spec, inputs, seed
        rows, width, reads, writes = spec.rows, spec.width, spec.reads, spec.writes
        self.controller = spec.controller.build(inputs + (reads * width if spec.feedback else 0), seed)
        self.per_head = [width, 1, 1, 2 * spec.reach + 1, 1]  # k, β, g, s, γ
        of_read, of_write = sum(self.per_head), sum(self.per_head) + 2 * width  # what one head is asked
        apart = [of_read] * (reads * of_read) + [of_write] * (writes * of_write)
        self.heads = linear(self.controller.outlet, len(apart), seed, "heads", weights=spec.head_weights, apart=apart)
        self.output = linear(
            self.controller.outlet + reads * width, outputs, seed, "output", weights=spec.output_weights
        )
        self.memory = start(spec.memory, (rows * width,), seed, "memory")
        self.reads = start(spec.read, (reads, width), seed, "read")
        self.read_weighting = start(spec.read_weighting, (reads, rows), seed, "read weighting", weighting=True)
        self.write_weighting = start(spec.write_weighting, (writes, rows), seed, "write weighting", weighting=True)
        self.built = built(self)

    def begin(self, batch: int) -> State:
        """The state before the first step."""
        weightings = torch.cat([self.read_weighting(), self.write_weighting()])
        return State(
            controller=self.controller.begin(batch),
            memory=torch.unflatten(self.memory.begin(batch), -1, (self.spec.rows, self.spec.width)),
            weightings=weightings.expand(batch, -1, -1),
            reads=self.reads().expand(batch, -1, -1),
        )

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step.

        Args:
            x: (batch, inputs).
            state: The state before it.

        Returns:
            The logits, (batch, outputs), and the state after it.
        """
        hidden, controller = self.controller(self.given(x, state), state.controller)
        ask = self.ask(hidden)
        reads = self.spec.reads
        if self.spec.write_order == "pairs":
            weightings, read, memory = self.in_pairs(ask, state.memory, state.weightings)
        elif (
            self.spec.read_first
        ):  # released code: every head addresses the old memory, and it is the old one that is read
            weightings = self.address(ask, state.memory, state.weightings)
            read = addressing.read(state.memory, weightings[..., :reads, :])
            memory = self.write(ask, state.memory, weightings[..., reads:, :])
        else:  # write heads first; read heads address, and read, what they wrote
            writing = self.address(ask, state.memory, state.weightings, slice(reads, None))
            memory = self.write(ask, state.memory, writing)
            reading = self.address(ask, memory, state.weightings, slice(reads))
            read = addressing.read(memory, reading)
            weightings = torch.cat([reading, writing], dim=-2)
        y = self.clip(self.output(torch.cat([hidden, read.flatten(-2)], dim=-1)), self.spec.clip_output)
        return y, State(controller, memory, weightings, read)

    def watch(self, x: Tensor, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        """One step, and what is to be seen of it: by name, each (batch, heads, size)."""
        y, after = self(x, state)
        hidden, _ = self.controller(self.given(x, state), state.controller)
        ask, reads = self.ask(hidden), self.spec.reads
        seen: dict[str, Tensor] = {}
        for side, heads, vector in (("write", slice(reads, None), ask.add), ("read", slice(reads), after.reads)):
            seen |= {f"{side} vector": vector, f"{side} weighting": after.weightings[..., heads, :]}
            asked = {"strength": ask.strength, "gate": ask.gate, "shift": ask.kernel, "sharpness": ask.sharpness}
            seen |= {f"{side} {name}": part[..., heads, :] for name, part in asked.items()}
        return y, after, seen

    def given(self, x: Tensor, state: State) -> Tensor:
        """What the controller is given: x, and what was read in the step before."""
        return torch.cat([x, state.reads.flatten(-2)], dim=-1) if self.spec.feedback else x

    def write(self, ask: Heads, memory: Tensor, weightings: Tensor, heads: slice = slice(None)) -> Tensor:
        """The memory after some write heads have written, where their weightings (batch, heads, rows) say."""
        erase, add = ask.erase[..., heads, :], ask.add[..., heads, :]
        if self.spec.write_order == "together":
            return addressing.write(memory, weightings, erase, add)
        for head in range(weightings.shape[-2]):
            one = slice(head, head + 1)
            memory = addressing.write(memory, weightings[..., one, :], erase[..., one, :], add[..., one, :])
        return memory

    def in_pairs(self, ask: Heads, memory: Tensor, previous: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A read head and a write head after the other: weightings, what is read, and the memory after them."""
        reads, looks, read = self.spec.reads, {}, []
        for n in range(reads):
            for head in (n, reads + n) if self.spec.read_first else (reads + n, n):
                looks[head] = self.address(ask, memory, previous, slice(head, head + 1))
                if head < reads:
                    read.append(addressing.read(memory, looks[head]))
                else:
                    memory = self.write(ask, memory, looks[head], slice(n, n + 1))
        return torch.cat([looks[head] for head in range(2 * reads)], dim=-2), torch.cat(read, dim=-2), memory

    def ask(self, hidden: Tensor) -> Heads:
        """What the heads are asked, from the controller's output (batch, units)."""
        spec = self.spec
        raw = self.clip(self.heads(hidden), spec.clip_heads)
        addressed = (spec.reads + spec.writes) * sum(self.per_head)
        raw_heads = torch.unflatten(raw[..., :addressed], -1, (spec.reads + spec.writes, sum(self.per_head)))
        key, strength, gate, kernel, sharpness = torch.split_with_sizes(raw_heads, self.per_head, dim=-1)
        erase, add = torch.unflatten(raw[..., addressed:], -1, (2, spec.writes, spec.width)).unbind(-3)
        squash = SQUASHES[spec.squash]
        return Heads(
            key=squash(key),
            strength=softplus(strength),
            gate=torch.sigmoid(gate),
            kernel=torch.softmax(kernel, dim=-1),
            sharpness=1 + softplus(sharpness),
            erase=torch.sigmoid(erase),
            add=squash(add),
        )

    def address(self, ask: Heads, memory: Tensor, previous: Tensor, heads: slice = slice(None)) -> Tensor:
        """The weightings of some heads, by content and by location (Graves 2014, figure 2)."""
        key, strength, gate, kernel, sharpness = (part[..., heads, :] for part in ask[:5])
        weighting = addressing.content(memory, key, strength, self.spec.similarity)  # w^c, eq. 5
        weighting = addressing.interpolate(weighting, previous[..., heads, :], gate, self.spec.gated)  # w^g, eq. 7
        weighting = addressing.shift(weighting, kernel)  # w~, eq. 8
        return addressing.sharpen(weighting, sharpness)  # w, eq. 9

    @staticmethod
    def clip(values: Tensor, limit: float | None) -> Tensor:
        """To +/-limit; None leaves the values alone."""
        return values if limit is None else values.clamp(-limit, limit)
