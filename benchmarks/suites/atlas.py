"""Which memory architecture learns what: every one that is here, on nine tasks, on equal terms.

All have about 65,000 trained numbers; ``PARAMETERS`` and ``WITHIN`` say how nearly. State sizes differ by nature, and
stand beside. All are trained alike, but for the learning rate: each arm has on each task the rate that ``atlas-rates``
chose, with other seeds and half the budget. What may have a short convolution has one, since that is what decides many
a comparison; LSTM, stack, tape, NTM and DNC have no place for one. Answers are blank: nobody is told what was to be
said, or what it said itself, only that it is to speak now (``Cued``), since layers without biases are mute on zeros.

A task that an arm has not solved is one it did not solve within this budget, which is of minutes; no more is claimed.

Named before the first run: tasks, arms, budgets and bars. Everything is our choice, but where another suite of the same
task has it from a paper.
"""

from collections.abc import Mapping

from ...baselines.delta import DeltaNet
from ...baselines.dnc import DNC
from ...baselines.gru import GRU
from ...baselines.linear_attention import LinearAttention
from ...baselines.lru import LRU
from ...baselines.lstm import LSTM
from ...baselines.mingru import MinGRU, MinLSTM
from ...baselines.mlstm import MLSTM
from ...baselines.slstm import SLSTM
from ...baselines.stack import StackRNN
from ...baselines.tape import TapeRNN
from ...baselines.transformer import Transformer
from ...ntm import NTM, Constant, LSTMController, OneHot
from ...ntm.memory import Zeros
from ..core import Experiment, Suite, Training
from ..learning_rates import Cosine
from ..optimizers import AdamW, GlobalNorm
from ..protocols import Model, Size, Task
from ..tasks.copy import Copy
from ..tasks.cued import Cued
from ..tasks.mqar import MQAR
from ..tasks.ngrams import NGrams
from ..tasks.parity import Parity
from ..tasks.recall import Recall
from ..tasks.repeat_copy import RepeatCopy
from ..tasks.reverse import Reverse
from ..tasks.selective_copy import SelectiveCopy
from ..tasks.sort import Sort

SHORT = range(1, 11)

TASKS: dict[str, Task] = {
    "copy": Cued(Copy(train=(SHORT,), test=((10,), (20,), (40,)), encoding="graves")),
    "repeat-copy": Cued(RepeatCopy(train=(range(1, 6), range(1, 6)), test=((5, 5), (5, 10), (10, 5)))),
    "recall": Cued(Recall(bits=8, vectors=2, train=(range(2, 7),), test=((6,), (10,), (14,)), encoding="graves")),
    "reverse": Cued(Reverse(train=(SHORT,), test=((10,), (20,), (40,)))),
    "sort": Cued(Sort(train=(range(8, 9), range(6, 7)), test=((8, 6), (12, 9), (16, 12)))),
    "ngrams": NGrams(context=3, train=(range(64, 65),), test=((64,), (128,), (256,))),
    "mqar": MQAR(vocabulary=32, train=(range(32, 33), range(4, 5)), test=((32, 4), (64, 4), (64, 8))),
    "selective-copy": SelectiveCopy(train=(range(32, 33), range(4, 5)), test=((32, 4), (64, 4), (128, 4))),
    "parity": Parity(train=(range(3, 21),), test=((20,), (40,), (80,))),
}

STEPS = {
    **dict.fromkeys(("copy", "repeat-copy", "recall", "reverse", "sort"), 10_000),
    "ngrams": 4_000,
    "mqar": 5_000,
    "selective-copy": 4_000,
    "parity": 6_000,
}

