"""Training stays finite."""

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, ClassVar

from .claim import Claim, Unit

if TYPE_CHECKING:
    from .evidence import Question
    from .verdict import Verdict


@dataclass(frozen=True)
class NeverDiverges(Claim):
    """No run of these models on these tasks has a loss or gradient that is not finite."""

    kind: ClassVar[str] = "never-diverges"
    unit: ClassVar[Unit] = "fraction"

    tasks: tuple[str, ...]
    models: tuple[str, ...]

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return tuple(product(self.tasks, self.models))

    def measure(self, question: "Question") -> "Verdict":
        from .verdict import CONTRADICTS, decide_fraction, half_p, share

        statuses = [status for arm in self.arms for status in question.runs(*arm)["status"]]
        count, seeds = statuses.count("diverged"), question.seeds(self.arms)
        if not count and not seeds:
            return question.not_run()
        found = f"{count} of {len(statuses)} runs diverged."
        numbers = share(count, len(statuses))
        if count:
            return question.answer((CONTRADICTS, "Claimed is none."), found, seeds=seeds, **numbers)
        p = half_p(0, seeds)
        return question.answer(partial(decide_fraction, 0, seeds, False, p), found, seeds=seeds, p=p, **numbers)
