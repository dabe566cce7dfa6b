"""The DNC against a second implementation: loops over plain numbers, written from the papers' equations alone."""

import math

import pytest
import torch
from torch import Tensor

from membench.baselines.dnc import DNC
from membench.baselines.dnc.memory import allocate
from membench.baselines.dnc.model import DNCModule

EXACT = {"rtol": 1e-10, "atol": 1e-10}

SPECS = {
    "paper": DNC(rows=5, width=3, units=4),
    "paper, deep, two reads": DNC(rows=4, width=2, reads=2, units=3, layers=3),
    "deepmind": DNC.deepmind(rows=5, width=3, units=4),
    "deepmind, clips that act": DNC.deepmind(rows=4, width=3, units=4, clip=0.15),
    "deepmind, two reads, two writes": DNC.deepmind(rows=4, width=2, reads=2, writes=2, units=3),
    "no links": DNC(rows=4, width=3, units=4, links=False),
    "tanh layers": DNC(rows=4, width=3, units=4, layers=2, recurrent=False),
    "masked": DNC(rows=4, width=3, reads=2, units=4, masked=True),
    "deallocated": DNC(rows=4, width=3, units=4, deallocate=True),
    "sharpened": DNC(rows=4, width=3, units=4, sharpened=True),
    "all three, two writes": DNC.deepmind(
        rows=3, width=2, writes=2, units=3, masked=True, deallocate=True, sharpened=True
    ),
}


def total(terms: list[Tensor]) -> Tensor:
    return sum(terms, torch.zeros((), dtype=torch.float64))


def times(factors: list[Tensor]) -> Tensor:
    return math.prod(factors, start=torch.ones((), dtype=torch.float64))


def affine(weight: Tensor, bias: Tensor | None, x: list[Tensor]) -> list[Tensor]:
    y = weight @ torch.stack(x)
    return list(y if bias is None else y + bias)


def softmax(x: list[Tensor]) -> list[Tensor]:
    powers = [torch.exp(value) for value in x]
    return [power / total(powers) for power in powers]


def length(vector: list[Tensor], damped: bool) -> Tensor:
    squares = total([value * value for value in vector])
    if damped:
        return torch.sqrt(squares + 1e-6)
    return torch.sqrt(squares) if squares > 0 else 0 * squares


def looked_up(spec: DNC, memory: list[list[Tensor]], key: list[Tensor], strength: Tensor) -> list[Tensor]:
    damped = spec.cosine == "damped"
    scores = []
    for row in memory:
        lengths = length(key, damped) * length(row, damped)
        scores.append(strength * total([k * m for k, m in zip(key, row, strict=True)]) / (lengths + 1e-8 * 100**damped))
    return softmax(scores)


def allocated(spec: DNC, usage: list[Tensor]) -> list[Tensor]:
    shrunk = [spec.least_usage + (1 - spec.least_usage) * u for u in usage]
    order = sorted(range(len(usage)), key=lambda row: float(shrunk[row].detach()))
    result = list(usage)
    for place, row in enumerate(order):
        result[row] = (1 - shrunk[row]) * times([shrunk[before] for before in order[:place]])
    return result