EVALUATED: dict[str, tuple[Size, ...]] = {
    **dict.fromkeys(("copy", "reverse"), ((2,), (4,), (6,), (8,), (10,))),
    "repeat-copy": ((1, 5), (2, 4), (3, 3), (4, 2), (5, 5)),
    "recall": ((2,), (3,), (4,), (5,), (6,)),
    "sort": ((8, 6),) * 4,
    "ngrams": ((64,),) * 4,
    "mqar": ((32, 4),) * 4,
    "selective-copy": ((32, 4),) * 4,
    "parity": ((5,), (10,), (15,), (20,)),
}
"""Sizes spread as in training, 64 sequences each."""

SOLVED = {
    **dict.fromkeys(("copy", "repeat-copy", "recall", "reverse", "selective-copy"), 0.1),
    "sort": 1.0,  # of 48 bits
    "ngrams": 1.4,  # nats above the optimum; knowing two letters of a context of three is 4.3 above it
    "mqar": 0.04,  # of four
    "parity": 0.05,  # of one
}

PARAMETERS, WITHIN = 65_000, 0.2
"""Trained numbers of every arm on every task, and by what part of it they may be more or fewer."""

ROWS = 64
"""Of memory, and 48 cells of stack or tape: more than the longest answer tested has vectors, 40, or about as many."""

ARMS: dict[str, Model] = {
    "lstm": LSTM(units=116, layers=1, state=Zeros()),
    "gru": GRU(layers=1, width=100, convolution=True),
    "mingru": MinGRU(layers=2, width=72, convolution=True),
    "minlstm": MinLSTM(layers=2, width=62, convolution=True),
    "lru": LRU(layers=2, width=72, units=72, ring=(0.9, 0.999), convolution=True),
    "slstm": SLSTM(layers=1, width=84, recurrence="standard", bias="even", convolution=True),
    "mlstm": MLSTM(layers=2, width=68),
    "linear-attention": LinearAttention(layers=2, width=88, keys=44, values=44, convolution=True),
    "mamba2": LinearAttention.mamba2(layers=2, width=70, keys=20, values=35),
    "deltanet": DeltaNet(layers=2, width=88, keys=44, values=44),
    "gated-deltanet": DeltaNet(layers=2, width=78, keys=39, values=39, gated=True, negative=True),
    "transformer": Transformer(layers=2, width=64, units=112, convolution=True),
    "transformer-rope": Transformer(layers=2, width=64, units=112, positions="rope", convolution=True),
    "stack": StackRNN(units=232, cells=48),
    "tape": TapeRNN(units=208, cells=48),
    "ntm": NTM(
        rows=ROWS,
        width=20,
        memory=Constant(1e-6),
        read_weighting=OneHot(row=0),
        write_weighting=OneHot(row=0),
        controller=LSTMController(units=100),
    ),
    "dnc": DNC.deepmind(rows=ROWS, width=20, units=100),
}

PROVISIONAL = "1e-3"
"""The rate of an arm that ``atlas-rates`` has not tried yet."""

CHOSEN: Mapping[str, Mapping[str, str]] = {
    "copy": {
        "lstm": "1e-2",
        "gru": "1e-2",
        "mingru": "1e-2",
        "minlstm": "1e-2",
        "lru": "3e-3",
        "slstm": "1e-2",
        "mlstm": "1e-2",
        "linear-attention": "3e-3",
        "mamba2": "3e-3",
        "deltanet": "3e-3",
        "gated-deltanet": "3e-3",
        "transformer": "3e-3",
        "transformer-rope": "3e-3",
        "stack": "1e-3",
        "tape": "1e-3",
        "ntm": "1e-2",
        "dnc": "1e-2",
    },
    "parity": {
        "lstm": "1e-2",
        "gru": "1e-2",
        "mingru": "1e-3",
        "minlstm": "1e-3",
        "lru": "3e-3",
        "slstm": "1e-3",
        "mlstm": "3e-4",
        "linear-attention": "3e-3",
        "mamba2": "1e-3",
        "deltanet": "3e-3",
        "gated-deltanet": "3e-3",
        "transformer": "1e-3",
        "transformer-rope": "1e-3",
        "stack": "1e-2",
        "tape": "3e-3",
        "ntm": "3e-4",
        "dnc": "3e-4",
    },
}
"""By task, the rate of every arm; ``bench map atlas-rates --best`` prints it, of each task that was tried in full."""

