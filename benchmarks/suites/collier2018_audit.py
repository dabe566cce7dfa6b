"""Which of the differences between paper, released code and thesis code decides whether an NTM learns?

A factorial on copy and recall, half of collier2018's budget (the thesis code's 500k sequences):

- the starting memory: 1e-6 everywhere, tanh of U(+/-0.048), tanh of N(0, 0.5);
- whether training may move it (the released code trains all three);
- the first weightings: learned from near uniform (released code), or fixed on row 0 (snipsco/ntm-lasagne, 2016);
- the similarity: cosine (released code), dot product (thesis code).

Besides, on arms where they could matter: gradient clipping and the clip of head parameters and logits; a constant
memory under exactly uniform weightings, whose rows can never become different; and one head alone fixed on row 0. Arms
that are collier2018's own are shared with it; only their first 15,625 steps count here.
"""

import dataclasses

from ...ntm import NTM, Constant, Learned, OneHot, Random, Uniform
from ...ntm.memory import Contents, Weighting
from ...report.claims import Claim, Differs, Faster, NeverSolves
from ..core import Experiment, Suite, Training
from ..optimizers import ElementWise
from .collier2018 import TASKS, ntm, training
from .collier2018 import suite as collier2018

STEPS = 15_625  # 500k sequences [c], thesis code

MEMORIES: dict[str, dict[str, Contents]] = {
    "constant": {"fixed": Constant(1e-6), "trainable": Constant(1e-6, trainable=True)},
    "learned": {"fixed": Learned(trainable=False), "trainable": Learned()},
    "random": {"fixed": Random(std=0.5), "trainable": Random(std=0.5, trainable=True)},
}
WEIGHTINGS: dict[str, Weighting] = {"learned": Learned(), "one-hot": OneHot(row=0)}
SIMILARITIES = ("cosine", "dot")

Factors = dict[str, dict[str, str]]
Cell = tuple[str, str, str, str]
"""A level of every factor: memory, whether it is trained, first weighting, similarity."""


def arm_of(memory: str, moved: str, weighting: str) -> str:
    """An arm's name; those of collier2018 keep theirs."""
    if (moved, weighting) == ("trainable", "learned"):
        return f"ntm-{memory}"
    return f"ntm-{memory}-{moved}-{weighting}"


def experiment(task: str, arm: str, similarity: str, model: NTM, trained: Training | None = None) -> Experiment:
    """An arm under one reading."""
    name = f"{arm}-{similarity}"
    return Experiment(task, TASKS[task], name, model, trained or half(task), similarity, arm=arm)


def model_of(memory: str, moved: str, weighting: str, similarity: str) -> NTM:
    """One cell of the factorial."""
    first = WEIGHTINGS[weighting]
    start = MEMORIES[memory][moved]
    return dataclasses.replace(ntm(memory, similarity), memory=start, read_weighting=first, write_weighting=first)


def factorial() -> tuple[list[Experiment], Factors]:
    """All 24 cells on both tasks, and the level of every factor by model."""
    shared = {e.key: dataclasses.replace(e, home=collier2018.name) for e in collier2018.experiments}
    table, factors = [], {}
    for task in ("copy", "recall"):
        for similarity in SIMILARITIES:
            for weighting in WEIGHTINGS:
                for memory, moved in ((m, f) for m in MEMORIES for f in ("fixed", "trainable")):
                    model = model_of(memory, moved, weighting, similarity)
                    cell = experiment(task, arm_of(memory, moved, weighting), similarity, model)
                    table.append(shared.get(cell.key, cell))
                    factors[cell.model_name] = {
                        "memory": memory,
                        "trained": moved,
                        "first weighting": {"learned": "near uniform", "one-hot": "one row"}[weighting],
                        "similarity": similarity,
                    }
    return table, factors


def half(task: str) -> Training:
    """collier2018's training with the thesis code's budget."""
    return dataclasses.replace(training(task), steps=STEPS)


CLIPPED = (
    ("copy", ("constant", "trainable", "learned", "dot")),
    ("copy", ("constant", "fixed", "one-hot", "cosine")),
    ("recall", ("constant", "trainable", "learned", "cosine")),
)
"""Arms of the factorial on which clipping is changed: task, and level of every factor."""

CLIPPING = {
    "clip-none": "Without clipping gradients",
    "clip-element-wise": "Clipping gradients element by element instead of by their norm",
    "outputs-unclipped": "Without clipping head parameters and logits",
}


def with_clipping(cell: Cell, change: str) -> str:
    """The name of an arm with its clipping changed."""
    return f"{arm_of(*cell[:3])}-{change}"


