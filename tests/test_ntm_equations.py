"""The NTM against a second implementation: loops over plain numbers, written from the paper's equations, without torch.

Its gradients are complex steps (Squire & Trapp 1998): every number is an array of itself at many points, each of which
has one parameter or input moved by i * 1e-30. The imaginary part of a result over 1e-30 is its derivative, to the last
digit and without any rule of differentiation written down.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from membench.ntm import (
    NTM,
    Bounded,
    Constant,
    FeedforwardController,
    Glorot,
    Learned,
    LSTMController,
    NTMModule,
    OneHot,
    Random,
    Scaled,
    Uniform,
    Weights,
    Zeros,
    stream,
)
from membench.ntm.memory import Memory, Weighting
from membench.ntm.model import NAMED

Number = NDArray[np.complex128]
"""One number at every point: (points,)."""

Numbers = list[Number]
STEP = 1e-30
INPUTS, OUTPUTS, STEPS, BATCH = 3, 2, 5, 2

SMALL = NTM(rows=5, width=3, controller=LSTMController(units=4))
HEAD = OneHot(1)
TWO_BIASES = LSTMController(units=3, second_bias=True, weights=Weights(Glorot(2.0), Random(0.5, squash=False)))
SPECS = {
    "as released": replace(SMALL, memory=Constant(1e-6, trainable=True)),
    "dot": replace(SMALL, similarity="dot"),
    "written before read": replace(SMALL, read_first=False),
    "two reads, two writes": replace(SMALL, rows=4, width=2, reads=2, writes=2),
    "two reads, three writes, written before read": replace(
        SMALL, rows=3, width=2, reads=2, writes=3, read_first=False, similarity="dot"
    ),
    "reach 0": replace(SMALL, reach=0),
    "reach 2": replace(SMALL, reach=2),
    "one row": replace(SMALL, rows=1, reach=0),
    "feedforward": replace(SMALL, controller=FeedforwardController(units=5)),
    "feedforward, two layers": replace(SMALL, controller=FeedforwardController(units=4, layers=2), read_first=False),
    "two LSTM layers behind an inlet": replace(
        SMALL, controller=LSTMController(units=3, layers=2, inlet=2, forget_bias=0.0, state=Scaled())
    ),
    "learned controller state": replace(SMALL, controller=LSTMController(units=4, state=Learned("normal"))),
    "clips that act": replace(SMALL, clip_heads=0.4, clip_output=0.3),
    "no clips": replace(SMALL, clip_heads=None, clip_output=None),
    "learned memory": replace(SMALL, memory=Learned()),
    "random memory, trainable": replace(SMALL, memory=Random(0.5, trainable=True)),
    "random memory, as drawn": replace(SMALL, memory=Random(0.5, squash=False), read=Constant(0.3, trainable=True)),
    "zero memory, zero reads, one-hot": replace(
        SMALL, memory=Zeros(), read=Zeros(), read_weighting=HEAD, write_weighting=HEAD
    ),
    "drawn and kept": replace(
        SMALL,
        memory=Learned(trainable=False),
        read=Learned("normal", trainable=False),
        read_weighting=Learned("normal", trainable=False),
        write_weighting=Learned("uniform"),
    ),
    "one-hot, trainable, and uniform": replace(
        SMALL,
        memory=Random(),
        read=Zeros(trainable=True),
        read_weighting=OneHot(2, trainable=True),
        write_weighting=Uniform(),
    ),
    "linear, nothing fed back, no gate": replace(
        SMALL, squash="linear", gated=False, feedback=False, read=Zeros(), memory=Bounded(0.5), controller=TWO_BIASES
    ),
    "relu, first weightings of zero": replace(SMALL, squash="relu", read_weighting=Zeros(), write_weighting=Zeros()),
    "head after head": replace(SMALL, rows=4, width=2, writes=2, write_order="in turn"),
    "written before read, head after head": replace(
        SMALL, rows=4, width=2, writes=2, write_order="in turn", read_first=False
    ),
    "pairs": replace(SMALL, rows=4, width=2, reads=2, writes=2, write_order="pairs"),
    "pairs, written before read": replace(
        SMALL, rows=4, width=2, reads=2, writes=2, write_order="pairs", read_first=False
    ),
    "uniform, trainable": replace(SMALL, memory=Random(), read_weighting=Uniform(trainable=True)),
}


SQUASHES: dict[str, Callable[[Number], Number]] = {
    "tanh": np.tanh,
    "linear": lambda x: x,
    "relu": lambda x: np.where(x.real > 0, x, 0),
}


def total(terms: Sequence[Number]) -> Number:
    return sum(terms, np.zeros(1, dtype=np.complex128))


def inner(one: Numbers, other: Numbers) -> Number:
    return total([a * b for a, b in zip(one, other, strict=True)])


def affine(weight: NDArray[np.complex128], bias: NDArray[np.complex128], x: Numbers) -> Numbers:
    return [inner(list(row), x) + b for row, b in zip(weight, bias, strict=True)]


def sigmoid(x: Number) -> Number:
    return 1 / (1 + np.exp(-x))


def softplus(x: Number) -> Number:
    return np.log(1 + np.exp(x))


def softmax(x: Numbers) -> Numbers:
    powers = [np.exp(value) for value in x]
    return [power / total(powers) for power in powers]


def clip(x: Number, limit: float | None) -> Number:
    return x if limit is None else np.where(abs(x.real) > limit, np.copysign(limit, x.real), x)


def began(scheme: Memory | Weighting, raw: NDArray[np.complex128], weighting: bool) -> Numbers:
    """What a state tensor begins at, from what is stored of it."""
    if isinstance(scheme, Learned):
        return softmax(list(raw)) if weighting else [np.tanh(value) for value in raw]
    if isinstance(scheme, OneHot | Uniform) and scheme.trainable:
        return softmax(list(raw))
    if isinstance(scheme, Random) and scheme.squash:
        return [np.tanh(value) for value in raw]
    return list(raw)


class Plain:
    """One sequence through an NTM, number by number. ``values`` are the module's tensors, by name."""

    def __init__(self, spec: NTM, values: dict[str, NDArray[np.complex128]]) -> None:
        self.spec, self.values = spec, values
        memory = began(spec.memory, values["memory.raw"], False)
        self.memory = [memory[row * spec.width : (row + 1) * spec.width] for row in range(spec.rows)]
        self.reads = [began(spec.read, raw, False) for raw in values["reads.raw"]]
        self.weightings = [began(spec.read_weighting, raw, True) for raw in values["read_weighting.raw"]]
        self.weightings += [began(spec.write_weighting, raw, True) for raw in values["write_weighting.raw"]]
        self.hidden: list[Numbers] = []
        self.cells: list[Numbers] = []
        if isinstance(spec.controller, LSTMController):
            for n in range(spec.controller.layers):
                for part, states in ((2 * n, self.hidden), (2 * n + 1, self.cells)):
                    states.append(began(spec.controller.state, values[f"controller.starts.{part}.raw"], False))

    def layer(self, name: str, x: Numbers) -> Numbers:
        return affine(self.values[f"{name}.weight"], self.values[f"{name}.bias"], x)

    def control(self, x: Numbers) -> Numbers:
        controller = self.spec.controller
        if isinstance(controller, FeedforwardController):
            for n in range(controller.layers):
                x = [np.tanh(value) for value in self.layer(f"controller.layers.{n}", x)]
            return x
        if controller.inlet:
            x = self.layer("controller.inlet", x)
        units = controller.units
        for n in range(controller.layers):
            gates = self.layer(f"controller.layers.{n}", x + self.hidden[n])
            if controller.second_bias:
                gates = [a + b for a, b in zip(gates, self.values[f"controller.layers.{n}.second_bias"], strict=True)]
            x = []
            for unit in range(units):
                i, f, g, o = (gates[gate * units + unit] for gate in range(4))
                self.cells[n][unit] = sigmoid(f) * self.cells[n][unit] + sigmoid(i) * np.tanh(g)
                x.append(sigmoid(o) * np.tanh(self.cells[n][unit]))
            self.hidden[n] = x
        return x

    def address(self, raw: Numbers, previous: Numbers) -> Numbers:
        """Equations 5 to 9 for one head, from its part of the controller's output."""
        spec = self.spec
        rows = range(spec.rows)
        key = [SQUASHES[spec.squash](value) for value in raw[: spec.width]]
        strength, gate = softplus(raw[spec.width]), sigmoid(raw[spec.width + 1])
        kernel, sharpness = softmax(raw[spec.width + 2 : -1]), 1 + softplus(raw[-1])
        similar = []
        for row in self.memory:
            similarity = inner(key, row)
            if spec.similarity == "cosine":
                similarity = similarity / (np.sqrt(inner(key, key)) * np.sqrt(inner(row, row)) + 1e-8)
            similar.append(strength * similarity)
        by_content = softmax(similar)
        gated = [(gate if spec.gated else 1) * by_content[i] + (1 - gate) * previous[i] for i in rows]
        moved = []
        for i in rows:  # what was j rows before this one comes here when the focus moves by j
            moved.append(
                total([gated[(i - j) % spec.rows] * kernel[spec.reach + j] for j in range(-spec.reach, spec.reach + 1)])
            )
        powers = [np.exp(sharpness * np.log(weight)) for weight in moved]
        return [power / total(powers) for power in powers]

    def step(self, x: Numbers) -> Numbers:
        spec = self.spec
        hidden = self.control(x + [value for read in self.reads for value in read if spec.feedback])
        raw = [clip(value, spec.clip_heads) for value in self.layer("heads", hidden)]
        length, heads = spec.width + 2 + 2 * spec.reach + 1 + 1, spec.reads + spec.writes
        ask = [raw[head * length : (head + 1) * length] for head in range(heads)]
        rest = raw[heads * length :]
        vectors = [rest[n * spec.width : (n + 1) * spec.width] for n in range(2 * spec.writes)]
        erase = [[sigmoid(value) for value in vector] for vector in vectors[: spec.writes]]
        add = [[SQUASHES[spec.squash](value) for value in vector] for vector in vectors[spec.writes :]]
        before = list(self.weightings)

        def look(head: int) -> None:
            self.weightings[head] = self.address(ask[head], before[head])

        def read(heads: Sequence[int]) -> None:
            for head in heads:
                for m in range(spec.width):
                    column = [row[m] for row in self.memory]
                    self.reads[head][m] = inner(self.weightings[head], column)  # eq. 2

        def write(heads: Sequence[int]) -> None:
            for i in range(spec.rows):
                for m in range(spec.width):
                    value = self.memory[i][m]
                    for n in heads:
                        value = value * (1 - self.weightings[spec.reads + n][i] * erase[n][m])  # eq. 3
                    for n in heads:
                        value = value + self.weightings[spec.reads + n][i] * add[n][m]  # eq. 4
                    self.memory[i][m] = value

        self.reads = [list(read) for read in self.reads]
        rounds: list[tuple[Sequence[int], Sequence[int]]]
        rounds = (
            [([n], [n]) for n in range(spec.reads)]
            if spec.write_order == "pairs"
            else [(range(spec.reads), range(spec.writes))]
        )
        for reading, writing in rounds:
            for n in writing:
                look(spec.reads + n)
            if spec.read_first:
                for n in reading:
                    look(n)
                read(reading)
            for some in [[n] for n in writing] if spec.write_order == "in turn" else [writing]:
                write(some)
            if not spec.read_first:
                for n in reading:
                    look(n)
                read(reading)
        y = self.layer("output", hidden + [value for read in self.reads for value in read])
        return [clip(value, spec.clip_output) for value in y]