OPEN = tuple(task for task in TASKS if task not in CHOSEN)
"""Tasks whose rates are provisional."""


def rate(task: str, arm: str) -> str:
    """The learning rate of an arm on a task."""
    return PROVISIONAL if task in OPEN else CHOSEN[task][arm]


def training(task: str, rate: str, steps: int) -> Training:
    """The same of all arms but for the rate."""
    return Training(
        optimizer=AdamW(float(rate), weight_decay=0.01),
        schedule=Cosine(warm_up=steps // 10),
        clip=GlobalNorm(1.0),
        batch=32,
        steps=steps,
        eval_every=steps // 50,
        eval_sizes=EVALUATED[task],
        eval_batch=64,
        test_sequences=192,
        reduction="mean",
    )


SOURCES = {
    "task": "[o] those of the papers, shorter; every size beyond the first that is tested is beyond those of training",
    "model": "[o] widths that make 65,000 parameters; what begins how is each paper's or its code's",
    "model.convolution": "[o] wherever there is a place for one",
    "model.negative": "[o] eigenvalues of the Gated DeltaNet reach from 1 to -1, those of the DeltaNet from 1 to 0",
    "model.read_weighting": "[o] heads begin on one row: see collier2018-audit",
    "model.write_weighting": "[o] likewise",
    "model.bias": "[o] of the sLSTM: see grazzi2024",
    "model.rows": "[o] 64; 48 cells of stack and tape",
    "training.optimizer": "[o] AdamW, weight decay 0.01 on matrices alone, never on decay rates, biases or norms",
    "training.schedule": "[o] a tenth of the steps to warm up, then a cosine",
    "training.clip": "[o] global norm 1",
    "training.batch": "[o] 32",
    "training.steps": "[o] what takes one processor minutes",
    "training.reduction": "[o] mean over scored answers",
    "solved": "[o] named before the first run",
}

RATED = (
    "Each arm has the learning rate that atlas-rates chose with other seeds and half of the steps, on these tasks: "
    f"{', '.join(CHOSEN) or 'none yet'}; to see how: bench map atlas-rates --best."
)
PENDING = (
    f"Learning rates are provisional, {PROVISIONAL} of every arm, on these tasks: {', '.join(OPEN)}. An arm that has "
    "not solved one of them may do so at another rate."
)

suite = Suite(
    name="atlas",
    title="Which memory learns what: seventeen architectures of 65,000 parameters on nine tasks",
    experiments=tuple(
        Experiment(name, task, arm, model, training(name, rate(name, arm), STEPS[name]))
        for name, task in TASKS.items()
        for arm, model in ARMS.items()
    ),
    seeds=tuple(range(1, 6)),
    solved=SOLVED,
    relapse={task: 10 * bar for task, bar in SOLVED.items()},
    clock="sequences",
    sources={
        **SOURCES,
        "training.optimizer.learning_rate": f"[o] by atlas-rates; {PROVISIONAL} of tasks that it has not tried",
    },
    provisional=OPEN,
    notes=(
        f"{RATED} {PENDING if OPEN else ''}\n"
        "Not solved means: not within this budget, which takes minutes. Parameters are 65,000, give or take a fifth; "
        "states are as large as an architecture needs.\n"
        "Two things beside the memory may decide: eigenvalues of the Gated DeltaNet reach to -1, those of the DeltaNet "
        "to 0 (see grazzi2024); and LSTM, stack, tape, NTM and DNC are given the inputs as they are, while all others "
        "stand between linear layers, with a norm before and the input added behind.\n"
        "What may have a short convolution has one; LSTM, stack, tape, NTM and DNC have no place for it. Answers are "
        "blank: no arm is told what was to be said before, only that it is to answer now."
    ),
)
