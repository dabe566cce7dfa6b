"""What is broken on purpose is broken in that one way."""

import pytest
import torch

from membench.baselines.defects import Defective
from membench.benchmarks.optimizers import GravesRMSProp
from membench.benchmarks.suites.defects import SOUND, SignError, SortApart
from membench.benchmarks.tasks.sort import Sort
from membench.ntm import NTMModule, stream

INPUTS = torch.rand(6, 3, 5, generator=stream("defects"))


def built(defect: str = "") -> NTMModule:
    spec = Defective(defect, SOUND) if defect else SOUND  # type: ignore[arg-type]
    made = spec.build(5, 4, seed=1)
    made.implementation = "reference"
    with torch.no_grad():
        made.cell.heads.weight.mul_(4)  # so that heads part
    return made


@pytest.mark.parametrize("defect", ["write follows read", "softmax over the batch"])
def test_a_defective_ntm_has_the_weights_of_the_sound_one_and_runs_by_the_reference(defect: str) -> None:
    sound, broken = built(), built(defect)
    assert all(map(torch.equal, sound.parameters(), broken.parameters()))
    assert not torch.allclose(sound(INPUTS), broken(INPUTS))
    broken.implementation = "auto"
    assert broken.implementation_for("cpu") == "reference" and broken.differentiation([broken]) is None


def test_a_write_head_that_follows_the_read_head_forgets_where_it_was() -> None:
    broken = built("write follows read")
    state = broken.begin(3)
    moved = state._replace(weightings=torch.stack([state.weightings[:, 0], state.weightings[:, 1].roll(5, -1)], dim=1))
    for start in (state, moved):
        assert broken.cell(INPUTS[0], start)[0].equal(broken.cell(INPUTS[0], state)[0])
        assert broken.cell(INPUTS[0], start)[1].weightings.equal(broken.cell(INPUTS[0], state)[1].weightings)
    sound = built()
    assert not sound.cell(INPUTS[0], moved)[1].weightings.equal(sound.cell(INPUTS[0], state)[1].weightings)


def test_a_softmax_over_the_batch_makes_a_sequence_alone_look_everywhere() -> None:
    """What the public code did at its batch of one: every content weighting and every shift is 1."""
    broken = built("softmax over the batch")
    state = broken.begin(1)
    asked = broken.cell.ask(torch.rand(1, 64, generator=stream("hidden")))
    assert asked.kernel.equal(torch.ones_like(asked.kernel))
    open_gate = asked._replace(gate=torch.ones_like(asked.gate))
    looks = broken.cell.address(open_gate, state.memory, state.weightings)
    torch.testing.assert_close(looks, torch.full_like(looks, 1 / 32))


def test_a_sign_error_takes_the_mean_to_the_mean_square() -> None:
    spec, parameters = SignError(0.1, decay=0.5, momentum=0.0, epsilon=0.01), torch.zeros(1, 1, dtype=torch.float64)
    state = spec.begin(parameters)
    n = m = at = 0.0
    for g in (1.0, 2.0, -0.5):
        state = spec.step(parameters, torch.full_like(parameters, g), state)
        n, m = 0.5 * n + 0.5 * g * g, 0.5 * m + 0.5 * g
        at -= 0.1 * g / (n + m * m + 0.01) ** 0.5
    assert float(parameters) == pytest.approx(at)
    right = torch.zeros(1, 1, dtype=torch.float64)
    GravesRMSProp(0.1, decay=0.5, momentum=0.0, epsilon=0.01).step(right, torch.ones_like(right), spec.begin(right))
    assert float(right) < -0.1 / (0.5 + 0.25 + 0.01) ** 0.5


def test_columns_sorted_apart_hold_what_their_own_column_held() -> None:
    task = SortApart(bits=3, train=(range(6, 7), range(4, 5)), test=((6, 4),))
    inputs, targets, scored = task.sample((6, 4), 20, stream("apart"))
    sound = Sort(bits=3, train=(range(6, 7), range(4, 5)), test=((6, 4),)).sample((6, 4), 20, stream("apart"))
    assert inputs.equal(sound.inputs) and scored.equal(sound.scored) and not targets.equal(sound.targets)
    ones = inputs[:6, :, :3].sum(dim=0)
    assert targets[7:].sum(dim=0).equal(ones.clamp_max(4))
    assert (targets[7:-1] >= targets[8:]).all()


def test_a_defect_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Defective\(defect='none'\): 'write follows read' or 'softmax over"):
        Defective("none", SOUND)  # type: ignore[arg-type]
