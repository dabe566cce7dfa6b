"""An arm does not solve a task in the time given."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .claim import Claim, Unit

if TYPE_CHECKING:
    from .evidence import Question
    from .verdict import Verdict


@dataclass(frozen=True)
class NeverSolves(Claim):
    """No run solves the task within its budget."""

    kind: ClassVar[str] = "never-solves"
    unit: ClassVar[Unit] = "fraction"

    task: str
    model: str

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return ((self.task, self.model),)

    def measure(self, question: "Question") -> "Verdict":
        from .verdict import decide_fraction, half_p, share

        table = question.runs(self.task, self.model)
        if table.empty:
            return question.not_run()
        counts = question.solved(self.arms)
        count, runs = counts[self.task, self.model]
        p = half_p(count, runs)
        budget, half = table["budget"].max(), int((table["time"] <= table["budget"] / 2).sum())
        found = f"{count} of {runs} runs solve it within {budget:,} {question.facts.clock}, {half} within half of them."
        end = np.isinf(table["time"]) & (table["status"] != "diverged")
        if late := int((end & (table["last"] < question.facts.bar(self.task))).sum()):
            found += f" {late} more {'is' if late == 1 else 'are'} below the bar at the end, too late to have held."
        rule = partial(decide_fraction, count, runs, False, p)
        return question.answer(rule, found, seeds=runs, p=p, solved=counts, **share(count, runs))
