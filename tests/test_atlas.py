"""The atlas compares on equal terms, and its learning rates are those that were chosen elsewhere."""

from pathlib import Path

import pytest
import torch

from membench.benchmarks.objectives import Tokens
from membench.benchmarks.optimizers import AdamW
from membench.benchmarks.protocols import largest, objective_of
from membench.benchmarks.records.frames import facts_of, frames_of
from membench.benchmarks.suites import atlas, atlas_rates
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.tasks.cued import Cued
from membench.benchmarks.tasks.ngrams import NGrams
from membench.benchmarks.tasks.selective_copy import SelectiveCopy
from membench.report.statistics import outcomes
from membench.report.statistics.matrix import best, chosen, matrix

RESULTS = Path(__file__).parent.parent / "results"
ARMS = atlas.suite.experiments


@pytest.mark.parametrize("task", atlas.TASKS)
def test_all_arms_of_a_task_have_about_as_many_parameters(task: str) -> None:
    for e in ARMS:
        if e.task_name == task:
            module = e.model.build(e.task.inputs, e.task.outputs, 1)
            count = sum(p.numel() for p in module.parameters() if p.requires_grad)
            assert abs(count / atlas.PARAMETERS - 1) <= atlas.WITHIN, (e.key, count)


def test_arms_of_a_task_differ_in_nothing_but_architecture_and_rate() -> None:
    for task in atlas.TASKS:
        trainings = [e.training for e in ARMS if e.task_name == task]
        assert len(trainings) == len(atlas.ARMS)
        for e in (e for e in ARMS if e.task_name == task):
            rate = e.training.optimizer.learning_rate
            assert e.training == atlas.training(task, str(rate), atlas.STEPS[task])
            assert isinstance(e.training.optimizer, AdamW) and e.training.optimizer.weight_decay


def test_every_task_is_tested_beyond_training() -> None:
    for task in atlas.TASKS.values():
        within, *beyond = task.test
        assert within == largest(task)
        assert len(beyond) >= 2 and all(task.steps(size) > task.steps(within) for size in beyond)


def test_rates_are_tried_with_other_seeds_and_half_the_budget() -> None:
    assert not set(atlas.suite.seeds) & set(atlas_rates.suite.seeds)
    for e in atlas_rates.suite.experiments:
        assert 2 * e.training.steps == atlas.STEPS[e.task_name]
        assert e.model is atlas.ARMS[e.arm] and e.task is atlas.TASKS[e.task_name]
    rates = {e.reading: e.training.optimizer.learning_rate for e in atlas_rates.suite.experiments}
    assert {float(name): name for name in rates} == {rate: name for name, rate in rates.items()}


def test_a_page_says_that_rates_are_provisional_until_they_were_chosen() -> None:
    assert ("provisional" in atlas.suite.notes) == (set(atlas.CHOSEN) != set(atlas.TASKS))
    for e in ARMS:
        chosen = atlas.CHOSEN[e.task_name][e.model_name] if e.task_name in atlas.CHOSEN else atlas.PROVISIONAL
        assert e.training.optimizer.learning_rate == float(chosen)


def test_rates_are_chosen_a_task_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "CHOSEN", {"parity": dict.fromkeys(atlas.ARMS, "1e-2")})
    monkeypatch.setattr(atlas, "OPEN", ("copy",))
    assert (atlas.rate("parity", "gru"), atlas.rate("copy", "gru")) == ("1e-2", atlas.PROVISIONAL)


def test_the_rates_are_those_that_the_committed_records_choose() -> None:
    """As ``bench map atlas-rates --best`` prints them, of every task that was tried in full."""
    suite = atlas_rates.suite
    frames, facts = frames_of(RESULTS, suite), facts_of(suite)
    cells = best(matrix(frames, facts, outcomes(frames, facts.solved, facts.relapse)))
    assert chosen(cells, frames) == atlas.CHOSEN


def test_a_cue_says_when_to_answer_and_nothing_else() -> None:
    plain, cued = Copy(bits=3), Cued(Copy(bits=3))
    one, other = (task.sample((4,), 2, torch.Generator().manual_seed(1)) for task in (plain, cued))
    assert other.inputs[..., :-1].equal(one.inputs) and other.inputs[..., -1].equal(one.scored)
    assert other.targets.equal(one.targets) and other.scored.equal(one.scored)
    assert (cued.inputs, cued.outputs, cued.train, cued.test) == (5, 3, plain.train, plain.test)
    assert objective_of(Cued(SelectiveCopy())) == Tokens()
    with pytest.raises(ValueError, match=r"Cued\(NGrams\(...\)\): a task whose best possible predictor is known"):
        Cued(NGrams())
