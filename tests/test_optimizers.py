"""Optimisers against their update rules written out for single numbers and against torch's own; clipping."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from membench.benchmarks import optimizers
from membench.benchmarks.learning_rates import Cosine, Falls, WarmUp
from membench.benchmarks.optimizers import (
    Adam,
    AdamW,
    ElementWise,
    GlobalNorm,
    GravesRMSProp,
    Optimizer,
    RMSProp,
    TorchAdam,
    TorchRMSprop,
    matrices,
)
from membench.ntm import NTM, LSTMController, stream
from membench.ntm.kernels import baseline

STEPS = 50


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


def one_graves(spec: GravesRMSProp, parameter: float, gradients: list[float]) -> float:
    """Graves 2013: n is the mean of squared gradients; the root is of n *less* the squared mean."""
    n = mean = moved = 0.0
    for g in gradients:
        n = spec.decay * n + (1 - spec.decay) * g * g
        mean = spec.decay * mean + (1 - spec.decay) * g
        moved = spec.momentum * moved - spec.learning_rate * g / math.sqrt(n - mean * mean + spec.epsilon)
        parameter = parameter + moved
    return parameter


def one_torch_rmsprop(spec: TorchRMSprop, parameter: float, gradients: list[float]) -> float:
    """The algorithm box of torch.optim.RMSprop."""
    v = mean = b = 0.0
    for g in gradients:
        v = spec.decay * v + (1 - spec.decay) * g * g
        mean = spec.decay * mean + (1 - spec.decay) * g
        b = spec.momentum * b + g / (math.sqrt(v - mean * mean * spec.centred) + spec.epsilon)
        parameter = parameter - spec.learning_rate * b
    return parameter


def one_adamw(spec: AdamW | TorchAdam, parameter: float, gradients: list[float]) -> float:
    """The algorithm box of torch.optim.AdamW, for an element that is not decayed."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = spec.beta1 * m + (1 - spec.beta1) * g
        v = spec.beta2 * v + (1 - spec.beta2) * g * g
        corrected = math.sqrt(v / (1 - spec.beta2**t)) + spec.epsilon
        parameter = parameter - spec.learning_rate * (m / (1 - spec.beta1**t)) / corrected
    return parameter


