"""Cohorts: seeds in lockstep say what each says alone, and what happens to one happens to no other."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from membench.baselines.dnc import DNC
from membench.baselines.lstm import LSTM
from membench.benchmarks import optimizers
from membench.benchmarks.core import Experiment, Run
from membench.benchmarks.learning_rates import WarmUp
from membench.benchmarks.optimizers import Adam, AdamW, ElementWise, GravesRMSProp, Optimizer, RMSProp
from membench.benchmarks.protocols import Batch, Model
from membench.benchmarks.records.checkpoints import Snapshot
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Resumed, Started, to_json
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training import graph, learner
from membench.benchmarks.training import train as train_module
from membench.benchmarks.training.differentiate import Mapped, Own
from membench.benchmarks.training.graph import WARM
from membench.benchmarks.training.learner import Learner
from membench.benchmarks.training.train import train, train_together
from membench.ntm import NTM, FeedforwardController, Learned, LSTMController, Random, Redrawn, stream
from membench.ntm.unroll import Differentiation, Slope

CPU = torch.device("cpu")
SEEDS = (1, 2, 3)

TOLERANCE = 2e-4
"""Of losses and gradient norms, relatively, after 25 steps. Sums are ordered otherwise than in a run alone, in single
precision, and training lets such differences grow."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """A model without its fused twin: its members are batched by ``vmap``, as on a GPU."""

    model: Model

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        module = self.model.build(inputs, outputs, seed)
        module.implementation = "reference"  # type: ignore[assignment]
        return module

    def state_size(self, steps: int) -> int:
        return self.model.state_size(steps)


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
    "NTM by its reference": Reference(NTM(rows=4, width=3, memory=Random(0.5), controller=LSTMController(units=8))),
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
    assert started[0].provenance["implementation"] == "cohort of 3, its own step"
    assert alone.provenance["implementation"] == "fused"
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
        monkeypatch.setattr(Learner, "ahead", ahead)
        assert said(list(train_together(runs, CPU))) == one_by_one
        monkeypatch.undo()


@pytest.mark.parametrize("model", [MODELS["LSTM"], MODELS["DNC"], MODELS["NTM by its reference"]], ids=repr)
def test_no_step_asks_for_a_number_on_its_way(experiment: Experiment, model: Model) -> None:
    """What a graph captures must not wait for a value: fake tensors have none to give."""
    short = Copy(bits=2, train=(range(1, 2),))
    learner = Learner(runs_of(dataclasses.replace(with_model(experiment, model), task=short), (1, 2)), CPU)
    assert isinstance(learner.differentiate, Mapped)
    given = learner.weights, learner.silence
    shapes = [tuple(part.shape) for part in learner.differentiate(*given)]
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert [tuple(part.shape) for part in learner.differentiate(*given)] == shapes


class Wild(nn.Module):
    """A recurrent layer that ``vmap`` cannot batch."""

    def __init__(self, inputs: int, outputs: int, seed: int) -> None:
        super().__init__()
        self.layer, self.output = nn.GRU(inputs, 8), nn.Linear(8, outputs)
        for parameter in self.parameters():
            parameter.data.uniform_(-0.3, 0.3, generator=stream("wild", seed))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.output(self.layer(inputs)[0])
        return logits


@dataclasses.dataclass(frozen=True)
class GRU:
    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        return Wild(inputs, outputs, seed)

    def state_size(self, steps: int) -> int:
        return 8


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Batches are made ahead, and steps captured: a graph computes from the same tensors into the same tensors.

    Capturing computes nothing, and fails where a number is asked for: fake tensors have none to give. Gives what was
    done.
    """
    done: list[str] = []
    learners: list[Learner] = []
    begin = Learner.__init__

    def begun(self: Learner, *arguments: Any) -> None:
        begin(self, *arguments)
        learners.append(self)

    def capture(function: Callable[[], tuple[Tensor, ...]]) -> tuple[tuple[Tensor, ...], Callable[[], None]]:
        done.append("capture")
        places = [learners[-1].weights, *learners[-1].moments.tensors()]
        before = [place.clone() for place in places]
        with monkeypatch.context() as plain, FakeTensorMode(allow_non_fake_inputs=True):
            plain.setattr(optimizers, "sqrt", torch.sqrt)  # as on a GPU
            shapes = [part.shape for part in function()]
        for place, value in zip(places, before, strict=True):
            place.copy_(value)  # some of them fake tensors do change
        answers = tuple(torch.empty(shape) for shape in shapes)

        def replay() -> None:
            done.append("replay")
            now = [learners[-1].weights, *learners[-1].moments.tensors()]
            assert all(one is place for one, place in zip(now, places, strict=True)), "a graph knows no other"
            for place, answer in zip(answers, function(), strict=True):
                place.copy_(answer)

        return answers, replay

    monkeypatch.setattr(Learner, "__init__", begun)
    monkeypatch.setattr(graph, "capture", capture)
    monkeypatch.setattr(learner, "on_gpu", lambda device: True)
    monkeypatch.setattr(train_module, "on_gpu", lambda device: True)
    monkeypatch.setattr(learner, "AHEAD", 6)
    return done


