"""Optimisers against TensorFlow's update rules written out for single numbers, and clipping."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from membench.benchmarks.optimizers import Adam, ElementWise, GlobalNorm, RMSProp
from membench.ntm import stream

STEPS = 30
Optimizer = Adam | RMSProp


def one_adam(spec: Adam, parameter: float, gradients: list[float]) -> float:
    """TensorFlow's ApplyAdam: epsilon beside the root of the uncorrected second moment."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        rate = spec.learning_rate * math.sqrt(1 - spec.beta2**t) / (1 - spec.beta1**t)
        m = m + (g - m) * (1 - spec.beta1)
        v = v + (g * g - v) * (1 - spec.beta2)
        parameter = parameter - m * rate / (math.sqrt(v) + spec.epsilon)
    return parameter


def one_rmsprop(spec: RMSProp, parameter: float, gradients: list[float]) -> float:
    """TensorFlow's ApplyRMSProp: the mean square starts at one, epsilon is inside the root."""
    square, moved = 1.0, 0.0
    for g in gradients:
        square = square + (g * g - square) * (1 - spec.decay)
        moved = moved * spec.momentum + g * spec.learning_rate / math.sqrt(square + spec.epsilon)
        parameter = parameter - moved
    return parameter


RULES: list[tuple[Optimizer, Callable[..., float]]] = [
    (Adam(), one_adam),
    (Adam(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=0.1), one_adam),
    (RMSProp(), one_rmsprop),
    (RMSProp(learning_rate=0.1, decay=0.5, momentum=0.0, epsilon=0.1), one_rmsprop),
]
SPECS = [spec for spec, _ in RULES]


def start(members: int = 3, size: int = 7) -> tuple[Tensor, list[Tensor]]:
    """Parameters, and gradients from 1e-12 to 1e3 for every step, float64."""
    generator = stream("optimizers", members)
    scale = 10.0 ** torch.linspace(-12, 3, size, dtype=torch.float64)
    scale[0] = 0.0  # an element that no gradient reaches
    values = torch.randn(1 + STEPS, members, size, generator=generator, dtype=torch.float64)
    return values[0], list(values[1:] * scale)


def descend(spec: Optimizer, parameters: Tensor, gradients: list[Tensor]) -> Tensor:
    parameters = parameters.clone()
    state = spec.begin(parameters)
    for step, gradient in enumerate(gradients, start=1):
        state = spec.step(parameters, gradient, state)
        assert state.step == step
    return parameters


@pytest.mark.parametrize(("spec", "rule"), RULES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_tensorflow_s_update_rule(spec: Optimizer, rule: Callable[..., float]) -> None:
    parameters, gradients = start()
    after = descend(spec, parameters, gradients)
    for member, row in enumerate(parameters.tolist()):
        for n, parameter in enumerate(row):
            expected = rule(spec, parameter, [float(gradient[member, n]) for gradient in gradients])
            assert after[member, n].item() == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert after[:, 0].equal(parameters[:, 0])


def test_float32_follows_the_rule() -> None:
    parameters, gradients = start()
    for spec in SPECS:
        after = descend(spec, parameters.float(), [gradient.float() for gradient in gradients])
        torch.testing.assert_close(after.double(), descend(spec, parameters, gradients), atol=2e-5, rtol=2e-5)


def test_adam_is_torch_s_where_epsilon_does_not_matter() -> None:
    parameters, gradients = start()
    theirs = parameters[:, 5:].clone().requires_grad_()  # where gradients are of the order of 1 and more
    optimizer = torch.optim.Adam([theirs], lr=1e-3)
    for gradient in gradients:
        theirs.grad = gradient[:, 5:].clone()
        optimizer.step()
    torch.testing.assert_close(descend(Adam(), parameters, gradients)[:, 5:], theirs.detach(), atol=1e-7, rtol=0)


def test_first_steps_from_tiny_gradients_are_tensorflow_s_not_torch_s() -> None:
    g = 1e-9
    gradient = torch.full((1, 1), g, dtype=torch.float64)
    adam = descend(Adam(), torch.zeros_like(gradient), [gradient]).item()
    assert adam == pytest.approx(-1e-3 * g / (g + 1e-8 / math.sqrt(1 - 0.999)))  # torch: g / (g + 1e-8)
    rmsprop = descend(RMSProp(), torch.zeros_like(gradient), [gradient]).item()
    assert rmsprop == pytest.approx(-1e-4 * g / math.sqrt(0.9))  # torch: g / (sqrt(0.1) g + 1e-8)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_members_do_not_touch_each_other(spec: Optimizer) -> None:
    parameters, gradients = start()
    together = descend(spec, parameters, gradients)
    for n in range(3):
        alone = descend(spec, parameters[n : n + 1], [gradient[n : n + 1] for gradient in gradients])
        assert alone.equal(together[n : n + 1])


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_member_s_nan_stays_with_it(spec: Optimizer) -> None:
    parameters, gradients = start()
    sound = descend(spec, parameters, gradients)
    gradients[4][1] = torch.nan
    after = descend(spec, parameters, gradients)
    assert after[1].isnan().all()
    assert after[[0, 2]].equal(sound[[0, 2]])


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_copy_of_the_state_goes_on_alike(spec: Optimizer) -> None:
    parameters, gradients = start()
    once, again = parameters.clone(), parameters.clone()
    state = spec.step(once, gradients[0], spec.begin(once))
    spec.step(again, gradients[0], spec.begin(again))
    kept = state.copy("cpu")
    spec.step(once, gradients[1], state)
    spec.step(again, gradients[1], kept)
    assert once.equal(again)


def clip(how: GlobalNorm | ElementWise, gradients: Tensor) -> Tensor:
    gradients = gradients.clone()
    return how.clip(gradients, torch.linalg.vector_norm(gradients, dim=-1, keepdim=True))


def test_a_norm_above_the_bound_is_scaled_down_to_it_and_no_other() -> None:
    gradients = torch.tensor([[3.0, 4.0], [30.0, -40.0], [0.3, 0.4], [0.0, 0.0]])
    clipped = clip(GlobalNorm(5.0), gradients)
    torch.testing.assert_close(clipped, torch.tensor([[3.0, 4.0], [3.0, -4.0], [0.3, 0.4], [0.0, 0.0]]))
    assert clipped[2:].equal(gradients[2:])


def test_a_bound_on_elements_holds_for_each() -> None:
    gradients = torch.tensor([[3.0, -10.0], [30.0, -40.0]])
    assert clip(ElementWise(10.0), gradients).equal(torch.tensor([[3.0, -10.0], [10.0, -10.0]]))


@pytest.mark.parametrize("how", [GlobalNorm(5.0), ElementWise(5.0)], ids=str)
def test_clipping_keeps_a_member_s_nan_with_it(how: GlobalNorm | ElementWise) -> None:
    gradients = torch.tensor([[30.0, 40.0], [torch.nan, 1.0], [0.0, 1e30]], dtype=torch.float64)
    clipped = clip(how, gradients)
    assert clipped[1].isnan().any()  # never hidden
    assert clipped[[0, 2]].equal(clip(how, gradients[[0, 2]]))
    assert clipped[[0, 2]].isfinite().all()
