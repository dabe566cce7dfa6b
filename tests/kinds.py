"""A suite of every kind of task, in seconds: bits and tokens, one answer a sequence, answers that nobody can know."""

from membench.baselines.dnc import DNC
from membench.baselines.lstm import LSTM
from membench.benchmarks.core import Experiment, Suite, Training
from membench.benchmarks.optimizers import Adam
from membench.benchmarks.protocols import Task, largest
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.tasks.mqar import MQAR
from membench.benchmarks.tasks.ngrams import NGrams
from membench.benchmarks.tasks.parity import Parity
from membench.benchmarks.tasks.reverse import Reverse
from membench.benchmarks.tasks.selective_copy import SelectiveCopy
from membench.benchmarks.tasks.sort import Sort
from membench.ntm import NTM, Constant, LSTMController, OneHot

TASKS: dict[str, Task] = {
    "copy": Copy(bits=2, train=(range(1, 4),), test=((3,), (5,))),
    "reverse": Reverse(bits=2, train=(range(1, 4),), test=((3,), (5,))),
    "sort": Sort(bits=3, train=(range(4, 5), range(2, 4)), test=((4, 3), (6, 6))),
    "parity": Parity(train=(range(3, 6),), test=((5,), (9,))),
    "mqar": MQAR(vocabulary=8, train=(range(8, 9), range(2, 3)), test=((8, 2), (12, 2))),
    "mqar-random": MQAR(vocabulary=8, filler="random", train=(range(8, 13), range(1, 3)), test=((16, 3),)),
    "selective-copy": SelectiveCopy(symbols=4, train=(range(5, 7), range(2, 4)), test=((6, 3), (9, 3))),
    "ngrams": NGrams(context=2, train=(range(20, 21),), test=((20,), (40,))),
}
MODELS = {
    "ntm": NTM(
        rows=6,
        width=6,
        memory=Constant(1e-6),
        read_weighting=OneHot(0),
        write_weighting=OneHot(0),
        controller=LSTMController(units=24),
    ),
    "dnc": DNC(rows=6, width=6, units=24),
    "lstm": LSTM(units=32, layers=1),
}


def training(task: Task, steps: int = 20) -> Training:
    """A few steps."""
    return Training(
        steps=steps,
        eval_sizes=(largest(task),),
        optimizer=Adam(2e-2),
        eval_every=steps // 4,
        eval_batch=32,
        test_sequences=40,
    )


suite = Suite(
    name="kinds",
    title="Every kind of task in seconds",
    experiments=tuple(
        Experiment(name, task, model, spec, training(task))
        for name, task in TASKS.items()
        for model, spec in MODELS.items()
    ),
    seeds=(1, 2),
    solved={name: 0.05 if name == "parity" else 0.1 for name in TASKS},
    relapse={name: 0.2 if name == "parity" else 1.0 for name in TASKS},
)
