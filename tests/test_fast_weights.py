"""Fast weight memories: against plain loops, and against the paper's own published log, trained from its own draws."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import elu, one_hot
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from membench.baselines import matrices
from membench.baselines.fast_weights import FastWeights, FastWeightsModule
from membench.benchmarks.optimizers import AdamW
from membench.ntm import stream

RULES = [
    FastWeights(values=4, keys=6),
    FastWeights(values=4, keys=6, feature="dpfp", shifts=2),
    FastWeights(values=4, keys=6, rule="delta"),
    FastWeights(values=4, keys=6, feature="dpfp", rule="delta"),
    FastWeights(values=4, keys=6, rule="softmax"),
]


def sequences(values: int, keys: Tensor, written: Tensor, queries: Tensor) -> Tensor:
    """Pairs (batch, time) and a query (batch,), as inputs (time + 1, batch, 2 values)."""
    pairs = torch.cat([one_hot(keys, values), one_hot(written, values)], dim=-1)
    query = torch.cat([one_hot(queries, values), torch.zeros(len(queries), values, dtype=torch.long)], dim=-1)
    return torch.cat([pairs, query[:, None]], dim=1).transpose(0, 1).float()


def drawn(pairs: int, batch: int, values: int = 4) -> Tensor:
    draw = torch.randint(values, (2 * pairs + 1, batch), generator=stream("fast weights", pairs, batch))
    return sequences(values, draw[:pairs].T, draw[pairs:-1].T, draw[-1])


def features(spec: FastWeights, x: Tensor) -> Tensor:
    if spec.feature == "elu":
        return elu(x) + 1
    both = [*x.clamp_min(0), *(-x).clamp_min(0)]
    return torch.stack([both[i] * both[i - shift] for shift in range(1, spec.shifts + 1) for i in range(len(both))])


def by_hand(module: FastWeightsModule, inputs: Tensor) -> Tensor:
    """One sequence (time, inputs), step after step."""
    spec, symbols, said = module.spec, len(module.embedding), []
    memory = torch.zeros(spec.values, spec.channels, dtype=inputs.dtype)
    total, pairs = torch.zeros(spec.channels, dtype=inputs.dtype), []
    for step in inputs:
        embedded, value = step[:symbols] @ module.embedding, step[symbols:]
        seen = torch.cat([value, embedded])
        q, k = (layer.weight @ part + layer.bias for layer, part in ((module.query, embedded), (module.key, seen)))
        if spec.rule != "softmax":
            q, k = features(spec, q), features(spec, k)
        if value.any():
            if spec.rule == "softmax":
                pairs.append((k, value))
            elif spec.rule == "sum":
                memory, total = memory + torch.outer(value, k), total + k
            else:
                k = k / k.sum()
                b = torch.sigmoid(module.strength.weight @ seen + module.strength.bias)
                memory = memory + torch.outer(b * (value - memory @ k), k)
        if spec.rule == "softmax":
            weights = torch.stack([q @ k / spec.keys**0.5 for k, _ in pairs]).softmax(0)
            said.append(sum(weight * value for weight, (_, value) in zip(weights, pairs, strict=True)))
        else:
            said.append(memory @ q / ((q @ total if spec.rule == "sum" else q.sum()) + 1e-6))
    return torch.stack(said)


@pytest.mark.parametrize("spec", RULES, ids=str)
def test_values_and_gradients_equal_those_of_a_loop_over_steps(
    spec: FastWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrices, "PIECE", 3)
    module, x = spec.build(8, 4, seed=1).double(), drawn(6, 3).double()
    ours, theirs = module(x), torch.stack([by_hand(module, one) for one in x.unbind(1)], dim=1)
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)
    weights, parameters = torch.randn(ours.shape, generator=stream("loss"), dtype=ours.dtype), list(module.parameters())
    for mine, his in zip(*(torch.autograd.grad((y * weights).sum(), parameters) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, his, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("spec", RULES, ids=str)
def test_a_stream_gives_what_the_whole_sequence_gives(spec: FastWeights) -> None:
    module, x = spec.build(8, 4, seed=1), drawn(20, 3)
    state, parts = module.begin(3), []
    for piece in x.split([1, 12, 8]):
        said, state = module(piece, state)
        parts.append(said)
    torch.testing.assert_close(torch.cat(parts), module(x), atol=1e-5, rtol=1e-5)
    assert sum(leaf[0].numel() for leaf in torch.utils._pytree.tree_leaves(state)) == spec.state_size(21)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spec", RULES, ids=str)
def test_members_of_a_cohort_are_mapped_over(spec: FastWeights, mapped_over: Callable[..., None]) -> None:
    mapped_over([spec.build(8, 4, seed=seed) for seed in (1, 2)], drawn(5, 3))


def as_released(spec: FastWeights) -> FastWeightsModule:
    """The module with the first values that the released code draws from torch's generator, in its order."""
    torch.manual_seed(1)
    module, n, width = spec.build(2 * spec.values, spec.values, seed=1), spec.values, int(2 * spec.values * 1.1)
    nn.Embedding(n, n)
    embedding, layers = nn.Embedding(2 * n, width), {}
    for name, size, units in (("key", n, 64), ("value", n, 64), ("query", 0, 64), ("f", n, 64), ("strength", n, 1)):
        layers[name] = nn.Linear(width + size, units)
    nn.init.normal_(embedding.weight)
    nn.init.xavier_uniform_(layers["value"].weight)
    for name in ("key", "query"):
        nn.init.uniform_(layers[name].weight, -1 / 8, 1 / 8)
    module.embedding.data = embedding.weight.data[:n].clone()
    for name, layer in module.named_children():
        layer.load_state_dict(layers[name].state_dict())
    return module


