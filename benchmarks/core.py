"""The nouns of the benchmark: how a model is trained, and the runs a suite is made of.

Everything here is a frozen value. A suite is built from them, a run's digest is a hash of them, and what they say is
what is logged.
"""

import dataclasses
import hashlib
import json
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Literal

from ..report.answers import CLOCKS, Bar, Clock, bar_of
from ..report.claims import Arm, Claim
from .curriculum import Stages
from .errors import reason
from .learning_rates import Schedule
from .optimizers import Adam, ElementWise, GlobalNorm, Optimizer
from .protocols import Inspection, Model, Size, Task
from .values import is_count, is_positive, plain, unboxed


@dataclass(frozen=True)
class Training:
    """How a model is trained and watched.

    Attributes:
        optimizer: One of ``optimizers``, each of the exact form of those who used it.
        clip: Of the gradient: by its global norm, element-wise, or None.
        batch: Sequences a step.
        steps: The budget.
        eval_every: Steps between evaluations (one also before the first step).
        eval_sizes: Sizes of the evaluation set.
        eval_batch: Sequences of each of these sizes.
        test_sequences: Sequences a generalisation point is measured on.
        mixed_sizes: False: one size a batch, as the authors; True: each sequence draws its own.
        reduction: Cross-entropy in nats: ``sum`` of a sequence's answers (as the authors), or ``mean`` over scored
            ones.
        schedule: How the learning rate changes; None: it stays.
        sizes: Which sizes are drawn as training goes on; None: those of the task, always.

    Raises:
        ValueError: A count below 1, no size to evaluate on, a schedule or a stage that has no room in the steps.
    """

    steps: int
    eval_sizes: tuple[Size, ...]
    optimizer: Optimizer = field(default_factory=Adam)
    clip: GlobalNorm | ElementWise | None = field(default_factory=lambda: GlobalNorm(50.0))
    batch: int = 32
    eval_every: int = 200
    eval_batch: int = 32
    test_sequences: int = 192
    mixed_sizes: bool = False
    reduction: Literal["sum", "mean"] = "sum"
    schedule: Schedule | None = field(default=None, metadata={"since": 2})
    sizes: Stages | None = field(default=None, metadata={"since": 2})

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            object.__setattr__(self, each.name, unboxed(getattr(self, each.name)))
        for name in ("steps", "batch", "eval_every", "eval_batch", "test_sequences"):
            if not is_count(getattr(self, name)):
                raise ValueError(f"Training({name}={getattr(self, name)!r}): at least 1 is needed, a whole number")
        if not self.eval_sizes:
            raise ValueError("Training(eval_sizes=()): at least one size is needed")
        if self.schedule is not None and not self.schedule.fits(self.steps):
            raise ValueError(f"Training(steps={self.steps}, schedule={self.schedule}): its warm-up is longer than that")
        if self.sizes is not None and (late := self.sizes.stages[-1][0]) >= self.steps:
            raise ValueError(f"Training(steps={self.steps}, sizes=...): a stage begins only at step {late}")


EVALUATION = ("training.eval_every", "training.eval_sizes", "training.eval_batch")
"""What is said of evaluations, by the names that sources have."""


def longest(task: Task, training: Training | None = None) -> int:
    """Time steps of the longest sequence trained on, which has one of the sizes at the ends of their ranges."""
    ends = [product(*((min(sizes), max(sizes)) for sizes in ranges)) for ranges in stages(task, training)]
    return max(task.steps(size) for sizes in ends for size in sizes)


def stages(task: Task, training: Training | None = None) -> list[tuple[range, ...]]:
    """The training ranges, in the order in which they are trained on."""
    sizes = None if training is None else training.sizes
    return [task.train] if sizes is None else [ranges for _, ranges in sizes.stages]


