"""The DNC's suite: its tasks, and trained weights tested in another model."""

import dataclasses

import pytest
import torch

from membench.baselines.dnc import DNC
from membench.benchmarks.core import Experiment, Run, Training
from membench.benchmarks.records.checkpoints import Snapshot
from membench.benchmarks.records.events import Evaluated, Generalised
from membench.benchmarks.tasks.copies import Copies
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training import evaluate as measuring
from membench.benchmarks.training.train import train, train_together
from membench.ntm import stream

CPU = torch.device("cpu")


class TestCopies:
    def test_are_turns_of_copy(self) -> None:
        task = Copies(bits=2, train=(range(1, 3), range(1, 4)), test=())
        batch = task.sample((2, 3), 4, stream("test"))
        generator = stream("test")
        for turn in range(3):
            once = Copy(bits=2, train=(range(1, 3),), test=(), encoding="graves").sample((2,), 4, generator)
            for whole, part in zip(batch, once, strict=True):
                assert torch.equal(whole[5 * turn : 5 * (turn + 1)], part)
        assert batch.inputs.shape == (task.steps((2, 3)), 4, 3)

    @pytest.mark.parametrize("size", [(0, 1), (1,), (2, 0)])
    def test_refuse_sizes_they_do_not_have(self, size: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"accepted is \(length >= 1, times >= 1\)"):
            Copies().steps(size)


SMALL = DNC(rows=4, width=4, units=8)
TINY = Experiment(
    "copy",
    Copy(bits=2, train=(range(1, 3),), test=((2,), (3,))),
    "dnc",
    SMALL,
    Training(steps=20, eval_sizes=((2,),), batch=4, eval_every=10, eval_batch=4, test_sequences=8),
)
OTHER = dataclasses.replace(TINY, tested=dataclasses.replace(SMALL, rows=9))


@dataclasses.dataclass(frozen=True)
class Sided:
    """A linear layer, or its opposite."""

    sign: int = 1

    def build(self, inputs: int, outputs: int, seed: int = 0) -> torch.nn.Module:
        layer = torch.nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, generator=stream(seed, "sided"))
        layer.register_forward_hook(lambda module, given, logits: self.sign * logits)
        return layer

    def state_size(self, steps: int) -> int:
        return 0


class TestTestedElsewhere:
    def test_the_other_one_is_tested(self) -> None:
        """Not the one that was trained: of two opposites, each is right where the other is wrong."""
        opposite = dataclasses.replace(TINY, model=Sided(), tested=Sided(-1))
        plain, other = (
            [event for event in train(Run(experiment, 1), CPU) if isinstance(event, Generalised)]
            for experiment in (dataclasses.replace(TINY, model=Sided()), opposite)
        )
        assert plain
        for one, two in zip(plain, other, strict=True):
            assert one.errors + two.errors == one.bits

    def test_training_is_the_same_and_the_test_is_the_others(self) -> None:
        plain, other = (list(train(Run(experiment, 1), CPU)) for experiment in (TINY, OTHER))
        curves = [[(e.step, e.loss, e.errors) for e in events if isinstance(e, Evaluated)] for events in (plain, other)]
        assert curves[0] == curves[1]
        (snapshot,) = [event for event in other if isinstance(event, Snapshot) and event.step == 20]
        assert OTHER.tested is not None
        module = OTHER.tested.build(TINY.task.inputs, TINY.task.outputs)
        torch.nn.utils.vector_to_parameters(snapshot.weights, module.parameters())
        tested = {tuple(e.size): e.errors for e in other if isinstance(e, Generalised) and e.weights == "final"}
        for size, errors in tested.items():
            assert measuring.evaluate(module, measuring.test_set(TINY.task, size, 8, CPU), TINY.task).errors == errors

    def test_in_a_cohort_as_alone(self) -> None:
        runs = [Run(OTHER, 1), Run(OTHER, 2)]
        together = [event for event in train_together(runs, CPU) if isinstance(event, Generalised)]
        for run in runs:
            alone = [event for event in train(run, CPU) if isinstance(event, Generalised)]
            mine = [event for event in together if event.key == run.key]
            assert [(e.weights, e.size, e.errors) for e in mine] == [(e.weights, e.size, e.errors) for e in alone]

    def test_it_is_another_experiment(self) -> None:
        assert Run(OTHER, 1).digest != Run(TINY, 1).digest
        assert Run(OTHER, 1).params["tested"]["rows"] == 9
        assert "tested" not in Run(TINY, 1).params

    def test_weights_that_do_not_fit_are_refused_before_training(self) -> None:
        wide = dataclasses.replace(TINY, tested=dataclasses.replace(SMALL, width=5))
        with pytest.raises(ValueError, match="copy/dnc/1: what is tested has other weights"):
            next(iter(train(Run(wide, 1), CPU)))
