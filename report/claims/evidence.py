"""A claim under one reading of the paper: who stands for its arms, and which of their runs count."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..frames import SuiteFacts
from .claim import Claim
from .verdict import Verdict

Arm = tuple[str, str]
"""A task and a model."""

MODEL_ROLES = ("model", "models", "base", "rival", "rivals", "first", "last")
"""Roles of a claim's arms that are filled by models."""


@dataclass(frozen=True)
class Question:
    """A claim under one reading, and the frames that answer it."""

    claim: Claim
    reading: str
    facts: SuiteFacts
    outcomes: pd.DataFrame
    generalisation: pd.DataFrame

    @property
    def tasks(self) -> list[str]:
        return self.claim.names("task", "tasks")

    def models(self, *roles: str) -> list[str]:
        """The models that stand for these arms under this reading."""
        known = self.facts.models
        return [f"{a}-{self.reading}" if f"{a}-{self.reading}" in known else a for a in self.claim.names(*roles)]

    def runs(self, task: str, model: str) -> pd.DataFrame:
        """Runs that had their full budget, by seed."""
        table = self.outcomes
        chosen = table["complete"] & (table["task"] == task) & (table["model"] == model)
        return table[chosen].set_index("seed").sort_index()

    def arms(self, models: Iterable[str]) -> list[Arm]:
        """Every task with each of these models."""
        return [(task, model) for task in self.tasks for model in models]

    def seeds(self, arms: Iterable[Arm]) -> list[int]:
        """Seeds that had their full budget in every arm, so that they are paired."""
        shared = [set(self.runs(*arm).index) for arm in arms]
        return sorted(set.intersection(*shared)) if shared else []

    def solved(self, arms: Iterable[Arm], seeds: list[int] | None = None) -> dict[str, tuple[int, int]]:
        """For each arm, runs solved and runs that count: of these seeds, or of all that had their full budget."""
        counts = {}
        for task, model in arms:
            runs = self.runs(task, model)
            times = runs["time"] if seeds is None else runs["time"].loc[seeds]
            counts[f"{task}/{model}"] = (int(np.isfinite(times).sum()), len(times))
        return counts

    @property
    def chance(self) -> int:
        """The seed of this question's bootstrap: its own, so that a claim more moves no other claim's interval."""
        return zlib.crc32(f"{self.claim.id} {self.reading}".encode())

    def arm(self, model: str) -> str:
        """The model without its reading, as the claim speaks of it."""
        return model.removesuffix(f"-{self.reading}")

    def answer(self, verdict: str, found: str = "", reason: str = "", *, seeds: int, **others: Any) -> Verdict:
        """The verdict on this question."""
        return Verdict(self.claim, self.reading, verdict, found, reason, seeds, len(self.facts.seeds), **others)
