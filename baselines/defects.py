"""NTMs that are broken on purpose, each by a wiring bug that was once published.

Would a training curve tell? What a field of ``NTM`` already says is not here: ``gated=False`` and ``feedback=False``
(Ha 2017), and ``reach=0``, which is what a shift that is computed and then discarded comes to. The reference runs.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..ntm import NTM, NTMCell, NTMModule, addressing
from ..ntm.cell import Heads
from ..ntm.layer import placed
from ..ntm.streams import own_seed


class WriteFollowsRead(NTMCell):
    """A write head goes on from where the read head was, not from where it was itself (clemkoa/ntm, issue 8)."""

    def address(self, ask: Heads, memory: Tensor, previous: Tensor, heads: slice = slice(None)) -> Tensor:
        of_reads = previous[..., : self.spec.reads, :]
        return super().address(ask, memory, torch.cat([of_reads, of_reads], dim=-2), heads)


class SoftmaxOverBatch(NTMCell):
    """Both softmaxes run over the batch instead of rows and shifts (loudinthecloud/pytorch-ntm, 5c5ce66 to 64f1d58)."""

    def ask(self, hidden: Tensor) -> Heads:
        asked = super().ask(hidden)
        heads, size = self.spec.reads + self.spec.writes, sum(self.per_head)
        raw = torch.unflatten(self.heads(hidden)[..., : heads * size], -1, (heads, size))
        kernel = torch.split_with_sizes(self.clip(raw, self.spec.clip_heads), self.per_head, dim=-1)[3]
        return asked._replace(kernel=torch.softmax(kernel, dim=0))

    def address(self, ask: Heads, memory: Tensor, previous: Tensor, heads: slice = slice(None)) -> Tensor:
        key, strength, gate, kernel, sharpness = (part[..., heads, :] for part in ask[:5])
        similar = addressing.SIMILARITIES[self.spec.similarity](memory, key)
        weighting = torch.softmax(strength * similar, dim=0)
        weighting = addressing.interpolate(weighting, previous[..., heads, :], gate)
        return addressing.sharpen(addressing.shift(weighting, kernel), sharpness)


CELLS = {"write follows read": WriteFollowsRead, "softmax over the batch": SoftmaxOverBatch}

TOLD = {
    "write follows read": (),
    "softmax over the batch": ("batch elements are independent", "padding after the end changes nothing before"),
}


@dataclass(frozen=True)
class Defective:
    """An NTM with one defect.

    Attributes:
        defect: Which.
        ntm: The NTM but for that; as many write heads as read heads.

    Raises:
        ValueError: There is no such defect, or the heads are not as many.
    """

    defect: Literal["write follows read", "softmax over the batch"]
    ntm: NTM

    def __post_init__(self) -> None:
        if self.defect not in CELLS:
            raise ValueError(f"Defective(defect={self.defect!r}): {' or '.join(map(repr, CELLS))}")
        if self.ntm.reads != self.ntm.writes:
            raise ValueError(f"Defective({self.ntm.reads} read and {self.ntm.writes} write heads): as many are needed")

    def build(self, inputs: int, outputs: int, seed: int | None = None) -> NTMModule:
        """The layer, with the first values of the NTM that it is but for its defect."""
        return placed(NTMModule(CELLS[self.defect](self.ntm, inputs, outputs, own_seed(seed))))

    def state_size(self, steps: int) -> int:
        """Floats carried from step to step."""
        return self.ntm.state_size(steps)

    @property
    def told_by(self) -> tuple[str, ...]:
        """The properties of ``bench check`` that it has not: what would have told of the defect."""
        return TOLD[self.defect]
