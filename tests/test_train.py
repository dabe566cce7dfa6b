"""Training: a pure generator of events, resumable anywhere."""

import dataclasses
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from membench.benchmarks.core import Experiment, Run, Suite
from membench.benchmarks.curriculum import Stages
from membench.benchmarks.learning_rates import Cosine, WarmUp
from membench.benchmarks.objectives import Bits
from membench.benchmarks.optimizers import Adam, AdamW, GravesRMSProp, RMSProp, TorchRMSprop, fits
from membench.benchmarks.protocols import Batch, Size, pad
from membench.benchmarks.records import checkpoints
from membench.benchmarks.records.checkpoints import Snapshot
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Resumed, Started, to_json
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training.differentiate import InTurn, Own
from membench.benchmarks.training.evaluate import Score, evaluate, evaluation_set, identity, nats
from membench.benchmarks.training.learner import Learner, objective, slope
from membench.benchmarks.training.train import draw_size, train, training_batch
from membench.benchmarks.training.trainee import Trainee
from membench.ntm import stream

CPU = torch.device("cpu")


@pytest.fixture
def run(tiny: str) -> Run:
    return next(find(tiny).runs())


def said(events: list[Event | Snapshot]) -> list[dict[str, object]]:
    """The lines of a record that must not depend on interruptions."""
    lines = [to_json(e) for e in events if isinstance(e, Evaluated | Generalised)]
    for line in lines:
        line.pop("seconds", None)
    return lines


def test_a_training_says_what_happens_in_order(run: Run) -> None:
    events = list(train(run, CPU))
    assert isinstance(events[0], Started) and events[0].params == run.params
    evaluated = [e for e in events if isinstance(e, Evaluated)]
    assert [e.step for e in evaluated] == [0, 10, 20, 30, 40]
    assert [e.sequences for e in evaluated] == [0, 40, 80, 120, 160]
    assert evaluated[0].train_loss is None and evaluated[1].train_loss is not None
    points = [(e.weights, tuple(e.size)) for e in events if isinstance(e, Generalised)]
    assert points == [("best", (2,)), ("final", (2,)), ("best", (4,)), ("final", (4,))]
    assert events[-1] == Ended(run.key, "done", 45, events[-1].seconds)  # type: ignore[union-attr]


def test_training_lowers_the_error(run: Run) -> None:
    training = dataclasses.replace(run.experiment.training, steps=300, eval_every=100, optimizer=Adam(1e-2))
    longer = dataclasses.replace(run, experiment=dataclasses.replace(run.experiment, training=training))
    first, *_, last = [e for e in train(longer, CPU) if isinstance(e, Evaluated)]
    assert last.errors < 0.5 * first.errors and last.loss < 0.5 * first.loss


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_is_a_sum_over_time_and_bits_or_a_mean_of_scored_bits(run: Run, reduction: str) -> None:
    """It decides what a bound on the gradient's norm means."""
    training = dataclasses.replace(run.experiment.training, reduction=reduction)
    task = Copy(bits=2)
    batch = pad([task.sample((length,), 3, stream("loss", length)) for length in (1, 4)])
    logits = torch.randn(batch.targets.shape, generator=stream("logits"))
    each, bits = nats(Bits(), logits, batch), 3 * (1 + 4) * 2
    expected = each.mean() if reduction == "sum" else each.sum() / bits
    torch.testing.assert_close(objective(task, training, logits, batch), expected)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("bits", "length"), [(8, 5), (6, 4), (6, 5), (1, 3)])
def test_the_slope_of_four_samples_is_autograd_s_of_all_to_the_last_bit(
    run: Run, reduction: str, bits: int, length: int
) -> None:
    training = dataclasses.replace(run.experiment.training, reduction=reduction)
    task = Copy(bits=bits)
    batch = task.sample((length,), 32, stream("slope"))
    logits = (4 * torch.randn(batch.targets.shape, generator=stream("logits"))).requires_grad_()
    (gradient,) = torch.autograd.grad(objective(task, training, logits, batch), logits)
    for samples in (slice(at, at + 4) for at in range(0, 32, 4)):
        part = logits.detach()[:, samples].contiguous()
        assert slope(task, training, batch)(part, samples).equal(gradient[:, samples])
        assert part.equal(logits[:, samples])  # and is left alone


