"""A suite of seconds, given to commands by its path, as a user's own suite would be."""

from membench.baselines.lstm import LSTM
from membench.benchmarks.core import Experiment, Suite, Training
from membench.benchmarks.optimizers import Adam
from membench.benchmarks.tasks.copy import Copy
from membench.ntm import NTM, Constant, LSTMController, OneHot

TASK = Copy(bits=2, train=(range(1, 3),), test=((2,), (4,)))
TRAINING = Training(
    optimizer=Adam(3e-3), batch=4, steps=45, eval_every=10, eval_sizes=((1,), (2,)), eval_batch=8, test_sequences=8
)
HEAD = OneHot(0)
SMALL = NTM(
    rows=4,
    width=3,
    memory=Constant(1e-6),
    read_weighting=HEAD,
    write_weighting=HEAD,
    controller=LSTMController(units=8),
)

suite = Suite(
    name="tiny",
    title="A suite of seconds",
    experiments=(
        Experiment("copy", TASK, "ntm", SMALL, TRAINING),
        Experiment("copy", TASK, "lstm", LSTM(units=8, layers=1), TRAINING),
    ),
    seeds=(1, 2),
    solved=0.1,
)
