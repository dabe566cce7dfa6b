"""Where a run came from: two states of the code are told apart."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from membench.benchmarks import provenance


def test_changed_code_is_told_from_the_commit_and_from_other_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "benchmarks/provenance.py"
    monkeypatch.setattr(provenance, "__file__", str(file))

    def said(content: str) -> dict[str, Any]:
        file.parent.mkdir(exist_ok=True)
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
