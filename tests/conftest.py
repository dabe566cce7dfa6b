"""What all tests share: one thread, and the suite of seconds."""

import copy
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from membench.benchmarks import suites
from membench.benchmarks.core import Suite
from membench.benchmarks.records.plan import plan
from membench.benchmarks.running import runner

torch.set_num_threads(1)
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported: kernels run without a GPU, slowly


@pytest.fixture
def tiny() -> str:
    """The path of a suite of two experiments and two seeds, each run a second long."""
    return str(Path(__file__).with_name("tiny.py"))


@pytest.fixture(scope="session")
def seed_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seed 1 of the suite of seconds, trained, with its weights; nobody writes here."""
    results = tmp_path_factory.mktemp("trained") / "results"
    path = str(Path(__file__).with_name("tiny.py"))
    planned = plan(suites.find(path), results, seeds=[1])
    outcome = runner.execute(planned, path, results, workers=1, device="cpu")
    assert outcome.done == 2
    return results


@pytest.fixture
def suite(tiny: str) -> Suite:
    """The suite of seconds itself."""
    found: Suite = suites.find(tiny)
    return found


@pytest.fixture
def results(seed_one: Path, tmp_path: Path) -> Path:
    """Its seed 1, in a copy to write in."""
    shutil.copytree(seed_one, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store: making its schema takes seconds, copying it does not."""
    from membench.benchmarks.tracking import store

    path = tmp_path_factory.mktemp("schema") / "mlflow.db"
    with store.quiet():
        store.mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}")
    return path


@pytest.fixture
def variant(tiny: str, tmp_path: Path) -> Callable[[str], str]:
    """Makes the suite of seconds with an LSTM whose ``build`` begins with these lines; ``HERE`` is a folder."""

    def make(body: str) -> str:
        lines = "".join(f"        {line}\n" for line in body.splitlines())
        other = (
            "import os, resource, signal, time\nfrom pathlib import Path\n\n"
            f"HERE = Path({str(tmp_path)!r})\n\n"
            "class Other(LSTM):\n    def build(self, inputs, outputs, seed=0):\n"
            f"{lines}        return super().build(inputs, outputs, seed)\n\nHEAD = OneHot(0)"
        )
        source = Path(tiny).read_text().replace("LSTM(units=8, layers=1)", "Other(units=8, layers=1)")
        suite = tmp_path / "variant.py"
        suite.write_text(source.replace("HEAD = OneHot(0)", other))
        return str(suite)

    return make


Lines = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def said() -> Callable[[Path], Lines]:
    """What the records of a results folder say, but for times and sessions, by path."""

    def read(results: Path) -> Lines:
        found = {}
        for path in sorted(results.rglob("*.jsonl")):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            lines = [line for line in lines if line["event"] in ("evaluated", "generalised")]
            found[str(path.relative_to(results))] = [
                {k: v for k, v in line.items() if k != "seconds"} for line in lines
            ]
        return found

    return read


@pytest.fixture
def mapped_over(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[Any], Any], None]:
    """Whether ``vmap`` over members of one architecture gives each one's logits and gradients.

    And whether its step is a CUDA graph's: nothing on its way is made in one place and taken to another.
    """
    from torch.func import functional_call, stack_module_state, vmap
    from torch.utils._python_dispatch import TorchDispatchMode

    class OnePlace(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            tensors = [part for part in tree_leaves((args, kwargs, out)) if isinstance(part, torch.Tensor)]
            assert all(part.device.type == "meta" for part in tensors), f"{func} on the CPU"
            return out

    def check(members: Sequence[Any], x: torch.Tensor) -> None:
        elsewhere, inputs = copy.deepcopy(members[0]).to("meta"), x.to("meta")
        with monkeypatch.context() as meanwhile, OnePlace():
            for owner, name in ((torch, "tensor"), (torch.Tensor, "new_tensor")):
                meanwhile.setattr(owner, name, None)  # from numbers of the CPU, wherever they go
            elsewhere(inputs)
        parameters, buffers = stack_module_state(list(members))
        together = vmap(lambda *values: functional_call(members[0], values, (x,)))(parameters, buffers)
        together.sin().sum().backward()
        for n, member in enumerate(members):
            logits = member(x)
            torch.testing.assert_close(together[n], logits)
            logits.sin().sum().backward()
            for key, parameter in member.named_parameters():
                # where processors round differently, the sLSTM's exponentials make 2e-4 of it
                torch.testing.assert_close(parameters[key].grad[n], parameter.grad, atol=1e-4, rtol=1e-3)

    return check