RULES: list[tuple[Optimizer, Callable[..., float]]] = [
    (Adam(), one_adam),
    (Adam(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=0.1), one_adam),
    (RMSProp(), one_rmsprop),
    (RMSProp(learning_rate=0.1, decay=0.5, momentum=0.0, epsilon=0.1), one_rmsprop),
    (GravesRMSProp(), one_graves),
    (GravesRMSProp(learning_rate=0.1, decay=0.9, momentum=0.0, epsilon=0.1), one_graves),
    (TorchRMSprop(), one_torch_rmsprop),
    (TorchRMSprop(learning_rate=1e-3, decay=0.9, momentum=0.9, epsilon=1e-5), one_torch_rmsprop),
    (TorchRMSprop(learning_rate=1e-3, decay=0.95, momentum=0.9, epsilon=1e-2, centred=True), one_torch_rmsprop),
    (AdamW(), one_adamw),
    (AdamW(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=0.1, weight_decay=0.0), one_adamw),
    (TorchAdam(), one_adamw),
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
def test_the_update_rule(spec: Optimizer, rule: Callable[..., float]) -> None:
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


DEGENERATE: dict[str, Tensor] = {
    "never any": torch.zeros(STEPS),
    "always the same": torch.full((STEPS,), 3.0),
    "always the same and large": torch.full((STEPS,), 1e4),
    "one, then none": torch.nn.functional.pad(torch.ones(1), (0, STEPS - 1)),
    "turning every step": torch.tensor([1.0, -1.0]).repeat(STEPS // 2),
    "next to nothing": torch.full((STEPS,), 1e-20),
}


@pytest.mark.parametrize("gradients", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.parametrize(("spec", "rule"), RULES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_degenerate_gradients(spec: Optimizer, rule: Callable[..., float], gradients: Tensor) -> None:
    expected = rule(spec, 0.5, gradients.double().tolist())
    for kind, close in ((torch.float64, 1e-9), (torch.float32, 1e-3)):
        after = descend(spec, torch.full((1, 1), 0.5, dtype=kind), list(gradients.to(kind)[:, None, None]))
        assert after.item() == pytest.approx(expected, rel=close, abs=close)


def test_a_variance_lost_in_rounding_is_none_and_never_less() -> None:
    """In float32, n - g^2 of a gradient that stays the same is as often below zero as above."""
    gradients = [torch.rand(1, 1000, generator=stream("constant")) * 1e4] * 1000
    assert descend(GravesRMSProp(), torch.zeros(1, 1000), gradients).isfinite().all()


def some(members: int, size: int) -> Iterator[Tensor]:
    """Gradients of a few steps, float32: of every size, denormal ones and zeros; in member 1 also what is no number."""
    generator = stream("one pass", members)
    for step, scale in enumerate((1.0, 1e-3, 1e-22, 1e-42, 0.0, 30.0)):
        gradients = torch.randn(members, size, generator=generator) * scale
        gradients[1, 3 * step : 3 * step + 3] = torch.tensor([math.nan, -math.inf, 1e25])  # whose square is none either
        yield gradients


@pytest.mark.skipif(baseline.settled() not in baseline.BASELINES, reason="torch takes every step here")
@pytest.mark.parametrize("spec", [GravesRMSProp(), GravesRMSProp(0.1, decay=0.0, momentum=0.0, epsilon=1e-12)])
def test_one_pass_gives_torchs_digits(spec: GravesRMSProp, monkeypatch: pytest.MonkeyPatch) -> None:
    members, size = 3, 77  # which no vector divides
    found = []
    for takes in (lambda *parts: False, optimizers.compiled):
        monkeypatch.setattr(optimizers, "compiled", takes)
        parameters = torch.randn(members, size, generator=stream("start"))
        state = spec.begin(parameters)
        for gradients in some(members, size):
            state = spec.step(parameters, gradients, state)
        found.append([parameters, *state.tensors()])
    assert optimizers.compiled(*found[1])
    for by_torch, at_once in zip(*found, strict=True):
        assert torch.equal(by_torch.isnan(), at_once.isnan())
        assert torch.equal(*(part.nan_to_num(0.0).view(torch.int32) for part in (by_torch, at_once)))  # -0 is not 0
    assert found[1][0][1].isnan().any() and not found[1][0][[0, 2]].isnan().any()


def test_one_pass_is_given_plain_rows_alone() -> None:
    plain = torch.zeros(2, 3)
    for other in (plain.double(), plain.to("meta"), torch.zeros(3, 2).T, torch.zeros(2, 4), torch.zeros(6)):
        assert not optimizers.compiled(plain, other)


THEIRS: list[tuple[Optimizer, Callable[[Tensor], torch.optim.Optimizer]]] = [
    (TorchRMSprop(1e-2), lambda p: torch.optim.RMSprop([p], lr=1e-2)),
    (
        TorchRMSprop(1e-3, decay=0.95, momentum=0.9, epsilon=1e-2, centred=True),
        lambda p: torch.optim.RMSprop([p], lr=1e-3, alpha=0.95, momentum=0.9, eps=1e-2, centered=True),
    ),
    (AdamW(1e-2, weight_decay=0.1), lambda p: torch.optim.AdamW([p], lr=1e-2, weight_decay=0.1)),
    (AdamW(1e-2, weight_decay=0.0), lambda p: torch.optim.Adam([p], lr=1e-2)),
    (TorchAdam(1e-2, weight_decay=0.1), lambda p: torch.optim.Adam([p], lr=1e-2, weight_decay=0.1)),
]


@pytest.mark.parametrize(("spec", "make"), THEIRS, ids=lambda value: str(value) if not callable(value) else "torch")
@pytest.mark.parametrize("schedule", [None, Cosine(warm_up=10, last=0.1)], ids=str)
def test_torch_s_own(spec: Optimizer, make: Callable[[Tensor], torch.optim.Optimizer], schedule: Cosine | None) -> None:
    ours, gradients = start()
    theirs = ours.clone().requires_grad_()
    optimizer, state = make(theirs), spec.begin(ours)
    for step, gradient in enumerate(gradients):
        factor = 1.0 if schedule is None else schedule.factor(step, STEPS)
        for group in optimizer.param_groups:
            group["lr"] = spec.learning_rate * factor
        theirs.grad = gradient.clone()
        optimizer.step()
        state = spec.step(ours, gradient, state, factor, [slice(0, 3), slice(3, 7)])
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-15)


def test_only_matrices_decay() -> None:
    """Not biases, not norms, not what a module keeps from it; each at its place in the vector."""

    class Gated(nn.Module):
        no_weight_decay = ("rate",)

        def __init__(self) -> None:
            super().__init__()
            self.rate, self.mix = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 2))

    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm((2, 2)), Gated(), nn.Conv1d(1, 2, 3))
    module.append(module[0])  # the same layer again has its place once
    assert matrices(module) == [slice(0, 6), slice(22, 26), slice(26, 32)]
    values = torch.nn.utils.parameters_to_vector(module.parameters()).detach().repeat(2, 1)
    after, spec = values.clone(), AdamW(0.1, weight_decay=0.5)
    spec.step(after, torch.zeros_like(after), spec.begin(after), 0.5, matrices(module))
    expected = values.clone()
    for matrix in matrices(module):
        expected[:, matrix] *= 1 - 0.1 * 0.5 * 0.5
    torch.testing.assert_close(after, expected)
    assert after[:, 6:22].equal(values[:, 6:22])


def test_where_a_state_begins_does_not_decay() -> None:
    """Learned read vectors and weightings have two axes, and are no matrices."""
    module = NTM(rows=4, width=3, controller=LSTMController(units=5)).build(3, 2, 1)
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters() if parameter.ndim > 1}
    starts = [name for name in sizes if name.endswith("raw")]
    assert len(starts) == 3
    decayed = sum(matrix.stop - matrix.start for matrix in matrices(module))
    assert decayed == sum(size for name, size in sizes.items() if name not in starts) > 0