def under_autograd(module: Any) -> None:
    """Its fused twin still runs forward; the gradient is autograd's."""
    module.differentiation = lambda members: None


CHANGES: dict[str, Callable[[Any], object]] = {
    "none": lambda module: None,
    "under autograd": under_autograd,
    "reference": lambda module: setattr(module, "implementation", "reference"),
    "hooked": lambda module: module.register_forward_hook(lambda *_: None),
    "double": lambda module: module.double(),
    "double, fused": lambda module: setattr(module.double(), "implementation", "fused"),
}


@dataclasses.dataclass(frozen=True)
class Told:
    """A model whose module is changed once it is built."""

    model: Any
    change: str

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        module: nn.Module = self.model.build(inputs, outputs, seed)
        CHANGES[self.change](module)
        return module


def told(run: Run, change: str, **training: Any) -> Run:
    run = otherwise(run, **training)
    model = Told(run.experiment.model, change)
    return dataclasses.replace(run, experiment=dataclasses.replace(run.experiment, model=model))


def otherwise(run: Run, **training: Any) -> Run:
    changed = dataclasses.replace(run.experiment.training, **training)
    return dataclasses.replace(run, experiment=dataclasses.replace(run.experiment, training=changed))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("batch", [6, 32])
def test_a_step_is_autograd_s_to_the_last_bit(suite: Suite, reduction: str, batch: int) -> None:
    """Four samples after four, or all at once; long sequences first: short ones find what they left."""
    (ntm,) = [run for run in suite.runs() if run.key == "copy/ntm/1"]
    quick, slow = (Learner([told(ntm, how, reduction=reduction)], CPU) for how in ("none", "under autograd"))
    assert type(quick.differentiate) is Own and type(slow.differentiate) is InTurn
    for length in (5, 1, 4, 5):
        drawn = ntm.experiment.task.sample((length,), batch, stream("step", length))
        sequences = Batch(*(part[None] for part in drawn))
        close = {} if batch % 32 else {"rtol": 0, "atol": 0}  # what is left over of vectors is rounded otherwise
        found = [learner.differentiate(learner.weights, sequences) for learner in (quick, slow)]
        torch.testing.assert_close(*found, **close)  # type: ignore[arg-type]
        for learner in (quick, slow):
            learner.step(sequences, *learner.rates(1))
        torch.testing.assert_close(quick.weights, slow.weights, **close)  # type: ignore[arg-type]


def test_a_module_s_own_step_only_where_its_fused_twin_runs_and_autograd_would_find_the_same(suite: Suite) -> None:
    runs = {run.key: run for run in suite.runs()}

    def way(key: str, change: str) -> type:
        return type(Learner([told(runs[key], change)], CPU).differentiate)

    assert way("copy/ntm/1", "none") is Own and way("copy/lstm/1", "none") is InTurn
    for change in ("reference", "hooked", "double"):
        assert way("copy/ntm/1", change) is InTurn
    with pytest.raises(ValueError, match="computes in float32"):
        way("copy/ntm/1", "double, fused")


def test_a_gradient_is_a_function_of_the_weights(suite: Suite) -> None:
    """Whichever tensor they come in, and whatever was asked before."""
    for run in suite.runs():
        learner = Learner([run], CPU)
        drawn = run.experiment.task.sample((3,), 4, stream("function"))
        batch = Batch(*(part[None] for part in drawn))
        first = [part.clone() for part in learner.differentiate(learner.weights, batch)]
        other = [part.clone() for part in learner.differentiate(learner.weights / 2, batch)]
        again = learner.differentiate(learner.weights.clone(), batch)
        assert all(map(torch.equal, first, again)) and not any(map(torch.equal, first, other))


def test_the_same_run_gives_the_same_curve_and_another_seed_another(run: Run) -> None:
    first = said(list(train(run, CPU)))
    assert first == said(list(train(run, CPU)))
    assert first != said(list(train(dataclasses.replace(run, seed=2), CPU)))


