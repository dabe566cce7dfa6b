"""Cohorts: seeds in lockstep say what each says alone, and what happens to one happens to no other."""

import dataclasses
import math
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from membench.baselines.dnc import DNC
from membench.baselines.lstm import LSTM
from membench.benchmarks.core import Experiment, Model, Run
from membench.benchmarks.optimizers import Adam, ElementWise, RMSProp
from membench.benchmarks.records.checkpoints import Snapshot
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Resumed, Started, to_json
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training.cohort import Cohort
from membench.benchmarks.training.train import train, train_together
from membench.ntm import NTM, FeedforwardController, Learned, LSTMController, Random

CPU = torch.device("cpu")
SEEDS = (1, 2, 3)

TOLERANCE = 2e-4
"""Of losses and gradient norms, relatively, after 25 steps. Sums are ordered otherwise than in a run alone, in single
precision, and training lets such differences grow."""

MODELS: dict[str, Model] = {
    "NTM, memory drawn and kept": NTM(rows=4, width=3, memory=Random(0.5), controller=LSTMController(units=8)),
    "NTM, two heads, feedforward": NTM(
        rows=5,
        width=3,
        reads=2,
        writes=2,
        memory=Learned(),
        controller=FeedforwardController(units=8),
        read_first=False,
    ),
    "LSTM": LSTM(units=8, layers=2),
    "DNC": DNC(rows=4, width=3, units=8),
}


@pytest.fixture
def experiment(tiny: str) -> Experiment:
    found = next(find(tiny).runs()).experiment
    return with_model(found, found.model, steps=25)


def with_model(experiment: Experiment, model: Model, **training: Any) -> Experiment:
    return dataclasses.replace(experiment, model=model, training=dataclasses.replace(experiment.training, **training))


def runs_of(experiment: Experiment, seeds: tuple[int, ...] = SEEDS) -> list[Run]:
    return [Run(experiment, seed) for seed in seeds]


def said(events: list[Event | Snapshot], key: str | None = None) -> list[dict[str, Any]]:
    """What records hold, but for times and where it ran; of one run or of all."""
    kept = [e for e in events if isinstance(e, Evaluated | Generalised | Ended) and key in (None, e.key)]
    return [{"key": e.key, **{k: v for k, v in to_json(e).items() if k != "seconds"}} for e in kept]


def alike(together: list[dict[str, Any]], alone: list[dict[str, Any]]) -> None:
    assert [[line[k] for k in ("event", "key", "step")] for line in together] == [
        [line[k] for k in ("event", "key", "step")] for line in alone
    ]
    for one, other in zip(together, alone, strict=True):
        for name, value in other.items():
            if isinstance(value, float) and name not in ("errors", "perfect"):
                assert one[name] == pytest.approx(value, rel=TOLERANCE), (other["step"], name)
            else:
                assert one[name] == value, (other["step"], name)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_member_s_curve_is_that_of_its_seed_alone(experiment: Experiment, model: Model) -> None:
    runs = runs_of(with_model(experiment, model))
    together = list(train_together(runs, CPU))
    for run in runs:
        alike(said(together, run.key), said(list(train(run, CPU))))
    assert len({line["loss"] for line in said(together) if line["event"] == "evaluated"}) == 9  # no two are the same


OTHERWISE: dict[str, dict[str, Any]] = {
    "RMSProp, element-wise clip": {"optimizer": RMSProp(1e-3), "clip": ElementWise(0.01)},
    "no clip, mean loss": {"clip": None, "reduction": "mean"},
    "each sequence a size of its own": {"mixed_sizes": True, "reduction": "mean"},
}


@pytest.mark.parametrize("training", OTHERWISE.values(), ids=OTHERWISE)
def test_however_it_is_trained(experiment: Experiment, training: dict[str, Any]) -> None:
    runs = runs_of(with_model(experiment, experiment.model, **training))
    together = list(train_together(runs, CPU))
    for run in runs:
        alike(said(together, run.key), said(list(train(run, CPU))))


