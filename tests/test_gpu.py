"""What must hold on a GPU; run by `make gpu`, skipped where there is none. Nobody has run them yet."""

import dataclasses
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import nn

from membench.baselines.lstm import LSTM
from membench.benchmarks.core import Experiment, Run
from membench.benchmarks.protocols import Model
from membench.benchmarks.records.checkpoints import Snapshot
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Started
from membench.benchmarks.records.plan import plan
from membench.benchmarks.records.record import path_of, read
from membench.benchmarks.running.runner import execute
from membench.benchmarks.suites import find
from membench.benchmarks.training.process import prepare
from membench.benchmarks.training.train import train, train_together
from membench.ntm import NTM, FeedforwardController, Learned, LSTMController, stream

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("default"),  # what libraries say of a device that they have not seen is no fault of ours
]

prepare()

GPU = torch.device("cuda:0")
CPU = torch.device("cpu")

TOLERANCE = 0.02
"""Of an evaluation loss, relatively, within 500 steps: sums are ordered otherwise, and training lets that grow."""


def arm(suite: str, key: str, **training: object) -> Experiment:
    found = next(e for e in find(suite).experiments if e.key == key)
    return dataclasses.replace(found, training=dataclasses.replace(found.training, **training))  # type: ignore[arg-type]


def curve(events: list[Event | Snapshot], key: str) -> dict[int, float]:
    return {e.step: e.loss for e in events if isinstance(e, Evaluated) and e.key == key}


def how(events: list[Event | Snapshot]) -> str:
    return next(str(e.provenance["implementation"]) for e in events if isinstance(e, Started))


def test_a_member_s_curve_is_the_cpu_s() -> None:
    """500 steps of the paper's own NTM, two of ten seeds of which are trained on the CPU as well."""
    experiment = arm("collier2018", "copy/ntm-constant-cosine", steps=500, eval_every=100, test_sequences=32)
    together = list(train_together([Run(experiment, seed) for seed in range(1, 11)], GPU))
    assert "cohort of 10" in how(together) and "CUDA graph" in how(together)
    for seed in (1, 7):
        run = Run(experiment, seed)
        alone = curve(list(train(run, CPU)), run.key)
        assert curve(together, run.key) == pytest.approx(alone, rel=TOLERANCE) and len(alone) == 6


