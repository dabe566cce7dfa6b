"""What was learned holds, or does not hold, at a size that was tested at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..words import size_text
from .arms import Arm
from .claim import Claim, Unit

if TYPE_CHECKING:
    import pandas as pd

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
    """Of the solved runs, those whose best weights stay below the bar at a size, or do not."""
    size = size_text(claim.size)
    bar, counted = claim.bar or question.facts.bar(claim.task), question.facts.answer(claim.task).counted
    many = f"{bar:g} {counted.removesuffix('s') if bar == 1 else counted} a sequence"
    did = f"stay below {many}" if below else f"make {many} or more"
    errors = question.tested(claim.task, claim.model, size)

    def said(runs: str, median: float) -> str:
        return f"At size {size}, {runs} {did}; the median is {median:.2f}."

    return of_runs(question, errors, (errors < bar) == below, said, f"size {size}", counted)


def of_runs(
    question: "Question",
    values: "pd.Series[float]",
    holds: "pd.Series[bool]",
    said: Callable[[str, float], str],
    where: str,
    what: str,
    every: bool = False,
) -> "Verdict":
    """Of the solved runs of one arm, or of every run, those of which something holds at a size.

    A run that was not tested, since it diverged later, counts as an exception; one that is still to be tested, at a
    size that was added later, does not count.

    Args:
        question: What is asked.
        values: What was measured, by seed.
        holds: Likewise, whether it is as claimed.
        said: What was found in words, from how many runs it holds of and from the median of the values.
        where: The size, in words.
        what: What the values are.
        every: Whether runs count, too, that did not solve the task.
    """
    from ..statistics import ENOUGH
    from .verdict import NOT_ESTIMABLE, UNDECIDED, decide_fraction, half_p, share

    (arm,) = question.claim.arms
    runs = question.runs(*arm)
    if runs.empty:
        return question.not_run()
    counts = question.solved([arm])
    counting = runs.index if every else runs.index[np.isfinite(runs["time"])]
    there = counting.intersection(values.index)
    later = counting.difference(there).difference(runs.index[runs["status"] == "diverged"])
    counting = counting.difference(later)
    if there.empty:
        verdict = NOT_ESTIMABLE if len(runs) >= ENOUGH else UNDECIDED
        found = f"Of {len(runs)} runs none was {'' if every else 'solved and '}tested at {where}."
        return question.answer((verdict, found), seeds=len(runs), solved=counts)
    count, of, median = int(holds[there].sum()), len(counting), float(values[there].median())
    p = half_p(count, of)
    missing = f" ({of - len(there)} not tested)" if len(there) < of else ""
    missing += f" ({len(later)} more {'is' if len(later) == 1 else 'are'} still to be tested)" if len(later) else ""
    found = said(f"{count} of {of} {'' if every else 'solved '}runs{missing}", median)
    rule = partial(decide_fraction, count, of, True, p)
    numbers = {"beside": {f"median {what}": median}, **share(count, of)}
    return question.answer(rule, found, seeds=len(runs), p=p, solved=counts, **numbers)


def _said(sizes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(map(str, sizes)) or "none"
