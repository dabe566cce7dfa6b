"""The NTM's hyperparameters, and the unroll over time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from .addressing import Similarity
from .cell import NTMCell
from .controller import FeedforwardController, LSTMController
from .memory import Constant, Contents, Learned, Start, Weighting

if TYPE_CHECKING:
    from .fused_gradients import Gradients

logger = logging.getLogger(__name__)

Slope = Callable[[Tensor, slice], Tensor]
"""From the logits (time, n, outputs) of some samples of the batch, the gradient of the loss by them, of their shape.

It is called without grad, and leaves the logits alone; they may be a part of something larger."""

WEIGHTINGS = ("read_weighting", "write_weighting")


@dataclass(frozen=True)
class NTM:
    """A Neural Turing Machine; ``build`` makes the module.

    The defaults are Collier & Beel 2018 as released: 128 rows of 20, one read and one write head, shifts of -1, 0, +1,
    an LSTM controller of 100 units, clips at +/-20; memory, reads and weightings begin where training moves them to.

    Attributes:
        rows: Rows of memory (N).
        width: Width of a row (M).
        reads: Read heads.
        writes: Write heads.
        reach: The farthest shift of a step (eq. 8): shifts run from -reach to +reach.
        similarity: ``cosine`` (eq. 6) or ``dot``.
        memory: How the memory begins.
        read: How the read vectors begin.
        read_weighting: How the read heads' weightings begin.
        write_weighting: How the write heads' weightings begin.
        controller: LSTM or feedforward.
        clip_heads: Bound of the raw head parameters, or None.
        clip_output: Bound of the logits, or None.
        read_first: Read the memory before it is written (released code), or after.

    Raises:
        ValueError: A size below one, a reach the memory has no room for, a row outside the memory, a scheme that is
            none of the place's, or a bound that is not above zero.
    """

    rows: int = 128
    width: int = 20
    reads: int = 1
    writes: int = 1
    reach: int = 1
    similarity: Similarity = "cosine"
    memory: Contents = field(default_factory=lambda: Constant(1e-6, trainable=True))
    read: Contents = field(default_factory=Learned)
    read_weighting: Weighting = field(default_factory=Learned)
    write_weighting: Weighting = field(default_factory=Learned)
    controller: LSTMController | FeedforwardController = field(default_factory=LSTMController)
    clip_heads: float | None = 20.0
    clip_output: float | None = 20.0
    read_first: bool = True

    def __post_init__(self) -> None:
        for name in ("rows", "width", "reads", "writes"):
            if getattr(self, name) < 1:
                raise ValueError(f"NTM({name}={getattr(self, name)}): at least 1 is needed")
        if not 0 <= self.reach <= (self.rows - 1) // 2:
            raise ValueError(f"NTM(reach={self.reach}): {self.rows} rows allow 0 to {(self.rows - 1) // 2}")
        if self.similarity not in ("cosine", "dot"):
            raise ValueError(f"NTM(similarity={self.similarity!r}): 'cosine' or 'dot'")
        for name in ("clip_heads", "clip_output"):
            if (limit := getattr(self, name)) is not None and not limit > 0:
                raise ValueError(f"NTM({name}={limit}): a bound above 0 is needed, or None")
        for name, kinds in {"memory": Contents, "read": Contents, **dict.fromkeys(WEIGHTINGS, Weighting)}.items():
            if not isinstance(scheme := getattr(self, name), kinds):
                accepted = ", ".join(kind.__name__ for kind in get_args(kinds))
                raise ValueError(f"NTM({name}={scheme}): accepted are {accepted}")
        for scheme in (self.read_weighting, self.write_weighting):
            row = getattr(scheme, "row", 0)
            if not 0 <= row < self.rows:
                raise ValueError(f"OneHot(row={row}): {self.rows} rows allow 0 to {self.rows - 1}")

    def build(self, inputs: int, outputs: int, seed: int = 0) -> "NTMModule":
        """The module ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value."""
        return NTMModule(NTMCell(self, inputs, outputs, seed))

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step, however many steps there are."""
        heads = (self.reads + self.writes) * self.rows
        return self.rows * self.width + heads + self.reads * self.width + self.controller.state_size


