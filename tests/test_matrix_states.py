"""Memories whose state is a matrix: against the authors' formulas, and step by step in plain loops."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import elu, logsigmoid, normalize, rms_norm, silu, softplus
from torch.utils._pytree import tree_leaves

from membench.baselines import matrices, mlstm
from membench.baselines.delta import DeltaMixer, DeltaNet
from membench.baselines.linear_attention import LinearAttention, LinearAttentionMixer
from membench.baselines.mlstm import MLSTM, MLSTMMixer
from membench.baselines.positions import rotated
from membench.benchmarks.optimizers import matrices as decayed
from membench.ntm import stream

SMALL: dict[str, Any] = {"width": 6, "layers": 1, "heads": 2}
SPECS: dict[str, Any] = {
    "linear attention": LinearAttention(**SMALL, keys=4, values=3),
    "with a convolution, a norm and a gate": LinearAttention(
        **SMALL, keys=4, values=3, convolution=True, normaliser=False, gate=True
    ),
    "retnet": LinearAttention.retnet(**SMALL, keys=4, values=3),
    "mamba2": LinearAttention.mamba2(**SMALL, keys=4, values=3),
    "deltanet": DeltaNet(**SMALL, keys=4, values=3),
    "negative, no convolution": DeltaNet(**SMALL, keys=4, values=3, negative=True, convolution=False),
    "gated": DeltaNet(**SMALL, keys=4, values=3, gated=True),
    "mlstm": MLSTM(**SMALL),
    "mlstm, no convolution": MLSTM(**SMALL, convolution=False, block=2),
}


def drawn(name: str, *shape: int) -> Tensor:
    return torch.randn(shape, generator=stream("matrix states", name))


def official(name: str) -> Tensor:
    """What the authors' code gives: (time, heads, values)."""
    numbers = json.loads((Path(__file__).parent / "oracles" / "matrix_states.json").read_text())
    return torch.tensor(numbers[name]).view(7, 2, 3)


def test_every_form_gives_the_numbers_of_the_authors_code() -> None:
    q, k, v, i, f = (drawn(name, 7, 2, *size) for name, size in zip("qkvif", [(3,)] * 3 + [()] * 2, strict=True))
    q, k, v, i, f = (part.transpose(0, 1) for part in (q, k, v, i, f))
    state, b, g, unit = torch.zeros(2, 3, 3), 2 * i.sigmoid(), -softplus(f), normalize(k, dim=-1)
    none, constant = torch.zeros(2, 7), torch.tensor([31 / 32, 63 / 64]).log()[:, None].expand(-1, 7)
    one = [part[:1].expand(2, -1, -1) for part in (q, k)]  # keys and queries of all heads
    found = {
        "delta rule": matrices.replaced(q / 3**0.5, unit, v, b, none, state)[0],
        "gated delta rule": matrices.replaced(q / 3**0.5, unit, v, b, g, state)[0],
        "simple gla": matrices.added(q / 3**0.5, k, v, g, state)[0],
        "retention": matrices.added(q / 3**0.5, k, v, constant, state)[0],
        "ssd": matrices.added(*one, b[..., None] * v, g, state)[0],
        "mlstm parallel": mlstm.step(q, k / 3**0.5, v, i, logsigmoid(f), (torch.zeros(2, 3, 4), torch.zeros(2)))[0],
    }
    found["mlstm recurrent"] = found["mlstm parallel"]
    for name, ours in found.items():
        torch.testing.assert_close(ours.transpose(0, 1), official(name), atol=1e-5, rtol=1e-5, msg=name)


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """(time, channels), tap by tap, then SiLU."""
    return torch.stack([silu(sum(weight[j] * x[t - 3 + j] for j in range(4) if t - 3 + j >= 0)) for t in range(len(x))])


def heads(x: Tensor, count: int) -> list[Tensor]:
    return list(x.chunk(count, dim=-1))


