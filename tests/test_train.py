"""Training: a pure generator of events, resumable anywhere."""

import dataclasses
from collections.abc import Iterator
from itertools import count

import pytest
import torch
from torch import Tensor, nn

from membench.benchmarks.core import Batch, Experiment, Run, Size, Suite, pad
from membench.benchmarks.objectives import Bits
from membench.benchmarks.optimizers import Adam
from membench.benchmarks.records.checkpoints import Snapshot
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Resumed, Started, to_json
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training.evaluate import Score, evaluate, evaluation_set, identity, nats
from membench.benchmarks.training.learner import Alone, objective, slope
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


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("batch", [6, 32])
def test_a_step_is_autograd_s_to_the_last_bit(suite: Suite, reduction: str, batch: int) -> None:
    """Four samples after four, or all at once; long sequences first: short ones find what they left."""
    (ntm,) = [run for run in suite.runs() if run.key == "copy/ntm/1"]
    training = dataclasses.replace(ntm.experiment.training, reduction=reduction)
    changed = dataclasses.replace(ntm, experiment=dataclasses.replace(ntm.experiment, training=training))
    quick, slow = (Alone(changed, CPU) for _ in range(2))
    assert quick.ntm is not None
    slow.ntm = None
    for length in (5, 1, 4, 5):
        sequences = ntm.experiment.task.sample((length,), batch, stream("step", length))
        close = {} if batch % 32 else {"rtol": 0, "atol": 0}  # what is left over of vectors is rounded otherwise
        torch.testing.assert_close(quick.gradients(sequences), slow.gradients(sequences), **close)  # type: ignore[arg-type]
        assert quick.step(sequences) == pytest.approx(slow.step(sequences), rel=1e-5 if close == {} else 0)


def test_four_samples_after_four_only_where_the_fused_twin_runs(suite: Suite) -> None:
    (ntm,) = [run for run in suite.runs() if run.key == "copy/ntm/1"]
    learner = Alone(ntm, CPU)
    inputs = ntm.experiment.task.sample((3,), 4, stream("inputs")).inputs
    ready = learner.quick(inputs)
    assert ready is not None and learner.quick(inputs) is ready
    assert learner.quick(inputs[:, :0]) is None
    assert learner.quick(inputs.double()) is None
    assert learner.ntm is not None
    learner.ntm.implementation = "reference"
    assert learner.quick(inputs) is None
    learner.ntm.implementation = "fused"
    with pytest.raises(ValueError, match="computes in float32"):
        learner.quick(inputs.double())
    (lstm,) = [run for run in suite.runs() if run.key == "copy/lstm/1"]
    assert Alone(lstm, CPU).quick(inputs) is None


def test_the_same_run_gives_the_same_curve_and_another_seed_another(run: Run) -> None:
    first = said(list(train(run, CPU)))
    assert first == said(list(train(run, CPU)))
    assert first != said(list(train(dataclasses.replace(run, seed=2), CPU)))


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
    trainee = Trainee(run, Alone(run, CPU), 0)
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
    drawn = [draw_size(task, generator) for _ in range(2000)]
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