def module_of(spec: NTM) -> NTMModule:
    """A module in float64 whose layers are random enough for every head to want something else."""
    module = spec.build(INPUTS, OUTPUTS, seed=3).double()
    module.implementation = "reference"
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if not name.endswith("raw"):
                scale = 2.0 if name.startswith("cell.heads") else 0.4
                noise = torch.randn(parameter.shape, dtype=torch.float64, generator=stream("equations", name))
                parameter.add_(noise, alpha=scale)
    return module


def displaced(tensors: dict[str, torch.Tensor], moved: Sequence[str]) -> dict[str, NDArray[np.complex128]]:
    """Every tensor at every point, (*shape, points); point p has the p-th element of the moved ones displaced."""
    points = sum(tensors[name].numel() for name in moved)
    result, start = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel()
        values = np.repeat(tensor.detach().numpy().reshape(size, 1).astype(np.complex128), points, axis=1)
        if name in moved:
            values[np.arange(size), start + np.arange(size)] += 1j * STEP
            start += size
        result[name] = values.reshape(*tensor.shape, points)
    return result


def close(ours: NDArray[np.float64], plain: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-10 * max(1.0, float(abs(plain).max())))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_whole_sequences_and_all_gradients(spec: NTM) -> None:
    module = module_of(spec)
    inputs = torch.rand(STEPS, BATCH, INPUTS, dtype=torch.float64, generator=stream("equations"), requires_grad=True)
    matters = torch.randn(STEPS, BATCH, OUTPUTS, dtype=torch.float64, generator=stream("matters"))

    state, outputs = module.cell.begin(BATCH), []
    for x in inputs:
        y, state = module.cell(x, state)
        outputs.append(y)
    logits = module(inputs)
    assert torch.stack(outputs).equal(logits)
    named = {name.removeprefix("cell."): parameter for name, parameter in module.named_parameters()}
    gradients = torch.autograd.grad((logits * matters).sum(), [*named.values(), inputs], materialize_grads=True)

    kept = {name.removeprefix("cell."): value for name, value in module.state_dict().items()}
    points = displaced({**kept, "inputs": inputs}, [*(name for name in kept if name in named), "inputs"])
    loss = np.zeros(1, dtype=np.complex128)
    for n in range(BATCH):
        plain = Plain(spec, points)
        for t in range(STEPS):
            y = plain.step(list(points["inputs"][t, n]))
            close(logits[t, n].detach().numpy(), np.array([value[0].real for value in y]))
            loss = loss + total([float(m) * value for m, value in zip(matters[t, n], y, strict=True)])
        close(state.memory[n].detach().numpy(), np.array([[v[0].real for v in row] for row in plain.memory]))
        close(state.reads[n].detach().numpy(), np.array([[v[0].real for v in read] for read in plain.reads]))
        close(state.weightings[n].detach().numpy(), np.array([[v[0].real for v in w] for w in plain.weightings]))
    in_order = [name for name in kept if name in named]
    ours = dict(zip([*named, "inputs"], gradients, strict=True))
    close(np.concatenate([ours[name].numpy().ravel() for name in [*in_order, "inputs"]]), loss.imag / STEP)


def test_the_plain_gradient_is_that_of_small_differences() -> None:
    """The complex step itself, against a difference quotient."""
    x = np.array([0.3, 0.3 + 1j * STEP, 0.3 + 1e-7])
    y = softplus(np.tanh(x) * sigmoid(x))
    assert y[1].imag / STEP == pytest.approx((y[2] - y[0]).real / 1e-7, rel=1e-6)


def test_every_scheme_and_option_is_compared() -> None:
    specs = list(SPECS.values())
    schemes = {type(getattr(s, name)) for s in specs for name in ("memory", "read", "read_weighting")}
    assert schemes == {Zeros, Constant, Learned, Random, Bounded, OneHot, Uniform}
    assert {s.reach for s in specs} == {0, 1, 2}
    for name, names in NAMED.items():
        assert {getattr(s, name) for s in specs} == set(names)
