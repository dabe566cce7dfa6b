"""What an architecture must do: every flaw is found by its property, and refused before a run where it matters."""

import sys
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import dropout

from membench.benchmarks.core import Experiment, Run, Training
from membench.benchmarks.errors import UsageError
from membench.benchmarks.inspecting.check import NEEDED, PROPERTIES, Case, refuse, wrong
from membench.benchmarks.inspecting.traces import look
from membench.benchmarks.objectives import Bits, Objective, Tokens
from membench.benchmarks.protocols import Batch, Size, objective_of
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training.evaluate import measured
from membench.benchmarks.training.learner import Learner, built
from membench.ntm import seeded, stream

TASK = Copy(bits=2, train=(range(1, 4),), test=((3,), (20,)))


@dataclass(frozen=True)
class Mine:
    """An architecture with a flaw."""

    flaw: str = ""

    def build(self, inputs: int, outputs: int, seed: int) -> Any:
        if self.flaw == "no module":
            return lambda x: x
        if self.flaw == "not seeded":
            return Net(self.flaw, inputs, outputs)
        with seeded(0 if self.flaw == "seed ignored" else seed):
            net = Net(self.flaw, inputs, outputs)
        return net.double() if self.flaw == "float64" else net

    def state_size(self, steps: int) -> Any:
        return 1.5 if self.flaw == "half a float" else 4