class GRU(nn.Module):
    """Which ``vmap`` cannot batch: cuDNN's, one member after another."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer, self.output = nn.GRU(inputs, 32), nn.Linear(32, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.output(self.layer(inputs)[0])
        return logits


@dataclasses.dataclass(frozen=True)
class Wild:
    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return GRU(inputs, outputs)


MODELS: dict[str, Model] = {"LSTM": LSTM(units=32, layers=1), "GRU": Wild()}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_captured_step_is_the_step_and_goes_on_where_it_stopped(model: Model) -> None:
    experiment = dataclasses.replace(arm("mini", "copy/lstm", steps=200, eval_every=50), model=model)
    runs = [Run(experiment, seed) for seed in (1, 2, 3)]
    whole = list(train_together(runs, GPU))
    assert "CUDA graph" in how(whole)
    calls = count()
    first = list(train_together(runs, GPU, stop=lambda: next(calls) == 2))
    snapshots = {e.key: e for e in first if isinstance(e, Snapshot)}
    rest = list(train_together(runs, GPU, [snapshots[run.key] for run in runs]))
    for run in runs:
        alone = curve(list(train(run, CPU)), run.key)
        assert curve(whole, run.key) == pytest.approx(alone, rel=TOLERANCE)
        again = curve(first, run.key) | curve(rest, run.key)
        assert again == pytest.approx(curve(whole, run.key), rel=1e-6)
        assert [e for e in rest if isinstance(e, Generalised) and e.key == run.key]


@dataclasses.dataclass(frozen=True)
class Sick:
    """Seed 2 begins with a weight that is not a number."""

    model: Model
    seed: int = 2

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        module = self.model.build(inputs, outputs, seed)
        if seed == self.seed:
            next(module.parameters()).data.flatten()[0] = torch.nan
        return module


@pytest.mark.parametrize("key", ["copy/ntm-constant", "copy/lstm"])
def test_one_member_s_nan_touches_no_other(key: str) -> None:
    experiment = arm("mini", key, steps=60, eval_every=20)
    curves = []
    for seed in (2, 0):
        sick = dataclasses.replace(experiment, model=Sick(experiment.model, seed))
        events = list(train_together([Run(sick, seed) for seed in (1, 2, 3)], GPU))
        assert [e.key[-1] for e in events if isinstance(e, Ended) and e.status == "diverged"] == ["2"] * (seed == 2)
        curves.append([curve(events, f"{key}/{seed}") for seed in (1, 3)])
    assert curves[0] == curves[1] and len(curves[0][0]) == 4


def test_ten_seeds_are_trained_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By worker processes, as ``bench run --device cuda --seeds 1-10`` does; how many solved it is told, not tested."""
    path = tmp_path / "ten.py"
    path.write_text(
        "from dataclasses import replace\nfrom membench.benchmarks.suites import find\n"
        "suite = replace(find('mini'), name='ten', seeds=tuple(range(1, 11)))\n"
    )
    suite = find(str(path))
    planned = plan(suite, tmp_path / "results", models=["ntm-learned"])
    outcome = execute(planned, str(path), tmp_path / "results", device="cuda")
    assert (outcome.done, outcome.failed, outcome.left) == (10, 0, 0)
    records = [read(path_of(tmp_path / "results", "ten", each.run), each.run.key) for each in planned]
    began = [record.started.provenance for record in records if record is not None and record.started is not None]
    assert {where["device"] for where in began} == {torch.cuda.get_device_name(GPU)}
    assert all(str(where["implementation"]).startswith("cohort of 10") for where in began)
    solved = sum(min(e.errors for e in record.evaluated.values()) < 0.1 for record in records if record is not None)
    with capsys.disabled():
        print(f"\nten seeds of mini's copy/ntm-learned: {solved} below 0.1 wrong bits")


@pytest.mark.parametrize(
    "spec",
    [
        NTM(),
        NTM(similarity="dot", memory=Learned()),
        NTM(reach=3, clip_heads=None, controller=FeedforwardController()),
        NTM(reads=5, writes=5, memory=Learned(), controller=LSTMController(layers=2, state=Learned())),
    ],
    ids=["cosine", "dot", "feedforward", "five heads"],
)
def test_the_ntm_s_kernels_give_the_reference_s_gradients(spec: NTM) -> None:
    """Of three members; and the same again and again, or a thread did not wait for another."""
    modules = [spec.build(9, 8, seed=seed).to(GPU) for seed in range(3)]
    weights = torch.stack([nn.utils.parameters_to_vector(module.parameters()).detach() for module in modules])
    x = (torch.rand(3, 20, 32, 9, generator=stream("kernels")) > 0.5).float().to(GPU)
    step = modules[0].differentiation(modules)
    assert step is not None
    logits, gradients = (part.clone() for part in step(weights, x, [lambda y, samples: y] * 3))
    for _ in range(5):
        again = step(weights, x, [lambda y, samples: y] * 3)
        assert again[0].equal(logits) and again[1].equal(gradients)
    for module, own, y, found in zip(modules, x, logits, gradients, strict=True):
        module.implementation = "reference"
        want = module.double()(own.double())
        d = torch.autograd.grad(want, list(module.parameters()), want.detach())
        torch.testing.assert_close(y.double(), want.detach(), rtol=0, atol=1e-4 * float(want.detach().abs().max()))
        for mine, its in zip(found.split([part.numel() for part in d]), d, strict=True):
            assert float((mine - its.flatten()).abs().max()) <= 1e-3 * float(its.abs().max())
