"""What else than wrong answers is measured of trained weights, once training is over: see ``protocols.Inspection``.

Each is a frozen dataclass with the size that it is measured at. A name in ``numbers`` is what a claim and a page call
the number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..report.trace import LAGS, Focus, measure
from .protocols import Batch, Size

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Prefix:
    """How long an answer is right: scored steps before the first that has a mistake, mean over the sequences."""

    numbers: ClassVar[tuple[str, ...]] = ("answers before the first mistake",)
    size: Size

    def __call__(self, batch: Batch, wrong: Tensor, seen: Mapping[str, Tensor]) -> dict[str, float]:
        """See ``protocols.Inspection``."""
        right = wrong.sum(dim=-1).cumsum(dim=0) == 0  # until then
        return dict.fromkeys(self.numbers, float((right * batch.scored).sum(dim=0).mean()))


@dataclass(frozen=True)
class Ends:
    """Of a task whose last output says where the answer ends, the mistakes a sequence, by what is wrong."""

    numbers: ClassVar[tuple[str, ...]] = ("wrong bits of the vectors", "ends said too early", "ends not said")
    size: Size

    def __call__(self, batch: Batch, wrong: Tensor, seen: Mapping[str, Tensor]) -> dict[str, float]:
        """See ``protocols.Inspection``."""
        end, is_end = wrong[..., -1], batch.targets[..., -1]
        parts = (wrong[..., :-1].sum(dim=-1), end * (1 - is_end), end * is_end)
        return dict(zip(self.numbers, (float(part.sum(dim=0).mean()) for part in parts), strict=True))


@dataclass(frozen=True)
class Copying:
    """How the heads copy, as section 4.1 of Graves et al. 2014 tells it of figure 6: mean over the sequences."""

    numbers: ClassVar[tuple[str, ...]] = (
        "share of reads from where it was written",
        "share of moves by one row in one direction",
        "share of attention on one row",
    )
    size: Size

    def __call__(self, batch: Batch, wrong: Tensor, seen: Mapping[str, Tensor]) -> dict[str, float]:
        """See ``protocols.Inspection``. Of writing and reading the lower counts; of an end to be said, nothing."""
        found, vectors = [], batch.scored * (batch.scored.cumsum(dim=0) <= self.size[0])
        batch = batch._replace(scored=vectors)
        for n in range(batch.scored.shape[1]):
            inputs, targets, scored = (part[:, n].numpy() for part in batch)
            one = measure(inputs, targets, targets, scored, {name: part[:, n].numpy() for name, part in seen.items()})
            if one.writing is None or one.reading is None:
                return {}
            both = (one.writing, one.reading)
            found.append((one.found or 0.0, min(map(steady, both)), min(focus.largest for focus in both)))
        return dict(zip(self.numbers, np.mean(found, axis=0).tolist(), strict=True))


@dataclass(frozen=True)
class Sorting:
    """How the heads sort by priority, as section 4.5 of Graves et al. 2014 tells it of figure 17.

    Attributes:
        size: Vectors shown, and vectors said.
        channel: The input that is the priority.
    """

    numbers: ClassVar[tuple[str, ...]] = (
        "R\N{SUPERSCRIPT TWO} of write row by priority",
        "share of read moves in one direction",
    )
    size: Size
    channel: int

    def __call__(self, batch: Batch, wrong: Tensor, seen: Mapping[str, Tensor]) -> dict[str, float]:
        """See ``protocols.Inspection``. Of several heads, and of the steps until a vector is written, the best fit."""
        if not {"write weighting", "read weighting"} <= seen.keys():
            return {}
        shown = self.size[0]
        writing, reading = (seen[f"{side} weighting"].numpy() for side in ("write", "read"))
        priority = batch.inputs[:shown, :, self.channel].numpy().astype(float)  # (vectors, batch)
        rows, size = writing.argmax(axis=-1), writing.shape[-1]  # (time, batch, heads)
        fits = [
            explained(priority[..., None], unrolled(rows[lag:][:shown], size))
            for lag in LAGS
            if lag + shown <= len(rows)
        ]
        ways = np.diff(reading[batch.scored[:, 0].numpy() > 0.5].argmax(axis=-1), axis=0)
        ways = np.sign((ways + size // 2) % size - size // 2)  # the shorter way round
        share = np.maximum((ways > 0).mean(axis=0), (ways < 0).mean(axis=0)) if len(ways) else np.zeros((1, 1))
        best = (max(fit.mean(axis=0).max() for fit in fits), share.mean(axis=0).max())  # one head for all sequences
        return dict(zip(self.numbers, map(float, best), strict=True))


def steady(focus: Focus) -> float:
    """The share of moves that are the commonest, where that is by one row."""
    return focus.steady if focus.steady is not None and focus.usual in (1, -1) else 0.0


def explained(x: Floats, y: Floats) -> Floats:
    """R squared of the line fitted to y by x, along the first axis; 0 where either is the same throughout."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    whole = (x**2).sum(axis=0) * (y**2).sum(axis=0)
    squared: Floats = (x * y).sum(axis=0) ** 2 / np.where(whole > 0, whole, 1.0)
    return squared


def unrolled(rows: NDArray[np.integer[Any]], size: int) -> Floats:
    """Rows of a ring, along the first axis, as places on a line: the ring is cut in the widest gap between them."""
    ordered = np.sort(rows, axis=0)
    gaps = np.concatenate([np.diff(ordered, axis=0), ordered[:1] + size - ordered[-1:]])
    after = (gaps.argmax(axis=0)[None] + 1) % len(rows)  # the first beyond the gap
    first = np.take_along_axis(ordered, after, axis=0)
    line: Floats = ((rows - first) % size).astype(float)
    return line
