"""Claims: what papers say, in a kind of claim each, and the verdicts on them."""

from .arms import Arm
from .cheaper import Cheaper, FewerErrors
from .claim import Claim
from .differs import Differs
from .excess import Excess
from .faster import Faster
from .faster_over_tasks import FasterOverTasks
from .fewer_relapses import FewerRelapses
from .generalises import Degrades, Generalises
from .mean_faster import MeanFaster
from .never_diverges import NeverDiverges
from .never_solves import NeverSolves
from .order import Order
from .parameters import Parameters
from .scores import FallsShort, Scores
from .shows import Shows, Shrinks
from .solves import CannotSolve, Solves

__all__ = [
    "Arm",
    "CannotSolve",
    "Cheaper",
    "Claim",
    "Degrades",
    "Differs",
    "Excess",
    "FallsShort",
    "Faster",
    "FasterOverTasks",
    "FewerErrors",
    "FewerRelapses",
    "Generalises",
    "MeanFaster",
    "NeverDiverges",
    "NeverSolves",
    "Order",
    "Parameters",
    "Scores",
    "Shows",
    "Shrinks",
    "Solves",
]
