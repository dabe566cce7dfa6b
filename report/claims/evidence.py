"""A claim under one reading of the paper: who stands for its arms, and which of their runs count."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..frames import Frames, SuiteFacts
from ..statistics.solving import OUTCOME
from .arms import meant
from .claim import Claim, label_of
from .verdict import NOT_RUN, Decide, Reasoned, Verdict

Named = tuple[str, str]
"""A task and an arm, by the name that the claim calls it."""

Counts = Mapping[Named, tuple[int, int]]
"""For each arm, runs solved and runs that count."""

NOTHING = pd.DataFrame(columns=list(OUTCOME)).astype(OUTCOME).set_index("seed")


def completed(outcomes: pd.DataFrame) -> dict[Named, pd.DataFrame]:
    """Runs that had their full budget, by seed, of each task and model."""
    parts = outcomes[outcomes["complete"]].groupby(["task", "model"])
    return {(str(task), str(model)): part.set_index("seed").sort_index() for (task, model), part in parts}


@dataclass(frozen=True)
class Question:
    """A claim under one reading, and what answers it. Arms go by the names that the claim calls them.

    Attributes:
        claim: What is asked.
        reading: Of the paper.
        facts: What is known of the suite.
        complete: As ``completed`` gives them.
        frames: The records.
    """

    claim: Claim
    reading: str
    facts: SuiteFacts
    complete: Mapping[Named, pd.DataFrame]
    frames: Frames

    @property
    def asked(self) -> bool:
        """Whether the suite has every arm of the claim under this reading."""
        return all(meant(self.facts.arms, *arm, self.reading) for arm in self.claim.arms)

    def answered(self) -> Verdict:
        """The verdict, not corrected for other claims yet."""
        missing = [name for task, name in self.claim.arms if meant(self.facts.arms, task, name, self.reading) is None]
        if missing:
            return self.answer((NOT_RUN, f"The suite does not have {', '.join(dict.fromkeys(missing))}."), seeds=0)
        return self.claim.measure(self)

    def model(self, task: str, name: str) -> str:
        """The model that stands for an arm under this reading."""
        arm = meant(self.facts.arms, task, name, self.reading)
        assert arm is not None  # else it is not asked
        return arm.model

    def runs(self, task: str, name: str) -> pd.DataFrame:
        """Runs that had their full budget, by seed."""
        return self.complete.get((task, self.model(task, name)), NOTHING)

    def tested(self, task: str, name: str, size: str) -> "pd.Series[float]":
        """Wrong bits a sequence of the best weights at a size, by seed, of runs that had their full budget."""
        return self._points(task, name, size)["errors"]

    def right(self, task: str, name: str, size: str) -> "pd.Series[float]":
        """The share of answers that the best weights get right at a size, by seed, likewise."""
        points = self._points(task, name, size)
        return 1 - points["errors"] / points["bits"]

    def inspected(self, task: str, name: str, number: str, size: str) -> "pd.Series[float]":
        """A number that was measured of the best weights at a size, by seed."""
        table = self.frames.inspections
        chosen = (table["task"] == task) & (table["model"] == self.model(task, name)) & (table["size"] == size)
        return table[chosen & (table["number"] == number)].set_index("seed")["value"]

    def _points(self, task: str, name: str, size: str) -> pd.DataFrame:
        table = self.frames.generalisation
        chosen = (table["task"] == task) & (table["model"] == self.model(task, name)) & (table["size"] == size)
        points = table[chosen & (table["weights"] == "best")].set_index("seed")
        return points.loc[points.index.intersection(self.runs(task, name).index)]

    def guessing(self, task: str, size: str) -> float:
        """Wrong answers a sequence of who guesses, at a size."""
        table = self.frames.generalisation
        answers = table.loc[(table["task"] == task) & (table["size"] == size), "bits"]
        return self.facts.answer(task).chance * float(answers.max())

    def costs(self, task: str, name: str, until: float = np.inf, of: str = "loss") -> "pd.Series[float]":
        """Bits a sequence at the last evaluation up to there, by seed, of runs that had their full budget.

        A run that diverged before counts with its first, untrained.

        Args:
            task: The task.
            name: The arm.
            until: The step; all by default.
            of: What the evaluations call it, in nats.
        """
        table, runs = self.frames.evaluations, self.runs(task, name)
        chosen = (table["task"] == task) & (table["model"] == self.model(task, name)) & (table["step"] <= until)
        curves = table[chosen & table["seed"].isin(runs.index)].sort_values("step").groupby("seed")[of]
        untrained = (runs["status"] == "diverged") & (runs["step"] <= until)
        ends: pd.Series[float] = curves.last() / np.log(2)
        return ends.where(~untrained.reindex(ends.index), curves.first() / np.log(2))

    def budget(self, task: str, name: str) -> int:
        """What a run of an arm has, in what the suite counts in."""
        runs = self.frames.runs
        mine = runs.loc[(runs["task"] == task) & (runs["model"] == self.model(task, name)), "steps"]
        return int(mine.max())

    def seeds(self, arms: Iterable[Named]) -> int:
        """Seeds that had their full budget, of the arm that has fewest."""
        return min(len(self.runs(*arm)) for arm in arms)

    def solved(self, arms: Iterable[Named], by: int | None = None) -> Counts:
        """For each arm, runs solved, by a step where one is given, and runs that had their full budget."""
        times = {arm: self.runs(*arm)["time"] for arm in arms}
        latest = np.finfo(float).max if by is None else by
        return {arm: (int((mine <= latest).sum()), len(mine)) for arm, mine in times.items()}

    @property
    def chance(self) -> int:
        """The seed of this question's bootstrap: its own, so that a claim more moves no other claim's interval."""
        return zlib.crc32(f"{self.claim.id} {self.reading}".encode())

    def answer(
        self,
        decide: Decide | Reasoned,
        found: str = "",
        *,
        seeds: int,
        solved: Counts | None = None,
        p: float | None = None,
        **others: Any,
    ) -> Verdict:
        """What was measured, and the verdict on it: by a rule, or whatever the p-value is."""
        counts = {f"{task}/{self.model(task, name)}": count for (task, name), count in (solved or {}).items()}
        names = {f"{task}/{self.model(task, name)}": name for task, name in solved or {}}
        planned = len(self.facts.seeds)
        rule = decide if callable(decide) else lambda _: decide
        return Verdict(
            self.claim,
            self.reading,
            rule,
            found,
            seeds,
            planned,
            p=p,
            corrected=np.nan if p is None else p,
            solved=counts,
            names=names,
            clock=self.facts.clock,
            called=label_of(self.claim.id, self.facts.name, (claim.id for claim in self.facts.claims)),
            **others,
        )

    def not_measured(self, where: str) -> Verdict:
        """The verdict where no run of an arm was measured yet at a size, as one that was added later."""
        counts = self.solved(self.claim.arms)
        return self.answer((NOT_RUN, f"An arm has no run that was measured at {where}."), seeds=0, solved=counts)

    def not_run(self) -> Verdict:
        """The verdict where an arm has no run that had its full budget."""
        counts = self.solved(self.claim.arms)
        planned = len(self.facts.seeds)
        had = (f"{task}/{self.model(task, name)} {runs} of {planned}" for (task, name), (_, runs) in counts.items())
        return self.answer((NOT_RUN, f"Runs with their full budget: {', '.join(had)}."), seeds=0, solved=counts)
