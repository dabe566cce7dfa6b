"""A memory as a layer: whole sequences or pieces of them, padded or not, by the fused twin where it covers the call."""

import logging
from contextlib import nullcontext
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import keystr, tree_flatten_with_path

from . import twins
from .unroll import run

logger = logging.getLogger(__name__)

Implementation = Literal["auto", "reference", "fused"]


class Layer(nn.Module):
    """A recurrent cell with a fused twin, over whole sequences; gives logits.

    - ``y = layer(x)``: every sequence begins from the first state.
    - ``y, state = layer(x, layer.begin(batch))``, then ``y, state = layer(more, state)``: the pieces of a sequence one
      after the other give what the whole gives, gradients too. ``state.detach()`` ends back-propagation there.
    - ``layer(x, lengths=lengths)``: padded sequences. Beyond its length a sequence's logits are zero and its state
      stays as it is; what x holds there does not matter.

    It can be copied, pickled, compiled, moved and trained in double precision as any module. A new one is float32,
    whatever torch's default type, and lies on torch's default device. Under ``torch.autocast`` it computes in the type
    of its weights all the same.

    The reference runs where the fused twin cannot, and a line of the log says why, once: ``torch.compile``,
    ``torch.export``, ``torch.jit.trace``, ``torch.func``, forward-mode differentiation and dispatch modes see torch's
    operations alone; hooks, parametrizations, pruning or other changes of a part are the reference's to follow. What
    is traced or exported is made for as many steps as it was traced with.

    Args:
        spec: What the layer is built from.
        seed: What its first values were drawn from.
        batch_first: Sequences are (batch, time, size) rather than (time, batch, size). States begin with the batch
            either way.

    Attributes:
        spec: As given.
        seed: As given.
        batch_first: As given.
        cell: What takes a step.
        implementation: ``auto``: the fused twin where it covers the call, else the reference. ``reference`` or
            ``fused``: that one.
    """

    made_of: ClassVar[frozenset[type]]
    """The classes whose work the fused twin does."""

    twin: ClassVar[Literal["fused", "torch"]] = "fused"
    """What a record calls the fused twin: compiled loops of ours, or torch's."""

    cell: Any

    def __init__(self, spec: Any, seed: int, batch_first: bool = False) -> None:
        super().__init__()
        self.spec, self.seed, self.batch_first = spec, seed, batch_first
        self.implementation = "auto"
        self._look: twins.Look | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_look": None}  # a copy is looked through itself

    @property
    def implementation(self) -> Implementation:
        return self._implementation

    @implementation.setter
    def implementation(self, which: Implementation) -> None:
        if which not in ("auto", "reference", "fused"):
            raise ValueError(f"implementation={which!r}: accepted are 'auto', 'reference' and 'fused'")
        self._implementation: Implementation = which

    def begin(self, batch: int) -> Any:
        """The state before the first step of so many sequences: a named tuple of tensors (batch, ...)."""
        return self.cell.begin(batch)

    def forward(self, inputs: Tensor, state: Any = None, lengths: Tensor | None = None) -> Tensor | tuple[Tensor, Any]:
        """Sequences (time, batch, inputs) to logits (time, batch, outputs).

        Args:
            inputs: Of the weights' type, or of one that it holds, on their device. No steps or no sequences give none.
            state: Where to begin from: ``begin(batch)``, or what an earlier call gave.
            lengths: Steps of every sequence, (batch,); what follows is padding. All, by default.

        Returns:
            The logits; with a state given, also the state after the last step.

        Raises:
            ValueError: Inputs, state or lengths of another shape, type or place; or the fused twin is asked for where
                it cannot run.
        """
        reason = "" if self.implementation == "reference" else twins.unseen() or self.changed()
        weight = next(self.parameters(), inputs) if self._look is None or reason else self._look.weight
        x = self.accepted(inputs, weight)
        over = None if lengths is None else ended(lengths, x)
        if over is not None:
            x = x.masked_fill(over[..., None], 0)  # nothing that stands there, NaN included, reaches a gradient
        if state is not None and not twins.unseen():
            check(state, self.begin(x.shape[1]))
        with unmixed(x.device.type):
            which = self.chosen(reason or self.limits(x.device, x.dtype) or self.unable(x, state, over))
            if which == "reference" or x.numel() == 0:
                first = self.begin(x.shape[1]) if state is None else state
                logits, after = self.reference(x, first, None if state is None else over)
            else:
                logits, after = self.fused(x, state)
        if over is not None:
            logits = logits.masked_fill(over[..., None], 0)
        if self.batch_first:
            logits = logits.transpose(0, 1)
        return logits if state is None else (logits, after)

    def reference(self, inputs: Tensor, state: Any, over: Tensor | None) -> tuple[Tensor, Any]:
        """Step by step from a state: see ``run``."""
        return run(self.cell, inputs, state, over)

    def fused(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """What ``reference`` gives, by the fused twin; without a state, from the first one. All has been checked."""
        raise NotImplementedError

    def accepted(self, inputs: Tensor, weight: Tensor) -> Tensor:
        """The inputs as (time, batch, inputs), in the type of a weight.

        Raises:
            ValueError: They are something else.
        """
        if isinstance(inputs, PackedSequence):
            raise ValueError(
                "inputs of type PackedSequence: accepted is a padded tensor, with its lengths: "
                "x, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed); layer(x, lengths=lengths)"
            )
        if not isinstance(inputs, Tensor):
            raise ValueError(f"inputs of type {type(inputs).__name__}: accepted is a tensor")
        given = inputs
        if inputs.dtype != weight.dtype and holds(weight.dtype, inputs.dtype):
            inputs = inputs.to(weight.dtype)
        size = self.cell.inputs
        if not twins.tracing() and not twins.fits(inputs, (*inputs.shape[:2], size), weight.dtype, weight.device):
            axes = "(batch, time, " if self.batch_first else "(time, batch, "
            accepted = f"{axes}{size}), {twins.place(weight.dtype, weight.device)}"
            raise ValueError(f"inputs of {twins.said(given)}: accepted is {accepted}")
        return inputs.transpose(0, 1) if self.batch_first else inputs

    def implementation_for(
        self, device: torch.device | str, dtype: torch.dtype | None = None
    ) -> Literal["reference", "fused", "torch"]:
        """Which implementation a call with such inputs runs.

        Args:
            dtype: Of the inputs; by default, as the weights.

        Raises:
            ValueError: The fused twin is asked for where it cannot run.
        """
        if self.implementation == "reference":
            return "reference"
        return self.chosen(self.uncovered(torch.device(device), dtype or next(self.parameters()).dtype))

    def chosen(self, reason: str) -> Literal["reference", "fused", "torch"]:
        """Which implementation runs, given why the fused twin cannot, or nothing; see ``implementation_for``."""
        if self.implementation == "reference":
            return "reference"
        if not reason:
            return self.twin
        if self.implementation == "fused":
            raise ValueError(f"implementation='fused': {reason}; 'auto' or 'reference' would run")
        if not torch.compiler.is_compiling():
            fall_back(self.spec, reason)
        return "reference"

    def uncovered(self, device: torch.device, dtype: torch.dtype) -> str:
        """Why the fused twin cannot run, or nothing."""
        return twins.unseen() or self.changed() or self.limits(device, dtype)

    def changed(self) -> str:
        """What makes the layer compute something else than it was built to, or nothing: see ``twins.altered``.

        Raises:
            ValueError: A part has another shape than it was built with, or another type or place than the rest.
        """
        if self._look is not None and self._look.holds(self):
            return ""
        self._look = None
        if not (reason := twins.altered(self, self.cell, self.made_of)):
            look = twins.Look(self, self.cell)
            twins.intact(self.cell, look.weight.dtype, look.weight.device)
            self._look = look
        return reason

    def limits(self, device: torch.device, dtype: torch.dtype) -> str:
        """Why the fused twin cannot run such inputs, or nothing."""
        name = f"the fused {type(self.spec).__name__}"
        if device.type != "cpu":
            return f"{name} runs on the CPU, not on {device.type}"
        if dtype != torch.float32:
            return f"{name} computes in float32, not {dtype}"
        return twins.uncompiled()

    def unable(self, inputs: Tensor, state: Any, over: Tensor | None) -> str:
        """Why the fused twin cannot do what a call asks for, or nothing."""
        if state is not None:
            return f"the fused {type(self.spec).__name__} neither takes nor gives a state"
        return "" if type(inputs) in twins.PLAIN else f"the inputs are of class {type(inputs).__name__}"


AnyLayer = TypeVar("AnyLayer", bound=Layer)


def placed(layer: AnyLayer) -> AnyLayer:
    """A new layer, on torch's default device."""
    return layer.to(torch.get_default_device())


@cache
def fall_back(spec: object, reason: str) -> None:
    """Say once for every spec that the reference runs."""
    logger.info("%s: the reference runs instead (%s)", reason, spec)


def unmixed(device: str) -> Any:
    """A place without autocast: a memory's weightings need the precision of its weights."""
    return (
        torch.autocast(device, enabled=False) if mixes(device) and torch.is_autocast_enabled(device) else nullcontext()
    )


@cache
def mixes(device: str) -> bool:
    """Whether there is autocast for such a device."""
    return torch.amp.is_autocast_available(device)


@cache
def holds(wide: torch.dtype, narrow: torch.dtype) -> bool:
    """Whether a type takes the numbers of another as torch's arithmetic would."""
    try:
        return torch.promote_types(wide, narrow) == wide
    except RuntimeError:  # types that torch does not calculate with
        return False


def ended(lengths: Tensor, inputs: Tensor) -> Tensor:
    """(time, batch): where sequences of these lengths are over.

    Raises:
        ValueError: The lengths are none.
    """
    steps, batch = inputs.shape[:2]
    lengths = torch.as_tensor(lengths, device=inputs.device)
    if lengths.shape != (batch,) or not holds(torch.int64, lengths.dtype) or lengths.dtype == torch.bool:
        raise ValueError(f"lengths of {twins.said(lengths)}: accepted are whole numbers ({batch},)")
    if batch and not twins.unseen() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise ValueError(f"lengths from {lengths.min()} to {lengths.max()}: accepted are 0 to {steps}")
    return torch.arange(steps, device=inputs.device)[:, None] >= lengths


def check(state: Any, first: Any) -> None:
    """Whether a state is one of these sequences.

    Args:
        first: The state before their first step.

    Raises:
        ValueError: It is not.
    """
    (given, form), (wanted, right) = tree_flatten_with_path(state), tree_flatten_with_path(first)
    if form != right:
        raise ValueError(f"a state of type {type(state).__name__}: accepted is what begin() or an earlier call gave")
    for (path, value), (_, want) in zip(given, wanted, strict=True):
        if not isinstance(value, Tensor) or not twins.fits(value, tuple(want.shape), want.dtype, want.device):
            what = twins.said(value) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"state{keystr(path)} of {what}: accepted is {twins.said(want)}")
