"""The GPU's twin gives the values and gradients of the reference in float64, for several members at once.

No GPU is needed: Triton's interpreter computes what the kernels say, in double precision. What it cannot see is whether
threads wait for each other where they must.
"""

import math
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from membench.benchmarks.protocols import Batch
from membench.benchmarks.training import differentiate
from membench.ntm import (
    NTM,
    Bounded,
    Constant,
    FeedforwardController,
    Learned,
    LSTMController,
    NTMModule,
    OneHot,
    Random,
    Redrawn,
    Uniform,
    Zeros,
    stream,
)
from membench.ntm.gpu import limits
from membench.ntm.gpu.limits import uncovered
from membench.ntm.gpu.plan import planned
from membench.ntm.layer import fall_back

pytest.importorskip("triton", reason="Triton is made for Linux alone")

from triton.runtime import interpreter  # conftest.py has told it to interpret

from membench.ntm.gpu import together
from membench.ntm.gpu.together import Together

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # NumPy's, where an exponential is infinite
    pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are not interpreted beside a GPU: see test_gpu.py"),
]

INPUTS, OUTPUTS = 3, 2
CLOSE = {torch.float64: 1e-10, torch.float32: 2e-5}
"""Of a tensor's largest element."""


def small(**fields: Any) -> NTM:
    return NTM(**{"rows": 6, "width": 5, "controller": LSTMController(units=7), **fields})


