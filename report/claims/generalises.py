"""What was learned holds, or does not hold, at a size that was tested at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .arms import Arm
from .claim import Claim, Unit

if TYPE_CHECKING:
    from .evidence import Question
    from .verdict import Verdict


@dataclass(frozen=True)
class Generalises(Claim):
    """The best weights of solved runs stay below the bar at this size.

    Attributes:
        size: In the task's own terms: ``(40,)``, ``(10, 20)``.
        bar: Another bar than the suite's, as where a paper says "below one bit".
    """

    kind: ClassVar[str] = "generalises"
    unit: ClassVar[Unit] = "fraction"

    task: str
    model: str
    size: tuple[int, ...]
    bar: float | None = None

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return ((self.task, self.model),)

    def check(self, arms: Sequence[Arm]) -> None:
        """See ``Claim``; the size has to be one that the arm is tested on."""
        super().check(arms)
        tested_at(self, arms, self.task, self.model, self.size)

    def measure(self, question: "Question") -> "Verdict":
        return at_size(self, question, below=True)


@dataclass(frozen=True)
class Degrades(Generalises):
    """The best weights of solved runs do not stay below the bar at this size."""

    kind: ClassVar[str] = "degrades"

    def measure(self, question: "Question") -> "Verdict":
        return at_size(self, question, below=False)


def tested_at(claim: Claim, arms: Sequence[Arm], task: str, model: str, size: tuple[int, ...]) -> None:
    """Refuse a size that an arm is not tested on.

    Raises:
        ValueError: It is not; it says on which it is.
    """
    for arm in arms:
        if arm.task == task and model in (arm.name, arm.model) and size not in arm.sizes:
            raise claim.wrong(f"size={size!r}: {arm.model} is tested on {task} at {_said(arm.sizes)}")


def at_size(claim: Generalises, question: "Question", below: bool) -> "Verdict":
    """Of the solved runs, those whose best weights stay below the bar at a size, or do not.

    A solved run that was not tested, since it diverged later, counts as an exception.
    """
    from ..statistics import ENOUGH
    from .verdict import NOT_ESTIMABLE, UNDECIDED, decide_fraction, half_p, share

    runs = question.runs(claim.task, claim.model)
    if runs.empty:
        return question.not_run()
    size = "x".join(map(str, claim.size))
    counts = question.solved(claim.arms)
    solved = runs.index[np.isfinite(runs["time"])]
    errors = question.tested(claim.task, claim.model, size)
    errors = errors.loc[solved.intersection(errors.index)]
    if errors.empty:
        verdict = NOT_ESTIMABLE if len(runs) >= ENOUGH else UNDECIDED
        found = f"Of {len(runs)} runs none was solved and tested at size {size}."
        return question.answer((verdict, found), seeds=len(runs), solved=counts)
    bar, counted = claim.bar or question.facts.bar(claim.task), question.facts.answer(claim.task).counted
    good = int((errors < bar).sum())
    count = good if below else len(errors) - good
    p = half_p(count, len(solved), always=True)
    did = f"stay below {bar:g} {counted} a sequence" if below else f"make {bar:g} {counted} a sequence or more"
    untested = len(solved) - len(errors)
    found = (
        f"At size {size}, {count} of {len(solved)} solved runs {did}{f' ({untested} not tested)' if untested else ''}"
    )
    found += f"; the median is {errors.median():.2f}."
    beside = {f"median {counted}": float(errors.median())}
    numbers = share(count, len(solved))
    rule = partial(decide_fraction, count, len(solved), True)
    return question.answer(rule, found, seeds=len(runs), p=p, solved=counts, beside=beside, **numbers)


def _said(sizes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(map(str, sizes)) or "none"
