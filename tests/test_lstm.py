"""The LSTM baseline against a loop over single numbers, and its first values."""

from copy import deepcopy
from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from membench.baselines.lstm import LSTM, LSTMModule, fused
from membench.ntm import Constant, Learned, Zeros, stream, unroll


def inputs(steps: int, batch: int, channels: int) -> Tensor:
    return torch.randn(steps, batch, channels, generator=stream("test", steps, batch))


def moved(module: LSTMModule) -> LSTMModule:
    """The module with every value, biases too, somewhere else than where it starts."""
    for n, parameter in enumerate(module.parameters()):
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=stream("moved", n), dtype=parameter.dtype)
    return module


def by_hand(module: LSTMModule, x: Tensor, units: int) -> Tensor:
    """One number at a time, from the equations (Gers et al. 1999) and the layout: [input; hidden], gates i f g o.

    With skips every layer above the first is given [x; hidden below], and the output layer the hidden of all.
    """
    skips = module.spec.skips
    starts = [torch.tanh(start.raw) for start in module.stack.starts]
    logits = []
    for sequence in x.unbind(1):
        states = [[list(start) for start in pair] for pair in zip(starts[::2], starts[1::2], strict=True)]
        for value in sequence:
            below, outlets = list(value), []
            for layer, (hidden, cell) in zip(module.stack.layers, states, strict=True):
                seen = below + hidden
                gates = [
                    sum((w * v for w, v in zip(row, seen, strict=True)), bias)
                    for row, bias in zip(layer.weight, layer.bias, strict=True)
                ]
                i, f, g, o = (gates[n * units : (n + 1) * units] for n in range(4))
                for n in range(units):
                    cell[n] = torch.sigmoid(f[n]) * cell[n] + torch.sigmoid(i[n]) * torch.tanh(g[n])
                    hidden[n] = torch.sigmoid(o[n]) * torch.tanh(cell[n])
                outlets.append(list(hidden))
                below = (list(value) if skips else []) + outlets[-1]
            if skips:
                below = [number for outlet in outlets for number in outlet]
            answer = [
                sum((w * v for w, v in zip(row, below, strict=True)), bias)
                for row, bias in zip(module.output.weight, module.output.bias, strict=True)
            ]
            logits.append(torch.stack(answer))
    return torch.stack(logits).view(x.shape[1], x.shape[0], -1).transpose(0, 1)


def gradients(module: LSTMModule, logits: Tensor) -> list[Tensor]:
    """Of a loss that weighs every logit differently."""
    weights = torch.randn(logits.shape, generator=stream("loss"))
    return list(torch.autograd.grad((logits * weights).sum(), list(module.parameters())))


@pytest.mark.parametrize("implementation", ["fused", "reference"])
@pytest.mark.parametrize("spec", [LSTM(units=3, layers=2), LSTM(units=3, layers=3, skips=True)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-5)])
def test_values_and_gradients_equal_a_loop_over_numbers(
    dtype: torch.dtype, tolerance: float, spec: LSTM, implementation: Literal["fused", "reference"]
) -> None:
    units, x = 3, inputs(5, 2, 4)
    module = moved(spec.build(4, 2, seed=1)).to(dtype)
    module.implementation = implementation
    logits = module(x.to(dtype))
    slow = deepcopy(module).double()
    expected = by_hand(slow, x.double(), units)
    torch.testing.assert_close(logits.double(), expected, atol=tolerance, rtol=tolerance)
    for ours, theirs in zip(gradients(module, logits), gradients(slow, expected), strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=tolerance, rtol=tolerance)


def test_the_paper_s_size_equals_its_own_unroll() -> None:
    module = LSTM().build(9, 8, seed=1)
    x = inputs(41, 4, 9)
    kernel, steps = (module.output(hidden) for hidden in (fused(module.stack, x)[0], unroll(module.stack, x)))
    torch.testing.assert_close(kernel, steps, atol=1e-6, rtol=1e-5)
    ours, theirs = gradients(module, kernel), gradients(module, steps)
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).norm() <= 1e-5 * b.norm()


def test_without_gradients_the_values_are_the_same() -> None:
    module = moved(LSTM(units=5, layers=2).build(4, 2))
    x = inputs(6, 3, 4)
    with torch.no_grad():
        quiet = module(x)
    torch.testing.assert_close(quiet, module(x), atol=1e-6, rtol=1e-6)
    gradients(module.eval(), module(x))  # an evaluated module can still be differentiated


