"""Weights are published as they were kept, are used where there is no checkpoint, and from elsewhere are data."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from membench.benchmarks.cli import main
from membench.benchmarks.core import Run, Suite
from membench.benchmarks.errors import UsageError
from membench.benchmarks.inspecting import traces, weights
from membench.benchmarks.training.learner import built
from membench.report import npz


@pytest.fixture
def run(suite: Suite) -> Run:
    return next(run for run in suite.runs() if run.key == "copy/ntm/1")


@pytest.fixture
def published(suite: Suite, results: Path, run: Run) -> Path:
    return weights.publish(suite, results, run)


def values(module: torch.nn.Module) -> list[list[float]]:
    return [parameter.flatten().tolist() for parameter in module.parameters()]


def test_what_is_published_is_what_was_kept_and_named_as_in_the_module(
    suite: Suite, results: Path, run: Run, published: Path
) -> None:
    assert published == results / "tiny/weights/copy/ntm-1.npz"
    before = weights.kept(suite, results, run)
    (results / "tiny/copy/ntm/1.pt").unlink()
    after = weights.kept(suite, results, run)
    assert list(before) == ["best", "final"] and list(after) == ["best"]
    assert after["best"].step == before["best"].step and after["best"].vector.equal(before["best"].vector)
    module = weights.trained(suite, results, "copy", "ntm", 1)
    with np.load(published, allow_pickle=False) as file:  # as people without this package will
        named = {name: part.tolist() for name, part in file.items() if name != "about"}
    assert named == {name: parameter.tolist() for name, parameter in module.named_parameters()}
    assert values(module) != values(built(run))


def test_a_trace_is_the_same_without_the_checkpoint(suite: Suite, results: Path, run: Run, published: Path) -> None:
    whole, (path, *_) = traces.trace(suite, results, "copy", "ntm", 1)
    (results / "tiny/copy/ntm/1.pt").unlink()
    before = path.read_bytes()
    again = traces.trace(suite, results, "copy", "ntm", 1).trace
    assert again.outputs.tolist() == whole.outputs.tolist()
    assert again.origin.moments == whole.origin.moments and path.read_bytes() == before, (
        "what was seen is not forgotten"
    )
    path.write_bytes(b"damaged")
    again = traces.trace(suite, results, "copy", "ntm", 1).trace
    assert again.origin.moments == whole.origin.moments[:2]  # the final weights are not published
    with pytest.raises(UsageError, match="copy/ntm/1: no final weights; accepted: best, which are published"):
        traces.trace(suite, results, "copy", "ntm", 1, which="final")


def test_equal_weights_are_equal_files(suite: Suite, results: Path, run: Run, published: Path) -> None:
    content = published.read_bytes()
    assert weights.publish(suite, results, run).read_bytes() == content
    (results / "tiny/copy/ntm/1.pt").unlink()
    assert weights.publish(suite, results, run).read_bytes() == content  # from the file itself


def repacked(content: bytes, change: Callable[[dict[str, Any]], Any], about: bytes | None = None) -> bytes:
    text, arrays = npz.unpack(content, np.float32, weights.LARGEST)
    change(arrays)
    return npz.pack(text if about is None else about, arrays)


def first(arrays: dict[str, Any]) -> str:
    return next(iter(arrays))


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no file of arrays": (lambda content: b"GIF89a" * 9, "no weights: File is not a zip file"),
    "cut": (lambda content: content[:-30], "no weights: "),
    "doubles": (
        lambda content: repacked(content, lambda a: a.update({first(a): np.ones(3)})),
        "no weights: .* an array of float64",
    ),
    "pickled": (
        lambda content: repacked(content, lambda a: a.update({first(a): np.array([print])})),
        "no weights: .* an array of object",
    ),
    "of another shape": (
        lambda content: repacked(content, lambda a: a.update({first(a): np.ones(3, np.float32)})),
        r"weights that do not fit the model: .* is \(3,\); accepted is \(",
    ),
    "one missing": (lambda content: repacked(content, lambda a: a.pop(first(a))), "weights that do not fit"),
    "one more": (
        lambda content: repacked(content, lambda a: a.update({"more": np.ones(3, np.float32)})),
        "weights that do not fit",
    ),
    "no origin": (lambda content: repacked(content, lambda a: None, b"{}"), "no weights: .* validation errors"),
    "of another run": (
        lambda content: repacked(content, lambda a: None, b'{"run": "copy/ntm/2", "digest": "0", "step": 5}'),
        "weights of copy/ntm/2, settings 0; accepted is copy/ntm/1, ",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_from_elsewhere_is_data(name: str, suite: Suite, results: Path, run: Run, published: Path) -> None:
    change, message = HOSTILE[name]
    published.write_bytes(change(published.read_bytes()))
    assert set(weights.kept(suite, results, run)) == {"best", "final"}  # the checkpoint is there
    (results / "tiny/copy/ntm/1.pt").unlink()
    with pytest.raises(UsageError, match=f"ntm-1.npz: {message}.*; remove it, or make it again with bench trace --pub"):
        weights.trained(suite, results, "copy", "ntm", 1)


def test_weights_that_were_published_too_early_are_refused(
    suite: Suite, results: Path, run: Run, published: Path
) -> None:
    step = weights.kept(suite, results, run)["best"].step
    about = weights.About(run.key, run.digest, step + 10)
    published.write_bytes(repacked(published.read_bytes(), lambda a: None, weights.ABOUT.dump_json(about)))
    (results / "tiny/copy/ntm/1.pt").unlink()
    with pytest.raises(
        UsageError, match=f"of step {step + 10}, but by its record the best step is {step}; bench trace"
    ):
        weights.trained(suite, results, "copy", "ntm", 1)


def test_the_command_says_what_it_wrote(tiny: str, results: Path) -> None:
    asked = ["trace", "--suite", tiny, "--results", str(results), "--model", "ntm", "--seed", "1"]
    assert "weights/" not in CliRunner().invoke(main, asked).output
    assert not (results / "tiny/weights").exists()
    answer = CliRunner().invoke(main, [*asked, "--publish"])
    assert answer.exit_code == 0 and f"  {results / 'tiny/weights/copy/ntm-1.npz'}\n" in answer.output
    shutil.rmtree(results / "tiny/weights")
    (results / "tiny/copy/ntm/1.pt").unlink()
    refused = CliRunner().invoke(main, [*asked, "--publish"])
    assert refused.exit_code == 2 and "no weights at" in refused.output
