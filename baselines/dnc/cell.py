"""One step of a Differentiable Neural Computer (Graves et al. 2016, Methods)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils._pytree import tree_map

from ...ntm import addressing
from ...ntm.controller import ControllerState
from ...ntm.twins import built
from ...ntm.weights import linear
from .controller import SkipStack
from .memory import (
    SIMILARITIES,
    allocate,
    content,
    follow,
    link,
    oneplus,
    precede,
    read_weightings,
    retention,
    use,
    write_weightings,
)

if TYPE_CHECKING:
    from .model import DNC

STRENGTHS: dict[str, Callable[[Tensor], Tensor]] = {"oneplus": oneplus, "softplus": softplus}


class State(NamedTuple):
    """All that a step hands to the next; all of it begins at zero."""

    controller: ControllerState
    memory: Tensor  # M_t (batch, rows, width)
    usage: Tensor  # u_t (batch, rows), in [0, 1]
    links: Tensor  # L_t (batch, write heads, rows, rows), in [0, 1]; without links no head has any
    precedence: Tensor  # p_t (batch, write heads, rows)
    writing: Tensor  # w^w_t (batch, write heads, rows)
    reading: Tensor  # w^r_t (batch, read heads, rows)
    reads: Tensor  # r_t (batch, read heads, width)

    def detach(self) -> "State":
        """The same values, where back-propagation ends."""
        detached: State = tree_map(Tensor.detach, self)
        return detached


class Interface(NamedTuple):
    """What the controller asks of the memory in one step (ξ_t), each (batch, heads, size)."""

    read_key: Tensor  # k^r
    read_strength: Tensor  # β^r, >= 1 (oneplus) or >= 0 (softplus)
    write_key: Tensor  # k^w
    write_strength: Tensor  # β^w
    erase: Tensor  # e, in [0, 1]
    write: Tensor  # v
    free: Tensor  # f, in [0, 1]
    allocation_gate: Tensor  # g^a, in [0, 1]
    write_gate: Tensor  # g^w, in [0, 1]
    modes: Tensor  # π, sums to 1: backward, forward (one of each a write head), content; size 0 without links
    read_mask: Tensor  # in [0, 1]; size 0 unless masked
    write_mask: Tensor  # likewise
    sharpness: Tensor  # >= 1: backward, forward; size 0 unless sharpened


def interface_shapes(spec: "DNC") -> list[tuple[int, int]]:
    """(heads, size) of every part of the interface, W R + 3 W + 5 R + 3 numbers in all for one write head."""
    reads, writes, width = spec.reads, spec.writes, spec.width
    mask = width if spec.masked else 0
    return [
        *((reads, width), (reads, 1), (writes, width), (writes, 1), (writes, width), (writes, width)),
        *((reads, 1), (writes, 1), (writes, 1), (reads, 2 * writes + 1 if spec.links else 0)),
        *((reads, mask), (writes, mask), (reads, 2 * writes if spec.sharpened else 0)),
    ]


class DNCCell(nn.Module):
    """The step ``(x, state) -> (y, state)``; a cell never remembers.

    Args:
        spec: The hyperparameters.
        inputs: Size of x.
        outputs: Size of y.
        seed: Decides every first value, each tensor from a stream of its own.
    """

    def __init__(self, spec: "DNC", inputs: int, outputs: int, seed: int) -> None:
        super().__init__()
        self.spec, self.inputs, self.seed = spec, inputs, seed
        read = spec.reads * spec.width
        self.controller = SkipStack(inputs + read, spec.units, spec.layers, spec.recurrent, seed)
        self.shapes = interface_shapes(spec)
        self.sizes = [heads * size for heads, size in self.shapes]
        self.interface = linear(self.controller.outlet, sum(self.sizes), seed, "interface", spec.biases)  # W_ξ
        self.output = linear(self.controller.outlet + read, outputs, seed, "output", spec.biases)  # [W_y W_r]
        self.built = built(self)

    def begin(self, batch: int) -> State:
        """The state before the first step: zeros, in the weights' type and place."""
        spec, zeros = self.spec, self.output.weight.new_zeros
        linked = spec.writes if spec.links else 0
        return State(
            controller=self.controller.begin(batch),
            memory=zeros(batch, spec.rows, spec.width),
            usage=zeros(batch, spec.rows),
            links=zeros(batch, linked, spec.rows, spec.rows),
            precedence=zeros(batch, linked, spec.rows),
            writing=zeros(batch, spec.writes, spec.rows),
            reading=zeros(batch, spec.reads, spec.rows),
            reads=zeros(batch, spec.reads, spec.width),
        )

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step.

        Args:
            x: (batch, inputs).
            state: The state before it.

        Returns:
            The logits, (batch, outputs), and the state after it.
        """
        seen = torch.cat([x, state.reads.flatten(-2)], dim=-1)  # χ_t = [x_t; r_{t-1}]
        hidden, controller = self.controller(seen, state.controller)
        hidden = self.clip(hidden)
        controller = tuple((self.clip(h), self.clip(s)) for h, s in controller)
        after = self.access(self.ask(hidden), state)._replace(controller=controller)
        y = self.output(torch.cat([hidden, after.reads.flatten(-2)], dim=-1))  # y_t = W_y h_t + W_r r_t
        return self.clip(y), after

    def access(self, ask: Interface, state: State) -> State:
        """Write, link and read: the state of the memory after it (the controller's is left as it was)."""
        spec = self.spec
        similarity = SIMILARITIES[spec.cosine]
        read_mask, write_mask = (ask.read_mask, ask.write_mask) if spec.masked else (None, None)

        retained = retention(ask.free, state.reading)  # ψ_t
        usage = use(state.usage, state.writing.detach() if spec.detach_usage else state.writing, retained)  # u_t
        by_content = content(state.memory, ask.write_key, ask.write_strength, similarity, write_mask)  # c^w_t
        writing = write_weightings(by_content, usage, ask.allocation_gate, ask.write_gate, spec.least_usage)  # w^w_t
        kept = state.memory * retained[..., None] if spec.deallocate else state.memory
        memory = addressing.write(kept, writing, ask.erase, ask.write)  # M_t = M_{t-1} (1 - w^w e) + w^w v

        links, precedence = state.links, state.precedence
        reading = content(memory, ask.read_key, ask.read_strength, similarity, read_mask)  # c^r_t
        if spec.links:
            links, precedence = link(links, precedence, writing), precede(precedence, writing)  # L_t, p_t
            backward, forward = follow(links, state.reading)  # b_t, f_t
            sharpness = ask.sharpness if spec.sharpened else None
            reading = read_weightings(reading, backward, forward, ask.modes, sharpness)  # w^r_t
        reads = addressing.read(memory, reading)  # r_t = M_t^T w^r_t
        return State(state.controller, memory, usage, links, precedence, writing, reading, reads)

    def watch(self, x: Tensor, state: State) -> tuple[Tensor, State, dict[str, Tensor]]:
        """One step, and what is to be seen of it: by name, each (batch, heads, size).

        The allocation is what the first write head is offered; ``follow`` of several write heads is summed.
        """
        y, after = self(x, state)
        hidden, _ = self.controller(torch.cat([x, state.reads.flatten(-2)], dim=-1), state.controller)
        ask = self.ask(self.clip(hidden))
        seen = {
            "write vector": ask.write,
            "write weighting": after.writing,
            "usage": after.usage[..., None, :],
            "allocation": allocate(after.usage, self.spec.least_usage)[..., None, :],
            "allocation gate": ask.allocation_gate,
            "write gate": ask.write_gate,
            "write strength": ask.write_strength,
            "read vector": after.reads,
            "read weighting": after.reading,
        }
        if self.spec.links:
            backward, forward = (linked.sum(dim=-2) for linked in follow(after.links, state.reading))
            seen |= {"read forward": forward, "read backward": backward, "read mode": ask.modes}
        return y, after, seen | {"read strength": ask.read_strength, "read free gate": ask.free}

    def ask(self, hidden: Tensor) -> Interface:
        """What the memory is asked, from the outputs of all controller layers (batch, layers * units)."""
        parts = self.interface(hidden).split(self.sizes, dim=-1)  # ξ_t
        raw = Interface(*(torch.unflatten(part, -1, shape) for part, shape in zip(parts, self.shapes, strict=True)))
        strength = STRENGTHS[self.spec.strength]
        return raw._replace(
            read_strength=strength(raw.read_strength),
            write_strength=strength(raw.write_strength),
            erase=torch.sigmoid(raw.erase),
            free=torch.sigmoid(raw.free),
            allocation_gate=torch.sigmoid(raw.allocation_gate),
            write_gate=torch.sigmoid(raw.write_gate),
            modes=torch.softmax(raw.modes, dim=-1),
            read_mask=torch.sigmoid(raw.read_mask),
            write_mask=torch.sigmoid(raw.write_mask),
            sharpness=oneplus(raw.sharpness),
        )

    def clip(self, values: Tensor) -> Tensor:
        """To +/-clip, where there is one."""
        return values if self.spec.clip is None else values.clamp(-self.spec.clip, self.spec.clip)
