"""What every model and task that a suite names must do. An arm is tested the day it is listed."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from membench.benchmarks.core import Experiment, Run
from membench.benchmarks.inspecting import check
from membench.benchmarks.inspecting.check import Case, draw, same, values_of
from membench.benchmarks.protocols import Model, Task, state_size
from membench.benchmarks.suites import find, names
from membench.benchmarks.values import plain
from membench.ntm import stream

SUITES = [*map(find, names()), find(str(Path(__file__).with_name("kinds.py")))]
EXPERIMENTS = [(suite, experiment) for suite in SUITES for experiment in suite.experiments]


def text(*values: Any) -> str:
    return json.dumps([plain(value) for value in values])


def distinct(key: Any) -> list[Any]:
    """One experiment of every kind, under the name of the first that has it."""
    found: dict[str, Any] = {}
    for suite, experiment in EXPERIMENTS:
        found.setdefault(key(experiment), pytest.param(experiment, id=f"{suite.name}/{experiment.key}"))
    return list(found.values())


TASKS = distinct(lambda experiment: text(experiment.task))
MODELS = distinct(lambda experiment: text(experiment.model))


@pytest.fixture(scope="module", params=MODELS)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Built once for all contracts, which leave it as it is."""
    experiment: Experiment = request.param
    one = Case(experiment.model, experiment.task)
    before = values_of(one.module)
    yield one
    assert same(before, values_of(one.module)), "a forward or backward pass changed the module"


@pytest.mark.parametrize("name", check.PROPERTIES)
def test_every_property_that_bench_check_tries(case: Case, name: str) -> None:
    found = check.wrong(case, check.PROPERTIES[name])
    assert bool(found) == (name in getattr(case.model, "told_by", ())), found


def test_gradients_are_there_from_the_first_step_on(case: Case) -> None:
    for name, gradient in check.gradients(case.module, case.batch).items():
        assert gradient is not None and gradient.any(), name


def constant(value: Tensor) -> bool:
    """Few values, or such as are spaced evenly, but for one of them."""
    steps = value.unique().diff()
    return len(steps) < 4 or len((steps / steps.max() * 1000).round().unique()) <= 2


def test_nothing_is_drawn_from_the_global_generator_and_every_drawn_value_is_the_seed_s(case: Case) -> None:
    before = torch.get_rng_state()
    other = case.model.build(case.task.inputs, case.task.outputs, check.SEED + 1)
    case.module(case.batch.inputs)
    assert torch.get_rng_state().equal(before)
    mine, others = values_of(case.module), values_of(other)
    drawn = {name for name, value in mine.items() if not constant(value)}
    assert drawn and drawn <= set(check.differing(mine, others))


def test_the_module_computes_from_its_parameters_as_they_are(case: Case) -> None:
    moved, loaded = case.build(), case.build()
    moved(case.batch.inputs)
    for n, parameter in enumerate(moved.parameters()):  # as training does: first elsewhere in memory, then in place
        parameter.data = parameter.data.clone()
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=stream("moved", n))
    loaded.load_state_dict(moved.state_dict())
    assert moved(case.batch.inputs).equal(loaded(case.batch.inputs))
    assert not moved(case.batch.inputs).equal(case.module(case.batch.inputs))


def test_every_model_says_how_much_it_carries(case: Case) -> None:
    assert state_size(case.model, 9) is not None and isinstance(case.model, Model)


def test_arms_that_differ_in_memory_alone_share_every_other_first_value() -> None:
    arms: dict[str, list[dict[str, Tensor]]] = {}
    for experiment in (parameters.values[0] for parameters in MODELS):
        task, rest = experiment.task, plain(experiment.model)
        if rest.pop("memory", None):
            module = experiment.model.build(task.inputs, task.outputs, check.SEED)
            values = {name: value for name, value in module.state_dict().items() if "memory" not in name}
            arms.setdefault(json.dumps([rest, task.inputs, task.outputs]), []).append(values)
    assert max(map(len, arms.values())) > 1
    for first, *others in arms.values():
        assert all(same(first, other) for other in others)


@pytest.mark.parametrize("experiment", TASKS)
def test_a_task_gives_what_it_announces(experiment: Experiment) -> None:
    task = experiment.task
    assert isinstance(task, Task)
    corners = itertools.product(*({r[0], r[len(r) // 2], r[-1]} for r in task.train))
    for size in {*corners, *task.test, *experiment.training.eval_sizes}:
        batch, again = draw(task, size), draw(task, size)
        steps = task.steps(size)
        assert batch.inputs.shape == (steps, 3, task.inputs)
        assert batch.targets.shape == (steps, 3, task.outputs)
        assert batch.scored.shape == (steps, 3)
        assert all(part.isfinite().all() and part.dtype == torch.float32 for part in batch)
        for part in batch[1:]:
            assert ((part == 0) | (part == 1)).all()
        assert (batch.scored.sum(dim=0) > 0).all()  # something is asked in every sequence
        assert all(one.equal(other) for one, other in zip(batch, again, strict=True))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_runs_are_plain_and_no_two_are_one(suite: Any) -> None:
    for experiment in suite.experiments:
        run = Run(experiment, check.SEED)
        assert json.loads(json.dumps(run.params, allow_nan=False)) == run.params
        assert run.digest != Run(experiment, check.SEED + 1).digest
        for size in (*experiment.training.eval_sizes, *experiment.task.test):
            assert experiment.task.steps(size) > 0
