"""Two arms solve a task at another speed, whichever is faster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .speed import Duel, Speed

if TYPE_CHECKING:
    from ..statistics.ratio import Ratio
    from .verdict import Reasoned


@dataclass(frozen=True)
class Differs(Speed):
    """It matters: the base is faster than the rival, or slower.

    Attributes:
        paired: As in ``Faster``.
    """

    kind: ClassVar[str] = "differs"

    task: str
    base: str
    rival: str
    paired: bool = False

    @property
    def duels(self) -> tuple[Duel, ...]:
        return (Duel((self.task,), self.base, self.rival),)

    def decide(self, ratio: "Ratio", solved: bool, p: float) -> "Reasoned":
        from .verdict import decide_differs

        return decide_differs(ratio, p)
