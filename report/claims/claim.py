"""What a paper says, as a value that records can answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Claim:
    """One claim; ``report.claims`` measures it.

    Attributes:
        id: E.g. ``collier2018-C2``.
        text: The claim in a sentence.
        source: Where it is said, with its tag: [p] printed, [a] said by an author, [c] in the authors' code,
            [s] told by a secondary source, [o] ours.
        measure: Which measurement: a name in ``report.claims.MEASURES``.
        arms: What is compared, by role, e.g. ``{"task": "copy", "base": "ntm-constant", "rival": "ntm-learned"}``.
            An arm stands for ``<arm>-<reading>`` under each reading of the suite, or for itself where it has none.
        paper: The paper's number, or the two ends of what it gives ("4 to 5 times"), if it gives one.
        primary: In the set named in advance as the one that decides.
    """

    id: str
    text: str
    source: str
    measure: str
    arms: Mapping[str, Any]
    paper: float | tuple[float, float] | None = None
    primary: bool = False

    @property
    def label(self) -> str:
        """The id without the paper it belongs to: ``C2``."""
        return self.id.partition("-")[2] or self.id

    @property
    def sides(self) -> str:
        """What a claim about times compares: ``copy: ntm-constant / ntm-learned``."""
        tasks = self.names("task", "tasks")
        base, rival = self.names("base", "first"), self.names("rival", "rivals", "last")
        where, one, other = (", ".join(dict.fromkeys(each)) for each in (tasks, base, rival))
        return f"{'mean of ' if len(tasks) > 1 else ''}{where}: {one} / {other}"

    def names(self, *roles: str) -> list[str]:
        """What fills these roles, one or several, in order."""
        found: list[str] = []
        for role in roles:
            value = self.arms.get(role, ())
            found += [value] if isinstance(value, str) else list(value)
        return found
