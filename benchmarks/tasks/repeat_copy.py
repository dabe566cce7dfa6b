"""The repeat copy task (Graves et al. 2014, section 4.2; Collier & Beel 2018; DeepMind's dnc repository)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator

from ..protocols import Batch, Size
from .sizes import accepted, check, coins

LEAST = {"length": 1, "repeats": 1}
ENCODINGS = ("collier", "graves", "deepmind", "zana")


@dataclass(frozen=True)
class RepeatCopy:
    """See vectors of random bits and a number, then say the vectors that many times.

    Size (2, 3) with two bits, time from left to right; ``c`` is the count, 3/10 if 10 repeats are the most trained on:

                  start  vectors  count  answer
        inputs    .      1 0      .      . . . . . .    bit 0
                  .      1 1      .      . . . . . .    bit 1
                  1      . .      .      . . . . . .    marker
                  .      . .      c      . . . . . .    count
        targets   .      . .      .      1 0 1 0 1 0    bit 0
                  .      . .      .      1 1 1 1 1 1    bit 1
        scored    .      . .      .      1 1 1 1 1 1

    That is ``collier`` (the thesis code behind the paper, 27 March 2018). ``deepmind`` (repeat_copy.py of its dnc
    repository) divides the count by 10 whatever the training range, and the answer ends with a scored step that is 1
    on one more output. ``graves`` scores such an end too; it has no start, the marker stands beside the count (that
    both share a step is our choice, the paper does not say), and the count has mean 0 and variance 1 over the
    training range:

                  vectors  count  answer       end
        inputs    1 0      .      . . . . . .  .    bit 0
                  1 1      .      . . . . . .  .    bit 1
                  . .      1      . . . . . .  .    marker
                  . .      c      . . . . . .  .    count
        targets   . .      .      1 0 1 0 1 0  .    bit 0
                  . .      .      1 1 1 1 1 1  .    bit 1
                  . .      .      . . . . . .  1    end
        scored    . .      .      1 1 1 1 1 1  1

    ``zana`` (loudinthecloud/pytorch-ntm, 3c64937) is ``graves`` with a step for the marker and, after it, one for the
    count.

    Attributes:
        bits: Of a vector.
        train: Lengths and numbers of repeats trained on.
        test: Lengths and repeats tested on.
        encoding: What is marked, how the count is scaled, and whether the end is to be said.
    """

    bits: int = 8
    train: tuple[range, range] = (range(1, 11), range(1, 11))
    test: tuple[Size, ...] = ((10, 20), (20, 10))
    encoding: Literal["collier", "graves", "deepmind", "zana"] = "collier"

    def __post_init__(self) -> None:
        check(self, ENCODINGS)

    @property
    def inputs(self) -> int:
        """The bits, the marker and the count."""
        return self.bits + 2

    @property
    def outputs(self) -> int:
        """The bits, and where it is scored the end."""
        return self.bits + self.says_end

    @property
    def says_end(self) -> bool:
        """Whether the answer ends with a scored marker."""
        return self.encoding != "collier"

    def steps(self, size: Size) -> int:
        """The marker's, count's and end's steps, the vectors, and length * repeats of answer."""
        length, repeats = accepted(self, size, LEAST)
        return self.asked(length) + length * repeats + self.says_end

    def asked(self, length: int) -> int:
        """Steps before the answer."""
        return length + (1 if self.encoding == "graves" else 2)

    def count(self, repeats: int) -> float:
        """The number of repeats as it is shown."""
        trained = self.train[1]
        if self.encoding == "deepmind":
            return repeats / 10  # norm_max
        if self.encoding == "collier":
            return repeats / max(trained)
        mean = sum(trained) / len(trained)
        variance = sum((number - mean) ** 2 for number in trained) / len(trained)
        return (repeats - mean) / math.sqrt(variance or 1.0)  # a single number trained on has no variance

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length and number of repeats."""
        steps = self.steps(size)
        length, repeats = size
        vectors = coins(length, batch, self.bits, generator=generator)
        inputs = torch.zeros(steps, batch, self.inputs)
        targets = torch.zeros(steps, batch, self.outputs)
        scored = torch.zeros(steps, batch)
        answer = self.asked(length)
        begin = 0 if self.encoding in ("graves", "zana") else 1
        marker = 0 if begin else length
        inputs[begin : begin + length, :, : self.bits] = vectors
        inputs[marker, :, self.bits] = 1
        inputs[answer - 1, :, self.bits + 1] = self.count(repeats)
        targets[answer : answer + length * repeats, :, : self.bits] = vectors.repeat(repeats, 1, 1)
        targets[answer + length * repeats :, :, self.bits :] = 1
        scored[answer:] = 1
        return Batch(inputs, targets, scored)
