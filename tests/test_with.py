"""A user's own files: architectures beside a suite's, suites with neighbours, and what is refused of either."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from click.testing import CliRunner, Result

from membench.benchmarks import outside
from membench.benchmarks.cli import main
from membench.benchmarks.errors import UsageError
from membench.benchmarks.inspecting import speed
from membench.benchmarks.suites import find

EXAMPLES = Path(__file__).parent.parent / "docs/examples"
GRU, TRANSFORMER = (str(EXAMPLES / f"{name}.py") for name in ("gru", "transformer"))


def bench(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="bench")
    assert result.exit_code == code, result.output + str(result.exc_info)
    return result


class Ran(NamedTuple):
    """The suite of seconds beside a neighbour that it imports, run with a GRU by a process of its own."""

    suite: Path
    results: Path
    here: Path  # a folder of files with the names of modules that are not to be executed
    done: "subprocess.CompletedProcess[str]"


TAKEN = ("copy", "random", "queue", "torch", "numba", "sitecustomize")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("mine")
    here, results, script = folder / "here", folder / "results", folder / "bin/bench"
    for name in (here, script.parent, folder / "suites"):
        name.mkdir()
    for name in TAKEN:
        (here / f"{name}.py").write_text(f"open(__file__ + '.executed', 'w')\nraise SystemExit('{name}')\n")
    script.write_text("from membench.benchmarks.cli import main\n\nif __name__ == '__main__':\n    main()\n")
    text = Path(__file__).with_name("tiny.py").read_text()
    text = text.replace(
        "HEAD = ", "import colorsys\n\nfrom neighbour_of_tiny import Small\n\nprint('a suite that prints')\nHEAD = ", 1
    )
    suite = folder / "suites/mine.py"
    suite.write_text(text.replace("LSTM(units=8, layers=1)", "Small(units=8, layers=1)"))
    (folder / "suites/neighbour_of_tiny.py").write_text(
        "from membench.baselines.lstm import LSTM\n\nprint('its neighbour')\n\n\n"
        "class Small(LSTM):\n    def build(self, inputs, outputs, seed):\n"
        "        print('a model that prints')\n        module = super().build(inputs, outputs, seed)\n"
        "        module.register_forward_pre_hook(lambda *_: print('a pass that prints'))\n        return module\n"
    )
    (folder / "suites/colorsys.py").write_text("raise SystemExit('not Python\\'s')\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    asked = ["run", "--suite", suite, "--with", GRU, "--model", "gru", "--model", "lstm", "--seeds", 1, "--workers", 1]
    command = [sys.executable, script, *asked, "--device", "cpu", "--no-tracking", "--json", "--results", results]
    done = subprocess.run(list(map(str, command)), cwd=here, env=environment, capture_output=True, text=True)
    return Ran(suite, results, here, done)


def test_an_arm_is_trained_beside_the_suite_s_own(ran: Ran) -> None:
    assert ran.done.returncode == 0, ran.done.stderr
    assert "copy/gru   1 new" in ran.done.stderr and "; added, trained as ntm is" in ran.done.stderr
    assert sorted(path.parent.name for path in (ran.results / "tiny/copy").glob("*/1.jsonl")) == ["gru", "lstm"]
    first = json.loads((ran.results / "tiny/copy/gru/1.jsonl").read_text().splitlines()[0])
    assert first["params"]["model"] == {"kind": "GRU", "units": 128} and first["state_size"] is None
    training = find(str(Path(__file__).with_name("tiny.py"))).experiments[0].training
    assert first["params"]["training"]["steps"] == training.steps


def test_what_suites_and_models_print_is_not_the_answer(ran: Ran) -> None:
    assert json.loads(ran.done.stdout)["done"] == 2
    asked = ("--suite", ran.suite, "--model", "lstm", "--results", ran.results, "--json")
    for command in (("trace", "--seed", 1), ("rerun", "--seeds", 1)):
        result = bench(*command, *asked)
        assert json.loads(result.stdout) and "a pass that prints" in result.stderr
    for words in ("a suite that prints", "its neighbour", "a model that prints"):
        assert words in ran.done.stderr


def test_nothing_in_the_current_folder_is_executed(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ran.here)
    assert speed.peak([str(Path(__file__).with_name("tiny.py")), GRU], "copy/gru", "torch") is not None
    assert sorted(path.name for path in ran.here.iterdir()) == sorted(f"{name}.py" for name in TAKEN)


def test_a_report_shows_the_arm_marked_as_added_or_says_that_it_is_left_out(ran: Ran) -> None:
    asked = ("report", "--suite", ran.suite, "--results", ran.results, "--no-tracking")
    bench(*asked, "--with", GRU)
    for page in ("report.md", "report.html"):
        text = (ran.results / "tiny" / page).read_text()
        assert (
            "gru is none of the arms of the suite: it was added, and is trained as ntm is." in text
            and "gru (added)" in text
        )
        assert f"bench report --suite {ran.suite} --with {GRU}" in text
        assert "lstm (added)" not in text
    said = bench(*asked).stderr
    assert "tiny: not its arms, and left out without --with: records of gru\n" in said
    assert "gru" not in (ran.results / "tiny/report.md").read_text()


def test_other_commands_know_the_arm(ran: Ran) -> None:
    asked = ("--suite", ran.suite, "--with", GRU, "--results", ran.results)
    assert "gru against lstm" in bench("compare", "gru", "lstm", *asked).stdout
    assert "gru (added)" in bench("map", *asked).stdout
    assert "copy/gru/1: Seed 1, size 2" in bench("trace", "--model", "gru", "--seed", 1, *asked).stdout
    assert "equal in all" in bench("rerun", "--model", "gru", *asked).stdout
    said = bench("trace", "--model", "gru", "--suite", ran.suite, code=2).stderr
    assert "no model gru" in said and "--with FILE adds those of a file" in said


def test_a_hint_is_a_command_that_finds_the_suite_and_the_arm(ran: Ran, tmp_path: Path) -> None:
    asked = f"{shlex.quote(str(ran.suite))} --with {shlex.quote(str(GRU))}"
    for command in ("report", "rerun"):
        said = bench(command, *shlex.split(asked), "--results", tmp_path, code=2).stderr
        assert f": bench run {asked}" in said


def test_another_machine_is_sent_a_file_with_its_neighbours(ran: Ran, tmp_path: Path) -> None:
    """As Ray's engine does; found again in a process that knows none of them."""
    sources = (str(ran.suite), GRU, "mini")
    find(*sources[:2])
    sent = outside.packed(sources)
    assert [name.rpartition("/")[2] for name in sent.names] == ["mine.py", "gru.py", "mini"]
    assert sorted(name.rpartition("/")[2] for name, _ in sent.texts) == ["gru.py", "mine.py", "neighbour_of_tiny.py"]
    code = (
        "import sys, json\nfrom membench.benchmarks.outside import Packed\n"
        "from membench.benchmarks.running.cluster_task import runs_of\n"
        "names, texts = json.loads(sys.argv[1])\n"
        "sent = Packed(tuple(names[:2]), tuple(map(tuple, texts)))\n"
        "print(*(run.digest for run in runs_of(sent).values()), file=sys.stderr)"
    )
    asked, elsewhere = [sys.executable, "-P", "-c", code, json.dumps(sent)], {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(asked, capture_output=True, text=True, env=elsewhere)
    here = [run.digest for run in find(*sources[:2]).runs()]
    assert done.stderr.splitlines()[-1].split() == here and len(here) == 6


def test_what_is_sent_again_is_in_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sent = outside.Packed(("0/mine.py", "mini"), (("0/mine.py", "x = 1\n"),))
    (mine, mini) = outside.unpacked(sent)
    kept = Path(mine).stat()
    assert outside.unpacked(sent) == [mine, mini] and mini == "mini" and Path(mine).read_text() == "x = 1\n"
    assert Path(mine).stat().st_ino == kept.st_ino, "what was compiled of it holds"
    Path(mine).write_text("x = ")
    outside.unpacked(sent)
    assert Path(mine).read_text() == "x = 1\n"
    outside.unpacked(sent._replace(texts=(("0/mine.py", "x = 2\n"),)))
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(UsageError, match="another user's"):
        outside.unpacked(sent)


def test_two_neighbours_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "neighbour_of_two.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / name / "mine.py").write_text("from neighbour_of_two import NAME\n")
    assert outside.load(tmp_path / "a/mine.py").NAME == "a"
    with pytest.raises(UsageError, match=r"/b and .*/a both have a module neighbour_of_two; accepted are two names"):
        outside.load(tmp_path / "b/mine.py")


ARM = """
from dataclasses import dataclass
from torch import nn

@dataclass(frozen=True)
class Mine:
    part: object = 0
    def build(self, inputs, outputs, seed):
        return nn.GRU(inputs, outputs)

class Plain:
    def build(self, inputs, outputs, seed):
        return nn.Linear(inputs, outputs)

@dataclass(frozen=True)
class Empty:
    size: int = 1

"""

REFUSED = {
    "arm = {}": "defines no `arms`; accepted is a dict of names",
    "arms = {}": "its `arms` is empty; accepted is a dict",
    "arms = [Mine()]": "its `arms` is list; accepted is a dict",
    "arms = {'lstm': Mine()}": "arms['lstm']: tiny has an arm of that name",
    "arms = {'a/b': Mine()}": "letters, digits and . _ + - make a name",
    "arms = {3: Mine()}": "Experiment(model_name=3)",
    "arms = {'a': Empty()}": "arms['a']: copy/a: model=Empty(size=1) has no build",
    "arms = {'a': Mine}": "arms['a']: copy/a: model is the class Mine: only dataclasses",
    "arms = {'a': Plain()}": "arms['a']: copy/a: model is Plain <",
    "arms = {'a': nn.GRU(1, 1)}": "arms['a']: copy/a: model is GRU: only dataclasses",
    "arms = {'a': Mine(nn.Linear(1, 1))}": "arms['a']: copy/a: model.part is Linear: only dataclasses",
    "arms = {'a': Mine((1, {'b': 2}))}": "arms['a']: copy/a: model.part[1] is dict {'b': 2}: only dataclasses",
    "arms = {'a': Mine(float('inf'))}": "copy/a: model.part is float inf: only dataclasses, tuples, ranges, finite",
    "arms = {'a': Mine()}": "copy/a: forward gives a tuple (float32 (5, 3, 2), float32 (1, 3, 2)); accepted is one",
    "import sys; sys.exit('no')": "mine.py, line 19: ends the process (exit no); accepted is one that",
    "import torch; torch.set_default_dtype(torch.float64)": "sets torch's default type to torch.float64; accepted is",
    "1 / 0": "mine.py, line 19: ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_an_arm_is_refused_in_a_line_before_any_run(
    text: str, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(f"{ARM}{text}\n")
    result = bench("run", "--suite", tiny, "--with", "mine.py", "--no-tracking", code=2)
    assert result.stdout == "" and result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert REFUSED[text] in result.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["mine.py"]
    assert torch.get_default_dtype() == torch.float32


def test_what_cannot_be_added(tiny: str, tmp_path: Path) -> None:
    for file in ("nothing.py", "mini", tmp_path):
        assert f"no file '{file}'" in bench("run", "--suite", tiny, "--with", file, code=2).stderr
    twice = bench("run", "--suite", tiny, "--with", GRU, "--with", GRU, "--dry-run", code=2).stderr
    assert "arms['gru']" in twice and "gru.py has an arm of that name" in twice
    assert "--with" in bench("report", "--with", GRU, "--results", EXAMPLES, code=2).stderr


def test_an_arm_is_trained_as_the_first_for_as_long_as_arms_are_compared(tiny: str, tmp_path: Path) -> None:
    found = find("collier2018-audit", GRU)
    added = [experiment for experiment in found.experiments if experiment.added]
    assert [experiment.task_name for experiment in added] == ["copy", "recall"]
    for experiment in added:
        first = next(e for e in found.experiments if e.task_name == experiment.task_name)
        assert (experiment.added, experiment.training) == (first.model_name, first.training)
    (tmp_path / "mine.py").write_text(Path(tiny).read_text().replace("solved=0.1", "solved=0.1, budget=20"))
    assert [e.training.steps for e in find(str(tmp_path / "mine.py"), GRU).experiments] == [45, 45, 20]
    assert find("mini").experiments == find("mini", GRU).experiments[:3]


@pytest.mark.parametrize("file", [GRU, TRANSFORMER])
def test_the_examples_hold_every_property(file: str) -> None:
    text = bench("check", file, "--suite", "mini").stdout.splitlines()
    assert text[0] == f"{Path(file).stem} on copy" and len(text) > 10
    assert all(line.endswith("  ok") for line in text[1:])


def test_the_example_of_a_whole_architecture_is_short() -> None:
    assert len([line for line in Path(GRU).read_text().splitlines() if line]) <= 15


def test_check_says_what_does_not_hold(tmp_path: Path) -> None:
    text = Path(GRU).read_text().replace("with seeded(seed):", "if True:").replace("GRU(units=128)", "GRU(units=4)")
    (tmp_path / "mine.py").write_text(text)
    result = bench("check", tmp_path / "mine.py", "--json", code=1)
    rows = json.loads(result.stdout)["properties"]
    failed = [row for row in rows if not row["ok"]]
    assert [row["property"] for row in failed] == ["same seed, same build", "another seed, another build"]
    assert {"arm": "gru", "task": "copy"}.items() <= failed[0].items() and "seeded" in failed[0]["wrong"]
    assert "with seeded(seed)" in bench("check", tmp_path / "mine.py", code=1).stdout


def test_a_suite_that_ends_the_process_or_changes_the_default_type_is_refused(tiny: str, tmp_path: Path) -> None:
    for text, words in (
        ("raise SystemExit", "ends the process"),
        ("import torch\ntorch.set_default_dtype(torch.float16)", "torch.float16"),
    ):
        path = tmp_path / "mine.py"
        path.write_text(f"{Path(tiny).read_text()}\n{text}\n")
        for command in (("show", path), ("run", "--suite", path), ("report", "--suite", path)):
            said: Any = bench(*command, code=2)
            assert words in said.stderr and str(path) in said.stderr and said.stderr.count("\n") == 1