class Plain:
    """One sequence through a DNC, number by number."""

    def __init__(self, module: DNCModule) -> None:
        self.cell = module.cell
        self.spec = spec = module.cell.spec
        zero = torch.zeros((), dtype=torch.float64)
        rows, heads = [zero] * spec.rows, range(spec.writes)
        self.h = [[zero] * spec.units for _ in range(spec.layers)]
        self.s = [[zero] * spec.units for _ in range(spec.layers)]
        self.memory = [[zero] * spec.width for _ in range(spec.rows)]
        self.usage = list(rows)
        self.links = [[list(rows) for _ in rows] for _ in heads]
        self.precedence = [list(rows) for _ in heads]
        self.writing = [list(rows) for _ in heads]
        self.reading = [list(rows) for _ in range(spec.reads)]
        self.reads = [[zero] * spec.width for _ in range(spec.reads)]

    def clip(self, values: list[Tensor]) -> list[Tensor]:
        limit = self.spec.clip
        return values if limit is None else [value.clamp(-limit, limit) for value in values]

    def control(self, x: Tensor) -> list[Tensor]:
        seen = [*x, *(value for read in self.reads for value in read)]
        outputs: list[Tensor] = []
        below: list[Tensor] = []
        for n, layer in enumerate(self.cell.controller.layers):
            if self.spec.recurrent:
                gates = affine(layer.weight, layer.bias, [*seen, *below, *self.h[n]])
                units = self.spec.units
                i, f, g, o = (gates[part * units : (part + 1) * units] for part in range(4))
                below = []
                for unit in range(units):
                    cell = torch.sigmoid(f[unit]) * self.s[n][unit] + torch.sigmoid(i[unit]) * torch.tanh(g[unit])
                    below.append(torch.sigmoid(o[unit]) * torch.tanh(cell))
                    self.s[n][unit] = cell
                self.h[n] = self.clip(below)
                self.s[n] = self.clip(self.s[n])
            else:
                below = [torch.tanh(value) for value in affine(layer.weight, layer.bias, [*seen, *below])]
            outputs += self.clip(below)
        return outputs

    def step(self, x: Tensor) -> Tensor:
        spec = self.spec
        rows, writes, reads, width = range(spec.rows), range(spec.writes), range(spec.reads), range(spec.width)
        hidden = self.control(x)
        raw = affine(self.cell.interface.weight, self.cell.interface.bias, hidden)

        def take(heads: range, size: int) -> list[list[Tensor]]:
            parts = [[raw.pop(0) for _ in range(size)] for _ in heads]
            return parts

        def sigmoid(parts: list[list[Tensor]]) -> list[list[Tensor]]:
            return [[torch.sigmoid(value) for value in part] for part in parts]

        def strength(parts: list[list[Tensor]]) -> list[Tensor]:
            return [(spec.strength == "oneplus") + torch.log(1 + torch.exp(part[0])) for part in parts]

        read_key, read_strength = take(reads, spec.width), strength(take(reads, 1))
        write_key, write_strength = take(writes, spec.width), strength(take(writes, 1))
        erase, vector = sigmoid(take(writes, spec.width)), take(writes, spec.width)
        free, g_a, g_w = sigmoid(take(reads, 1)), sigmoid(take(writes, 1)), sigmoid(take(writes, 1))
        modes = [softmax(part) for part in take(reads, 2 * spec.writes + 1)] if spec.links else None
        masks = [sigmoid(take(heads, spec.width)) if spec.masked else None for heads in (reads, writes)]
        sharpness = (
            [[1 + torch.log(1 + torch.exp(value)) for value in part] for part in take(reads, 2 * spec.writes)]
            if spec.sharpened
            else None
        )
        assert not raw

        def content(key: list[Tensor], beta: Tensor, mask: list[Tensor] | None) -> list[Tensor]:
            if mask is None:
                return looked_up(spec, self.memory, key, beta)
            key = [k * m for k, m in zip(key, mask, strict=True)]
            return looked_up(spec, [[v * m for v, m in zip(row, mask, strict=True)] for row in self.memory], key, beta)

        psi = [times([1 - free[i][0] * self.reading[i][n] for i in reads]) for n in rows]
        last = [[w.detach() if spec.detach_usage else w for w in writing] for writing in self.writing]
        for n in rows:
            written = 1 - times([1 - last[h][n] for h in writes])
            self.usage[n] = (self.usage[n] + written - self.usage[n] * written) * psi[n]

        usage, writing = self.usage, []
        for h in writes:
            a, c = allocated(spec, usage), content(write_key[h], write_strength[h], masks[1] and masks[1][h])
            writing.append([g_w[h][0] * (g_a[h][0] * a[n] + (1 - g_a[h][0]) * c[n]) for n in rows])
            usage = [usage[n] + (1 - usage[n]) * g_a[h][0] * g_w[h][0] * a[n] for n in rows]
        self.memory = [
            [
                self.memory[n][m]
                * (psi[n] if spec.deallocate else 1)
                * times([1 - writing[h][n] * erase[h][m] for h in writes])
                + total([writing[h][n] * vector[h][m] for h in writes])
                for m in width
            ]
            for n in rows
        ]

        for h in writes:
            w, p = writing[h], self.precedence[h]
            self.links[h] = [
                [0 * w[i] if i == j else (1 - w[i] - w[j]) * self.links[h][i][j] + w[i] * p[j] for j in rows]
                for i in rows
            ]
            self.precedence[h] = [(1 - total(w)) * p[n] + w[n] for n in rows]

        reading = []
        for i in reads:
            weighting = content(read_key[i], read_strength[i], masks[0] and masks[0][i])
            if modes is not None:
                ways = [
                    [total([self.links[h][k][n] * self.reading[i][k] for k in rows]) for n in rows] for h in writes
                ] + [[total([self.links[h][n][k] * self.reading[i][k] for k in rows]) for n in rows] for h in writes]
                if sharpness is not None:
                    powers = [[(v + 1e-6) ** s for v in way] for way, s in zip(ways, sharpness[i], strict=True)]
                    ways = [[power / total(way) for power in way] for way in powers]
                ways.append(weighting)
                weighting = [total([pi * way[n] for pi, way in zip(modes[i], ways, strict=True)]) for n in rows]
            reading.append(weighting)
        self.writing, self.reading = writing, reading
        self.reads = [[total([w[n] * self.memory[n][m] for n in rows]) for m in width] for w in reading]
        seen = hidden + [value for read in self.reads for value in read]
        return torch.stack(self.clip(affine(self.cell.output.weight, self.cell.output.bias, seen)))