SPECS = {
    "collier2018": small(),
    "dot": small(similarity="dot", memory=Random(trainable=True)),
    "two reads, three writes, odd rows, reach two": small(reads=2, writes=3, rows=7, reach=2, similarity="dot"),
    "one row, one column, no shift": small(rows=1, width=1, reach=0),
    "graves2014, feedforward": small(
        reads=2,
        writes=2,
        memory=Learned(),
        read_weighting=OneHot(0),
        write_weighting=OneHot(0, trainable=True),
        clip_heads=None,
        clip_output=None,
        controller=FeedforwardController(units=6, layers=2),
    ),
    "graves2014, LSTM": small(
        reach=3, rows=8, width=4, clip_heads=None, controller=LSTMController(units=8, layers=2, state=Learned("normal"))
    ),
    "nothing learned": small(memory=Zeros(), read=Zeros(), read_weighting=Uniform(), write_weighting=Zeros()),
    "clips that act": small(clip_heads=0.2, clip_output=0.1, memory=Constant(1e-6, trainable=True)),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter prepares a module once, not at every call of its functions: half the time."""
    prepared: set[str] = set()

    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        if self.fn.__module__ not in prepared:
            prepared.add(self.fn.__module__)
            interpreter._patch_lang(self.fn)
        return self.rewrite()(*arguments, **options)

    monkeypatch.setattr(interpreter.InterpretedFunction, "__call__", call)


@pytest.fixture(autouse=True)
def nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is read before it is written is not a number."""
    empty = Tensor.new_empty
    monkeypatch.setattr(Tensor, "new_empty", lambda *given, **kind: empty(*given, **kind).fill_(math.nan))


def members(spec: NTM, scale: float = 2.0, count: int = 2) -> list[NTMModule]:
    """In float64, by the reference."""
    made = []
    for seed in range(count):
        module = spec.build(INPUTS, OUTPUTS, seed=seed)
        module.implementation = "reference"
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if "raw" not in name:
                    parameter.mul_(scale)
                    if name.endswith("bias"):
                        noise = torch.randn(parameter.shape, generator=stream("bias", name, seed))
                        parameter.add_(noise * 0.3 * scale)
        made.append(module.double())
    return made


def drawn(count: int, batch: int = 1, steps: int = 2) -> tuple[Tensor, Tensor]:
    """Inputs, and a gradient of the logits."""
    generator = stream("gpu", count, batch, steps)
    x = torch.rand(count, steps, batch, INPUTS, generator=generator, dtype=torch.float64)
    return x, torch.randn(count, steps, batch, OUTPUTS, generator=generator, dtype=torch.float64)


def flat(modules: Sequence[NTMModule]) -> Tensor:
    return torch.stack([torch.cat([part.detach().reshape(-1) for part in module.parameters()]) for module in modules])


def at_once(modules: Sequence[NTMModule], inputs: Tensor, towards: Tensor) -> tuple[Tensor, Tensor]:
    step = Together([module.cell for module in modules])
    slopes = [lambda y, samples, d=d: d[:, samples] for d in towards]
    return step(flat(modules).to(inputs.dtype), inputs, slopes)


def assert_equal(modules: Sequence[NTMModule], inputs: Tensor, towards: Tensor) -> None:
    """Logits, and the gradients of all parameters, are those of each by the reference."""
    logits, gradients = at_once(modules, inputs, towards)
    assert logits.dtype == gradients.dtype == inputs.dtype
    for module, x, d, y, found in zip(modules, inputs.double(), towards.double(), logits, gradients, strict=True):
        names, parameters = zip(*module.named_parameters(), strict=True)
        want: Tensor = module(x)
        wants = [want.detach(), *torch.autograd.grad(want, parameters, d, materialize_grads=True)]
        pieces = found.split([parameter.numel() for parameter in parameters])
        for name, mine, its in zip(("logits", *names), (y.flatten(), *pieces), wants, strict=True):
            bound = CLOSE[inputs.dtype] * max(1e-3, float(its.abs().max()))
            assert float((mine - its.flatten()).abs().max()) <= bound, name


class TestEqualsTheReference:
    @pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
    def test_with_random_weights(self, spec: NTM) -> None:
        assert_equal(members(spec), *drawn(2))

    def test_in_batches(self) -> None:
        assert_equal(members(SPECS["collier2018"]), *drawn(2, batch=2, steps=3))

    @pytest.mark.parametrize("name", ["nothing learned", "dot"])
    def test_with_weights_of_zero(self, name: str) -> None:
        """All keys and rows alike, similarities 0/0 but for the epsilon."""
        assert_equal(members(SPECS[name], scale=0.0, count=1), *drawn(1))

    def test_with_head_parameters_at_their_ends(self) -> None:
        """Of each member another: strength 0 or 20, gate shut or open, all weight on one shift, sharpness 1 or 21."""
        modules = members(small(memory=Random()), scale=1.0, count=8)
        for n, module in enumerate(modules):
            for head in range(2):
                place = head * 11 + (5, 6, 7, 10)[n % 4]  # beyond the key: β, g, s, γ
                module.cell.heads.bias.data[place] = (-20.0, 20.0)[n // 4]
        assert_equal(modules, *drawn(8))

    def test_in_single_precision(self) -> None:
        """Of a memory that is all but zero: squares of its rows are below the range, the rows are not."""
        spec = small(memory=Constant(1e-21, trainable=True), read_weighting=OneHot(0))
        assert_equal(members(spec, count=1), *(part.float() for part in drawn(1)))

    def test_without_gradients_in_pieces_of_any_length(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(together, "CHUNK", 2)
        modules, (inputs, _) = members(SPECS["graves2014, LSTM"]), drawn(1, steps=3)
        logits = Together([module.cell for module in modules]).forward(flat(modules), inputs[0])
        for module, mine in zip(modules, logits, strict=True):
            torch.testing.assert_close(mine, module(inputs[0]).detach())


def test_a_member_that_is_no_number_touches_no_other() -> None:
    modules, (inputs, towards) = members(SPECS["collier2018"]), drawn(2)
    alone = at_once(modules, inputs, towards)
    modules[1].cell.heads.weight.data.fill_(math.nan)
    beside = at_once(modules, inputs, towards)
    for before, after in zip(alone, beside, strict=True):
        assert before[0].equal(after[0])
        assert not before[1].isnan().any() and after[1].isnan().any()
    assert bool(beside[0][1, 1:].isnan().all())


def test_starts_that_share_a_parameter_share_its_gradient() -> None:
    modules = members(SPECS["collier2018"], count=1)
    for module in modules:
        module.cell.write_weighting.raw = module.cell.read_weighting.raw
    assert_equal(modules, *drawn(1))


@pytest.mark.parametrize(
    ("weights", "inputs"),
    [((2, 7), (2, 3, 1, 3)), ((3, 500), (2, 3, 1, 3)), (None, (2, 3, 1, 4)), (None, (3, 1, 3)), (None, (1, 3, 1, 3))],
)
def test_what_kernels_would_run_beyond_is_refused(weights: tuple[int, ...] | None, inputs: tuple[int, ...]) -> None:
    modules = members(SPECS["collier2018"])
    given = flat(modules) if weights is None else torch.zeros(weights, dtype=torch.float64)
    with pytest.raises(ValueError, match="accepted"):
        Together([module.cell for module in modules])(given, torch.zeros(inputs, dtype=torch.float64), [])


class TestIsAsked:
    """By ``differentiation``, of modules on a GPU; here on the CPU, in the interpreter."""

    @pytest.fixture
    def modules(self, monkeypatch: pytest.MonkeyPatch) -> list[NTMModule]:
        monkeypatch.setattr(NTMModule, "differentiation", NTMModule.together)
        return [SPECS["collier2018"].build(INPUTS, OUTPUTS, seed=seed) for seed in range(2)]

    def test_by_whoever_trains(self, modules: list[NTMModule]) -> None:
        inputs, targets = (part.float() for part in drawn(2))
        batch, weights = Batch(inputs, targets, torch.ones(2, 2, 1)), flat(modules)

        def loss(logits: Tensor, own: Batch) -> Tensor:
            return (logits - own.targets).square().sum()

        def slope(own: Batch) -> Any:
            return lambda logits, samples: 2 * (logits - own.targets[:, samples])

        found = differentiate.differentiation(modules, loss, slope, weights, batch)
        assert isinstance(found, differentiate.Own) and found.how == "Triton"
        references = [SPECS["collier2018"].build(INPUTS, OUTPUTS, seed=seed) for seed in range(2)]
        for module in references:
            module.implementation = "reference"
        other = differentiate.InTurn(references, loss)
        for mine, its in zip(found(weights, batch), other(weights, batch), strict=True):
            torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found.forward(weights, inputs[0]), other.forward(weights, inputs[0]).detach())

    def test_and_waits_for_no_number(self, modules: list[NTMModule], monkeypatch: pytest.MonkeyPatch) -> None:
        """What a graph captures must not: fake tensors have none to give."""

        class Launch:
            def __getitem__(self, grid: tuple[int, ...]) -> Any:
                assert all(type(size) is int for size in grid)
                return lambda *arguments, **options: None

        monkeypatch.setattr(together, "forward", Launch())
        monkeypatch.setattr(together, "backward", Launch())
        step = modules[0].together(modules)
        assert step is not None
        weights, (inputs, towards) = flat(modules), (part.float() for part in drawn(2))
        with FakeTensorMode(allow_non_fake_inputs=True):
            logits, gradients = step(weights, inputs, [lambda y, _, d=d: y * d for d in towards])
            assert (logits.shape, gradients.shape) == (towards.shape, weights.shape)

    @pytest.mark.parametrize(
        ("spec", "field"),
        [
            (small(read_first=False), "read_first"),
            (small(squash="relu"), "squash"),
            (small(gated=False), "gated"),
            (small(feedback=False, read=Zeros()), "feedback"),
            (small(writes=2, write_order="in turn"), "write_order"),
            (small(memory=Redrawn(Bounded(0.1))), "Redrawn"),
            (small(controller=LSTMController(inlet=4)), "controller.inlet"),
            (small(controller=LSTMController(second_bias=True)), "controller.second_bias"),
            (small(rows=4096, width=8), "rows=4096"),
        ],
        ids=str,
    )
    def test_or_says_once_what_it_does_not_cover(self, spec: NTM, field: str, caplog: pytest.LogCaptureFixture) -> None:
        fall_back.cache_clear()
        module = spec.build(INPUTS, OUTPUTS, seed=1)
        with caplog.at_level("INFO", logger="membench.ntm.layer"):
            assert module.together([module]) is None and module.together([module]) is None
        assert [field in record.message for record in caplog.records] == [True]
        module.implementation = "fused"
        with pytest.raises(ValueError, match="'auto' or 'reference' would run"):
            module.together([module])


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("capability", [80, 90])
def test_the_largest_memory_s_threads_find_their_registers(heads: int, capability: int) -> None:
    """A multiprocessor has 65,536: a GPU refuses a program that asks for more."""
    found = planned(NTM(rows=256, reads=heads, writes=heads).build(INPUTS, OUTPUTS, seed=1).cell)
    assert found.rows_block * found.width_block == limits.LARGEST
    assert 32 * found.warps * found.registers(capability) <= 65536


@pytest.mark.parametrize(("found", "said"), [((0, 0), "not none"), ((3, 2), "not 3.2")])
def test_without_triton_the_reference_runs(found: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.triton() >= limits.TRITON
    monkeypatch.setattr(limits, "triton", lambda: found)
    assert uncovered(small(), torch.float32).endswith(f"{said}: pip install 'membench[gpu]'")


def test_covers_what_suites_name() -> None:
    from membench.benchmarks.suites import find

    for name in ("collier2018", "graves2014", "atlas"):
        specs = {experiment.model for experiment in find(name).experiments if isinstance(experiment.model, NTM)}
        assert specs and not any(uncovered(spec, torch.float32) for spec in specs)


def test_on_a_cpu_nobody_loads_triton(tiny: str) -> None:
    """Nor the kernels: the package, and a run."""
    code = f"""
import sys, torch
import membench.ntm, membench.baselines.dnc
from membench.benchmarks.suites import find
from membench.benchmarks.training.train import train
list(train(next(find({tiny!r}).runs()), torch.device("cpu")))
print(*sorted(name for name in sys.modules if name.split(".")[0] == "triton" or ".gpu" in name))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
