"""Multi-query associative recall (Arora et al. 2023, Zoology: its generator multiquery_ar.py)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Generator

from ..objectives import Objective, Tokens
from ..protocols import Batch, Size
from .sizes import accepted, check, vectors

LEAST = {"steps": 4, "pairs": 1}
FILLERS = ("zero", "random")


@dataclass(frozen=True)
class MQAR:
    """See pairs of a key and a value, then the keys again, now and then: say its value to each.

    Size (12, 2), twelve steps with two pairs, of a vocabulary of 8: symbol 0 fills, 1 to 3 are keys, 4 to 7 values.
    Symbols are drawn as numbers here; inputs and targets are one-hot. Time from left to right:

                  pairs    queries
        inputs    3 5 1 7  1 0 0 0 3 0 0 0
        targets   . . . .  7 . . . 5 . . .
        scored    . . . .  1 . . . 1 . . .

    The value is said in the step of its query: loss and score are of these steps alone. Keys are different from each
    other, and so are values. Queries lie an even number of steps after the pairs; how many is drawn, without two in one
    place, by a power law: probability in proportion to (place + 1)^(power - 1).

    With ``random`` fillers, as by default in the authors' code, each is any symbol of the vocabulary: it may be one of
    the sequence's keys, which is then not asked for, and by chance may have another value after it. What is asked for
    is always the value from the pairs.

    Those who know the values but not which belongs to which key get one in so many right.

    Attributes:
        vocabulary: Symbols, half of them values. The authors': 8192.
        power: Of the law; 1 for places that are all as likely. The authors': 0.01.
        filler: What stands between queries: ``zero`` (the authors' figure 2), or ``random`` symbols.
        train: Steps, and numbers of pairs, trained on. The authors': (64, 4) to (512, 64).
        test: Tested on.
    """

    objective: ClassVar[Objective] = Tokens()

    vocabulary: int = 128
    power: float = 0.01
    filler: Literal["zero", "random"] = "zero"
    train: tuple[range, range] = (range(64, 65), range(4, 5))
    test: tuple[Size, ...] = ((64, 4), (128, 4), (128, 8))

    def __post_init__(self) -> None:
        if self.filler not in FILLERS:
            raise ValueError(f"MQAR(filler={self.filler!r}): one of {', '.join(map(repr, FILLERS))}")
        if not 0 < self.power < float("inf"):
            raise ValueError(f"MQAR(power={self.power}): a number above 0 is needed")
        check(self, counts=("vocabulary",))

    @property
    def inputs(self) -> int:
        """The vocabulary."""
        return self.vocabulary

    @property
    def outputs(self) -> int:
        """The vocabulary."""
        return self.vocabulary

    @property
    def keys(self) -> range:
        """The symbols that are keys; those above are values."""
        return range(1, self.vocabulary // 2)

    def steps(self, size: Size) -> int:
        """As many as said."""
        steps, pairs = accepted(self, size, LEAST)
        if 4 * pairs > steps or pairs > len(self.keys):
            most = min(steps // 4, len(self.keys))
            raise ValueError(f"MQAR: size {size!r}, vocabulary {self.vocabulary}: accepted are up to {most} pairs")
        return steps

    def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
        """Draw sequences of this many steps and pairs."""
        steps = self.steps(size)
        (_, pairs), half = size, self.keys.stop

        def different(first: int, stop: int) -> torch.Tensor:
            return first + torch.rand(batch, stop - first, generator=generator).argsort(dim=1)[:, :pairs]

        keys, values = different(1, half), different(half, self.vocabulary)
        places = (steps - 2 * pairs) // 2  # every other step after the pairs
        law = torch.arange(1, places + 1) ** (self.power - 1.0)
        drawn = torch.multinomial(law.expand(batch, -1), pairs, replacement=False, generator=generator)
        queries = 2 * pairs + 2 * drawn  # (batch, pairs)

        symbols = torch.zeros(batch, steps, dtype=torch.long)
        if self.filler == "random":
            symbols = torch.randint(self.vocabulary, symbols.shape, generator=generator)
        symbols[:, 0 : 2 * pairs : 2], symbols[:, 1 : 2 * pairs : 2] = keys, values
        symbols.scatter_(1, queries, keys)
        scored = torch.zeros(batch, steps).scatter_(1, queries, 1.0)
        answers = torch.zeros(batch, steps, dtype=torch.long).scatter_(1, queries, values)
        targets = vectors(answers, self.vocabulary) * scored[..., None]
        return Batch(
            *(part.transpose(0, 1).contiguous() for part in (vectors(symbols, self.vocabulary), targets, scored))
        )
