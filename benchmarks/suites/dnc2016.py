"""The DNC (Graves et al. 2016, Nature 538), small enough for two cores: what its parts are good for.

- ``repeat-copy`` is the task of DeepMind's repository (google-deepmind/dnc, f5981c6), its sizes and training: does what
  differs between paper and code matter, and do trained weights serve another number of rows?
- ``copy`` without links, by a controller without a state of its own, so that order can only be kept in the memory.
- ``copies``: more vectors in a sequence than the memory has rows.
- ``longer-repeat-copy`` and ``recall``: the three changes of Csordas & Schmidhuber 2019 (ICLR; RobertCsordas/dnc).

Values are tagged [p] printed in the paper, [c] in DeepMind's code, [cs] in Csordas's code, [o] our choice.
"""

import dataclasses

from ...baselines.dnc import DNC
from ...report.claims import Claim, Faster, Generalises
from ..core import Experiment, Suite, Training
from ..optimizers import Adam, GlobalNorm, RMSProp
from ..protocols import Size, Task
from ..tasks.copies import Copies
from ..tasks.copy import Copy
from ..tasks.recall import Recall
from ..tasks.repeat_copy import RepeatCopy

TASKS: dict[str, Task] = {
    "repeat-copy": RepeatCopy(  # [c]
        bits=4, train=(range(1, 3), range(1, 3)), test=((2, 2), (2, 4), (4, 2)), encoding="deepmind"
    ),
    "copy": Copy(bits=6, train=(range(1, 21),), test=((20,), (30,)), encoding="graves"),  # [p]: 6 bits, lengths to 100
    "copies": Copies(bits=6, train=(range(1, 5), range(1, 6)), test=((4, 5), (4, 10), (5, 10))),  # [p]: 10 times 5
    "longer-repeat-copy": RepeatCopy(  # [cs]: 8 bits, lengths 2 to 14, 1 to 8 repeats
        bits=4, train=(range(2, 7), range(1, 5)), test=((6, 8), (10, 4)), encoding="deepmind"
    ),
    "recall": Recall(bits=6, vectors=2, train=(range(2, 6),), test=((5,), (8,)), encoding="graves"),  # [o]
}

EVALUATED: dict[str, tuple[Size, ...]] = {
    "repeat-copy": ((1, 1), (1, 2), (2, 1), (2, 2)),
    "copy": tuple((length,) for length in range(1, 21)),
    "copies": tuple((length, times) for length in range(1, 5) for times in (1, 3, 5)),
    "longer-repeat-copy": tuple((length, repeats) for length in (2, 4, 6) for repeats in (1, 2, 4)),
    "recall": tuple((items,) for items in range(2, 6)),
}

RELEASED = DNC.deepmind(rows=16, width=16, reads=4, units=64)  # [c]
FEEDFORWARD = DNC(rows=32, width=16, units=64, recurrent=False)  # [p] a feedforward controller; sizes [o]
TEN_ROWS = DNC.deepmind(rows=10, width=16, units=64)  # [p] 10 rows; others [o]
CSORDAS = DNC.deepmind(rows=16, width=16, units=32, strength="oneplus", cosine="plain")  # [cs]; the clip [c]


def training(task: str) -> Training:
    """Adam and a few thousand steps [o]: what takes minutes."""
    return Training(
        optimizer=Adam(1e-3),
        clip=GlobalNorm(50.0),  # [c]
        batch=16,  # [c]
        steps=8_000,
        eval_every=100,
        eval_sizes=EVALUATED[task],
        eval_batch=32,
        test_sequences=192,
        reduction="sum",  # [c]
    )


AS_RELEASED = dataclasses.replace(
    training("repeat-copy"),
    optimizer=RMSProp(learning_rate=1e-4, decay=0.9, momentum=0.0, epsilon=1e-10),  # [c]
    steps=30_000,  # [c]: 100,000
    eval_every=250,
    mixed_sizes=True,  # every sequence of a batch draws its own [c]
)