@dataclass(frozen=True)
class Experiment:
    """One cell of a paper's table: a task, a model, how it is trained.

    Attributes:
        reading: Under which reading of the paper the arm stands (``cosine``, ``dot``), or empty.
        revision: Raised when the meaning of an arm's code changes, never for reordered floating point.
        home: The suite whose records this arm's are, where two suites share it; empty for the suite itself.
        tested: What the trained weights are tested in at the end, where that is not the model itself: another number
            of rows, say.
        arm: What claims and labels call it, the same under every reading (``ntm-constant``); empty for its model's
            name.
        added: Empty, or of an arm that a user added to the suite: the arm of the task whose training it shares.
        inspections: What else is measured of the best weights at the end.

    Raises:
        ValueError: A name, a task, a model or a size that cannot be used.
        TypeError: A field that is no plain value, named by its path.
    """

    task_name: str
    task: Task
    model_name: str
    model: Model
    training: Training
    reading: str = ""
    revision: int = 1
    home: str = ""
    tested: Model | None = None
    arm: str = ""
    added: str = ""
    inspections: tuple[Inspection, ...] = ()

    def __post_init__(self) -> None:
        for field_name, name in (("task_name", self.task_name), ("model_name", self.model_name)):
            _named(f"Experiment({field_name}", name)
        for field_name, name in (("home", self.home), ("arm", self.arm)):
            if name:
                _named(f"Experiment({field_name}", name)
        if self.task_name.lower() in TAKEN_IN_A_SUITE:
            raise ValueError(
                f"Experiment(task_name={self.task_name!r}): a suite's own folder has something of that name"
            )
        for part, methods in PARTS.items():
            value = unboxed(getattr(self, part))
            plain(value, f"{self.key}: {part}")
            lacks = [name for name in methods if not hasattr(value, name)]
            if lacks and (part != "tested" or value is not None):
                raise ValueError(f"{self.key}: {part}={reprlib.repr(value)} has no {', no '.join(lacks)}")
            object.__setattr__(self, part, value)
        for size in (*self.training.eval_sizes, *self.task.test, *(each.size for each in self.inspections)):
            try:
                steps = self.task.steps(size)
            except Exception as error:
                raise ValueError(f"{self.key}: size {size!r}: {reason(error)}") from None
            if not is_count(steps):
                raise ValueError(
                    f"{self.key}: size {size!r} takes {steps!r} steps; accepted are whole numbers from 1 on"
                )
        if (sizes := self.training.sizes) is not None and len(sizes.at(0)) != len(self.task.train):
            raise ValueError(f"{self.key}: {sizes.at(0)} are not sizes of {reprlib.repr(self.task)}")

    @property
    def key(self) -> str:
        """E.g. ``copy/ntm-constant``."""
        return f"{self.task_name}/{self.model_name}"


