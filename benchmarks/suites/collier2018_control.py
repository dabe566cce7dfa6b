"""The positive control of collier2018: does the released cell do here what the authors' own plots show?

The plots that the released repository held on 1 March 2018 (later deleted, in its history at fc76358) show three seeds
of an NTM that solved copy after 70k, 75k and 385k sequences and recall after 125k, 155k and never. It was the
released cell (cosine, learned memory and weightings) under TensorFlow's RMSProp 1e-4, and that day's README said that
the *learned* memory works much better than the other two: the opposite of the paper, which used Adam 1e-3.

The same three memories under RMSProp here; under Adam they are collier2018's own arms, shared with it.
Tags as in collier2018.
"""

import dataclasses

from ...report.claims import Faster, Generalises
from ..core import Experiment, Suite
from ..optimizers import RMSProp
from .collier2018 import MEMORIES, TASKS, ntm, training
from .collier2018 import suite as collier2018

RMSPROP = RMSProp(learning_rate=1e-4, decay=0.9, momentum=0.9, epsilon=1e-10)  # [c]; epsilon is TensorFlow's default


def experiments() -> tuple[Experiment, ...]:
    """The control first, then what claim C12 compares it with."""
    table = []
    for memory in ("learned", "constant", "random"):
        for name in ("copy", "recall"):
            trained = dataclasses.replace(training(name), optimizer=RMSPROP)
            table.append(Experiment(name, TASKS[name], f"ntm-{memory}-rmsprop", ntm(memory, "cosine"), trained))
    for arm in collier2018.experiments:
        if arm.task_name in ("copy", "recall") and arm.model_name in {f"ntm-{memory}-cosine" for memory in MEMORIES}:
            table.append(dataclasses.replace(arm, reading="", arm="", home=collier2018.name))
    return tuple(table)


def faster(id: str, task: str, base: str, rival: str, text: str) -> Faster:
    """That one arm solves a task sooner than another; the README gave no number."""
    source = "[c] README of the released code, 1 March 2018 (opposite of the paper)"
    return Faster(id, text, source, task, base, rival)


suite = Suite(
    name="collier2018-control",
    title="Positive control: the released cell under RMSProp, as in the authors' own plots",
    paper="MarkPKCollier/NeuralTuringMachine, README and plots of 1 March 2018",
    experiments=experiments(),
    seeds=tuple(range(1, 6)),
    solved=0.1,
    claims=(
        faster(
            "collier2018-C12a",
            "copy",
            "ntm-learned-rmsprop",
            "ntm-constant-rmsprop",
            "Copy, RMSProp: learned memory solves it sooner than constant.",
        ),
        faster(
            "collier2018-C12b",
            "copy",
            "ntm-learned-rmsprop",
            "ntm-random-rmsprop",
            "Copy, RMSProp: learned memory solves it sooner than random.",
        ),
        faster(
            "collier2018-C12c",
            "recall",
            "ntm-learned-rmsprop",
            "ntm-constant-rmsprop",
            "Recall, RMSProp: learned memory solves it sooner than constant.",
        ),
        faster(
            "collier2018-C12d",
            "recall",
            "ntm-learned-rmsprop",
            "ntm-random-rmsprop",
            "Recall, RMSProp: learned memory solves it sooner than random.",
        ),
        *(
            dataclasses.replace(claim, id=f"{claim.id}-rmsprop", model="ntm-learned-rmsprop")
            for claim in collier2018.claims
            if isinstance(claim, Generalises)  # C13a and C13b: the README that says so trains like this
        ),
    ),
    sources={**collier2018.sources, "training.optimizer": "[c] released run_tasks.py of 1 March 2018: RMSProp 1e-4"},
)
