"""What every model and task that a suite names must do. An arm is tested the day it is listed."""

import itertools
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from membench.benchmarks.core import Batch, Experiment, Model, Run, Size, Task, objective_of, pad, plain
from membench.benchmarks.suites import find, names
from membench.benchmarks.training.evaluate import nats
from membench.ntm import stream

SEED = 1
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
MODELS = distinct(lambda e: text(e.model, e.task.inputs, e.task.outputs))


class Case(NamedTuple):
    """A model built for a task, and some of the task's sequences."""

    model: Model
    task: Task
    module: nn.Module
    batch: Batch

    def build(self, seed: int = SEED) -> nn.Module:
        return self.model.build(self.task.inputs, self.task.outputs, seed)


def draw(task: Task, size: Size, batch: int = 3, purpose: str = "contracts") -> Batch:
    return task.sample(size, batch, stream(purpose, str(size)))


def short(task: Task, more: int = 0) -> Size:
    """A size near the least trained on."""
    return tuple(min(numbers[0] + more, numbers[-1]) for numbers in task.train)


@pytest.fixture(scope="module", params=MODELS)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Built once for all contracts, which leave it as it is."""
    experiment: Experiment = request.param
    task, model = experiment.task, experiment.model
    module = model.build(task.inputs, task.outputs, SEED)
    kept = deepcopy(module.state_dict())
    yield Case(model, task, module, draw(task, short(task, more=2)))
    assert same(kept, module.state_dict()), "a forward or backward pass changed the module"


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(value.equal(other[name]) for name, value in one.items())


def gradients(case: Case, batch: Batch) -> list[Tensor]:
    """Of the summed loss; raises where the loss does not depend on a parameter."""
    losses = nats(objective_of(case.task), case.module(batch.inputs), batch)
    return list(torch.autograd.grad(losses.sum(), list(case.module.parameters())))


def test_shapes_and_finite_outputs(case: Case) -> None:
    steps, batch, _ = case.batch.inputs.shape
    logits = case.module(case.batch.inputs)
    assert logits.shape == (steps, batch, case.task.outputs)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_gradients_are_finite_and_reach_every_parameter(case: Case) -> None:
    named = dict(case.module.named_parameters())
    for (name, parameter), gradient in zip(named.items(), gradients(case, case.batch), strict=True):
        assert gradient.shape == parameter.shape
        assert gradient.isfinite().all(), name
        assert gradient.any(), name


def test_a_sequence_alone_gives_what_it_gives_in_company(case: Case) -> None:
    inputs = case.batch.inputs.clone()
    together = case.module(inputs)
    alone = torch.cat([case.module(inputs[:, n : n + 1]) for n in range(inputs.shape[1])], dim=1)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    inputs[:, 1:] = 1 - inputs[:, 1:]
    torch.testing.assert_close(case.module(inputs)[:, :1], together[:, :1], atol=1e-6, rtol=1e-5)


def test_longer_than_trained(case: Case) -> None:
    longest = max(case.task.steps(size) for size in itertools.product(*((r[0], r[-1]) for r in case.task.train)))
    inputs = torch.rand(longest + 5, 2, case.task.inputs, generator=stream("longer"))
    with torch.no_grad():
        logits = case.module(inputs)
    assert logits.shape == (longest + 5, 2, case.task.outputs)
    assert logits.isfinite().all()


def test_padding_changes_neither_answers_nor_loss_nor_gradients(case: Case) -> None:
    parts = [draw(case.task, short(case.task), 2), case.batch]
    padded = pad(parts)
    logits = case.module(padded.inputs)
    objective = objective_of(case.task)
    losses = nats(objective, logits, padded)
    start = 0
    for part in parts:
        steps, batch, _ = part.inputs.shape
        place = slice(start, start + batch)
        unpadded = case.module(part.inputs)
        torch.testing.assert_close(logits[:steps, place], unpadded, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(losses[place], nats(objective, unpadded, part), atol=1e-4, rtol=1e-5)
        start += batch
    together = gradients(case, padded)
    apart = [sum(each) for each in zip(*(gradients(case, part) for part in parts), strict=True)]
    scale = torch.cat([part.flatten() for part in apart]).norm()
    for one, other in zip(together, apart, strict=True):
        assert (one - other).norm() <= 1e-5 * scale


def test_a_seed_decides_every_first_value_and_nothing_else_does(case: Case) -> None:
    before = torch.get_rng_state()
    again, other = case.build(SEED), case.build(SEED + 1)
    case.module(case.batch.inputs)
    assert torch.get_rng_state().equal(before)  # nothing is drawn from the global generator
    assert same(case.module.state_dict(), again.state_dict())
    drawn = [name for name, value in again.state_dict().items() if value.unique().numel() > 4]  # others are constants
    assert drawn
    for name in drawn:
        assert not again.state_dict()[name].equal(other.state_dict()[name]), name
    assert again(case.batch.inputs).equal(case.module(case.batch.inputs))


def test_the_module_computes_from_its_parameters_as_they_are(case: Case) -> None:
    moved, loaded = case.build(), case.build()
    moved(case.batch.inputs)
    for n, parameter in enumerate(moved.parameters()):  # as training does: first elsewhere in memory, then in place
        parameter.data = parameter.data.clone()
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=stream("moved", n))
    loaded.load_state_dict(moved.state_dict())
    assert moved(case.batch.inputs).equal(loaded(case.batch.inputs))
    assert not moved(case.batch.inputs).equal(case.module(case.batch.inputs))


def test_state_size_is_a_positive_number(case: Case) -> None:
    size = case.model.state_size(case.batch.inputs.shape[0])
    assert isinstance(size, int)
    assert size > 0
    assert isinstance(case.model, Model)


def test_arms_that_differ_in_memory_alone_share_every_other_first_value() -> None:
    arms: dict[str, list[dict[str, Tensor]]] = {}
    for experiment in (parameters.values[0] for parameters in MODELS):
        task, rest = experiment.task, plain(experiment.model)
        if rest.pop("memory", None):
            module = experiment.model.build(task.inputs, task.outputs, SEED)
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
        run = Run(experiment, SEED)
        assert json.loads(json.dumps(run.params, allow_nan=False)) == run.params
        assert run.digest != Run(experiment, SEED + 1).digest
        for size in (*experiment.training.eval_sizes, *experiment.task.test):
            assert experiment.task.steps(size) > 0
