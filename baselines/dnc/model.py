"""The Differentiable Neural Computer (Graves et al. 2016, "Hybrid computing using a neural network with dynamic
external memory", Nature 538), as printed and as DeepMind released it.

DNC(rows=128, width=20).build(inputs=9, outputs=8, seed=1)   # the paper's equations
DNC.deepmind(rows=128, width=20)                             # google-deepmind/dnc, f5981c6
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...ntm.controller import LSTMLayer
from ...ntm.layer import Layer, placed
from ...ntm.streams import own_seed
from ...ntm.unroll import watch
from .cell import DNCCell
from .controller import SkipStack


@dataclass(frozen=True)
class DNC:
    """A DNC; ``build`` makes the module. The defaults are the paper's equations at the size of Collier & Beel 2018.

    Memory, usage, links, weightings, reads and controller begin at zero [c], so no weight depends on ``rows``: the
    weights of one number of rows serve any other, and a ``state_dict`` loads whatever the rows are. That is meant: a
    DNC may be given another number of rows than it was trained with.

    Attributes:
        rows: Rows of memory (N).
        width: Width of a row (W).
        reads: Read heads (R).
        writes: Write heads; the paper has one, DeepMind's code any number.
        units: Units of every controller layer.
        layers: Controller layers; each sees input and reads, itself a step ago, and the layer below.
        recurrent: LSTM layers, or tanh layers without a state (extended data figures 1 and 4).
        links: Keep track of the order of writes; without it heads read by content alone.
        strength: What a raw key strength passes through: ``oneplus`` [p] or ``softplus`` [c].
        cosine: ``plain``: dot / (lengths + 1e-8) [p, the epsilon ours]; ``damped``: 1e-6 added to each squared length
            and to the denominator [c].
        least_usage: Usage is moved into [least_usage, 1] before allocation: 0 [p] or 1e-6 [c].
        detach_usage: No gradient into usage from what was written: False [p] or True [c].
        biases: Biases of the interface and of the output: False [p] or True [c].
        clip: Bound of controller output, controller state and logits: None [p] or 20 [c].
        masked: Keys come with masks of the parts that count (Csordas & Schmidhuber 2019).
        deallocate: What is freed is also erased (Csordas & Schmidhuber 2019).
        sharpened: Backward and forward weightings are raised to a power (Csordas & Schmidhuber 2019).

    Raises:
        ValueError: A size below one, an unknown choice, a bound that is not positive, or sharpened links without links.
    """

    rows: int = 128
    width: int = 20
    reads: int = 1
    writes: int = 1
    units: int = 100
    layers: int = 1
    recurrent: bool = True
    links: bool = True
    strength: Literal["oneplus", "softplus"] = "oneplus"
    cosine: Literal["plain", "damped"] = "plain"
    least_usage: float = 0.0
    detach_usage: bool = False
    biases: bool = False
    clip: float | None = None
    masked: bool = False
    deallocate: bool = False
    sharpened: bool = False

    @classmethod
    def deepmind(cls, **fields: Any) -> "DNC":
        """A DNC as DeepMind's code computes it, with other fields as given."""
        released: dict[str, Any] = {
            "strength": "softplus",
            "cosine": "damped",
            "least_usage": 1e-6,
            "detach_usage": True,
            "biases": True,
            "clip": 20.0,
        }
        return cls(**(released | fields))

    def __post_init__(self) -> None:
        for name in ("rows", "width", "reads", "writes", "units", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"DNC({name}={getattr(self, name)}): at least 1 is needed")
        for name, accepted in (("strength", ("oneplus", "softplus")), ("cosine", ("plain", "damped"))):
            if getattr(self, name) not in accepted:
                raise ValueError(f"DNC({name}={getattr(self, name)!r}): {accepted[0]!r} or {accepted[1]!r}")
        if not 0 <= self.least_usage < 1:
            raise ValueError(f"DNC(least_usage={self.least_usage}): at least 0 and below 1")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"DNC(clip={self.clip}): a positive bound or None")
        if self.sharpened and not self.links:
            raise ValueError("DNC(sharpened=True, links=False): there are no links to sharpen")

    def build(self, inputs: int, outputs: int, seed: int | None = None, batch_first: bool = False) -> "DNCModule":
        """The layer ``(time, batch, inputs) -> (time, batch, outputs)``; the seed decides every first value.

        Without a seed, one is drawn from torch's generator; ``seed`` of the module says which.
        """
        return placed(DNCModule(DNCCell(self, inputs, outputs, own_seed(seed)), batch_first))

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step, however many steps there are."""
        memory = self.rows * self.width + self.rows  # and usage
        linked = self.writes * (self.rows * self.rows + self.rows) if self.links else 0  # and precedence
        heads = (self.reads + self.writes) * self.rows + self.reads * self.width
        return memory + linked + heads + (2 * self.units * self.layers if self.recurrent else 0)


class DNCModule(Layer):
    """A DNC over whole sequences; gives logits. Every sequence begins from zeros. With a state, the reference runs."""

    made_of = frozenset({DNCCell, SkipStack, LSTMLayer, nn.Linear, nn.ModuleList})
    cell: DNCCell

    def __init__(self, cell: DNCCell, batch_first: bool = False) -> None:
        super().__init__(cell.spec, cell.seed, batch_first)
        self.cell = cell

    def accepted(self, inputs: Tensor, weight: Tensor) -> Tensor:
        if weight.dtype is torch.float16:
            raise ValueError(
                "a DNC of float16: what keeps an empty row's cosine finite is below its least number; accepted are "
                "float32, float64 and bfloat16"
            )
        return super().accepted(inputs, weight)

    def fused(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        from .fused.autograd import checked  # compiled code is loaded once it is needed

        return checked(self.cell, inputs), None

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Of (time, batch, inputs) the logits, by the reference, and what is to be seen: see ``unroll.watch``."""
        return watch(self.cell, inputs)

    def limits(self, device: torch.device, dtype: torch.dtype) -> str:
        """Why the fused twin cannot run such inputs, or nothing: it has one write head."""
        spec = self.cell.spec
        if spec.writes > 1:
            return f"the fused DNC has one write head, not {spec.writes}"
        if spec.clip is not None and spec.clip < 1:
            return f"the fused DNC clips at 1 or more, not at {spec.clip}"
        return super().limits(device, dtype)
