"""What a paper says, as a value that records can answer: a frozen dataclass of its kind, one file a kind."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from .arms import Arm, meant, readings_of

if TYPE_CHECKING:
    from .evidence import Question
    from .verdict import Verdict

Number = float | tuple[float, float]
"""A paper's number, or the two ends of what it gives ("4 to 5 times")."""

Paper = Number | None
"""None if it gives none."""

Unit = Literal["ratio", "fraction", "difference", "bits", "errors", "count"]


@dataclass(frozen=True)
class Claim(ABC):
    """One claim. A kind adds who is compared, by arms' names, and how.

    An arm's name stands for the arm of that name under each reading of the suite, or for itself where it has none; a
    model's name (``ntm-constant-cosine``) for that model alone. Suites are read by every worker: a kind imports what is
    heavy (pandas, SciPy) inside ``measure``.

    Attributes:
        id: E.g. ``collier2018-C2``.
        text: The claim in a sentence.
        source: Where it is said, with its tag: [p] printed, [a] said by an author, [c] in the authors' code,
            [s] told by a secondary source, [o] ours. Of a claim that is no paper's the first tag is [o], or it is
            called "our claim [o]".
        primary: Decisive, as pages say: named in advance as one that decides.
    """

    kind: ClassVar[str]
    """What is measured, in a word, as ``claims.json`` says it."""
    unit: ClassVar[Unit]
    """What the number is: a ``ratio`` of times, a ``fraction`` of runs, a ``difference`` in relapses, ``bits`` or
    ``errors`` a sequence, a ``count`` of trainable numbers."""

    tested: ClassVar[bool] = True
    """Whether it has a p-value; a claim without one makes no other harder to decide."""
    sums_up: ClassVar[bool] = False
    """Whether it sums up other claims of its suite: corrected with them, it does not make them harder to decide."""

    id: str
    text: str
    source: str
    primary: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for role in ("tasks", "models", "rivals", "first"):
            if hasattr(self, role) and not _names(getattr(self, role)):
                raise self.wrong(f"{role}={getattr(self, role)!r}: a tuple of names is needed, such as ('ntm', 'lstm')")
        if self.paper is None:
            return
        both = ends(self.paper)
        if len(both) != 2 or not all(isinstance(end, int | float) and end > 0 for end in both) or both[0] > both[1]:
            raise self.wrong(f"paper={self.paper!r}: a number above zero, or the lower and the upper of two")

    @property
    @abstractmethod
    def arms(self) -> tuple[tuple[str, str], ...]:
        """Every task and arm that it speaks of, by name."""

    @abstractmethod
    def measure(self, question: "Question") -> "Verdict":
        """The verdict on it under one reading."""

    @property
    def paper(self) -> Paper:
        """The paper's number, in kinds that have a field for it."""
        return None

    @property
    def among(self) -> int:
        """Arms of which the one that does best is judged; 1 where none is chosen."""
        return 1

    @property
    def ours(self) -> bool:
        """Whether it is no paper's."""
        return is_ours(self.source)

    @property
    def sides(self) -> str:
        """What is compared, in a few words."""
        return ", ".join(f"{task}: {name}" for task, name in self.arms)

    def check(self, arms: Sequence[Arm]) -> None:
        """Refuse a claim that no run of a suite could answer.

        Args:
            arms: The suite's.

        Raises:
            ValueError: A task or arm is not among them; it says which there are.
        """
        for task, name in self.arms:
            here = [arm for arm in arms if arm.task == task]
            if not here:
                raise self.wrong(f"no task {task!r}; there are {_listed(arm.task for arm in arms)}")
            if not any(name in (arm.name, arm.model) for arm in here):
                raise self.wrong(f"no arm {name!r} on {task}; there are {_listed(arm.name for arm in here)}")
        under = readings_of(arms)
        if not any(all(meant(arms, *each, reading) for each in self.arms) for reading in under):
            both = _listed(name for _, name in self.arms)
            raise self.wrong(f"{both} never stand under the same reading; there are {', '.join(under)}")

    def wrong(self, what: str) -> ValueError:
        """An error that names the claim."""
        return ValueError(f"claim {self.id}: {what}")


def ends(paper: Number) -> tuple[float, float]:
    """The two ends of what a paper gives; equal where it gives one number."""
    return paper if isinstance(paper, tuple) else (paper, paper)


def is_ours(source: str) -> bool:
    """Whether a claim of this source is no paper's; bars and sizes of a paper's claim may be."""
    return "our claim [o]" in source or re.findall(r"\[(\w)", source)[:1] == ["o"]


def label_of(id: str, suite: str, ids: Iterable[str]) -> str:
    """A claim's id without the paper it belongs to, ``C2``; whole where the suite has claims of another paper, too.

    Args:
        id: Of the claim.
        suite: The suite's name; of ids that begin with it (``collier2018`` of ``collier2018-control``) nothing is lost.
        ids: Of all claims of the suite.
    """
    paper, _, rest = id.partition("-")
    alone = suite.split("-")[0] == paper or all(other.partition("-")[0] == paper for other in ids)
    return rest if rest and alone else id


def _names(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(name, str) for name in value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
