"""The Transformer against plain loops, and its ways to know a position against their definitions."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, rms_norm, silu

from membench.baselines.positions import buckets, rotated, slopes
from membench.baselines.transformer import POSITIONS, Attention, Transformer
from membench.benchmarks.optimizers import matrices as decayed
from membench.ntm import stream

SMALL: dict[str, Any] = {"width": 8, "layers": 2, "heads": 2, "units": 5}
SPECS = [Transformer(**SMALL, positions=which) for which in POSITIONS]
SPECS += [Transformer(**SMALL, convolution=True), Transformer(**SMALL | {"units": 0}, positions="rope")]


def drawn(name: str, *shape: int) -> Tensor:
    return torch.randn(shape, generator=stream("transformer", name))


def turned(x: Tensor, place: int) -> Tensor:
    """One vector, as complex numbers."""
    half = len(x) // 2
    angles = torch.tensor([place * 10_000 ** (-2 * i / len(x)) for i in range(half)], dtype=x.dtype)
    product = torch.complex(x[:half], x[half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([product.real, product.imag])


def attention_by_hand(layer: Attention, x: Tensor) -> Tensor:
    """Of one sequence (time, width), query after query."""
    spec, mixed = layer.spec, x @ layer.inlet.weight.T
    if spec.convolution:
        taps = layer.convolution.weight
        mixed = torch.stack(
            [silu(sum(taps[j] * mixed[t - 3 + j] for j in range(4) if t - 3 + j >= 0)) for t in range(len(x))]
        )
    q, k, v = (part.unflatten(-1, (spec.heads, -1)) for part in mixed.chunk(3, dim=-1))
    steps = []
    for t in range(len(x)):
        read = []
        for h in range(spec.heads):
            scores = []
            for s in range(t + 1):
                query, key = q[t, h], k[s, h]
                if spec.positions == "rope":
                    query, key = turned(query, t), turned(key, s)
                score = query @ key / len(key) ** 0.5
                if spec.positions == "alibi":
                    score = score - 2.0 ** (-8 * (h + 1) / spec.heads) * (t - s)
                elif spec.positions == "t5":
                    score = score + layer.bias[h, t - s]  # less than 16 apart
                scores.append(score)
            read.append(torch.stack(scores).softmax(0) @ v[: t + 1, h])
        steps.append(torch.cat(read))
    return torch.stack(steps) @ layer.outlet.weight.T


def by_hand(module: Any, spec: Transformer, x: Tensor) -> Tensor:
    x = x @ module.embedding.weight.T + module.embedding.bias
    for block in module.blocks:
        if hasattr(block, "table"):
            x = x + block.table[: len(x)]
            continue
        y, mixer = rms_norm(x, (spec.width,), block.norm.weight, 1e-5), block.mixer
        if isinstance(mixer, Attention):
            x = x + attention_by_hand(mixer, y)
        else:
            x = x + gelu(y @ mixer.inlet.weight.T + mixer.inlet.bias) @ mixer.outlet.weight.T + mixer.outlet.bias
    return rms_norm(x, (spec.width,), module.norm.weight, 1e-5) @ module.readout.weight.T + module.readout.bias


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_values_and_gradients_equal_those_of_plain_loops(spec: Transformer) -> None:
    module, x = spec.build(3, 2, seed=1).double(), drawn("x", 6, 2, 3).double()
    for n, parameter in enumerate(module.parameters()):
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=stream("moved", n), dtype=parameter.dtype)
    ours, theirs = module(x), torch.stack([by_hand(module, spec, one) for one in x.unbind(1)], dim=1)
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)
    weights, parameters = drawn("weights", 6, 2, 2).double(), list(module.parameters())
    for mine, his in zip(*(torch.autograd.grad((y * weights).sum(), parameters) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, his, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_stream_gives_what_the_whole_sequence_gives(spec: Transformer) -> None:
    module, x = spec.build(3, 2, seed=1), drawn("stream", 40, 3, 3)
    state, parts = module.begin(3), []
    for piece in x.split([1, 2, 30, 7]):
        logits, state = module(piece, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts), module(x), atol=1e-5, rtol=1e-5)
    leaves = torch.utils._pytree.tree_leaves(state)
    assert sum(leaf[0].numel() for leaf in leaves) == spec.state_size(40)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_members_of_a_cohort_are_mapped_over(spec: Transformer, mapped_over: Callable[..., None]) -> None:
    mapped_over([spec.build(3, 2, seed=seed) for seed in (1, 2)], drawn("members", 5, 3, 3))


def test_turned_vectors_know_how_far_apart_they_are_and_nothing_else() -> None:
    q, k = drawn("q", 1, 8), drawn("k", 1, 8)
    near, later = (rotated(q, 3 + at) @ rotated(k, 1 + at).mT for at in (0, 50))
    torch.testing.assert_close(near, later, atol=1e-4, rtol=1e-4)


def test_alibi_s_slopes_are_those_printed() -> None:
    assert slopes(8, torch.device("cpu")).tolist() == [2.0**-h for h in range(1, 9)]  # 1/2 to 1/256


def test_t5_s_buckets_are_those_of_its_code() -> None:
    def bucket(distance: int) -> int:  # tensorflow mesh, num_buckets 32, max_distance 128
        return distance if distance < 16 else min(31, 16 + int(math.log(distance / 16) / math.log(128 / 16) * 16))

    assert buckets(torch.arange(300)).tolist() == [bucket(distance) for distance in range(300)]


def test_weight_decay_spares_biases_of_attention_and_tables_of_positions() -> None:
    for which, name in (("t5", "bias"), ("learned", "table")):
        module = Transformer(**SMALL, positions=which).build(3, 2, seed=1)
        shrunk = sum(part.stop - part.start for part in decayed(module))
        matrices = [value for key, value in module.named_parameters() if value.ndim > 1 and not key.endswith(name)]
        assert shrunk == sum(value.numel() for value in matrices)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"heads": 3}, "heads=3"),
        ({"positions": "some"}, "positions='some'"),
        ({"width": 6, "positions": "rope"}, "positions='rope'"),
        ({"units": -1}, "units=-1"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Transformer(**SMALL | wrong)


def test_a_sequence_longer_than_the_table_is_refused() -> None:
    module = Transformer(**SMALL, positions="learned", longest=4).build(3, 2, seed=1)
    with pytest.raises(ValueError, match="5 steps"):
        module(drawn("long", 5, 1, 3))


@pytest.mark.parametrize("which", POSITIONS)
def test_positions_are_known_where_the_model_is(which: str) -> None:
    """As on a GPU, whose graphs take nothing from elsewhere."""
    module = Transformer(**SMALL | {"positions": which}).build(3, 2, seed=1).to("meta")
    assert module(torch.zeros(4, 2, 3, device="meta")).is_meta
    assert slopes(2, torch.device("meta")).is_meta
