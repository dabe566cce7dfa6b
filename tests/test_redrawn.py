"""A memory that is drawn anew for every sequence: by the reference and the fused twin, trained, resumed, in cohorts."""

import dataclasses
from itertools import count

import pytest
import torch
from torch import Tensor

from membench.benchmarks.core import Run
from membench.benchmarks.records.checkpoints import Snapshot
from membench.benchmarks.records.events import Evaluated, Event, Generalised, to_json
from membench.benchmarks.suites import find
from membench.benchmarks.training.train import train, train_together
from membench.ntm import NTM, Bounded, Constant, LSTMController, NTMModule, Random, Redrawn, stream
from membench.ntm.memory import Start

CPU = torch.device("cpu")
SPEC = NTM(rows=6, width=4, memory=Redrawn(Random(0.5)), controller=LSTMController(units=7))
INPUTS = torch.rand(5, 6, 3, generator=stream("redrawn"))


def module(memory: object = SPEC.memory, implementation: str = "reference", draws: str = "") -> NTMModule:
    made = dataclasses.replace(SPEC, memory=memory).build(3, 2, seed=1)  # type: ignore[arg-type]
    made.implementation = implementation  # type: ignore[assignment]
    if draws:
        assert made.redraw is not None
        made.redraw(draws)
    return made


def first_memories(of: NTMModule, batch: int = 6) -> Tensor:
    memory: Tensor = of.begin(batch).memory
    return memory


@pytest.mark.parametrize("scheme", [Random(0.5), Random(0.5, squash=False), Bounded(0.2)])
def test_as_built_it_is_the_scheme_s_own_draw_for_every_sequence(scheme: Random | Bounded) -> None:
    assert first_memories(module(Redrawn(scheme))).equal(first_memories(module(scheme)))
    assert module(Redrawn(scheme))(INPUTS).equal(module(scheme)(INPUTS))
    assert module(scheme).redraw is None
    assert not [name for name, _ in module(Redrawn(scheme)).named_parameters() if "memory" in name]


@pytest.mark.parametrize("scheme", [Random(0.5), Bounded(0.2)])
def test_every_sequence_has_the_draw_of_its_place_and_of_the_name(scheme: Random | Bounded) -> None:
    one, other = (first_memories(module(Redrawn(scheme), draws=name)) for name in ("step 1", "step 2"))
    assert len({tuple(memory.flatten().tolist()) for memory in (*one, *other)}) == 12
    assert first_memories(module(Redrawn(scheme), draws="step 1"), 2).equal(one[:2])
    seen = torch.cat([first_memories(module(Redrawn(scheme), draws=f"step {n}")) for n in range(40)])
    spread = torch.atanh(seen).std() / 0.5 if isinstance(scheme, Random) else seen.std() / (0.2 / 3**0.5)
    assert spread == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("batch", [1, 6])
def test_the_fused_twin_begins_from_the_same_draws(batch: int) -> None:
    fused, reference = (module(implementation=which, draws="step 3") for which in ("fused", "reference"))
    x, towards = INPUTS[:, :batch], torch.ones(5, batch, 2)
    for one, other in zip(fused.parameters(), reference.parameters(), strict=True):
        with torch.no_grad():
            one.mul_(2), other.mul_(2)
    torch.testing.assert_close(fused(x), reference(x), rtol=1e-4, atol=1e-5)
    found = torch.autograd.grad(fused(x).sum(), list(fused.parameters()))
    wanted = torch.autograd.grad(reference(x).sum(), list(reference.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    logits, gradient = fused.gradients()(x, lambda y, samples: towards[:, samples])
    assert logits.equal(fused(x)) and gradient.equal(torch.cat([part.flatten() for part in found]))
    with torch.no_grad():
        assert fused(x).equal(logits)


def test_what_draws_nothing_or_is_trained_cannot_be_drawn_anew() -> None:
    for scheme in (Constant(1.0), Random(trainable=True), Bounded(1.0, trainable=True)):
        with pytest.raises(ValueError, match="accepted are Random and Bounded, not trainable"):
            Redrawn(scheme)  # type: ignore[arg-type]


@pytest.fixture
def run(tiny: str) -> Run:
    found = next(find(tiny).runs())
    training = dataclasses.replace(found.experiment.training, steps=20, eval_every=10)
    return dataclasses.replace(found, experiment=dataclasses.replace(found.experiment, model=SPEC, training=training))


def said(events: list[Event | Snapshot], key: str) -> list[dict[str, object]]:
    lines = [to_json(e) for e in events if isinstance(e, Evaluated | Generalised) and e.key == key]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_every_step_has_draws_of_its_own_and_evaluations_share_theirs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(Start, "redraw", lambda start, name: names.append(name))
    list(train(run, CPU))
    steps = [f"step {step}" for step in range(20)]
    assert [name for name in names if name != "measured"] == steps
    assert names[0] == "measured" and names[11] == "measured" and names[-1] == "measured"


def test_it_resumes_exactly_and_trains_in_company_as_alone(run: Run) -> None:
    whole, calls = list(train(run, CPU)), count()
    first = list(train(run, CPU, stop=lambda: next(calls) == 13))
    snapshot = next(e for e in reversed(first) if isinstance(e, Snapshot))
    assert snapshot.step == 13
    assert said(first, run.key) + said(list(train(run, CPU, snapshot)), run.key) == said(whole, run.key)
    other = dataclasses.replace(run, seed=2)
    together = list(train_together([other, run], CPU))
    for own in (run, other):
        one, alone = ([line["loss"] for line in said(events, own.key)] for events in (together, list(train(own, CPU))))
        assert one == pytest.approx(alone, rel=2e-4) and len(one) > 3
    kept = dataclasses.replace(run.experiment, model=dataclasses.replace(SPEC, memory=Random(0.5)))
    assert said(list(train(dataclasses.replace(run, experiment=kept), CPU)), run.key) != said(whole, run.key)