class Unrolled(nn.Module):
    """A cell that has a fused twin, over whole sequences; gives logits.

    Attributes:
        implementation: ``auto``: the fused twin where it covers the call, else the reference. ``reference`` or
            ``fused``: that one.
    """

    cell: Any

    def __init__(self, cell: "Cell") -> None:
        super().__init__()
        self.cell = cell
        self.implementation: Literal["auto", "reference", "fused"] = "auto"

    def forward(self, inputs: Tensor) -> Tensor:
        """(time, batch, inputs) to logits (time, batch, outputs); every sequence begins from the first state.

        Raises:
            ValueError: The fused twin is asked for where it cannot run.
        """
        if self.implementation_for(inputs.device, inputs.dtype) == "reference":
            return unroll(self.cell, inputs)
        return self.fused(inputs)

    def fused(self, inputs: Tensor) -> Tensor:
        """What ``unroll(self.cell, inputs)`` gives, by the fused twin."""
        raise NotImplementedError

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``forward``, by the reference, and what is to be seen of every step: see ``watch``."""
        return watch(self.cell, inputs)

    def implementation_for(
        self, device: torch.device | str, dtype: torch.dtype = torch.float32
    ) -> Literal["reference", "fused"]:
        """Which implementation a call with such inputs runs.

        Raises:
            ValueError: The fused twin is asked for where it cannot run.
        """
        if self.implementation == "reference":
            return "reference"
        reason = self.uncovered(torch.device(device), dtype)
        if not reason:
            return "fused"
        if self.implementation == "fused":
            raise ValueError(f"implementation='fused': {reason}; 'auto' or 'reference' would run")
        fall_back(self.cell.spec, reason)
        return "reference"

    def uncovered(self, device: torch.device, dtype: torch.dtype) -> str:
        """Why the fused twin cannot run, or nothing."""
        cell = self.cell
        if device.type != "cpu":
            return f"the fused {type(cell.spec).__name__} runs on the CPU, not on {device.type}"
        for kind in (dtype, cell.output.weight.dtype):
            if kind != torch.float32:
                return f"the fused {type(cell.spec).__name__} computes in float32, not {kind}"
        if torch._C._are_functorch_transforms_active():
            return f"the fused {type(cell.spec).__name__} knows no torch.func transform"
        return ""


class NTMModule(Unrolled):
    """An NTM over whole sequences; gives logits."""

    cell: NTMCell

    def fused(self, inputs: Tensor) -> Tensor:
        from .fused_cpu import fused  # compiled code is loaded once it is needed

        return fused(self.cell, inputs)

    def plain(self) -> bool:
        """Whether ``gradients`` is what autograd would find: nothing overridden, frozen, parametrised or hooked."""
        hooks = (kept for part in self.modules() for name, kept in vars(part).items() if name.endswith("_hooks"))
        return (
            type(self) is NTMModule
            and all(parameter.requires_grad for parameter in self.parameters())
            and not any(is_parametrized(part) for part in self.modules())
            and all(type(part) is Start for part in self.modules() if isinstance(part, Start))
            and not any(hooks)
        )

    def gradients(self) -> "Gradients":
        """What finds the gradient of a loss that is a sum over samples, by the fused twin.

        The same as autograd's, sooner and in less memory, where the module is ``plain``.
        """
        from .fused_gradients import Gradients

        return Gradients(self.cell)


@cache
def fall_back(spec: object, reason: str) -> None:
    """Say once for every spec that the reference runs."""
    logger.info("%s: the reference runs instead (%s)", reason, spec)


class Cell(Protocol):
    """What can be unrolled: a step ``(x, state) -> (y, state)``, and the state before the first."""

    def begin(self, batch: int) -> Any: ...

    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, Any]: ...


def unroll(cell: Cell, inputs: Tensor) -> Tensor:
    """Run a cell over (time, batch, inputs): its outputs, (time, batch, outputs)."""
    state = cell.begin(inputs.shape[1])
    outputs = []
    for x in inputs:
        y, state = cell(x, state)
        outputs.append(y)
    return torch.stack(outputs)


class Watched(Cell, Protocol):
    """A cell that shows what it does: the step, and by name what is to be seen of it, each (batch, heads, size)."""

    def watch(self, x: Tensor, state: Any) -> tuple[Tensor, Any, dict[str, Tensor]]: ...


def watch(cell: Watched, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """What ``unroll(cell, inputs)`` gives, and by name what is to be seen of it, each (time, batch, heads, size).

    Names begin with what a head is for: ``write weighting`` or ``read strength``.
    """
    state = cell.begin(inputs.shape[1])
    outputs, steps = [], []
    for x in inputs:
        y, state, seen = cell.watch(x, state)
        outputs.append(y)
        steps.append(seen)
    return torch.stack(outputs), {name: torch.stack([seen[name] for seen in steps]) for name in steps[0]}
