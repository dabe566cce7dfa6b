"""Which learning rate each arm of ``atlas`` has on each task: four are tried, with other seeds and half the budget.

The rule, named before the first run: most seeds that solve the task; among equals fewest sequences to solve it, an
unsolved run counting with its whole budget; among equals fewest errors on the evaluation set, over the whole training.
``bench map atlas-rates --best`` shows what it chooses. Rates stand as readings of an arm, so that a page has them side
by side.
"""

from ..core import Experiment, Suite
from .atlas import ARMS, SOLVED, SOURCES, STEPS, TASKS, training

RATES = ("3e-4", "1e-3", "3e-3", "1e-2")

suite = Suite(
    name="atlas-rates",
    title="The learning rates of atlas: four are tried, with two seeds and half the budget",
    experiments=tuple(
        Experiment(name, task, f"{arm}-{rate}", model, training(name, rate, STEPS[name] // 2), rate, arm=arm)
        for name, task in TASKS.items()
        for arm, model in ARMS.items()
        for rate in RATES
    ),
    seeds=(101, 102),
    solved=SOLVED,
    relapse={task: 10 * bar for task, bar in SOLVED.items()},
    clock="sequences",
    sources={**SOURCES, "training.optimizer.learning_rate": "[o] four half-decades, the readings of an arm"},
    notes=(
        "Nothing is found here but rates. Chosen is, for each arm on each task, the rate at which most seeds solve it, "
        "among equals the soonest, an unsolved run counting with its whole budget, then that of the fewest errors "
        "over the whole training."
    ),
)
