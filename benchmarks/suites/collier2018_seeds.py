"""The seeds that decide: does constant memory converge faster than learned? Fifty seeds of each, on all three tasks.

The question that collier2018 leaves undecided after ten seeds, with the arms that it is about and nothing else:
constant and learned memory under cosine similarity. Seeds 1 to 10 are collier2018's own records; 11 to 50 lie beside
them.

Named before the first run beyond seed 10, on 30 November 2026:

- the primary claims are collier2018's C2 (copy), C4a (repeat copy) and C5a (recall), and one test of all three tasks
  together: a log-rank permutation test of constant against learned, stratified by task, inverted for the ratio of
  times. Four claims, corrected by Holm;
- the budget is collier2018's, 31,250 steps of 32 sequences; nothing of the arms is changed;
- a verdict is final once all fifty seeds of every arm are there, and interim before.
"""

import dataclasses

from ...report.claims import FasterOverTasks
from ..core import Suite
from .collier2018 import suite as collier2018
from .collier2018_claims import CONSTANT, LEARNED, TASKS

ARMS = ("ntm-constant-cosine", "ntm-learned-cosine")

suite = Suite(
    name="collier2018-seeds",
    title="Fifty seeds: is constant memory faster than learned?",
    paper=collier2018.paper,
    experiments=tuple(
        dataclasses.replace(arm, home=collier2018.name) for arm in collier2018.experiments if arm.model_name in ARMS
    ),
    seeds=tuple(range(1, 51)),
    solved=collier2018.solved,
    claims=(
        *(
            claim
            for claim in collier2018.claims
            if claim.id in ("collier2018-C2", "collier2018-C4a", "collier2018-C5a")
        ),
        FasterOverTasks(
            "collier2018-all-tasks",
            "Over copy, repeat copy and associative recall together, constant memory is faster than learned.",
            "[o] the paper's finding, asked once of all its tasks",
            TASKS,
            base=CONSTANT,
            rival=LEARNED,
            primary=True,
        ),
    ),
    sources={**collier2018.sources, "seeds": "[o] fifty: the ten of collier2018, and forty more"},
)