OTHERWISE: dict[str, dict[str, Any]] = {
    "Graves, cosine, stages": {
        "optimizer": GravesRMSProp(1e-3),
        "schedule": Cosine(warm_up=15, last=0.1),
        "sizes": Stages(((0, (range(1, 2),)), (18, (range(1, 3),)), (30, (range(2, 5),)))),
    },
    "torch's, centred": {"optimizer": TorchRMSprop(1e-3, momentum=0.9, centred=True), "schedule": WarmUp(20)},
    "AdamW": {"optimizer": AdamW(1e-3, weight_decay=0.1), "schedule": Cosine()},
}


@pytest.mark.parametrize("training", OTHERWISE.values(), ids=OTHERWISE)
def test_however_it_is_trained_it_resumes_exactly(run: Run, training: dict[str, Any], tmp_path: Path) -> None:
    """From what is on the disk."""
    other = otherwise(run, **training)
    whole = said(list(train(other, CPU)))
    assert whole != said(list(train(otherwise(run, optimizer=training["optimizer"]), CPU)))
    calls = count()
    first = list(train(other, CPU, stop=lambda: next(calls) == 17))
    checkpoints.save(next(e for e in reversed(first) if isinstance(e, Snapshot)), tmp_path / "1.pt")
    snapshot = checkpoints.load(tmp_path / "1.pt")
    assert snapshot is not None and snapshot.step == 17 and snapshot.moments is not None
    assert fits(snapshot.moments, other.experiment.training.optimizer)
    assert said(first) + said(list(train(other, CPU, snapshot))) == whole


def test_a_schedule_is_a_factor_of_the_learning_rate(run: Run) -> None:
    """A constant half of it is half the learning rate, to the last bit."""

    def trained(**training: Any) -> list[dict[str, object]]:
        return said(list(train(otherwise(run, **training), CPU)))

    class Half(Cosine):
        def factor(self, step: int, steps: int) -> float:
            return 0.5

    asked: list[tuple[int, int]] = []

    class Watched(Cosine):
        def factor(self, step: int, steps: int) -> float:
            asked.append((step, steps))
            return 1.0

    assert trained(schedule=Watched()) == trained() and asked == [(step, 45) for step in range(45)]
    for whole in (AdamW(2e-3), Adam(2e-3), RMSProp(2e-3), GravesRMSProp(2e-3), TorchRMSprop(2e-3)):
        half = dataclasses.replace(whole, learning_rate=1e-3)
        assert trained(optimizer=whole, schedule=Half()) == trained(optimizer=half) != trained(optimizer=whole)


def test_stages_draw_from_their_own_ranges_and_what_they_share_is_the_same(run: Run) -> None:
    plain, drawn = run.experiment, identity(run.experiment.task)
    staged = otherwise(run, sizes=Stages(((0, (range(4, 6),)), (20, plain.task.train)))).experiment
    for step in range(40):
        batch, usual = (training_batch(each, drawn, 1, step) for each in (staged, plain))
        if step < 20:
            assert set(batch.scored.sum(dim=0).tolist()) <= {4.0, 5.0}
        else:
            assert all(map(torch.equal, batch, usual))


@pytest.mark.parametrize("at", [0, 3, 10, 17, 40, 44])
def test_stopped_at_any_step_and_resumed_it_says_the_same(run: Run, at: int) -> None:
    whole = said(list(train(run, CPU)))
    calls = count()
    first = list(train(run, CPU, stop=lambda: next(calls) == at))
    assert isinstance(first[-1], Ended) and first[-1].status == "interrupted" and first[-1].step == at
    snapshot = next(e for e in reversed(first) if isinstance(e, Snapshot))
    rest = list(train(run, CPU, snapshot))
    assert rest[0].step == at and isinstance(rest[0], Resumed)
    assert said(first) + said(rest) == whole


def test_from_every_snapshot_on_it_says_the_same(run: Run) -> None:
    events = list(train(run, CPU))
    whole = said(events)
    for index, event in enumerate(events):
        if isinstance(event, Snapshot):
            assert said(events[:index]) + said(list(train(run, CPU, event))) == whole


def test_the_best_weights_are_those_of_the_lowest_validation_error(run: Run) -> None:
    events = list(train(run, CPU))
    lowest = min((e for e in events if isinstance(e, Evaluated)), key=lambda e: (e.errors, e.loss))
    tested = next(e for e in events if isinstance(e, Generalised) and e.weights == "best")
    assert tested.step == lowest.step


