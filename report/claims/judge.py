"""A verdict on every claim under every reading that concerns it."""

from collections.abc import Sequence

from .. import statistics
from ..frames import Frames, SuiteFacts
from .arms import Arm, readings_of
from .claim import Claim
from .evidence import Question
from .verdict import Verdict


def judge(frames: Frames, facts: SuiteFacts) -> list[Verdict]:
    """Verdicts in the order of the claims; each claim is measured alone, then all are corrected for their number."""
    table = statistics.outcomes(frames, facts.solved, facts.relapse)
    return corrected(
        [
            Question(claim, reading, facts, table, frames.generalisation).answered()
            for claim in facts.claims
            for reading in asked_under(claim, facts.arms)
        ]
    )


def asked_under(claim: Claim, arms: Sequence[Arm]) -> list[str]:
    """The readings that a claim is asked under: all, or none (an empty one) where none of its arms stands under any."""
    spoken = {name for _, name in claim.arms}
    return readings_of(arms) if any(arm.reading for arm in arms if arm.name in spoken) else [""]


def corrected(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts, their p-values corrected for the number of claims: the primary set by itself, the rest by itself.

    No kind measures a p-value (``Verdict.p``) yet, so they stay as they are.
    """
    return verdicts
