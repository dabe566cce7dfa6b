"""An arm comes so close to the best possible predictor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .arms import Arm
from .claim import Claim, Paper, Unit, ends

if TYPE_CHECKING:
    from .evidence import Question
    from .verdict import Verdict


@dataclass(frozen=True)
class Excess(Claim):
    """At the end a sequence costs so many bits more than the best possible predictor needs of the same sequences.

    Attributes:
        paper: How many more; the two ends of what a figure can be read as.
    """

    kind: ClassVar[str] = "excess"
    unit: ClassVar[Unit] = "bits"
    tested: ClassVar[bool] = False

    task: str
    model: str
    paper: Paper = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.paper is None:
            raise self.wrong("paper=None: how many bits more it says has to be told")

    def check(self, arms: Sequence[Arm]) -> None:
        """See ``Claim``; the best possible predictor has to be known."""
        super().check(arms)
        if not any(arm.floored for arm in arms if arm.task == self.task):
            raise self.wrong(f"{self.task} has no best possible predictor")

    @property
    def arms(self) -> tuple[tuple[str, str], ...]:
        return ((self.task, self.model),)

    def measure(self, question: "Question") -> "Verdict":
        from scipy import stats

        from ..statistics import ENOUGH, LEVEL, Interval
        from .verdict import AGREES, CONTRADICTS, UNDECIDED, paper_text

        bits = question.costs(self.task, self.model, of="errors")
        if bits.empty:
            return question.not_run()
        mean, interval = float(bits.mean()), None
        verdict, reason = UNDECIDED, f"Fewer than {ENOUGH} seeds have their full budget."
        if len(bits) >= ENOUGH:
            half = float(stats.t.ppf((1 + LEVEL) / 2, len(bits) - 1) * bits.std() / len(bits) ** 0.5)
            interval = Interval(mean - half, mean + half)
            assert self.paper is not None  # see __post_init__
            least, most = ends(self.paper)
            if interval.high < least or most < interval.low:
                verdict, reason = CONTRADICTS, f"The interval lies outside the paper's {paper_text(self.paper)}."
            elif interval.high - interval.low > most:
                reason = f"The interval is wider than the paper's {paper_text(self.paper)}: it says too little."
            else:
                verdict, reason = AGREES, f"The interval meets the paper's {paper_text(self.paper)}."
        found = f"Bits a sequence above the optimum, mean of {len(bits)} runs: {mean:.2f}."
        solved, seeds = question.solved(self.arms), len(bits)
        return question.answer((verdict, reason), found, seeds=seeds, estimate=mean, interval=interval, solved=solved)
