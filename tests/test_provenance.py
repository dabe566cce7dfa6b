"""Where a run came from: two states of the code are told apart."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

from membench.benchmarks import git
from membench.benchmarks.cli import main
from membench.benchmarks.cli.shared import AVX2, avx2_option
from membench.benchmarks.records import provenance
from membench.ntm.kernels import baseline

SETTINGS = baseline.environment(AVX2)
HAS_AVX2 = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


class Tree:
    """A source tree with one module, as a repository of its own, and what is said of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.module = root, root / "benchmarks/records/provenance.py"
        self.write("a = 1\n")

    def write(self, content: str, name: str = "benchmarks/records/provenance.py") -> "Tree":
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return self

    def git(self, *arguments: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(self.root), *person, *arguments]
        free = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        subprocess.run(command, check=True, capture_output=True, env=free)

    def commit(self) -> "Tree":
        self.git("init")
        self.git("add", ".")
        self.git("commit", "-m", "one")
        return self

    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = provenance.commit.__wrapped__()
        return found


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(tmp_path / "tree")
    monkeypatch.setattr(provenance, "__file__", str(tree.module))
    return tree


def test_changed_code_is_told_from_the_commit_and_from_other_changes(tree: Tree) -> None:
    assert tree.said() == {"commit": None, "dirty": None, "changes": None}  # no source tree
    clean = tree.commit().said()
    changed, otherwise = tree.write("a = 2\n").said(), tree.write("a = 3\n").said()
    assert clean["commit"] == changed["commit"] == otherwise["commit"] and len(clean["commit"]) == 40
    assert [each["dirty"] for each in (clean, changed, otherwise)] == [False, True, True]
    assert len({each["changes"] for each in (clean, changed, otherwise)}) == 3
    tree.write("a record is no change of the code\n", "results/a").write("nor is a note\n", "nohup.out")
    assert tree.write("a = 1\n").said() == clean


def test_code_that_git_does_not_know_is_a_change(tree: Tree) -> None:
    clean = tree.write("build/\n", ".gitignore").commit().said()
    new, otherwise = (tree.write(content, "ntm/new.py").said() for content in ("b = 1\n", "b = 2\n"))
    assert new["dirty"] and otherwise["dirty"] and new["changes"] != otherwise["changes"]
    (tree.root / "ntm/new.py").unlink()
    tree.write("tried\n", "gru.py").write("made\n", "build/made.py").write(
        "a suite beside its records\n", "results/mine.py"
    )
    assert tree.said() == clean
    tree.module.unlink()
    assert tree.said()["dirty"]


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_COUNT"]
)
def test_the_environment_names_no_other_code(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    clean, changed = tree.commit().said(), tree.write("a = 2\n").said()
    other = Tree(tmp_path / "other").write("c = 1\n").commit()
    values = {"GIT_DIR": other.root / ".git", "GIT_WORK_TREE": other.root, "GIT_INDEX_FILE": tmp_path / "none"}
    monkeypatch.setenv(name, str(values.get(name, "true")))
    assert tree.said() == changed and tree.write("a = 1\n").said() == clean


@pytest.mark.parametrize(
    "setting", ["diff.external=true", "diff.noprefix=true", "diff.context=0", "color.ui=always", "core.fsmonitor=false"]
)
def test_the_user_s_settings_change_nothing(tree: Tree, setting: str) -> None:
    clean, changed = tree.commit().said(), tree.write("a = 2\n").said()
    tree.git("config", *setting.split("="))
    assert tree.said() == changed and tree.write("a = 1\n").said() == clean


def test_a_clone_of_another_user_is_read(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = tree.commit().said()
    real = shutil.which("git")
    pretending = tmp_path / "bin/git"
    pretending.parent.mkdir()
    pretending.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real} "$@"\n')
    pretending.chmod(0o755)
    monkeypatch.setenv("PATH", str(pretending.parent), prepend=os.pathsep)
    assert subprocess.run(["git", "status"], cwd=tree.root, capture_output=True).returncode != 0
    assert tree.said() == clean


def test_a_broken_repository_is_not_taken_for_one_above_it(tree: Tree, tmp_path: Path) -> None:
    Tree(tmp_path).commit()
    (tree.root / ".git").mkdir()
    assert tree.said() == provenance.NOWHERE


def test_a_git_that_does_not_answer_is_not_waited_for(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.commit()
    hanging = tmp_path / "bin/git"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", str(hanging.parent), prepend=os.pathsep)
    monkeypatch.setattr(git, "PATIENCE", 0.2)
    assert tree.said() == provenance.NOWHERE


@click.command()
@avx2_option
def command() -> None:
    """What the option does to what is started."""
    click.echo(json.dumps({name: os.environ.get(name) for name in SETTINGS}))


def test_the_option_sets_it_for_all_that_is_started_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, "as it was")
    monkeypatch.setattr(baseline, "has", lambda: (AVX2, "generic"))
    monkeypatch.setattr(baseline, "compiling", lambda: True)  # and so this process stays as it is
    assert set(json.loads(CliRunner().invoke(command, []).output).values()) == {"as it was"}
    assert json.loads(CliRunner().invoke(command, ["--avx2"]).output) == SETTINGS


def test_another_kind_of_processor_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(baseline, "has", lambda: ("generic",))
    told = CliRunner().invoke(command, ["--avx2"])
    assert told.exit_code == 2 and "arm64" in told.output and "without --avx2" in told.output


@pytest.mark.skipif(not HAS_AVX2, reason="a processor without AVX2")
def test_what_a_run_is_trained_with_is_recorded(tiny: str, tmp_path: Path) -> None:
    bench = [sys.executable, "-c", "import sys; from membench.benchmarks.cli import main; main()"]
    asked = ["run", "--suite", tiny, "--model", "lstm", "--seeds", "1", "--no-tracking", "--results", str(tmp_path)]
    subprocess.run([*bench, *asked, "--avx2"], check=True, capture_output=True)
    started = json.loads((tmp_path / "tiny/copy/lstm/1.jsonl").read_text().splitlines()[0])
    assert started["provenance"]["device"].endswith(" with AVX2")
    assert started["provenance"]["kernels"] == "x86-64-v3"


def test_a_cluster_is_not_told_how_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    told = CliRunner().invoke(main, ["run", "--suite", "mini", "--engine", "ray"])
    assert told.exit_code == 2 and "--avx2" in told.output and "--engine local" in told.output