CAPTURED: dict[str, tuple[Model, tuple[int, ...], Optimizer]] = {
    "vmap": (MODELS["NTM by its reference"], (1, 2), Adam(3e-3)),
    "one after another": (GRU(), SEEDS, GravesRMSProp(1e-3)),
    "a seed alone": (MODELS["LSTM"], (2,), AdamW(3e-3)),
}


@pytest.mark.parametrize(("model", "seeds", "optimizer"), CAPTURED.values(), ids=CAPTURED)
def test_a_captured_step_is_the_step(
    experiment: Experiment, model: Model, seeds: tuple[int, ...], optimizer: Optimizer, request: pytest.FixtureRequest
) -> None:
    """With gradients, clip, optimiser and a learning rate that changes in one graph, and evaluations in another."""
    runs = runs_of(with_model(experiment, model, optimizer=optimizer, schedule=WarmUp(20), eval_every=5), seeds)
    expected = said(list(train_together(runs, CPU)))
    done = request.getfixturevalue("as_on_a_gpu")
    events = list(train_together(runs, CPU))
    alike(said(events), expected)
    assert done.count("capture") == 2 and done.count("replay") == 25 - WARM + 6 - WARM
    assert all("CUDA graph" in e.provenance["implementation"] for e in events if isinstance(e, Started))


def test_a_record_names_the_kernels_that_a_seed_alone_ran(experiment: Experiment) -> None:
    one = Learner([Run(experiment, 1)], CPU)
    one.differentiate.how = "Triton"
    assert one.provenance()["implementation"] == "Triton"


def test_a_captured_cohort_goes_on_exactly(experiment: Experiment, as_on_a_gpu: list[str]) -> None:
    runs = runs_of(with_model(experiment, GRU()))
    whole = [line for line in said(list(train_together(runs, CPU))) if line["event"] != "ended"]
    calls = count()
    first = list(train_together(runs, CPU, stop=lambda: next(calls) == 3))
    assert [e.step for e in first if isinstance(e, Ended)] == [16] * 3  # 6, 10 for the evaluation, 16
    snapshots = {e.key: e for e in first if isinstance(e, Snapshot)}
    rest = list(train_together(runs, CPU, [snapshots[run.key] for run in runs]))
    assert [line for line in said(first) + said(rest) if line["event"] != "ended"] == whole


def test_in_a_graph_one_member_s_nan_touches_no_other(experiment: Experiment, as_on_a_gpu: list[str]) -> None:
    sick, healthy = (
        list(train_together(runs_of(with_model(experiment, Explodes(seed=seed), optimizer=Adam(4e-3))), CPU))
        for seed in (2, 0)
    )
    ended = {e.key: e.status for e in sick if isinstance(e, Ended)}
    assert ended == {"copy/ntm/1": "done", "copy/ntm/2": "diverged", "copy/ntm/3": "done"}
    for key in ("copy/ntm/1", "copy/ntm/3"):
        assert said(sick, key) == said(healthy, key)


