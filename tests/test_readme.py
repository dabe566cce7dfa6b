"""What the README shows works as it stands there."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from membench.benchmarks.cli import main
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training.evaluate import evaluate
from membench.ntm import stream

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^(bench \w+.*?)\s*(?:#.*)?$", TEXT, re.MULTILINE)


def test_the_suite_it_shows_can_be_run(tmp_path: Path) -> None:
    (text,) = [block for block in PYTHON if "suite = Suite(" in block]
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert len(list(find(str(path)).runs())) == 3


def test_the_memories_it_shows_can_be_used() -> None:
    (text,) = [block for block in PYTHON if "logits = " in block]
    here: dict[str, Any] = {"inputs": torch.zeros(3, 2, 9)}
    exec(text, here)
    assert here["logits"].shape == (3, 2, 8)


def test_the_trained_model_it_shows_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [block for block in PYTHON if "weights.trained" in block]
    monkeypatch.chdir(README.parent)
    here: dict[str, Any] = {}
    exec(text, here)
    longest = Copy(bits=8, train=(range(1, 21),)).sample((20,), 32, stream("unseen"))
    assert evaluate(here["ntm"], [longest], Copy()).errors < 0.1


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_it_shows_exist(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = command.split()[1:]
    dry = ["--dry-run"] if words[0] == "run" else ["--help"] if words[0] not in ("list", "show") else []
    result = CliRunner().invoke(main, words + dry, prog_name="bench")
    assert result.exit_code == 0, result.output


def test_it_names_every_suite_and_no_file_that_is_not_there() -> None:
    from membench.benchmarks.suites import names

    table = set(re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE))
    assert table == set(names())
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert link.startswith("http") or os.path.exists(README.parent / link), link
