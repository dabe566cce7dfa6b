"""An arm has as many trainable numbers as a paper prints. Nothing is trained for that."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .claim import Claim, Unit

if TYPE_CHECKING:
    from .evidence import Question
    from .verdict import Verdict


@dataclass(frozen=True)
class Parameters(Claim):
    """The arm as the suite builds it has this number of trainable numbers, exactly.

    Attributes:
        paper: How many.
    """

    kind: ClassVar[str] = "parameters"
    unit: ClassVar[Unit] = "count"
    tested: ClassVar[bool] = False

    task: str
    model: str
    paper: int = 0  # which is refused: it has to be told

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return ((self.task, self.model),)

    def measure(self, question: "Question") -> "Verdict":
        from .verdict import AGREES, CONTRADICTS

        count = question.facts.parameters[self.task, question.model(self.task, self.model)]
        found = f"{self.model} has {count:,} trainable numbers; nothing is trained for this."
        seeds = len(question.facts.seeds)
        if count == self.paper:
            return question.answer((AGREES, "That is the paper's number."), found, seeds=seeds, estimate=count)
        reason = f"The paper's number is {self.paper:,}, {abs(count - self.paper):,} away."
        return question.answer((CONTRADICTS, reason), found, seeds=seeds, estimate=count)
