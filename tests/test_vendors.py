"""Which instructions a process computes with, and that no digit hangs on who made the processor.

One machine stands for several: a library is told to compute as for another processor, or CPUID answers as that of
another vendor would.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from llvmlite import binding

from membench.benchmarks.optimizers import sqrt
from membench.ntm import Learned
from membench.ntm.fused import functions
from membench.ntm.kernels import baseline
from membench.ntm.memory import Start

TRAIN = """
import sys
from hashlib import sha256

import torch
from membench.baselines.dnc import DNC
from membench.baselines.lstm import LSTM
from membench.benchmarks.core import Experiment, Run, Training
from membench.benchmarks.optimizers import GlobalNorm
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training.evaluate import evaluate, evaluation_set, identity
from membench.benchmarks.training.learner import Learner
from membench.benchmarks.training.process import prepare
from membench.benchmarks.training.train import training_batch
from membench.ntm import NTM, Learned, LSTMController

prepare()
models = {
    "ntm": NTM(rows=20, width=7, memory=Learned(), controller=LSTMController(50)),
    "ntm, dot": NTM(rows=20, width=7, similarity="dot", memory=Learned("normal"), controller=LSTMController(50)),
    "dnc": DNC(rows=9, width=7, units=50),
    "lstm": LSTM(units=70, layers=2),
}
task = Copy(train=(range(1, 9),), test=())
for name, model in models.items():
    training = Training(steps=10, eval_sizes=((3,), (8,)), batch=6, clip=GlobalNorm(1.0))
    run = Run(Experiment("copy", task, name.replace(", ", "-"), model, training), 1)
    learner = Learner([run], torch.device("cpu"))
    batches = [[training_batch(run.experiment, identity(task), 1, step)] for step in range(10)]
    steps = [[float(part) for part in learner.train([batch])] for batch in learner.laid_out(batches)]
    (score,) = learner.evaluate(evaluation_set(task, training, torch.device("cpu")))
    numbers = [*(number for step in steps for number in step), score.loss]
    print(name, *(number.hex() for number in numbers), sha256(learner.weights.numpy()).hexdigest())