@dataclass(frozen=True)
class Run:
    """An experiment with one seed."""

    experiment: Experiment
    seed: int

    @property
    def key(self) -> str:
        """E.g. ``copy/ntm-constant/7``: the record's path, the argument, the label."""
        return f"{self.experiment.key}/{self.seed}"

    @cached_property
    def params(self) -> dict[str, Any]:
        """Everything that was chosen, as plain JSON."""
        experiment = self.experiment
        return {
            "task_name": experiment.task_name,
            "task": plain(experiment.task),
            "model_name": experiment.model_name,
            "model": plain(experiment.model),
            "training": plain(experiment.training),
            "reading": experiment.reading,
            "revision": experiment.revision,
            "seed": self.seed,
        } | ({} if experiment.tested is None else {"tested": plain(experiment.tested)})

    @cached_property
    def digest(self) -> str:
        """A hash of what decides the training curve, and what is tested: not names, reading or test sizes.

        The test sizes of a task within a task (``Cued``) count.
        """
        decides = json.loads(json.dumps(self.params))
        for name in ("task_name", "model_name", "reading"):
            del decides[name]
        decides["task"].pop("test", None)
        decides["training"].pop("test_sequences")
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Suite:
    """A paper's table and its claims.

    Attributes:
        name: What ``--suite`` says, and the folder of its records.
        title: One line, for lists and pages.
        paper: The reference, or empty where there is none.
        experiments: The arms, in the order of the table.
        seeds: Of every arm.
        solved: The bar: fewer wrong answers a sequence than this, of every task or of each by name; nats above the
            floor where a task has one.
        relapse: More than this, and a solved run has relapsed; likewise.
        budget: Steps that count, where arms shared with another suite train longer; None for all.
        clock: What a report counts times and budgets in: ``steps``, or where arms differ in their batch ``sequences``
            trained on.
        claims: What the paper says.
        sources: Where the values come from: for ``bench show``, dotted names of parameters
            (``training.batch``) to tagged sources.
        factors: Where the arms form a grid: a model's level of each factor.
        own: Where they do: the model that is the paper's own.
        notes: Said in the report under its summary, one paragraph a line.
        provisional: Tasks whose settings are still to be chosen; pages mark them.
        remarks: Likewise, of what its records show and no verdict says; not before there are runs.
        found: What a command found it by: ``mini --with ./mine.py``; for hints.
    """

    name: str
    title: str
    experiments: tuple[Experiment, ...]
    seeds: tuple[int, ...]
    solved: Bar
    relapse: Bar = 1.0
    budget: int | None = None
    clock: Clock = "steps"
    paper: str = ""
    claims: tuple[Claim, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own: str = ""
    notes: str = ""
    provisional: tuple[str, ...] = ()
    remarks: str = ""
    found: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _named("Suite(name", self.name)
        if TAKEN_IN_RESULTS.match(self.name):
            raise ValueError(f"Suite(name={self.name!r}): the results folder has a file of that name")
        for name in ("seeds", "solved", "relapse", "budget"):
            object.__setattr__(self, name, unboxed(getattr(self, name)))
        if self.budget is not None and not is_count(self.budget):
            raise ValueError(f"Suite({self.name!r}): budget={self.budget!r}: accepted is a number of steps, or None")
        if self.clock not in CLOCKS:
            raise ValueError(f"Suite({self.name!r}): clock={self.clock!r}: accepted are {', '.join(CLOCKS)}")
        keys = [experiment.key for experiment in self.experiments]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"Suite({self.name!r}): named twice: {', '.join(twice)}")
        counts = {seed for seed in self.seeds if isinstance(seed, int) and seed >= 0}
        if len(counts) < len(self.seeds):
            raise ValueError(f"Suite({self.name!r}): seeds {self.seeds}: accepted are different integers from 0 on")
        if not keys or not self.seeds:
            raise ValueError(f"Suite({self.name!r}): needs at least one experiment and one seed")
        tasks = {experiment.task_name for experiment in self.experiments}
        for bar in ("solved", "relapse"):
            _barred(f"Suite({self.name!r}): {bar}", getattr(self, bar), tasks)
        if unknown := sorted(set(self.provisional) - tasks):
            there = ", ".join(sorted(tasks))
            raise ValueError(f"Suite({self.name!r}): provisional={unknown[0]!r}: accepted are its tasks: {there}")
        if self.own and self.own not in self.factors:
            there = ", ".join(self.factors) or "none"
            raise ValueError(f"Suite({self.name!r}): own={self.own!r}: accepted is a model of its factors: {there}")
        self._check_factors()
        self._check_arms()
        self._check_claims()

    @property
    def options(self) -> str:
        """What a command is told to find this suite by."""
        return self.found or self.name

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The experiments as claims and pages speak of them."""
        return tuple(
            Arm(
                e.task_name,
                e.model_name,
                e.arm or e.model_name,
                e.reading,
                tuple(map(tuple, e.task.test)),
                tuple((number, tuple(each.size)) for each in e.inspections for number in each.numbers),
                hasattr(e.task, "floor"),
            )
            for e in self.experiments
        )

    def pace(self, experiment: Experiment) -> int:
        """How much the clock goes on in a step."""
        return experiment.training.batch if self.clock == "sequences" else 1

    def counts(self, experiment: Experiment) -> int:
        """Steps of an arm that count: its budget, or where it is trained longer for another suite this one's."""
        return min(experiment.training.steps, self.budget or experiment.training.steps)

    def _check_arms(self) -> None:
        """A model is one arm on all its tasks, and of two models on a task each is an arm of its own."""
        standing: dict[str, tuple[str, str]] = {}
        taken: dict[tuple[str, str, str], str] = {}
        for arm in self.arms:
            mine = (arm.name, arm.reading)
            if (other := standing.setdefault(arm.model, mine)) != mine:
                raise ValueError(f"Suite({self.name!r}): {arm.model} is the arm {_said(other)}, then {_said(mine)}")
            if (rival := taken.setdefault((arm.task, *mine), arm.model)) != arm.model:
                both = f"{rival} and {arm.model} are both the arm {_said(mine)}"
                raise ValueError(f"Suite({self.name!r}): {both} on {arm.task}")

    def _check_factors(self) -> None:
        """Every model of the grid is an arm, with a level of each factor that no other model has all of."""
        models = list(dict.fromkeys(experiment.model_name for experiment in self.experiments))
        standing: dict[tuple[str, ...], str] = {}
        for model, levels in self.factors.items():
            said = f"Suite({self.name!r}): factors: {model!r}"
            if model not in models:
                raise ValueError(f"{said} is none of its models: {', '.join(models)}")
            first, named = next(iter(self.factors.items()))
            if not levels:
                raise ValueError(f"{said} has no levels; accepted is one of each factor")
            if list(levels) != list(named):
                both = f"{', '.join(levels)}, but {first!r} of {', '.join(named)}"
                raise ValueError(f"{said} has levels of {both}; accepted are the same factors in the same order")
            if (other := standing.setdefault(tuple(levels.values()), model)) != model:
                raise ValueError(f"{said} has all levels of {other!r}: {', '.join(map(str, levels.values()))}")

    def _check_claims(self) -> None:
        """Every claim can be answered by these arms."""
        if not isinstance(self.claims, tuple):
            raise ValueError(f"Suite({self.name!r}): claims={self.claims!r}: a tuple is needed, such as (Faster(...),)")
        for claim in self.claims:
            if not isinstance(claim, Claim):
                raise ValueError(f"Suite({self.name!r}): claims: {claim!r} is not a claim, such as Faster(...)")
            claim.check(self.arms)
        ids = [claim.id for claim in self.claims]
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"Suite({self.name!r}): claims named twice: {', '.join(twice)}")

    def runs(self) -> Iterator[Run]:
        """Seed 1 of every experiment before seed 2 of any."""
        for seed in self.seeds:
            for experiment in self.experiments:
                yield Run(experiment, seed)