def built(spec: DNC, seed: int) -> DNCModule:
    """A float64 module whose weights are large enough for gates and keys to matter."""
    module = spec.build(inputs=3, outputs=2, seed=seed).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3.0)
    return module


@pytest.mark.parametrize("name", SPECS)
def test_outputs_and_every_gradient_equal_the_loops(name: str) -> None:
    module = built(SPECS[name], seed=1)
    inputs = torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    expected = []
    for sequence in inputs.unbind(dim=1):
        plain = Plain(module)
        expected.append(torch.stack([plain.step(x) for x in sequence]))
    by_loops = torch.stack(expected, dim=1)
    outputs = module(inputs)
    torch.testing.assert_close(outputs, by_loops, **EXACT)

    towards = torch.randn(outputs.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    watched = [inputs, *module.parameters()]
    got = torch.autograd.grad(outputs, watched, towards, allow_unused=True, materialize_grads=True)
    want = torch.autograd.grad(by_loops, watched, towards, allow_unused=True, materialize_grads=True)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


@pytest.mark.parametrize(
    "usage",
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 1.0, 1.0],
        [0.3, 0.0, 0.9, 0.0, 0.5],
        [0.5, 0.5, 0.2, 1.0, 0.7],
        [0.9, 0.8, 0.1, 0.4, 0.6],
    ],
)
def test_allocation_and_its_gradient_where_rows_are_unused_full_or_equal(usage: list[float]) -> None:
    tensor = torch.tensor(usage, dtype=torch.float64, requires_grad=True)
    towards = torch.tensor([1.0, -2.0, 3.0, 0.5, -0.7], dtype=torch.float64)
    by_loops = torch.stack(allocated(DNC(), list(tensor)))
    by_tensors = allocate(tensor[None])[0]
    torch.testing.assert_close(by_tensors, by_loops, **EXACT)
    (got,), (want,) = (torch.autograd.grad(value, tensor, towards) for value in (by_tensors, by_loops))
    torch.testing.assert_close(got, want, **EXACT)
    assert float(by_tensors.detach().sum()) <= 1 + 1e-12
