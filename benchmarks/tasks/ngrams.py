"""Dynamic n-grams (Graves et al. 2014, section 4.4)."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from ..protocols import Batch, Size
from .sizes import accepted, check

LEAST = {"steps": 1}


@dataclass(frozen=True)
class NGrams:
    """Foretell the next bit of a source that one has to learn from what it has said so far.

    Size (7,) with contexts of two bits, time from left to right; letters are bits:

        inputs    . a b c d e f    the bit before
        targets   a b c d e f g    the bit
        scored    1 1 1 1 1 1 1

    Every sequence has a source of its own: the probability of a 1 after each of the 2^context contexts, drawn from
    Beta(1/2, 1/2). Bits without a whole context before them, the first few, are fair coins.

    No model can know the next bit. The best possible one counts what came after this context so far, in this sequence,
    and says 1 with probability (ones + 1/2) / (ones + zeros + 1) (equation 10). It needs 133.2 bits for 200 steps
    (100,000 sequences; standard error 0.1), so models are judged by the nats they need above its: the ``floor``.

    Attributes:
        context: Bits that the next one depends on. The paper's: 5.
        train: Lengths trained on. The paper's: 200.
        test: Lengths tested on.
    """

    context: int = 5
    train: tuple[range] = (range(200, 201),)
    test: tuple[Size, ...] = ((200,), (400,))

    def __post_init__(self) -> None:
        check(self, counts=("context",))

    @property
    def inputs(self) -> int:
        """The bit before."""
        return 1

    @property
    def outputs(self) -> int:
        """The bit."""
        return 1

    def steps(self, size: Size) -> int:
        """As many as bits."""
        (steps,) = accepted(self, size, LEAST)
        return steps

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this length, each of a source of its own."""
        steps = self.steps(size)
        angles = torch.rand(2**self.context, batch, generator=generator) * (math.pi / 2)
        ones = (angles.sin() ** 2).numpy()  # of Beta(1/2, 1/2), the arcsine distribution
        chances = torch.rand(steps, batch, generator=generator).numpy()
        bits, each = (
            np.zeros((steps, batch), np.int64),
            np.arange(batch),
        )  # in numpy: its calls take a fraction of torch's
        seen = np.zeros(batch, np.int64)  # the last bits, as a number
        for step in range(steps):
            bits[step] = chances[step] < (ones[seen, each] if step >= self.context else 0.5)
            seen = (2 * seen + bits[step]) % 2**self.context
        targets = torch.from_numpy(bits).float()
        inputs = torch.cat([torch.zeros(1, batch), targets[:-1]])
        return Batch(inputs[..., None], targets[..., None], torch.ones(steps, batch))

    def floor(self, batch: Batch) -> Tensor:
        """Nats of every sequence, (batch,), by the best possible predictor (Krichevsky & Trofimov 1981)."""
        bits, each = batch.targets[..., 0].long().cpu().numpy(), np.arange(batch.targets.shape[1])
        counts = np.zeros((2, 2**self.context, len(each)), np.float32)  # zeros and ones after each context
        seen, odds = np.zeros(len(each), np.int64), np.zeros(bits.shape, np.float32)
        for step, bit in enumerate(bits):
            odds[step] = (counts[1 - bit, seen, each] + 0.5) / (counts[bit, seen, each] + 0.5)  # against what came
            if step >= self.context:  # what comes before it is a fair coin, and says nothing
                counts[bit, seen, each] += 1
            seen = (2 * seen + bit) % 2**self.context
        nats = torch.from_numpy(odds).to(batch.targets.device).log1p()  # log, by MKL, is of the processor's vendor
        return (nats * batch.scored).sum(0)