def linear_attention_by_hand(mixer: LinearAttentionMixer, x: Tensor) -> Tensor:
    spec, mixed = mixer.spec, x @ mixer.inlet.weight.T
    parts, gate, steps = mixed.split(mixer.sizes, dim=-1)
    if spec.convolution:
        parts = convolved(parts, mixer.convolution.weight)
    q, k, v = parts.split(spec.channels, dim=-1)
    read = []
    for h in range(spec.heads):
        memory, keys, outputs = torch.zeros(spec.keys, spec.values, dtype=x.dtype), torch.zeros(spec.keys), []
        own = [part if spec.shared else heads(part, spec.heads)[h] for part in (q, k)] + [heads(v, spec.heads)[h]]
        for t in range(len(x)):
            query, key, value = (part[t] for part in own)
            if spec.feature == "elu":
                query, key = elu(query) + 1, elu(key) + 1
            if spec.rotary:
                query, key = rotated(query[None], t)[0], rotated(key[None], t)[0]
            kept, strength = 1.0, 1.0
            if spec.decay == "constant":
                kept = 1 - 2.0 ** (-5 - h)
            elif spec.decay == "input":
                strength = softplus(steps[t, h] + mixer.bias[h])
                kept = torch.exp(-mixer.rate[h].exp() * strength)
            memory, keys = kept * memory + torch.outer(key, strength * value), keys + key
            y = query @ memory
            if spec.normaliser:
                y = y / (query @ keys)
            elif spec.decay != "input":
                y = rms_norm(y, (spec.values,), mixer.norm.weight, 1e-5)
            else:
                y = y + mixer.skip[h] * value
            outputs.append(y)
        read.append(torch.stack(outputs))
    y = torch.cat(read, dim=-1)
    if spec.gate:
        y = y * silu(gate)
    if spec.decay == "input":
        y = rms_norm(y, y.shape[-1:], mixer.norm.weight, 1e-5)
    return y @ mixer.outlet.weight.T


def delta_by_hand(mixer: DeltaMixer, x: Tensor) -> Tensor:
    spec = mixer.spec
    parts, strength, steps, gate = (x @ mixer.inlet.weight.T).split(mixer.sizes, dim=-1)
    parts = convolved(parts, mixer.convolution.weight) if spec.convolution else silu(parts)
    q, k, v = (heads(part, spec.heads) for part in parts.split(spec.channels, dim=-1))
    read = []
    for h in range(spec.heads):
        memory, outputs = torch.zeros(spec.values, spec.keys, dtype=x.dtype), []
        for t in range(len(x)):
            key, query = k[h][t] / k[h][t].norm(), q[h][t] / q[h][t].norm()
            b = torch.sigmoid(strength[t, h]) * (2 if spec.negative else 1)
            if spec.gated:
                memory = memory * torch.exp(-mixer.rate[h].exp() * softplus(steps[t, h] + mixer.bias[h]))
            memory = memory @ (torch.eye(spec.keys) - b * torch.outer(key, key)) + b * torch.outer(v[h][t], key)
            outputs.append(rms_norm(memory @ query, (spec.values,), mixer.norm.weight, 1e-5))
        read.append(torch.stack(outputs))
    y = torch.cat(read, dim=-1)
    return (y * silu(gate) if spec.gated else y) @ mixer.outlet.weight.T


def mlstm_by_hand(mixer: MLSTMMixer, x: Tensor) -> Tensor:
    """Without a stabiliser: in float64, over a few steps, nothing overflows."""
    spec, size = mixer.spec, mixer.spec.inner // mixer.spec.heads
    below, gate = (x @ mixer.inlet.weight.T).chunk(2, dim=-1)
    seen = convolved(below, mixer.convolution.weight) if spec.convolution else below
    q, k, v = (part @ torch.block_diag(*weight) for part, weight in zip((seen, seen, below), mixer.make, strict=True))
    gates = torch.cat([q, k, v], dim=-1) @ mixer.gates.weight.T + mixer.gates.bias
    read = []
    for h in range(spec.heads):
        memory, keys, outputs = torch.zeros(size, size, dtype=x.dtype), torch.zeros(size, dtype=x.dtype), []
        for t in range(len(x)):
            query, key, value = (heads(part[t], spec.heads)[h] for part in (q, k, v))
            i, f = gates[t, h].exp(), gates[t, spec.heads + h].sigmoid()
            memory = f * memory + i * torch.outer(value, key / size**0.5)
            keys = f * keys + i * key / size**0.5
            y = memory @ query / (keys @ query).abs().clamp_min(1)
            y = (y - y.mean()) / (y.var(correction=0) + 1e-5).sqrt() * mixer.norm.weight
            outputs.append(y)
        read.append(torch.stack(outputs))
    return ((torch.cat(read, dim=-1) + mixer.skip * seen) * silu(gate)) @ mixer.outlet.weight.T


