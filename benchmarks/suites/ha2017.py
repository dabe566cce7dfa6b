"""Ha 2017, kuc2477/pytorch-ntm (170cfef of November 2017): an NTM with three defects. Does it learn all the same?

Its interpolation lacks the gate on the content weighting, the controller is never given what was read, and the memory
is drawn anew for every sequence. Its README reports no result. Here every defect is a switch: the cell as released,
with all mended, and with each defect alone, on copy. ``tests/test_authors_cells.py`` holds the model against the
released code.

Tags: [c] in the code, [o] our choice. Claims, seeds and budgets were named before the first run, on 30 November 2026.
"""

import dataclasses
import math

from ...ntm import NTM, Bounded, Glorot, LSTMController, Random, Redrawn, Weights, Zeros
from ...report.claims import Claim, Differs, Solves
from ..core import EVALUATION, Experiment, Suite, Training
from ..learning_rates import Falls
from ..optimizers import TorchAdam
from ..tasks.copy import Copy

ROWS, WIDTH, UNITS, BATCH = 20, 128, 100, 256  # [c] main.py: few rows, and wide ones

DRAWN = Bounded(math.sqrt(6 / (ROWS * WIDTH + BATCH * WIDTH)))
"""Xavier's bound of a tensor (batch, rows, width), which is what the code draws: 0.013 at its batch of 256 [c]."""

TASK = Copy(bits=8, train=(range(1, 21),), test=((40,), (80,)), encoding="graves")  # [c] tasks.py

RELEASED = NTM(
    rows=ROWS,
    width=WIDTH,
    reads=1,  # [c]
    writes=1,  # [c]
    memory=Redrawn(DRAWN),  # [c] model.py: at every reset
    read=Zeros(),  # not fed back: nothing sees it
    read_weighting=Zeros(),  # [c]
    write_weighting=Zeros(),  # [c]
    controller=LSTMController(
        units=UNITS,
        layers=1,
        forget_bias=0.0,  # [c] as torch's
        state=Random(std=1.0, trainable=True, squash=False),  # [c]
        weights=Weights(Bounded(1 / math.sqrt(UNITS)), Bounded(1 / math.sqrt(UNITS))),  # [c] torch's LSTMCell
        second_bias=True,  # [c] torch's LSTMCell
    ),
    clip_heads=None,  # [c]
    clip_output=None,  # [c]
    read_first=False,  # [c] a head writes, then one reads
    squash="linear",  # [c]
    gated=False,  # [c]
    feedback=False,  # [c]
    write_order="pairs",  # [c]
    head_weights=Weights(Glorot(law="normal"), Bounded(1 / math.sqrt(UNITS))),  # [c] utils.py; biases as torch's
    output_weights=Weights(Glorot(law="normal"), Bounded(1 / math.sqrt(UNITS + WIDTH))),  # [c] likewise
)

TRAINING = Training(
    optimizer=TorchAdam(learning_rate=5e-3, weight_decay=1e-5),  # [c] main.py
    schedule=Falls(at=(1000, 3000, 4000), to=0.1),  # [c] main.py
    clip=None,  # [c]
    batch=BATCH,  # [c]
    steps=5000,  # [c]
    eval_every=50,  # [c]
    eval_sizes=tuple((length,) for length in range(1, 21)),  # 640 sequences that stay the same [o]; the code draws 1024
    eval_batch=32,
    reduction="mean",  # [c] BCELoss
)

DEFECTS = ("gate", "feedback", "memory")
"""The interpolation's gate, what is read given to the controller, a memory that stays: what is missing."""


def arm_of(lacking: tuple[str, ...]) -> str:
    """An arm's name, by what it lacks."""
    if lacking == DEFECTS:
        return "ntm-released"
    return f"ntm-without-{'-'.join(lacking)}" if lacking else "ntm-mended"


def model_of(lacking: tuple[str, ...]) -> NTM:
    """The released model with all mended but what it is to lack."""
    return dataclasses.replace(
        RELEASED,
        gated="gate" not in lacking,
        feedback="feedback" not in lacking,
        memory=Redrawn(DRAWN) if "memory" in lacking else DRAWN,
    )


CELLS: tuple[tuple[str, ...], ...] = (DEFECTS, *((part,) for part in DEFECTS), ())
"""What the arms lack."""


def claims() -> tuple[Claim, ...]:
    """Does it learn, and does any defect show in how fast?"""
    ours = "[o] of the released code, which reports no run"
    asked: list[Claim] = [
        Solves(
            "ha2017-C1-released", "With all its defects the released code learns copy.", ours, "copy", ("ntm-released",)
        ),
        Solves("ha2017-C1-mended", "With its defects mended it learns copy.", ours, "copy", ("ntm-mended",)),
    ]
    for part in DEFECTS:
        arm = arm_of((part,))
        asked += [
            Solves(f"ha2017-C1-{part}", f"{arm}, with this defect alone, learns copy.", ours, "copy", (arm,)),
            Differs(
                f"ha2017-{part}",
                f"The speed of learning shows that {arm} has a defect.",
                ours,
                "copy",
                base="ntm-mended",
                rival=arm,
            ),
        ]
    return tuple(asked)


suite = Suite(
    name="ha2017",
    title="An NTM with three defects, as released and with each of them mended",
    paper="Ha 2017, kuc2477/pytorch-ntm",
    experiments=tuple(Experiment("copy", TASK, arm_of(cell), model_of(cell), TRAINING) for cell in CELLS),
    seeds=tuple(range(1, 9)),  # [o]
    solved=0.1,  # [o] wrong bits a sequence
    claims=claims(),
    sources={
        "task": "[c] tasks.py",
        "training.optimizer": "[c] torch.optim.Adam, 5e-3, L2 of 1e-5",
        "training.schedule": "[c] MultiStepLR: a tenth at 1000, 3000 and 4000",
        "training.clip": "[c] none",
        "training.batch": "[c] 256",
        "training.steps": "[c] 5000",
        **dict.fromkeys(EVALUATION, "[c] every 50 steps; on 640 sequences that stay the same [o]"),
        "training.reduction": "[c] BCELoss: the mean over bits",
        "model.memory": "[c] model.py reset: Xavier's uniform on (batch, rows, width), drawn at every reset",
        "model.controller": "[c] LSTMCell of 100 as torch begins it; h and c N(0, 1), trained",
        "model.head_weights": "[c] utils.py xavier_initialize: Xavier's normal; biases as torch begins them",
        "model": "[c] main.py: 20 rows of 128, one head that writes, then one that reads; first weightings 0; no tanh",
        "seeds": "[o] 1 to 8; the code seeds from the clock",
        "solved": "[o] below 0.1 wrong bits a sequence",
    },
    notes="The bound of the memory's draw goes by the batch in the released code, 0.013 while training and 0.030 while "
    "testing; here it is 0.013 throughout. What is drawn anew is measured on 32 draws of its own.",
)