def _barred(what: str, bar: Bar, tasks: set[str]) -> None:
    """Refuse a bar that is not positive, or bars of other tasks than the suite's."""
    if isinstance(bar, Mapping) and bar.keys() != tasks:
        raise ValueError(f"{what} of {', '.join(sorted(bar)) or 'no task'}: accepted is {', '.join(sorted(tasks))}")
    for task in sorted(tasks):
        if not is_positive(bar_of(bar, task)):
            raise ValueError(f"{what}={bar_of(bar, task)!r}: a bar above 0 is needed")


PARTS = {
    "task": ("inputs", "outputs", "train", "test", "steps", "sample"),
    "model": ("build",),
    "training": ("steps", "eval_sizes"),
    "tested": ("build",),
}
"""The parts of an experiment, and what each must have."""

TAKEN_IN_RESULTS = re.compile(r"(index\.html|mlflow\..*|mlartifacts|speed(-gpu)?\.json|readme\.md)$", re.IGNORECASE)
"""What lies beside the folders of suites."""

TAKEN_IN_A_SUITE = ("figures", "tables", "traces", "weights", "claims.json", "report.html", "report.md", "readme.md")
"""What lies beside the folders of tasks."""


def _named(what: str, name: str) -> None:
    """Refuse a name that could not be a folder's or would lead out of one: records are kept under these names."""
    if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", name) is None:
        raise ValueError(
            f"{what}={name!r}): letters, digits and . _ + - make a name, beginning with one of the first two"
        )


def _said(arm: tuple[str, str]) -> str:
    """ntm-constant, or ntm-constant (cosine)."""
    name, reading = arm
    return f"{name} ({reading})" if reading else name
