"""collier2018 in miniature, to see everything work in minutes: not a paper, and no claim rests on it."""

from ...baselines.lstm import LSTM
from ...ntm import NTM, Constant, Learned, LSTMController, OneHot
from ..core import Experiment, Suite, Training
from ..optimizers import Adam
from ..tasks.copy import Copy

TASK = Copy(bits=4, train=(range(1, 6),), test=((5,), (8,), (12,)))

TRAINING = Training(
    optimizer=Adam(3e-3),
    batch=16,
    steps=3000,
    eval_every=100,
    eval_sizes=tuple((n,) for n in range(1, 6)),
    test_sequences=64,
)

SMALL = LSTMController(units=32)
HEADS = OneHot(row=0)

suite = Suite(
    name="mini",
    title="The design of collier2018 in miniature: copying up to five vectors of four bits",
    experiments=(
        Experiment(
            "copy",
            TASK,
            "ntm-constant",
            NTM(rows=16, width=8, memory=Constant(1e-6), read_weighting=HEADS, write_weighting=HEADS, controller=SMALL),
            TRAINING,
        ),
        Experiment(
            "copy",
            TASK,
            "ntm-learned",
            NTM(rows=16, width=8, memory=Learned(), read_weighting=HEADS, write_weighting=HEADS, controller=SMALL),
            TRAINING,
        ),
        Experiment("copy", TASK, "lstm", LSTM(units=32, layers=1), TRAINING),
    ),
    seeds=(1, 2),
    solved=0.1,
)