def test_members_of_a_cohort_are_mapped_over() -> None:
    members = [moved(LSTM(units=5, layers=2).build(4, 2, seed)) for seed in (1, 2, 3)]
    x = inputs(6, 3, 4)
    parameters, buffers = stack_module_state(list(members))

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        logits: Tensor = functional_call(members[0], (parameters, buffers), (x,))
        return logits.square().sum()

    together = vmap(grad(loss))(parameters, buffers)
    for n, member in enumerate(members):
        member(x).square().sum().backward()
        for name, parameter in member.named_parameters():
            torch.testing.assert_close(together[name][n], parameter.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("channels", "outputs", "count"), [(9, 8, 1_326_600), (10, 8, 1_327_624), (7, 6, 1_324_038)])
def test_collier_s_parameter_counts(channels: int, outputs: int, count: int) -> None:
    assert sum(p.numel() for p in LSTM().build(channels, outputs).parameters()) == count
    assert LSTM().state_size(41) == 2 * 3 * 256


@pytest.mark.parametrize(
    ("units", "channels", "outputs", "count"),
    [
        (256, 10, 9, 1_352_969),  # copy: 8 bits, start, stop; 8 bits, end
        (512, 8, 7, 5_312_007),  # repeat copy: 6 bits, marker, count; 6 bits, end
        (256, 8, 6, 1_344_518),  # recall: 6 bits, two markers
        (128, 1, 1, 331_905),  # n-grams
        (128, 10, 8, 348_424),  # sort: 8 bits, priority, marker; printed as 384,424, two digits swapped
    ],
)
def test_skips_give_the_parameter_counts_of_graves_2014_table_3(
    units: int, channels: int, outputs: int, count: int
) -> None:
    module = LSTM(units=units, skips=True).build(channels, outputs)
    assert sum(p.numel() for p in module.parameters()) == count


def test_first_values() -> None:
    module = LSTM(forget_bias=1.5).build(9, 8, seed=3)
    for layer, below in zip(module.stack.layers, (9, 256, 256), strict=True):
        bound = (6 / (below + 256 + 4 * 256)) ** 0.5  # Glorot uniform over [input; hidden]
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
        assert layer.bias.view(4, 256).unique(dim=1).tolist() == [[0], [1.5], [0], [0]]
    for start in module.stack.starts:
        bound = (6 / 257) ** 0.5
        assert 0.9 * bound < start.raw.abs().max() <= bound
        assert start().equal(torch.tanh(start.raw))
    assert module.output.weight.abs().max() <= 2 / 16
    assert not module.output.bias.any()


def test_hidden_and_cell_state_begin_where_they_are_told_to() -> None:
    x = torch.zeros(1, 1, 1)
    module = LSTM(units=1, layers=1, state=Constant(0.5)).build(1, 1, seed=1)
    i, f, g, o = (module.stack.layers[0].weight[:, 1] * 0.5 + module.stack.layers[0].bias).detach()
    cell = torch.sigmoid(f) * 0.5 + torch.sigmoid(i) * torch.tanh(g)
    expected = torch.sigmoid(o) * torch.tanh(cell) * module.output.weight[0, 0]
    torch.testing.assert_close(module(x).view(()), expected)
    assert sum("starts" in name for name, _ in module.named_parameters()) == 0
    trained = LSTM(units=1, layers=2, state=Learned()).build(1, 1)
    assert sum("starts" in name for name, _ in trained.named_parameters()) == 4  # h and c of each layer


def test_each_tensor_draws_from_a_stream_of_its_own() -> None:
    one, two, bare = (
        dict(spec.build(9, 8, seed=1).named_parameters())
        for spec in (LSTM(layers=1), LSTM(layers=2), LSTM(layers=1, state=Zeros()))
    )
    assert one["stack.layers.0.weight"].equal(two["stack.layers.0.weight"])
    assert one["stack.layers.0.weight"].equal(bare["stack.layers.0.weight"])
    assert not two["stack.starts.0.raw"].equal(two["stack.starts.1.raw"])


@pytest.mark.parametrize("name", ["units", "layers"])
def test_bad_hyperparameters_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"LSTM\({name}=0\): at least 1"):
        LSTM(**{name: 0})