@pytest.mark.parametrize("steps", [50, 51])
def test_schedules_are_torch_s(steps: int) -> None:
    rate = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    rises = torch.optim.lr_scheduler.LinearLR(rate, start_factor=1 / 10, total_iters=9)
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(rate, T_max=steps - 10, eta_min=0.2)
    theirs = torch.optim.lr_scheduler.SequentialLR(rate, [rises, falls], milestones=[10])
    expected = []
    for _ in range(steps):
        expected.append(rate.param_groups[0]["lr"])
        rate.step()
        theirs.step()
    assert [Cosine(warm_up=10, last=0.2).factor(step, steps) for step in range(steps)] == pytest.approx(expected)
    rising = [WarmUp(10).factor(step, steps) for step in range(steps)]
    assert rising == pytest.approx([*expected[:10], *[1.0] * (steps - 10)])
    assert Cosine().factor(0, steps) == 1.0 and 0 < Cosine().factor(steps - 1, steps) < 0.01


def test_falls_are_those_of_torch() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    rate = torch.optim.SGD([parameter], lr=1.0)
    theirs, expected = torch.optim.lr_scheduler.MultiStepLR(rate, [3, 5, 6], gamma=0.1), []
    for _ in range(9):
        expected.append(rate.param_groups[0]["lr"])
        rate.step()
        theirs.step()
    falls = Falls((3, 5, 6))
    assert [falls.factor(step, 9) for step in range(9)] == pytest.approx(expected)
    assert falls.fits(7) and not falls.fits(6)


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: Adam(math.nan), r"Adam\(learning_rate=nan\): a finite number above 0 is needed"),
    (lambda: Adam(math.inf), r"learning_rate=inf"),
    (lambda: Adam(-1e-3), r"learning_rate=-0.001"),
    (lambda: Adam(0.0), r"learning_rate=0.0"),
    (lambda: Adam("fast"), r"learning_rate='fast'"),  # type: ignore[arg-type]
    (lambda: Adam(True), r"learning_rate=True"),
    (lambda: Adam(beta2=1.0), r"Adam\(beta2=1.0\): a number from 0 on and below 1 is needed"),
    (lambda: Adam(epsilon=0.0), r"epsilon=0.0"),
    (lambda: AdamW(weight_decay=-0.1), r"AdamW\(weight_decay=-0.1\): a finite number from 0 on is needed"),
    (lambda: AdamW(weight_decay=math.nan), r"weight_decay=nan"),
    (lambda: RMSProp(momentum=1.5), r"RMSProp\(momentum=1.5\)"),
    (lambda: GravesRMSProp(decay=math.nan), r"GravesRMSProp\(decay=nan\)"),
    (lambda: TorchRMSprop(-1.0), r"TorchRMSprop\(learning_rate=-1.0\)"),
    (lambda: GlobalNorm(math.inf), r"GlobalNorm\(norm=inf\): a finite number above 0 is needed"),
    (lambda: GlobalNorm(0), r"GlobalNorm\(norm=0\)"),
    (lambda: ElementWise(math.nan), r"ElementWise\(limit=nan\): a finite number above 0 is needed"),
    (lambda: WarmUp(0), r"WarmUp\(steps=0\): at least 1 is needed"),
    (lambda: WarmUp(math.nan), r"WarmUp\(steps=nan\)"),  # type: ignore[arg-type]
    (lambda: TorchAdam(weight_decay=-0.1), r"TorchAdam\(weight_decay=-0.1\)"),
    (lambda: Falls(()), r"Falls\(at=\(\)\): accepted are whole numbers that rise, from 1 on"),
    (lambda: Falls((0, 3)), r"Falls\(at=\(0, 3\)\)"),
    (lambda: Falls((3, 3)), r"Falls\(at=\(3, 3\)\)"),
    (lambda: Falls((3,), 1.0), r"Falls\(to=1.0\): a part of the learning rate, between 0 and 1"),
    (lambda: Cosine(warm_up=-1), r"Cosine\(warm_up=-1\): at least 0 is needed"),
    (lambda: Cosine(last=math.nan), r"Cosine\(last=nan\): a part of the learning rate, from 0 to 1, is needed"),
]


@pytest.mark.parametrize(("make", "said"), WRONG, ids=[said for _, said in WRONG])
def test_numbers_that_cannot_be_meant_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        make()
    assert "\n" not in str(refused.value)


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


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_rates_may_be_tensors(spec: Optimizer) -> None:
    """As a CUDA graph needs them, which would keep a number for ever."""
    parameters, gradients = start()
    state, moved = spec.begin(parameters), parameters.clone()
    for step, gradient in enumerate(gradients):
        rates = torch.tensor(spec.rates(step), dtype=torch.float64)
        spec.move(moved, gradient, state, rates, [slice(0, 3)])
    expected, state = parameters.clone(), spec.begin(parameters)
    for gradient in gradients:
        state = spec.step(expected, gradient, state, decayed=[slice(0, 3)])
    torch.testing.assert_close(moved, expected, rtol=1e-12, atol=1e-15)


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