values = torch.rand(1000, generator=torch.Generator().manual_seed(1))
print(torch.tanh(values).double().sum().item().hex(), file=sys.stderr)
"""


def printed(program: str, **environment: str) -> tuple[list[str], str]:
    """What a program prints in a process of its own, and on stderr."""
    ours = ("NUMBA_CPU", "ATEN", "ONEDNN", "MKL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run([sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


@pytest.fixture(scope="module")
def here() -> tuple[list[str], str]:
    """What training gives on this processor, and a number that MKL decides."""
    return printed(TRAIN)


@pytest.mark.parametrize(
    ("name", "value"),
    [("MKL_CBWR", "COMPATIBLE"), ("MKL_CBWR", "AVX2"), ("MKL_ENABLE_INSTRUCTIONS", "AVX2")],
)
def test_mkl_decides_no_digit_of_a_training(here: tuple[list[str], str], name: str, value: str) -> None:
    assert printed(TRAIN, **{name: value})[0] == here[0]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that makes CPUID answer as a processor of AMD's would."""
    compiler, about = shutil.which("cc") or shutil.which("gcc"), Path("/proc/cpuinfo")
    if compiler is None or not about.exists() or "cpuid_fault" not in about.read_text().split():
        pytest.skip("needs a C compiler and an Intel processor whose CPUID can be caught")
    path = tmp_path_factory.mktemp("other") / "other_vendor.so"
    source = Path(__file__).with_name("other_vendor.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    told, _ = printed("from llvmlite import binding; print(binding.get_host_cpu_name())", LD_PRELOAD=str(path))
    if not told[0].startswith("znver"):
        pytest.skip("the system does not let CPUID be caught")
    return str(path)


def test_a_processor_of_another_vendor_gives_the_same_digits(here: tuple[list[str], str], other: str) -> None:
    there = printed(TRAIN, LD_PRELOAD=other)
    assert there[0] == here[0] and len(here[0]) == 4
    assert there[1] != here[1]  # MKL did choose otherwise


@pytest.mark.slow  # minutes: a processor of its own has compiled nothing yet
@pytest.mark.parametrize("name", ["x86-64-v4", "x86-64-v3"])
def test_what_it_compiles_itself_does_too(here: tuple[list[str], str], other: str, name: str, tmp_path: Path) -> None:
    if name not in baseline.has():
        pytest.skip(f"a processor without {name}")
    without = {"OTHER_VENDOR_AVX2": "1"} if name == "x86-64-v3" else {}  # it has no AVX-512; here --avx2 is asked for
    there, _ = printed(TRAIN, LD_PRELOAD=other, NUMBA_CACHE_DIR=str(tmp_path), **without)
    assert there == printed(TRAIN, **baseline.environment(name))[0]
    assert (there == here[0]) == (name == baseline.has()[0])


WHICH = """
import sys
from membench.ntm.kernels import baseline, lanes
from numba.core.registry import cpu_target
from membench.benchmarks.records.provenance import processor, kernels
code = cpu_target.target_context.codegen()
print(code.magic_tuple()[1:], lanes.LANES, kernels(), processor().rpartition(" with ")[2])
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x86-64-v4", "('x86-64-v4', '') 16 x86-64-v4 AVX512"),
        ("x86-64-v3", "('x86-64-v3', '') 8 x86-64-v3 AVX2"),
        ("generic", "('generic', '') 8 generic"),
    ],
)
def test_numba_and_torch_compute_with_what_is_named(name: str, said: str) -> None:
    if name not in baseline.has():
        pytest.skip(f"a processor without {name}")
    assert printed(WHICH, **baseline.environment(name))[0][0].startswith(said)
    if name == baseline.has()[0]:
        assert printed(WHICH)[0][0].startswith(said)  # nobody need ask for it


def test_where_numba_has_compiled_before_the_host_is_named() -> None:
    program = "import numba\n@numba.njit\ndef f(): return 1\nf()\n" + WHICH
    (said,), host = printed(program)[0], binding.get_host_cpu_name()
    assert said.startswith(f"('{host}', '+") or said.startswith(f"('{host}', '-")
    assert f" 8 {host} " in said


OLDER = dict.fromkeys(baseline.OLDER, True)
NEWER = {**OLDER, **dict.fromkeys(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"), True)}


@pytest.mark.parametrize(
    ("features", "names"),
    [
        (NEWER, ("x86-64-v4", "x86-64-v3", "generic")),
        ({**NEWER, "avx512vl": False}, ("x86-64-v3", "generic")),
        ({**OLDER, "fma": False}, ("generic",)),
        ({"neon": True}, ("generic",)),
        (None, ("generic",)),
    ],
)
def test_what_a_processor_has_decides(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool] | None, names: tuple[str, ...]
) -> None:
    def found() -> dict[str, bool]:
        if features is None:
            raise RuntimeError("an unknown processor")
        return features

    monkeypatch.setattr(binding, "get_host_cpu_features", found)
    assert baseline.has.__wrapped__() == names


def test_the_root_is_rounded_correctly() -> None:
    x = torch.rand(10_000, generator=torch.Generator().manual_seed(1)) * 1e-3
    exact = np.sqrt(x.double().numpy()).astype(np.float32)
    assert (sqrt(x).numpy() == exact).all()
    assert sqrt(x.double()).dtype == torch.float64


SIZES = [(1, 1, 1), (3, 5, 2), (4, 48, 48), (98, 49, 33), (200, 130, 100)]


@pytest.mark.parametrize(("samples", "inputs", "outputs"), SIZES)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_is_torchs(samples: int, inputs: int, outputs: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    given = [torch.randn(size, generator=generator) for size in ((samples, inputs), (outputs, inputs), (outputs,))]
    slope = torch.randn(samples, outputs, generator=generator)
    results = []
    for dtype, linear in ((torch.float32, functions.linear), (torch.float64, torch.nn.functional.linear)):
        x, weight, b = (part.to(dtype).requires_grad_() for part in given)
        y = linear(x[:, None], weight, b if bias else None)[:, 0]
        results.append([y, *torch.autograd.grad(y, (x, weight, b) if bias else (x, weight), slope.to(dtype))])
    for ours, exact in zip(*results, strict=True):
        assert torch.allclose(ours.double(), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scheme", [Learned(), Learned("normal", trainable=False)])
def test_a_first_state_is_torchs(scheme: Learned) -> None:
    start = Start(scheme, (3, 37), (1, "here"))
    exact = torch.tanh(start.raw.detach().double())
    assert torch.allclose(functions.value(start).double(), exact, rtol=3e-7, atol=0)
    if scheme.trainable:
        slope = torch.randn(3, 37)
        (found,) = torch.autograd.grad(functions.value(start), start.raw, slope)
        assert torch.allclose(found.double(), slope.double() * (1 - exact**2), rtol=1e-5, atol=1e-7)


def test_a_layer_of_another_shape_or_type_is_refused() -> None:
    x, weight, bias = torch.zeros(3, 5), torch.zeros(2, 5), torch.zeros(2)
    others = [(x[:, :4], weight, bias), (x, weight[0], bias), (x, weight, bias[:1]), (x, weight, bias.double())]
    for given in (*others, (x.double(), weight, bias), (x, weight.double(), bias)):
        with pytest.raises(ValueError, match="do not fit together"):
            functions.linear(*given)