def test_files_are_written_while_a_gpu_is_at_the_next_steps(
    experiment: Experiment, as_on_a_gpu: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    go = Learner.train

    def noted(self: Learner, data: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        begun.append(self.moments.step)
        return go(self, data)

    monkeypatch.setattr(Learner, "train", noted)
    told = [
        (event.step, begun[-1])
        for event in train_together(runs_of(with_model(experiment, Explodes(0))), CPU)
        if isinstance(event, Evaluated | Snapshot)
    ]
    assert set(told) == {(0, 0), (10, 10), (20, 20), (25, 20)} and begun == [0, 6, 10, 16, 20]


class Asking(nn.Linear):
    """It asks for a number on its way."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * float(inputs.sum() > -1)


@dataclasses.dataclass(frozen=True)
class Asks:
    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        return Asking(inputs, outputs)


def test_what_cannot_be_captured_is_computed_as_it_stands(
    experiment: Experiment, as_on_a_gpu: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    drawn = NTM(rows=4, width=3, memory=Redrawn(Random(0.5)), controller=LSTMController(units=8))
    for model in (Asks(), drawn):
        with caplog.at_level("INFO"):
            events = list(train_together(runs_of(with_model(experiment, model, steps=8)), CPU))
        assert [e.status for e in events if isinstance(e, Ended)] == ["done"] * 3 and not as_on_a_gpu
    assert "a step of Asking is no CUDA graph: " in caplog.text
    assert "NTM" not in caplog.text  # what draws anew is not tried


def test_kernels_are_launched_on_the_gpu_that_trains(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: where.append(device) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Learner(runs_of(experiment), torch.device("cuda:1"))
    assert where == [torch.device("cuda:1")]


def test_members_that_vmap_cannot_batch_take_turns(experiment: Experiment, caplog: pytest.LogCaptureFixture) -> None:
    runs = runs_of(with_model(experiment, GRU()))
    with caplog.at_level("INFO"):
        together = list(train_together(runs, CPU))
    assert "vmap cannot batch Wild, whose members take turns" in caplog.text
    for run in runs:
        alike(said(together, run.key), said(list(train(run, CPU))))
    started = [e for e in together if isinstance(e, Started)]
    assert started[0].provenance["implementation"] == "cohort of 3, one after another"


class Kernel(nn.Linear):
    """A linear layer that differentiates all members at once, from the matrix of their weights."""

    asked: ClassVar[list[int]] = []

    def differentiation(self, members: Sequence[nn.Module]) -> Differentiation:
        def differentiate(weights: Tensor, inputs: Tensor, slopes: Sequence[Slope]) -> tuple[Tensor, Tensor]:
            self.asked.append(len(members))
            matrix = weights.view(len(members), self.out_features, self.in_features)
            logits = torch.einsum("moi,mtbi->mtbo", matrix, inputs)
            d = torch.stack([slope(own, slice(None)) for own, slope in zip(logits, slopes, strict=True)])
            return logits, torch.einsum("mtbo,mtbi->moi", d, inputs).flatten(1)

        return differentiate


@dataclasses.dataclass(frozen=True)
class Linear:
    itself: bool = False

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        module = (Kernel if self.itself else nn.Linear)(inputs, outputs, bias=False)
        module.weight.data.normal_(generator=stream("linear", seed))
        return module

    def state_size(self, steps: int) -> int:
        return 0


@pytest.mark.parametrize("seeds", [SEEDS, (2,)])
def test_a_module_may_differentiate_all_members_itself(experiment: Experiment, seeds: tuple[int, ...]) -> None:
    Kernel.asked.clear()
    theirs = list(train_together(runs_of(with_model(experiment, Linear(itself=True)), seeds), CPU))
    assert Kernel.asked == [len(seeds)] * 25
    alike(said(theirs), said(list(train_together(runs_of(with_model(experiment, Linear()), seeds), CPU))))


def test_members_that_take_their_own_step_say_what_each_says_alone_but_for_padding(experiment: Experiment) -> None:
    """The fused step is reached from a cohort: with nothing to pad, to the last bit."""
    task = dataclasses.replace(experiment.task, train=(range(2, 3),))  # type: ignore[type-var]
    one_size = dataclasses.replace(with_model(experiment, experiment.model, eval_sizes=((2,),)), task=task)
    runs = runs_of(one_size)
    assert isinstance(Learner(runs, CPU).differentiate, Own)
    together = list(train_together(runs, CPU))
    for run in runs:
        assert said(together, run.key) == said(list(train(run, CPU)))


def test_a_fault_of_the_model_is_not_taken_for_one_of_vmap(experiment: Experiment) -> None:
    @dataclasses.dataclass(frozen=True)
    class Narrow(GRU):
        def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
            return Wild(inputs + 1, outputs, seed)

    with pytest.raises(RuntimeError, match=r"input\.size"):
        list(train_together(runs_of(with_model(experiment, Narrow())), CPU))


def test_every_step_has_the_shape_of_the_longest(experiment: Experiment) -> None:
    learner = Learner(runs_of(experiment), CPU)
    drawn = [[experiment.task.sample((size,), 4, stream("shape")) for size in (2, 1, 1)]]
    (batch,) = learner.laid_out(drawn)
    assert [tuple(part.shape) for part in batch] == [(3, 5, 4, 3), (3, 5, 4, 2), (3, 5, 4)]
    assert batch.inputs[0].equal(drawn[0][0].inputs) and batch.inputs[1, :3].equal(drawn[0][1].inputs)
    assert not batch.inputs[1, 3:].any() and not batch.scored[1, 3:].any()


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