class Net(nn.Module):
    def __init__(self, flaw: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.flaw = flaw
        self.layer = nn.GRU(inputs, 4, batch_first=flaw == "batch first")
        self.last = nn.Linear(4, outputs + (flaw == "wide"))
        self.drop, self.norm = nn.Dropout(0.1 * (flaw == "dropout")), nn.BatchNorm1d(4)
        self.norm.requires_grad_(False).eval()
        if flaw == "batch norm":
            self.norm.requires_grad_().train()
        else:
            del self.norm
        self.unused = nn.Parameter(torch.ones(2)) if flaw == "unused" else None
        self.last.weight.requires_grad_(flaw != "frozen")
        if flaw == "nan":
            self.last.bias.data.fill_(float("nan"))
        self.calls = 0

    def forward(self, inputs: Tensor) -> Any:
        flaw = self.flaw
        if flaw == "raises":
            raise KeyError("rows")
        if flaw == "exits":
            sys.exit(3)
        if flaw == "in place":
            inputs.mul_(0.5)
        hidden = self.drop(self.layer(inputs.to(self.last.weight.dtype))[0])
        if flaw == "measured with dropout":
            hidden = dropout(hidden)
        if flaw == "batch norm":
            hidden = self.norm(hidden.transpose(1, 2)).transpose(1, 2)
        if flaw == "one batch":
            hidden = hidden + hidden.mean(1, keepdim=True)
        if flaw == "looks ahead":
            hidden = hidden + hidden.flip(0)
        if flaw == "positions":
            hidden = hidden + torch.ones(20, 1, 1)[: len(inputs)]
        if flaw == "counts":
            self.calls += 1
            hidden = hidden + self.calls
        logits = self.last(hidden)
        logits = logits.sigmoid() if flaw == "probabilities" else logits
        return {"tuple": (logits, hidden), "list": [logits], "double": logits.double()}.get(flaw, logits)


FLAWS = {
    "no module": ("output shape", "build gives a function; accepted is a torch.nn.Module"),
    "tuple": ("output shape", "forward gives a tuple (float32 (7, 3, 2), float32 (7, 3, 4)); accepted is one tensor"),
    "list": ("output shape", "forward gives a list (float32 (7, 3, 2)); accepted is one tensor"),
    "wide": ("output shape", "forward gives float32 (7, 3, 3); accepted is one tensor (time, batch, outputs), here"),
    "double": ("output shape", "forward gives float64 (7, 3, 2)"),
    "float64": ("output shape", "layer.weight_ih_l0 is float64 (12, 3); accepted is float32"),
    "frozen": ("output shape", "last.weight requires no gradient"),
    "raises": ("output shape", "KeyError: 'rows' (test_check.py, line "),
    "exits": ("output shape", "SystemExit: 3 (test_check.py, line "),
    "probabilities": (
        "outputs are logits",
        "forward gives numbers from 0 to 1 whatever the weights; accepted are logits",
    ),
    "not seeded": ("same seed, same build", "two builds from seed 1 differ in layer.weight_ih_l0; accepted: `from mem"),
    "seed ignored": ("another seed, another build", "`with seeded(seed):`"),
    "dropout": ("nothing drawn at random in training mode", "in training mode it draws at random (in drop)"),
    "measured with dropout": ("no dropout left on while measured", "while measured it draws at random"),
    "counts": ("nothing drawn at random in training mode", "two passes over the same inputs differ"),
    "batch norm": ("inputs and buffers stay as they are", "a pass changes norm.running_mean"),
    "in place": ("inputs and buffers stay as they are", "a pass changes its inputs in place"),
    "positions": ("longer than trained works", "RuntimeError: The size of tensor"),
    "half a float": ("state size is a number", "state_size gives 1.5"),
    "nan": ("finite", "logits over 7 steps are not finite"),
    "unused": ("gradients reach every parameter", "no gradient reaches unused"),
    "one batch": ("batch elements are independent", "a sequence alone differs from the same among others by up to "),
    "batch first": ("batch elements are independent", "; is a layer built with batch_first?"),
    "looks ahead": (
        "padding after the end changes nothing before",
        "with steps after the end, logits before it differ",
    ),
}
"""A flaw, the property that it breaks, and what is said."""


def found(model: Any) -> dict[str, str]:
    said = {name: wrong(Case(model, TASK), holds) for name, holds in PROPERTIES.items()}
    return {name: words for name, words in said.items() if words}


def experiment(model: Any, task: Any = TASK) -> Experiment:
    return Experiment("copy", task, "mine", model, Training(steps=1, eval_sizes=((1,),)))


def test_what_has_no_flaw_has_all_properties() -> None:
    assert found(Mine()) == {}
    refuse([experiment(Mine())])


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_found_by_its_property_and_said(flaw: str) -> None:
    name, words = FLAWS[flaw]
    assert words in found(Mine(flaw))[name]
    if name in NEEDED:
        with pytest.raises(UsageError, match="copy/mine: ") as refused:
            refuse([experiment(Mine(flaw))])
        assert words in str(refused.value) and "\n" not in str(refused.value)
    else:
        refuse([experiment(Mine(flaw))])


def test_what_weights_are_tested_in_is_tried_as_well() -> None:
    with pytest.raises(UsageError, match="forward gives a list"):
        refuse([replace(experiment(Mine()), tested=Mine("list"))])


def test_a_task_that_does_not_give_what_it_announces_is_refused() -> None:
    @dataclass(frozen=True)
    class Wide(Copy):
        def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
            drawn = super().sample(size, batch, generator)
            return drawn._replace(inputs=drawn.inputs[..., :2])

    @dataclass(frozen=True)
    class Slow(Copy):
        def steps(self, size: Size) -> int:
            return 1

    @dataclass(frozen=True)
    class Aimed(Copy):
        how: str = "narrow"

        @property
        def objective(self) -> Objective:
            return Tokens() if self.how == "bits" else Bits()

        def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
            drawn = super().sample(size, batch, generator)
            if self.how == "bits":
                return drawn
            return drawn._replace(targets=drawn.targets[..., :1] if self.how == "narrow" else 3 * drawn.targets)

    @dataclass(frozen=True)
    class Elsewhere(Copy):
        def sample(self, size: Size, batch: int, generator: Generator) -> Batch:
            drawn = super().sample(size, batch, generator)
            return drawn._replace(inputs=drawn.inputs + torch.rand(1))

    for task, words in (
        (
            Elsewhere(bits=2),
            "sample draws other inputs from the same generator; accepted is a sample that takes all chance from it",
        ),
        (Wide(bits=2), r"sample gives inputs float32 \(3, 3, 2\)"),
        (Slow(bits=2), "IndexError: "),
        (Aimed(bits=2), r"sample gives targets float32 \(3, 3, 1\)"),
        (Aimed(bits=2, how="large"), "sample gives targets from 0 to 3; accepted for bits are 0 to 1"),
        (
            Aimed(bits=2, how="bits"),
            "sample gives targets that are no symbol; accepted for tokens is one 1 among zeros",
        ),
    ):
        with pytest.raises(UsageError, match=f"task copy: {words}"):
            refuse([experiment(Mine(), task)])


def test_measuring_turns_dropout_off_and_leaves_every_mode_as_it_was() -> None:
    net = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5).eval())
    with measured(net):
        assert net(torch.ones(9, 9)).equal(torch.ones(9, 9))
    assert [part.training for part in net.modules()] == [True, True, False]
    with pytest.raises(KeyError), measured(net):
        raise KeyError
    assert net.training


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_a_learner_and_a_trace_measure_in_evaluation_mode_and_train_in_training_mode(seeds: tuple[int, ...]) -> None:
    modes: list[bool] = []

    @dataclass(frozen=True)
    class Linear:
        def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
            with seeded(seed):
                module = nn.Linear(inputs, outputs)
            module.register_forward_pre_hook(lambda module, _: modes.append(module.training))
            return module

    runs = [Run(experiment(Linear()), seed) for seed in seeds]
    learner = Learner(runs, torch.device("cpu"))
    batch = TASK.sample((2,), runs[0].experiment.training.batch, stream("modes"))
    learner.train(learner.laid_out([[batch] * len(runs)]))
    learner.evaluate([batch])
    look(built(runs[0]), batch, objective_of(TASK))
    learner.train(learner.laid_out([[batch] * len(runs)]))
    assert [mode for mode, _ in groupby(modes)] == [True, False, True], "trained, measured and traced, trained again"


def test_seeded_modules_are_the_seed_s_and_the_generator_is_put_back() -> None:
    before = torch.get_rng_state()
    with seeded(3, "layer"):
        one = nn.Linear(4, 4)
    with pytest.raises(KeyError), seeded(3):
        raise KeyError
    assert torch.get_rng_state().equal(before)
    torch.rand(1)
    with seeded(3, "layer"):
        assert nn.Linear(4, 4).weight.equal(one.weight)
    with seeded(4, "layer"):
        assert not nn.Linear(4, 4).weight.equal(one.weight)
