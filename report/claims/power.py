"""Whether a number of seeds can decide a suite's claims at all, before any of them has run."""

from collections.abc import Iterable
from math import comb

from ..statistics.multiplicity import ALPHA, holm
from ..statistics.permutation import DRAWN
from .claim import Claim
from .speed import Speed


def least_p(claim: Claim, seeds: int) -> float:
    """The smallest p-value that a claim can have, not corrected: no run of so many seeds is an exception.

    A share of runs is tested against one half, the best of several arms once an arm; times and relapses by the ways to
    deal the runs to two arms, task by task, or to swap pairs. Other kinds have no limit: 0.
    """
    if claim.unit == "fraction":
        return claim.among * 0.5**seeds
    if isinstance(claim, Speed):
        ways = 2**seeds if claim.paired else comb(2 * seeds, seeds)
        return max(2 / float(min(ways ** len(duel.tasks), DRAWN)) for duel in claim.duels)
    if claim.unit == "difference":
        return 2 / min(comb(2 * seeds, seeds), DRAWN)
    return 0.0


def out_of_reach(claims: Iterable[Claim], seeds: int) -> dict[str, float]:
    """The decisive claims that stay undecided however clear all of them come out, by id: their corrected p-value."""
    decisive = [claim for claim in claims if claim.primary and claim.tested and not claim.sums_up]
    corrected = holm([least_p(claim, seeds) for claim in decisive])
    return {claim.id: float(p) for claim, p in zip(decisive, corrected, strict=True) if p >= ALPHA}
