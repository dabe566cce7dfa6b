"""The NTM's hyperparameters, and the module that they build."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from .addressing import Similarity
from .cell import NTMCell
from .controller import FeedforwardController, FeedforwardStack, LSTMController, LSTMLayer, LSTMStack
from .layer import Layer, placed
from .memory import Constant, Contents, Learned, Memory, Start, Weighting, Zeros
from .streams import own_seed
from .twins import altered, hooked
from .unroll import Differentiation, Slope, watch
from .weights import Weights

if TYPE_CHECKING:
    from .fused.gradients import Gradients
    from .gpu.together import Together


WEIGHTINGS = ("read_weighting", "write_weighting")
NAMED = {
    "similarity": ("cosine", "dot"),
    "squash": ("tanh", "linear", "relu"),
    "write_order": ("together", "in turn", "pairs"),
}
"""Fields that are one of some names."""


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
        squash: What keys and additions pass through: ``tanh``, nothing (``linear``), or ``relu``.
        gated: Whether the gate weighs the content weighting too (eq. 7), or only the previous one (Ha 2017's code).
        feedback: Whether the controller is given what was read in the step before.
        write_order: ``together``, all heads erase before any adds; ``in turn``, each erases and adds before the next
            (released code); ``pairs``, a read head and a write head are done before the next pair looks (Zana 2017).
        head_weights: How the layer that heads are asked by begins; a head's part as a layer of its own.
        output_weights: How the output layer begins.

    Raises:
        ValueError: A size below one, a reach the memory has no room for, a row outside the memory, a scheme that is
            none of the place's, a bound that is not above zero, or parts that do not go together.
    """

    rows: int = 128
    width: int = 20
    reads: int = 1
    writes: int = 1
    reach: int = 1
    similarity: Similarity = "cosine"
    memory: Memory = field(default_factory=lambda: Constant(1e-6, trainable=True))
    read: Contents = field(default_factory=Learned)
    read_weighting: Weighting = field(default_factory=Learned)
    write_weighting: Weighting = field(default_factory=Learned)
    controller: LSTMController | FeedforwardController = field(default_factory=LSTMController)
    clip_heads: float | None = 20.0
    clip_output: float | None = 20.0
    read_first: bool = True
    squash: Literal["tanh", "linear", "relu"] = field(default="tanh", metadata={"since": 2})
    gated: bool = field(default=True, metadata={"since": 2})
    feedback: bool = field(default=True, metadata={"since": 2})
    write_order: Literal["together", "in turn", "pairs"] = field(default="together", metadata={"since": 2})
    head_weights: Weights = field(default=Weights(), metadata={"since": 2})
    output_weights: Weights = field(default=Weights(), metadata={"since": 2})

    def __post_init__(self) -> None:
        for name in ("rows", "width", "reads", "writes"):
            if getattr(self, name) < 1:
                raise ValueError(f"NTM({name}={getattr(self, name)}): at least 1 is needed")
        if not 0 <= self.reach <= (self.rows - 1) // 2:
            raise ValueError(f"NTM(reach={self.reach}): {self.rows} rows allow 0 to {(self.rows - 1) // 2}")
        for name in ("clip_heads", "clip_output"):
            if (limit := getattr(self, name)) is not None and not limit > 0:
                raise ValueError(f"NTM({name}={limit}): a bound above 0 is needed, or None")
        for name, kinds in {"memory": Memory, "read": Contents, **dict.fromkeys(WEIGHTINGS, Weighting)}.items():
            if not isinstance(scheme := getattr(self, name), kinds):
                accepted = ", ".join(kind.__name__ for kind in get_args(kinds))
                raise ValueError(f"NTM({name}={scheme}): accepted are {accepted}")
        for name, names in NAMED.items():
            if (value := getattr(self, name)) not in names:
                raise ValueError(f"NTM({name}={value!r}): {' or '.join(map(repr, names))}")
        if self.write_order == "pairs" and self.reads != self.writes:
            raise ValueError(f"NTM(write_order='pairs'): {self.reads} read and {self.writes} write heads are no pairs")
        if not self.feedback and self.read.trainable:
            raise ValueError(f"NTM(feedback=False, read={self.read}): nothing sees it; accepted is one not trainable")
        for name in WEIGHTINGS:
            if isinstance(scheme := getattr(self, name), Zeros) and scheme.trainable:
                raise ValueError(f"NTM({name}={scheme}): accepted are zeros that are not trainable")
        for scheme in (self.read_weighting, self.write_weighting):
            row = getattr(scheme, "row", 0)
            if not 0 <= row < self.rows:
                raise ValueError(f"OneHot(row={row}): {self.rows} rows allow 0 to {self.rows - 1}")

    def build(self, inputs: int, outputs: int, seed: int | None = None, batch_first: bool = False) -> "NTMModule":
        """The layer ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value.

        Without a seed, one is drawn from torch's generator; ``seed`` of the module says which.
        """
        return placed(NTMModule(NTMCell(self, inputs, outputs, own_seed(seed)), batch_first))

    @property
    def one_after_another(self) -> bool:
        """Whether several heads write, each on what the one before has left."""
        return self.writes > 1 and self.write_order != "together"

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step, however many steps there are."""
        heads = (self.reads + self.writes) * self.rows
        return self.rows * self.width + heads + self.reads * self.width + self.controller.state_size


class NTMModule(Layer):
    """An NTM over whole sequences; gives logits. With a state, the reference runs."""

    made_of = frozenset({NTMCell, LSTMStack, FeedforwardStack, LSTMLayer, nn.Linear, nn.ModuleList, Start})
    cell: NTMCell

    def __init__(self, cell: NTMCell, batch_first: bool = False) -> None:
        super().__init__(cell.spec, cell.seed, batch_first)
        self.cell = cell

    @property
    def redraw(self) -> Callable[[str], None] | None:
        """Of a memory that is drawn anew for every sequence, what names its draws: see ``Start.redraw``; or None."""
        return self.cell.memory.redraw if self.cell.memory.anew else None

    def limits(self, device: torch.device, dtype: torch.dtype) -> str:
        """Why the fused twin cannot run such inputs, or nothing."""
        if self.spec.one_after_another:
            return f"the fused NTM writes with all heads together, not {self.spec.write_order!r}"
        return super().limits(device, dtype)

    def fused(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        from .fused.autograd import checked  # compiled code is loaded once it is needed

        return checked(self.cell, inputs), None

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Of (time, batch, inputs) the logits, by the reference, and what is to be seen: see ``unroll.watch``."""
        return watch(self.cell, inputs)

    def plain(self) -> bool:
        """Whether ``gradients`` is what autograd would find: nothing overridden, frozen, parametrised or hooked."""
        return (
            type(self) is NTMModule
            and not altered(self, self.cell, self.made_of)
            and not hooked(self)
            and all(parameter.requires_grad and not parameter._backward_hooks for parameter in self.parameters())
        )

    def gradients(self) -> "Gradients":
        """What finds the gradient of a loss that is a sum over samples, by the fused twin.

        The same as autograd's, sooner and in less memory, where the module is ``plain``.
        """
        from .fused.gradients import Gradients

        return Gradients(self.cell)

    def differentiation(self, members: Sequence["NTMModule"]) -> Differentiation | None:
        """How members, of which this is one, are differentiated: by ``gradients``, one after another.

        On a GPU by ``together``, all at once. None where autograd would find something else, or the twin does not run.

        Raises:
            ValueError: The fused twin is asked for where it cannot run.
        """
        weight = self.cell.output.weight
        if self.batch_first or not all(member.plain() for member in members):
            return None
        if weight.is_cuda:
            return self.together(members)
        if self.implementation_for(weight.device, weight.dtype) == "reference":
            return None
        steps = [member.gradients() for member in members]

        def differentiate(weights: Tensor, inputs: Tensor, slopes: Sequence[Slope]) -> tuple[Tensor, Tensor]:
            found = [step(x, slope) for step, x, slope in zip(steps, inputs.unbind(), slopes, strict=True)]
            if len(found) == 1:  # nothing is copied
                return found[0][0][None], found[0][1][None]
            logits, gradients = zip(*found, strict=True)
            return torch.stack(logits), torch.stack(gradients)

        return differentiate

    def together(self, members: Sequence["NTMModule"]) -> "Together | None":
        """How members are differentiated on a GPU: by kernels of their own, all at once.

        None where these do not cover the NTM, which a line of the log says.

        Raises:
            ValueError: The fused twin is asked for where they do not cover it.
        """
        from .gpu.limits import uncovered

        if self.chosen(uncovered(self.spec, self.cell.output.weight.dtype)) == "reference":
            return None
        from .gpu.together import Together  # loads Triton

        return Together([member.cell for member in members])
