"""An arm in one line: what its seeds did, all together, as a run of MLflow's that is marked as a summary."""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...report import statistics
from ...report.answers import bar_of
from ...report.frames import COMPLETE
from ..core import Run, Suite
from ..records.counted import counted
from ..records.events import Evaluated, judged
from ..records.record import Record
from .metrics import Point


class Summary(NamedTuple):
    """Of an arm."""

    key: str  # copy/ntm-constant
    tags: dict[str, str]
    points: list[Point]

    @property
    def fingerprint(self) -> str:
        """Another one whenever it says something else."""
        said = [self.tags, [(point.name, point.step, repr(point.value)) for point in self.points]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def outcome(suite: Suite, run: Run, record: Record) -> list[Point]:
    """Whether a run that had its full budget solved its task, ``solved`` 1 or 0, and if so after how many steps.

    A run is shown once, where it is at home: one that is at home in another suite counts whole, and what this suite's
    budget makes of it says the summary of its arm.
    """
    if record.ended is None or record.ended.status not in COMPLETE:
        return []
    shared = bool(run.experiment.home)
    time = _time(suite, run, [*record.evaluated.values()] if shared else counted(suite, run, record).evaluated)
    solved = bool(np.isfinite(time))
    found = {"solved": float(solved)} | ({"steps_to_solve": time} if solved else {})
    return [Point(name, record.step, value, record.ended.seconds) for name, value in found.items()]


def _time(suite: Suite, run: Run, evaluated: Collection[Evaluated]) -> float:
    errors = np.array([judged(each) for each in evaluated], dtype=float)
    steps = np.array([each.step for each in evaluated], dtype=float)
    return statistics.solved_at(steps, errors, bar_of(suite.solved, run.experiment.task_name))


@dataclass
class Arms:
    """Collects the runs that had their full budget, arm by arm."""

    suite: Suite
    rows: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)  # seed, step, errors
    times: dict[str, dict[int, float]] = field(default_factory=dict)  # to solve, by seed
    diverged: dict[str, list[int]] = field(default_factory=dict)

    def add(self, run: Run, record: Record) -> None:
        """One more run, as far as the suite's budget; one that has not had it does not count."""
        found = counted(self.suite, run, record)
        if found.status not in COMPLETE:
            return
        key = run.experiment.key
        rows = [(run.seed, each.step, judged(each)) for each in found.evaluated]
        self.rows.setdefault(key, []).extend(rows)
        self.times.setdefault(key, {})[run.seed] = _time(self.suite, run, found.evaluated)
        if found.status == "diverged":
            self.diverged.setdefault(key, []).append(run.seed)

    def __iter__(self) -> Iterator[Summary]:
        """A summary of each arm, in the order of the suite.

        Its curve is ``arm/errors`` (median), ``arm/errors-low`` and ``arm/errors-high`` (quartiles) over the steps that
        all of its seeds have. ``arm/steps_to_solve`` is the median, and left out where half of the seeds are unsolved.
        """
        for experiment in self.suite.experiments:
            if not (times := self.times.get(experiment.key)):
                continue
            table = pd.DataFrame(self.rows[experiment.key], columns=["seed", "step", "errors"])
            curve = statistics.median_curve(table, self.diverged.get(experiment.key, ()))
            names = {"median": "arm/errors", "low": "arm/errors-low", "high": "arm/errors-high"}
            points = [
                Point(name, int(row["step"]), float(row[column]), None)
                for row in curve.to_dict("records")
                for column, name in names.items()
            ]
            budget = self.suite.counts(experiment)
            values = np.array(list(times.values()))
            low, high = statistics.medians(values, float(budget))
            found = {"arm/seeds": float(len(values)), "arm/solved": float(np.isfinite(values).mean())}
            found |= {"arm/steps_to_solve": float(low)} if np.isfinite(high) else {}
            points += [Point(name, budget, value, None) for name, value in found.items()]
            note = "the share that solved the task, and the median steps that took. From the records, not trained."
            tags = {
                "suite": self.suite.name,
                "key": experiment.key,
                "summary": "arm",
                "task": experiment.task_name,
                "model": experiment.model_name,
                "reading": experiment.reading,
                "status": "done",
                "mlflow.note.content": f"Of {len(values)} seeds: median and quartiles of the errors, {note}",
            }
            yield Summary(experiment.key, {name: value for name, value in tags.items() if value}, points)