def test_a_cohort_begins_and_ends_as_its_runs_would(experiment: Experiment) -> None:
    runs = runs_of(experiment)
    events = list(train_together(runs, CPU))
    alone = next(e for e in train(runs[1], CPU) if isinstance(e, Started))
    started = [e for e in events if isinstance(e, Started)]
    assert [e.key for e in started] == [run.key for run in runs]
    assert dataclasses.replace(started[1], provenance={}) == dataclasses.replace(alone, provenance={})
    assert started[0].provenance["implementation"] == "cohort of 3"
    ended = [e for e in events if isinstance(e, Ended)]
    assert [(e.key, e.status, e.step) for e in ended] == [(run.key, "done", 25) for run in runs]
    points = [e for e in events if isinstance(e, Generalised) and e.key == runs[2].key]
    assert [(e.weights, e.size) for e in points] == [("best", [2]), ("final", [2]), ("best", [4]), ("final", [4])]


class Exploding(nn.Module):
    """A linear layer that says nothing but NaN once its bias has come down by more than its bound."""

    def __init__(self, inputs: int, outputs: int, explodes: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
        nn.init.zeros_(self.layer.weight)
        nn.init.constant_(self.layer.bias, 3.0)  # too sure of every bit: training lowers it
        self.register_buffer("bound", torch.tensor(0.045 if explodes else math.inf))

    def forward(self, inputs: Tensor) -> Tensor:
        far = (3 - self.layer.bias.detach()).max() > self.get_buffer("bound")
        logits: Tensor = self.layer(inputs)
        return logits + torch.where(far, torch.nan, 0.0)


@dataclasses.dataclass(frozen=True)
class Explodes:
    """One seed diverges after a few steps."""

    seed: int = 2

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        return Exploding(inputs, outputs, explodes=seed == self.seed)

    def state_size(self, steps: int) -> int:
        return 1


@pytest.mark.parametrize("every", [5, 50], ids=["between evaluations", "before the second evaluation"])
def test_one_member_s_nan_touches_no_other(experiment: Experiment, every: int) -> None:
    fields = {"optimizer": Adam(4e-3), "eval_every": every}
    runs = runs_of(with_model(experiment, Explodes(), **fields))
    healthy = runs_of(with_model(experiment, Explodes(seed=0), **fields))
    together = list(train_together(runs, CPU))
    undisturbed = list(train_together(healthy, CPU))
    ended = {e.key: e for e in together if isinstance(e, Ended)}
    diverged = ended[runs[1].key]
    assert diverged.status == "diverged" and 5 < diverged.step < 25 and "not finite" in diverged.message
    alone = list(train(runs[1], CPU))[-1]
    assert isinstance(alone, Ended) and (alone.status, alone.step) == ("diverged", diverged.step)
    for run in (runs[0], runs[2]):
        assert said(together, run.key) == said(undisturbed, run.key)  # to the bit
        assert ended[run.key].status == "done"
    after = [e for e in together if isinstance(e, Evaluated | Generalised) and e.key == runs[1].key]
    assert all(isinstance(e, Evaluated) and e.step <= diverged.step for e in after)


def test_when_all_have_diverged_it_is_over(experiment: Experiment) -> None:
    runs = runs_of(with_model(experiment, Explodes(), optimizer=Adam(4e-3)), seeds=(2, 2))
    events = list(train_together(runs, CPU))
    assert [e.status for e in events if isinstance(e, Ended)] == ["diverged", "diverged"]
    assert isinstance(events[-1], Ended)


@pytest.mark.parametrize("at", [0, 13, 20])
def test_stopped_at_any_step_and_resumed_it_says_the_same(experiment: Experiment, at: int) -> None:
    runs = runs_of(experiment)
    whole = [line for line in said(list(train_together(runs, CPU))) if line["event"] != "ended"]
    calls = count()
    first = list(train_together(runs, CPU, stop=lambda: next(calls) == at))
    assert [(e.status, e.step) for e in first if isinstance(e, Ended)] == [("interrupted", at)] * 3
    snapshots = {e.key: e for e in first if isinstance(e, Snapshot)}
    assert [s.step for s in snapshots.values()] == [at] * 3
    rest = list(train_together(runs, CPU, [snapshots[run.key] for run in runs]))
    assert [e.step for e in rest if isinstance(e, Resumed)] == [at] * 3
    assert [line for line in said(first) + said(rest) if line["event"] != "ended"] == whole


def test_a_run_may_go_on_in_a_cohort_and_a_member_alone(experiment: Experiment) -> None:
    """Snapshots are of runs, whoever trained them."""
    runs = runs_of(experiment)
    calls = count()
    first = list(train_together(runs, CPU, stop=lambda: next(calls) == 14))
    snapshots = {e.key: e for e in first if isinstance(e, Snapshot)}
    for run in runs:
        rest = said(list(train(run, CPU, snapshots[run.key])))
        alike([*said(first, run.key)[:-1], *rest], said(list(train(run, CPU))))


@pytest.mark.parametrize("ahead", [4, 100])
def test_steps_taken_many_at_a_time_are_the_same_steps(
    experiment: Experiment, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, whose results are read once for many steps: here with a member that diverges in between."""
    for model in (experiment.model, Explodes()):
        runs = runs_of(with_model(experiment, model, optimizer=Adam(4e-3)))
        one_by_one = said(list(train_together(runs, CPU)))
        monkeypatch.setattr(Cohort, "ahead", ahead)
        assert said(list(train_together(runs, CPU))) == one_by_one
        monkeypatch.undo()


class Replay:
    """Does what a CUDA graph does: computes into the same tensors again and again."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self.losses, self.gradients = cohort.differentiate()
        self.read = [*cohort.batch, *cohort.leaves, *cohort.buffers.values(), cohort.weights]
        self.places = [tensor.data_ptr() for tensor in self.read]

    def replay(self) -> tuple[Tensor, Tensor]:
        assert [tensor.data_ptr() for tensor in self.read] == self.places
        losses, gradients = self.cohort.differentiate()
        self.losses.copy_(losses)
        self.gradients.copy_(gradients)
        return self.losses, self.gradients


def test_a_step_reads_and_writes_the_same_tensors_every_time(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_of(experiment)
    expected = said(list(train_together(runs, CPU)))
    begin = Cohort.__init__

    def captured(self: Cohort, *arguments: Any) -> None:
        begin(self, *arguments)
        self.graph = Replay(self)  # type: ignore[assignment]
        self.ahead = 6

    monkeypatch.setattr(Cohort, "__init__", captured)
    assert said(list(train_together(runs, CPU))) == expected


@pytest.mark.parametrize("model", [MODELS["LSTM"], MODELS["DNC"], MODELS["NTM, memory drawn and kept"]], ids=repr)
def test_no_step_asks_for_a_number_on_its_way(experiment: Experiment, model: Model) -> None:
    """What a graph captures must not wait for a value: fake tensors have none to give."""
    short = Copy(bits=2, train=(range(1, 2),))
    cohort = Cohort(runs_of(dataclasses.replace(with_model(experiment, model), task=short), (1, 2)), CPU)
    shapes = [tuple(part.shape) for part in cohort.differentiate()]
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert [tuple(part.shape) for part in cohort.differentiate()] == shapes


def test_every_step_has_the_shape_of_the_longest(experiment: Experiment) -> None:
    cohort = Cohort(runs_of(experiment), CPU)
    assert [tuple(part.shape) for part in cohort.batch] == [(3, 5, 4, 3), (3, 5, 4, 2), (3, 5, 4)]


def test_runs_that_are_no_cohort_are_refused(experiment: Experiment) -> None:
    other = with_model(experiment, experiment.model, steps=26)
    with pytest.raises(ValueError, match=r"copy/ntm/1, copy/ntm/2: a cohort is of one experiment and at one step"):
        next(train_together([Run(experiment, 1), Run(other, 2)], CPU))
    runs = runs_of(experiment, (1, 2))
    snapshots = [next(e for e in train(run, CPU) if isinstance(e, Snapshot)) for run in runs]
    with pytest.raises(ValueError, match="at one step"):
        next(train_together(runs, CPU, [snapshots[0], dataclasses.replace(snapshots[1], step=10)]))
    with pytest.raises(ValueError, match="at one step"):
        next(train_together(runs, CPU, snapshots[:1]))