def test_of_equally_many_errors_the_lower_loss_is_best_and_of_equals_the_first(run: Run) -> None:
    trainee = Trainee(run, Learner([run], CPU), 0)
    steps = []
    for step, (errors, loss) in enumerate([(3.0, 9.0), (2.0, 8.0), (2.0, 7.0), (2.0, 7.0), (2.5, 1.0)]):
        list(trainee.evaluated(step, Score(loss, errors, 0.0, 4)))
        assert trainee.best is not None
        steps.append(trainee.best.step)
    assert steps == [0, 1, 2, 2, 2]


class Exploding(nn.Module):
    """Finite until its weight has moved a little, then not a number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        level = self.weight + torch.where(self.weight.detach().abs() > 2e-3, torch.nan, 0.0)
        return level.expand(*inputs.shape[:2], 2)


@dataclasses.dataclass(frozen=True)
class Explodes:
    """A model that diverges after a few steps."""

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        return Exploding()

    def state_size(self, steps: int) -> int:
        return 1


def test_a_training_that_diverges_ends_with_its_step(run: Run) -> None:
    experiment = dataclasses.replace(
        run.experiment,
        model=Explodes(),
        training=dataclasses.replace(run.experiment.training, optimizer=Adam(1e-3), eval_every=20),
    )
    *_, last = train(Run(experiment, 1), CPU)
    assert isinstance(last, Ended) and last.status == "diverged" and 2 <= last.step <= 20
    assert "not finite" in last.message


def test_data_depends_on_task_seed_and_step_alone(run: Run) -> None:
    experiment = run.experiment
    drawn = identity(experiment.task)
    same = training_batch(experiment, drawn, 1, 7)
    other_model = dataclasses.replace(experiment, model=Explodes(), model_name="x")
    assert all(torch.equal(a, b) for a, b in zip(same, training_batch(other_model, drawn, 1, 7), strict=True))
    tested = dataclasses.replace(experiment.task, test=((9,),))  # type: ignore[type-var]
    assert identity(tested) == drawn
    steps = [training_batch(experiment, drawn, seed, step).inputs for seed in (1, 2) for step in range(5)]
    assert not any(torch.equal(a, b) for i, a in enumerate(steps) for b in steps[:i] if a.shape == b.shape)


def test_sizes_are_drawn_from_the_whole_training_range() -> None:
    task = Copy(train=(range(1, 21),))
    generator = stream("test sizes")
    drawn = [draw_size(task.train, generator) for _ in range(2000)]
    assert {n for (n,) in drawn} == set(range(1, 21))


def test_mixed_sizes_draw_one_a_sequence(run: Run) -> None:
    training = dataclasses.replace(run.experiment.training, mixed_sizes=True, batch=64)
    experiment = dataclasses.replace(run.experiment, training=training)
    batch = training_batch(experiment, identity(experiment.task), 1, 0)
    assert set(batch.scored.sum(dim=0).tolist()) == {1.0, 2.0}


def fixed(size: Size) -> Iterator[Batch]:
    yield Copy(bits=2).sample(size, 16, stream("fixed"))


def test_evaluation_counts_wrong_bits_and_nats_a_sequence() -> None:
    batch = next(fixed((3,)))
    certain = (batch.targets * 2 - 1) * 20
    assert evaluate(lambda _: certain, [batch], Copy(bits=2))[1:] == (0.0, 1.0, 6, None)
    score = evaluate(lambda _: torch.full_like(batch.targets, 1e-6), [batch], Copy(bits=2))  # says 1 everywhere
    zeros = ((1 - batch.targets) * batch.scored[..., None]).sum() / 16
    assert score.errors == pytest.approx(float(zeros))
    assert score.loss == pytest.approx(6 * 0.6931472, rel=1e-5)


def test_the_evaluation_set_is_the_same_for_every_model(run: Run) -> None:
    experiment: Experiment = run.experiment
    sets = [evaluation_set(experiment.task, experiment.training, CPU) for _ in range(2)]
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(*sets, strict=True))
    assert sum(batch.inputs.shape[1] for batch in sets[0]) == 16
