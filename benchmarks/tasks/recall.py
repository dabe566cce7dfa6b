"""The associative recall task (Graves et al. 2014, section 4.3; Collier & Beel 2018)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator

from ..protocols import Batch, Size
from .sizes import accepted, check, coins

LEAST = {"items": 2}
ENCODINGS = ("collier", "graves")


@dataclass(frozen=True)
class Recall:
    """See items of a few random vectors each, then one of them again: say the item that came after it.

    Size (3,) with items of two vectors of two bits; the second is asked for, time from left to right:

                  item  item  item  ask  query  ask  answer
        inputs    1 0   0 0   1 1   1    0 0    1    . .    bit 0
                  1 0   1 0   0 1   1    1 0    1    . .    bit 1
                  . .   . .   . .   1    . .    1    . .    marker
        targets   . .   . .   . .   .    . .    .    1 1    bit 0
                  . .   . .   . .   .    . .    .    0 1    bit 1
        scored    . .   . .   . .   .    . .    .    1 1

    That is ``collier`` (the thesis code behind the paper, 27 March 2018): nothing between items, all ones round the
    query. In ``graves`` a marker bounds the items and another one, on a channel of its own, the query:

                  item   item   item   query   answer
        inputs    . 1 0  . 0 0  . 1 1  . 0 0 . . .    bit 0
                  . 1 0  . 1 0  . 0 1  . 1 0 . . .    bit 1
                  1 . .  1 . .  1 . .  . . . . . .    item marker
                  . . .  . . .  . . .  1 . . 1 . .    query marker

    Every item but the last is asked for equally often. Items are drawn independently: two are equal once in
    2^(vectors * bits) pairs, and then either may be meant.

    Attributes:
        bits: Of a vector.
        vectors: Of an item.
        train: Numbers of items trained on.
        test: Numbers of items tested on. The authors': 7 to 12.
        encoding: What bounds items and query.
    """

    bits: int = 6
    vectors: int = 3
    train: tuple[range] = (range(2, 7),)
    test: tuple[Size, ...] = ((7,), (8,), (9,), (10,), (11,), (12,))
    encoding: Literal["collier", "graves"] = "collier"

    def __post_init__(self) -> None:
        check(self, ENCODINGS, ("bits", "vectors"))

    @property
    def inputs(self) -> int:
        """The bits and the markers."""
        return self.bits + (1 if self.encoding == "collier" else 2)

    @property
    def outputs(self) -> int:
        """The bits."""
        return self.bits

    def steps(self, size: Size) -> int:
        """The items with their markers, the query between two, and the answer."""
        (items,) = accepted(self, size, LEAST)
        return items * self.spacing + 2 * self.vectors + 2

    @property
    def spacing(self) -> int:
        """Steps from item to item."""
        return self.vectors + (1 if self.encoding == "graves" else 0)

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this many items."""
        steps = self.steps(size)
        (items,) = size
        drawn = coins(items, self.vectors, batch, self.bits, generator=generator)
        asked = torch.randint(items - 1, (batch,), generator=generator)
        elements = torch.arange(batch)
        query, answer = drawn[asked, :, elements], drawn[asked + 1, :, elements]  # (batch, vectors, bits)

        inputs = torch.zeros(steps, batch, self.inputs)
        targets = torch.zeros(steps, batch, self.outputs)
        scored = torch.zeros(steps, batch)
        ask = items * self.spacing  # the query lies between two markers, here and after it
        shown = inputs[:ask].view(items, self.spacing, batch, self.inputs)
        shown[:, -self.vectors :, :, : self.bits] = drawn
        inputs[ask + 1 : ask + 1 + self.vectors, :, : self.bits] = query.transpose(0, 1)
        if self.encoding == "graves":
            shown[:, 0, :, self.bits] = 1
        marked = 0 if self.encoding == "collier" else self.bits + 1
        for marker in (ask, ask + 1 + self.vectors):
            inputs[marker, :, marked:] = 1
        targets[-self.vectors :] = answer.transpose(0, 1)
        scored[-self.vectors :] = 1
        return Batch(inputs, targets, scored)