def experiments() -> tuple[Experiment, ...]:
    """All arms, question by question."""
    presets = {
        "dnc": RELEASED,
        "dnc-oneplus": dataclasses.replace(RELEASED, strength="oneplus"),
        "dnc-usage-gradient": dataclasses.replace(RELEASED, detach_usage=False),
        "dnc-paper": DNC(rows=16, width=16, reads=4, units=64),
    }
    changes = {
        "dnc": CSORDAS,
        "dnc-masked": dataclasses.replace(CSORDAS, masked=True),
        "dnc-deallocate": dataclasses.replace(CSORDAS, deallocate=True),
        "dnc-sharpened": dataclasses.replace(CSORDAS, sharpened=True),
        "dnc-all-three": dataclasses.replace(CSORDAS, masked=True, deallocate=True, sharpened=True),
    }
    with_links = {"dnc-feedforward": True, "dnc-feedforward-no-links": False}

    def arm(task: str, name: str, model: DNC, trained: Training | None = None, tested: DNC | None = None) -> Experiment:
        return Experiment(task, TASKS[task], name, model, trained or training(task), tested=tested)

    return (
        *(arm("repeat-copy", name, model, AS_RELEASED) for name, model in presets.items()),
        arm("repeat-copy", "dnc-tested-with-64-rows", RELEASED, AS_RELEASED, dataclasses.replace(RELEASED, rows=64)),
        *(arm("copy", name, dataclasses.replace(FEEDFORWARD, links=links)) for name, links in with_links.items()),
        arm("copies", "dnc-10-rows", TEN_ROWS),
        *(arm(task, *change) for task in ("longer-repeat-copy", "recall") for change in changes.items()),
    )


METHODS = "Graves et al. 2016, Nature 538 [p]"
CS19 = "Csordas & Schmidhuber 2019, abstract [p]"


def immaterial(id: str, text: str, rival: str) -> Faster:
    """As fast with DeepMind's choice as with the paper's."""
    source = "google-deepmind/dnc against the paper; our claim [o]"
    return Faster(f"dnc2016-{id}", text, source, "repeat-copy", "dnc", rival, paper=1.0)


def helps(id: str, text: str, change: str) -> tuple[Faster, ...]:
    """Faster with the change, on either task."""
    return tuple(
        Faster(f"csordas2019-{id}-{task}", text, CS19, task, change, "dnc") for task in ("longer-repeat-copy", "recall")
    )


CLAIMS: tuple[Claim, ...] = (
    Faster(
        "dnc2016-C1",
        "Without the link matrix copying is not easily learned: with it, sooner.",
        f"{METHODS}, extended data figure 4",
        "copy",
        base="dnc-feedforward",
        rival="dnc-feedforward-no-links",
        primary=True,
    ),
    Generalises(
        "dnc2016-C2",
        "Ten rows suffice for forty vectors, since rows that were read are freed.",
        f"{METHODS}, extended data figure 1; fifty vectors there",
        "copies",
        "dnc-10-rows",
        size=(4, 10),
        primary=True,
    ),
    Generalises(
        "dnc2016-C3",
        "Weights trained with 16 rows work with 64.",
        METHODS,
        "repeat-copy",
        "dnc-tested-with-64-rows",
        size=(2, 2),
        primary=True,
    ),
    immaterial("C4a", "Softplus strengths learn as fast as oneplus.", "dnc-oneplus"),
    immaterial("C4b", "No gradient into usage learns as fast as one.", "dnc-usage-gradient"),
    immaterial("C4c", "DeepMind's code learns as fast as the paper's equations.", "dnc-paper"),
    *helps("C1a", "Masking keys and rows helps.", "dnc-masked"),
    *helps("C1b", "Erasing what is freed helps.", "dnc-deallocate"),
    *helps("C1c", "Sharpening the weightings along links helps.", "dnc-sharpened"),
    *helps("C1d", "The three together help.", "dnc-all-three"),
)

suite = Suite(
    name="dnc2016",
    title="The DNC: links, free gates, another number of rows, and what was changed since",
    paper="Graves et al. 2016, Hybrid computing using a neural network with dynamic external memory, Nature 538",
    experiments=experiments(),
    seeds=tuple(range(1, 6)),
    solved=0.1,
    claims=CLAIMS,
    sources={
        "task": "[c] repeat-copy, and of Csordas longer-repeat-copy; [p] 6 bits, 10 rows; lengths shortened [o]",
        "model": "[c] train.py: 16 x 16, 4 read heads, LSTM of 64; of Csordas: 1, of 32, oneplus, plain cosine; "
        "feedforward controller [p]",
        "training.optimizer": "[c] RMSProp 1e-4, epsilon 1e-10, on repeat-copy; elsewhere Adam 1e-3 [o]",
        "training.clip": "[c] global norm 50",
        "training.batch": "[c] 16",
        "training.steps": "[o] the released code trains 100,000",
        "training.mixed_sizes": "[c] every sequence draws its own, on repeat-copy",
        "training.reduction": "[c] summed over time and bits, divided by the batch",
        "seeds": "[o] five; the paper has twenty [p]",
        "solved": "[o] collier2018's bar",
    },
)
