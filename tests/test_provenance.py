"""Where a run came from: two states of the code are told apart."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner
from llvmlite import binding

from membench.benchmarks.cli import main
from membench.benchmarks.cli.shared import AVX2, avx2_option
from membench.benchmarks.records import provenance

HAS_AVX2 = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def test_changed_code_is_told_from_the_commit_and_from_other_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "benchmarks/records/provenance.py"
    monkeypatch.setattr(provenance, "__file__", str(file))

    def said(content: str) -> dict[str, Any]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        found: dict[str, Any] = provenance.commit.__wrapped__()
        return found

    def git(*arguments: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *person, *arguments], check=True, capture_output=True)

    assert said("a = 1\n") == {"commit": None, "dirty": None, "changes": None}  # no source tree
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    clean, changed, otherwise = said("a = 1\n"), said("a = 2\n"), said("a = 3\n")
    assert clean["commit"] == changed["commit"] == otherwise["commit"] and len(clean["commit"]) == 40
    assert [each["dirty"] for each in (clean, changed, otherwise)] == [False, True, True]
    assert len({each["changes"] for each in (clean, changed, otherwise)}) == 3
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a").write_text("a record is no change of the code\n")
    assert said("a = 1\n") == clean


@click.command()
@avx2_option
def command() -> None:
    """What the option does to what is started."""
    click.echo(json.dumps({name: os.environ.get(name) for name in AVX2}))


@pytest.mark.skipif(not HAS_AVX2, reason="a processor without AVX2")
def test_avx2_holds_for_pytorch_and_numba_alike() -> None:
    program = """
import numba.core.codegen
from membench.benchmarks.provenance import processor
from membench.ntm.fused_lanes import LANES
print(processor())
print(*numba.core.codegen.JITCPUCodegen("test").magic_tuple()[1:])
print(LANES)
"""
    said = subprocess.run([sys.executable, "-c", program], env=os.environ | AVX2, capture_output=True, text=True)
    name, numba, lanes = said.stdout.splitlines()
    assert lanes == "8"
    assert name.endswith(" with AVX2")
    assert numba.split() == ["x86-64-v3"]  # the processor, and no features but its own


def test_the_option_sets_it_for_all_that_is_started_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AVX2:
        monkeypatch.setenv(name, "as it was")
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: {"avx2": True})
    assert set(json.loads(CliRunner().invoke(command, []).output).values()) == {"as it was"}
    assert json.loads(CliRunner().invoke(command, ["--avx2"]).output) == AVX2


def test_another_kind_of_processor_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: {"neon": True})
    told = CliRunner().invoke(command, ["--avx2"])
    assert told.exit_code == 2 and "arm64" in told.output and "without --avx2" in told.output


@pytest.mark.skipif(not HAS_AVX2, reason="a processor without AVX2")
def test_what_a_run_is_trained_with_is_recorded(tiny: str, tmp_path: Path) -> None:
    bench = [sys.executable, "-c", "import sys; from membench.benchmarks.cli import main; main()"]
    asked = ["run", "--suite", tiny, "--model", "lstm", "--seed", "1", "--no-tracking", "--results", str(tmp_path)]
    subprocess.run([*bench, *asked, "--avx2"], check=True, capture_output=True)
    started = json.loads((tmp_path / "tiny/copy/lstm/1.jsonl").read_text().splitlines()[0])
    assert started["provenance"]["device"].endswith(" with AVX2")


def test_a_cluster_is_not_told_how_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AVX2.items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(main, ["run", "--suite", "mini", "--engine", "ray"])
    assert told.exit_code == 2 and "--avx2" in told.output and "--engine local" in told.output