@pytest.mark.parametrize(
    ("spec", "again", "published"),
    [
        (FastWeights(), False, 0.44525677),  # d64_linear_sum_AssocSeq20N20R0.csv
        (FastWeights(feature="dpfp", rule="delta"), True, 0.15664001),  # d64_dpfp1_ours_AssocSeq40N20R1.csv
    ],
    ids=["sum rule", "delta rule"],
)
def test_a_training_gives_the_loss_of_the_published_log(spec: FastWeights, again: bool, published: float) -> None:
    """Step 100 of the authors' logs, from their seed and their draws; ``again``: keys return."""
    n, pairs = spec.values, 40 if again else 20
    module, draws, adam = as_released(spec), np.random.RandomState(1), AdamW(1e-3, weight_decay=0.0)
    parameters = list(module.parameters())
    weights = parameters_to_vector(parameters).detach()[None]
    moments = adam.begin(weights)

    def batch(keys: Any, values: Any, queries: Any) -> tuple[Tensor, Tensor]:
        last = [np.where(k == q)[0][-1] for k, q in zip(keys, queries, strict=True)]
        parts = [torch.tensor(np.array(part)) for part in (keys, values, queries)]
        return sequences(n, *parts), one_hot(parts[1][torch.arange(len(last)), last], n).float()

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return 0.5 * (module(x)[-1] - y).pow(2).sum(-1).mean()

    for _ in range(100):
        keys, values, queries = [], [], []
        for _ in range(32):
            keys.append(draws.choice(n, pairs, again))
            values.append(draws.choice(n, pairs, again))
            queries.append(draws.choice(keys[-1]))
        gradient = torch.autograd.grad(loss(*batch(keys, values, queries)), parameters)
        moments = adam.step(weights, torch.cat([part.flatten() for part in gradient])[None], moments)
        vector_to_parameters(weights[0], parameters)
    losses = []
    for _ in range(20):
        keys, values = draws.choice(n, n, again), draws.choice(n, n, again)
        every = np.unique(keys)
        with torch.no_grad():
            losses.append(float(loss(*batch([keys] * len(every), [values] * len(every), every))))
    assert np.mean(losses) == pytest.approx(published, rel=1e-3)  # float32, summed in another order


def test_what_cannot_be_built_is_refused_by_name() -> None:
    for wrong, said in (({"keys": 0}, "keys=0"), ({"feature": "favor"}, "feature='favor'"), ({"rule": "fwm"}, "rule=")):
        with pytest.raises(ValueError, match=said):
            FastWeights(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="values=4"):
        RULES[0].build(9, 5, seed=1)
