"""A claim under one reading of the paper: who stands for its arms, and which of their runs count."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..frames import SuiteFacts
from .arms import meant
from .claim import Claim
from .verdict import NOT_RUN, Verdict

Named = tuple[str, str]
"""A task and an arm, by the name that the claim calls it."""

Counts = Mapping[Named, tuple[int, int]]
"""For each arm, runs solved and runs that count."""


@dataclass(frozen=True)
class Question:
    """A claim under one reading, and the frames that answer it. Arms go by the names that the claim calls them."""

    claim: Claim
    reading: str
    facts: SuiteFacts
    outcomes: pd.DataFrame
    generalisation: pd.DataFrame

    def answered(self) -> Verdict:
        """The verdict."""
        missing = [name for task, name in self.claim.arms if meant(self.facts.arms, task, name, self.reading) is None]
        if missing:
            reason = f"The suite does not have {', '.join(dict.fromkeys(missing))}."
            return self.answer(NOT_RUN, reason=reason, seeds=0)
        return self.claim.measure(self)

    def model(self, task: str, name: str) -> str:
        """The model that stands for an arm under this reading."""
        arm = meant(self.facts.arms, task, name, self.reading)
        assert arm is not None  # else it is not asked
        return arm.model

    def runs(self, task: str, name: str) -> pd.DataFrame:
        """Runs that had their full budget, by seed."""
        table = self.outcomes
        chosen = table["complete"] & (table["task"] == task) & (table["model"] == self.model(task, name))
        return table[chosen].set_index("seed").sort_index()

    def tested(self, task: str, name: str, size: str) -> "pd.Series[float]":
        """Wrong bits a sequence of the best weights at a size, by seed."""
        return self._points(task, name, size)["errors"]

    def right(self, task: str, name: str, size: str) -> "pd.Series[float]":
        """The share of answers that the best weights get right at a size, by seed."""
        points = self._points(task, name, size)
        return 1 - points["errors"] / points["bits"]

    def _points(self, task: str, name: str, size: str) -> pd.DataFrame:
        table = self.generalisation
        chosen = (table["task"] == task) & (table["model"] == self.model(task, name)) & (table["size"] == size)
        return table[chosen & (table["weights"] == "best")].set_index("seed")

    def seeds(self, arms: Iterable[Named]) -> list[int]:
        """Seeds that had their full budget in every arm, so that they are paired."""
        shared = [set(self.runs(*arm).index) for arm in arms]
        return sorted(set.intersection(*shared)) if shared else []

    def solved(self, arms: Iterable[Named], seeds: list[int] | None = None, by: int | None = None) -> Counts:
        """For each arm, runs solved, by a step, and runs that count: of these seeds, or of all of full budget."""
        counts = {}
        for arm in arms:
            runs = self.runs(*arm)
            times = runs["time"] if seeds is None else runs["time"].loc[seeds]
            counts[arm] = (int((times <= (np.finfo(float).max if by is None else by)).sum()), len(times))
        return counts

    @property
    def chance(self) -> int:
        """The seed of this question's bootstrap: its own, so that a claim more moves no other claim's interval."""
        return zlib.crc32(f"{self.claim.id} {self.reading}".encode())

    def answer(
        self,
        verdict: str,
        found: str = "",
        reason: str = "",
        *,
        seeds: int,
        solved: Counts | None = None,
        **others: Any,
    ) -> Verdict:
        """The verdict on this question."""
        counts = {f"{task}/{self.model(task, name)}": count for (task, name), count in (solved or {}).items()}
        names = {f"{task}/{self.model(task, name)}": name for task, name in solved or {}}
        planned = len(self.facts.seeds)
        return Verdict(
            self.claim, self.reading, verdict, found, reason, seeds, planned, solved=counts, names=names, **others
        )

    def not_run(self) -> Verdict:
        """The verdict where no seed has had its full budget in every arm."""
        counts = self.solved(self.claim.arms)
        planned = len(self.facts.seeds)
        had = (f"{task}/{self.model(task, name)} {runs} of {planned}" for (task, name), (_, runs) in counts.items())
        reason = f"No seed has had its full budget in every arm ({', '.join(had)})."
        return self.answer(NOT_RUN, reason=reason, seeds=0, solved=counts)