def ablations() -> list[Experiment]:
    """Clipping, one thing changed at a time on an arm of the factorial; and the dead end."""
    table = []
    for task, cell in CLIPPED:
        model = model_of(*cell)
        free = dataclasses.replace(model, clip_heads=None, clip_output=None)
        for change, changed, trained in (
            ("clip-none", model, dataclasses.replace(half(task), clip=None)),
            ("clip-element-wise", model, dataclasses.replace(half(task), clip=ElementWise(10.0))),  # Graves 2014's
            ("outputs-unclipped", free, half(task)),
        ):
            table.append(experiment(task, with_clipping(cell, change), cell[-1], changed, trained))
    for task in ("copy", "recall"):
        for similarity in SIMILARITIES:
            alike = model_of("constant", "fixed", "one-hot", similarity)
            dead = dataclasses.replace(alike, read_weighting=Uniform(), write_weighting=Uniform())
            table.append(experiment(task, "ntm-constant-fixed-uniform", similarity, dead))
    return table


ONE_HEAD = (
    ("copy", ("random", "trainable", "learned", "cosine")),
    ("recall", ("constant", "fixed", "learned", "cosine")),
)
"""Arms that near uniform, with seed 1, did not learn, and did once both heads began on row 0."""


def with_one_head(cell: Cell, head: str) -> str:
    """The name of an arm of which one head alone, ``read`` or ``write``, begins on row 0."""
    memory, moved, _, _ = cell
    return f"ntm-{memory}-{moved}-{head}-one-hot"


def one_head() -> list[Experiment]:
    """Which of the two heads has to begin on a row?"""
    table = []
    for task, cell in ONE_HEAD:
        for head in ("write", "read"):
            first: dict[str, Weighting] = {f"{head}_weighting": OneHot(row=0)}
            model = dataclasses.replace(model_of(*cell), **first)  # type: ignore[arg-type]
            table.append(experiment(task, with_one_head(cell, head), cell[-1], model))
    return table


def claims() -> tuple[Claim, ...]:
    """What the audit asks: of memory and first weighting under both readings; of clipping and heads on some arms."""
    ours = "[o] from the differences between paper, released code and thesis code"
    asked: list[Claim] = []
    for task in ("copy", "recall"):
        asked += [
            Differs(
                f"code-D1-{task}",
                f"On {task}, it matters whether the constant memory is trainable.",
                ours,
                task,
                base="ntm-constant",
                rival="ntm-constant-fixed-learned",
            ),
            NeverSolves(
                f"code-D2-{task}",
                f"On {task}, constant memory under uniform weightings never solves the task: its rows stay one row.",
                "[o] by symmetry; an independent report (mgupta8143/neural-turing-machines) saw it near chance [s]",
                task,
                "ntm-constant-fixed-uniform",
            ),
            Faster(
                f"code-first-weighting-{task}",
                f"On {task}, a first weighting fixed on one row learns faster than the released near-uniform one.",
                ours,
                task,
                base="ntm-constant-fixed-one-hot",
                rival="ntm-constant-fixed-learned",
            ),
        ]
    for task, cell in CLIPPED:
        similarity = cell[-1]
        base = f"{arm_of(*cell[:3])}-{similarity}"  # by its model's name: asked of one reading alone
        for change, said in CLIPPING.items():
            asked.append(
                Differs(
                    f"code-D5-{task}-{similarity}-{change}",
                    f"{said}, {base} learns {task} at another speed.",
                    ours,
                    task,
                    base=base,
                    rival=f"{with_clipping(cell, change)}-{similarity}",
                )
            )
    for task, cell in ONE_HEAD:
        write, read = with_one_head(cell, "write"), with_one_head(cell, "read")
        asked.append(
            Faster(
                f"code-write-head-{task}",
                f"On {task}, it is the write head that has to begin on a row: {write} learns faster than {read}.",
                "[o] after watching a few such runs: write heads that begin near uniform stay there for long",
                task,
                base=write,
                rival=read,
            )
        )
    return tuple(asked)


_cells, _factors = factorial()

suite = Suite(
    name="collier2018-audit",
    title="Which unstated choice decides whether an NTM learns: memory, its training, first weighting or similarity?",
    experiments=(*_cells, *ablations(), *one_head()),
    seeds=tuple(range(1, 6)),
    solved=0.1,
    budget=STEPS,
    claims=claims(),
    sources={**collier2018.sources, "training.steps": "[c] thesis code: 15,625"},
    factors=_factors,
    own="ntm-constant-cosine",
    notes="Two readings: cosine, heads compare their key with a row by cosine similarity; dot, by the inner product.\n"
    "First weighting, where a head looks before the first step: learned is the released code's softmax of a small "
    "trainable vector, close to uniform at first; one-hot is fixed on the first row.",
)