BY_HAND: dict[type, Callable[[Any, Tensor], Tensor]] = {
    LinearAttentionMixer: linear_attention_by_hand,
    DeltaMixer: delta_by_hand,
    MLSTMMixer: mlstm_by_hand,
}


def moved(module: nn.Module) -> nn.Module:
    """The module in float64, with every value somewhere else than where it starts."""
    module.double()
    for n, parameter in enumerate(module.parameters()):
        noise = torch.randn(parameter.shape, generator=stream("moved", n), dtype=parameter.dtype)
        parameter.data += 0.3 * noise
    return module


@pytest.mark.parametrize("name", SPECS)
def test_values_and_gradients_equal_those_of_a_loop_over_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "PIECE", 3)
    mixer = moved(SPECS[name].build(2, 2, seed=1)).blocks[0].mixer
    x = drawn("x", 7, 2, 6).double()
    ours = mixer(x, mixer.begin(2))[0]
    theirs = torch.stack([BY_HAND[type(mixer)](mixer, one) for one in x.unbind(1)], dim=1)
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)
    weights, parameters = drawn("weights", 7, 2, 6).double(), list(mixer.parameters())
    for mine, his in zip(*(torch.autograd.grad((y * weights).sum(), parameters) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, his, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("name", SPECS)
def test_a_stream_gives_what_the_whole_sequence_gives(name: str) -> None:
    module, x = SPECS[name].build(4, 2, seed=1), drawn("stream", 150, 3, 4)
    whole, state, parts = module(x), module.begin(3), []
    for piece in x.split([1, 2, 80, 67]):
        logits, state = module(piece, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=1e-5)
    assert sum(leaf[0].numel() for leaf in tree_leaves(state)) == SPECS[name].state_size(150)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SPECS)
def test_members_of_a_cohort_are_mapped_over(name: str, mapped_over: Callable[..., None]) -> None:
    mapped_over([SPECS[name].build(4, 2, seed=seed) for seed in (1, 2)], drawn("members", 5, 3, 4))


def test_a_gate_that_is_closed_or_wide_open_overflows_nothing() -> None:
    q, k, v = (drawn(name, 1, 9, 4) for name in "qkv")
    for i, f in ((200.0, -50.0), (-200.0, -200.0), (0.0, -1e4)):
        gates = [torch.full((1, 9), gate).requires_grad_() for gate in (i, f)]
        y, (memory, m) = mlstm.step(q, k, v, *gates, (torch.zeros(1, 4, 5), torch.zeros(1)))
        y.sum().backward()
        assert all(part.isfinite().all() for part in (y, memory, m, *(gate.grad for gate in gates)))


@pytest.mark.parametrize("name", ["mamba2", "gated", "mlstm"])
def test_weight_decay_spares_decay_rates_gate_biases_skips_and_norms(name: str) -> None:
    module = SPECS[name].build(4, 2, seed=1)
    spared = {key for key, value in module.named_parameters() if value.ndim < 2}
    assert {key.rsplit(".", 1)[-1] for key in spared} <= {"bias", "rate", "skip", "weight"}
    shrunk = sum(part.stop - part.start for part in decayed(module))
    assert shrunk == sum(value.numel() for key, value in module.named_parameters() if key not in spared)
    assert all(key.endswith("norm.weight") for key in spared if key.endswith(".weight"))


def test_first_values_are_those_of_the_released_code() -> None:
    mixer = LinearAttention.mamba2(heads=50).build(4, 2, seed=1).blocks[0].mixer
    rates, steps = mixer.rate.exp(), softplus(mixer.bias)
    assert 1 <= rates.min() < 2 and 15 < rates.max() <= 16
    assert 0.0009 < steps.min() < 0.002 and 0.05 < steps.max() < 0.101
    gates = MLSTM(heads=4).build(4, 2, seed=1).blocks[0].mixer.gates
    assert not gates.weight.any() and gates.bias[4:].tolist() == [3, 4, 5, 6] and gates.bias[:4].abs().max() < 0.5


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: LinearAttention(heads=0), "heads=0"),
        (lambda: LinearAttention(decay="some"), "decay='some'"),  # type: ignore[arg-type]
        (lambda: LinearAttention(feature="none"), "feature='none'"),
        (lambda: LinearAttention.retnet(keys=3), "keys=3"),
        (lambda: DeltaNet(keys=-1), "keys=-1"),
        (lambda: MLSTM(heads=3), "heads=3"),
        (lambda: MLSTM(width=3, heads=1), "block=4"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(build: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()
