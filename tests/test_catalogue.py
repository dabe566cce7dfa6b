"""Names on the command line: which suites there are is known at once, completed, and guessed at a slip."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from membench.benchmarks import catalogue
from membench.benchmarks.cli import describe, main, reports
from membench.benchmarks.cli.shared import with_records
from membench.benchmarks.errors import UsageError, meant
from membench.benchmarks.records.plan import plan
from membench.benchmarks.suites import find

RESULTS = Path(__file__).parent.parent / "results"


def bench(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="bench")
    assert result.exit_code == code, result.output + str(result.exc_info)
    return result


def test_what_is_added_is_shown_with_the_suite() -> None:
    gru = Path(__file__).parent.parent / "docs/examples/gru.py"
    assert "Model: gru" in bench("show", "mini", "--with", gru).output
    assert "Model: gru" not in bench("show", "mini").output


def completed(*words: str, begun: str = "") -> list[str]:
    shell = ShellComplete(main, {}, "bench", "_BENCH_COMPLETE")
    return [item.value for item in shell.get_completions(list(words), begun) if item.type == "plain"]


def test_the_catalogue_is_what_the_suites_say() -> None:
    said = catalogue.catalogue()
    assert said == {name: catalogue.entry(find(name)) for name in said} and "mini" in said
    assert json.loads(catalogue.NOTE.read_text())["suites"] == said  # the next call imports nothing


def test_suites_are_listed_without_torch() -> None:
    catalogue.catalogue()
    asked = "import sys\nfrom membench.benchmarks.cli import main\nmain(['list'], standalone_mode=False)\n"
    heavy = "print([name for name in ('torch', 'numpy', 'pandas', 'mlflow') if name in sys.modules])"
    told = subprocess.run([sys.executable, "-P", "-c", asked + heavy], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"


def test_a_change_of_a_source_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "NOTE", tmp_path / "note.json")
    catalogue.NOTE.write_text(json.dumps({"sources": "older", "suites": {}}))
    assert "mini" in catalogue.catalogue()


def test_a_run_counts_once_its_record_has_ended(tmp_path: Path) -> None:
    suite = find("collier2018-control")
    runs = catalogue.entry(suite)["runs"]
    assert catalogue.finished(RESULTS, runs) == sum(
        each.status in ("done", "diverged") for each in plan(suite, RESULTS)
    )
    path = next(iter(runs))
    (tmp_path / path).parent.mkdir(parents=True)
    shutil.copy(RESULTS / path, tmp_path / path)
    assert catalogue.finished(tmp_path, runs) == 1
    assert catalogue.finished(tmp_path, dict.fromkeys(runs, "0" * 16)) == 0  # made under other settings
    (tmp_path / path).write_bytes(b"".join((RESULTS / path).read_bytes().splitlines(keepends=True)[:-1]))
    assert catalogue.finished(tmp_path, runs) == 0
    (tmp_path / path).write_bytes((RESULTS / path).read_bytes()[:-9])
    assert catalogue.finished(tmp_path, runs) == 0
    (tmp_path / path).write_text("{}\n")
    with pytest.raises(UsageError, match="damaged"):
        catalogue.finished(tmp_path, runs)


def test_names_are_completed() -> None:
    assert completed("run", begun="mi") == ["mini"]
    assert completed("report", "--suite", begun="dnc") == ["dnc2016"]
    assert completed("run", "mini", "--model", begun="ntm") == ["ntm-constant", "ntm-learned"]
    assert completed("trace", "collier2018", "--task", begun="re") == ["repeat-copy", "recall"]
    assert completed("compare", "mini", "lstm", begun="ntm-l") == ["ntm-learned"]


def test_a_slip_is_guessed() -> None:
    assert (
        meant("ntm-constnat", ["ntm-constant", "lstm"]) == "; did you mean 'ntm-constant'?" and meant("x", ["y"]) == ""
    )
    assert "did you mean 'collier2018'?" in bench("run", "colier2018", "--dry-run", code=2).stderr
    assert "did you mean 'lstm'?" in bench("run", "mini", "--model", "lsmt", "--dry-run", code=2).stderr


def test_a_suite_is_an_argument_or_an_option(tmp_path: Path) -> None:
    asked = ("--dry-run", "--json", "--results", tmp_path)
    assert bench("run", "mini", *asked).stdout == bench("run", "--suite", "mini", *asked).stdout
    assert bench("run", "mini", "--suite", "mini", *asked).exit_code == 0
    assert "accepted is one" in bench("run", "mini", "--suite", "dnc2016", *asked, code=2).stderr
    assert "bench list" in bench("run", *asked, code=2).stderr
    told = bench("report", "mini", "--suite", "dnc2016", "--results", tmp_path, code=2)
    assert "no records of mini" in told.stderr


def test_seeds_beyond_the_plan_are_refused_with_a_way(tmp_path: Path) -> None:
    told = bench("run", "mini", "--seeds", "1-100", "--results", tmp_path, code=2).stderr
    assert "no seed 3-100" in told
    more = tmp_path / "more.py"
    imports = "from dataclasses import replace\nfrom membench.benchmarks.suites import find\n"
    more.write_text(imports + told[told.index("suite = replace") :])
    runs = json.loads(bench("run", more, "--dry-run", "--json", "--results", tmp_path).stdout)["runs"]
    assert {run["seed"] for run in runs} == set(range(3, 101))


def test_two_models_are_enough_where_one_suite_has_them() -> None:
    asked = ("--results", RESULTS, "--json")
    told = bench("compare", "basic", "full", *asked)
    assert told.stderr.startswith("schmidinger2019,")
    assert told.stdout == bench("compare", "schmidinger2019", "basic", "full", *asked).stdout
    assert "atlas, collier2018 all have records" in bench("compare", "dnc", "lstm", *asked, code=2).stderr
    assert "no suite has records" in bench("compare", "basic", "lstm", *asked, code=2).stderr
    assert "accepted are two models" in bench("compare", "basic", *asked, code=2).stderr


def test_what_was_published_is_known_in_an_empty_folder(tmp_path: Path) -> None:
    listed = {one["name"]: one for one in json.loads(bench("list", "--results", tmp_path, "--json").stdout)["suites"]}
    claims = json.loads((RESULTS / "schmidinger2019/claims.json").read_text())
    assert listed["schmidinger2019"]["published"] == claims["runs"]["complete"] > 0 == listed["schmidinger2019"]["done"]
    assert listed["mini"]["published"] == 0
    shown = bench("show", "schmidinger2019").stdout
    assert "Came with membench: 100 of 100 runs." in shown and "stack-added: not estimable" in shown


def test_what_one_makes_in_a_checkout_did_not_come_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def claims(suite: str, complete: int) -> None:
        (tmp_path / "results" / suite).mkdir(parents=True, exist_ok=True)
        document = {"runs": {"complete": complete, "planned": 9}, "verdicts": []} if complete else {}
        (tmp_path / "results" / suite / "claims.json").write_text(json.dumps(document))

    def git(*arguments: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *person, *arguments], check=True, capture_output=True)

    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "benchmarks/catalogue.py"))
    claims("theirs", 2)
    claims("damaged", 0)
    assert catalogue.published() == {}  # no git: nobody knows
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    claims("theirs", 3)
    claims("mine", 4)
    assert {suite: said["runs"]["complete"] for suite, said in catalogue.published().items()} == {"theirs": 2}


def test_a_suite_has_the_records_that_it_shares(tmp_path: Path) -> None:
    path = "collier2018/copy/ntm-constant-cosine/1.jsonl"
    (tmp_path / path).parent.mkdir(parents=True)
    shutil.copy(RESULTS / path, tmp_path / path)
    found = {suite.name for suite in with_records((), tmp_path)}
    assert {"collier2018", "collier2018-seeds"} <= found and "mini" not in found


def test_examples_of_help_work_in_a_clone() -> None:
    def example(command: str, begin: str) -> list[str]:
        lines = map(str.strip, bench(command, "--help").stdout.splitlines())
        return next(line.split() for line in lines if line.startswith(f"bench {command} {begin}"))

    words = example("trace", "collier2018")
    said = dict(zip(words[3::2], words[4::2], strict=True))
    assert (RESULTS / f"collier2018/weights/{said['--task']}/{said['--model']}-{said['--seed']}.npz").exists()
    assert reports._suite_of(*example("compare", "ntm")[2:], RESULTS) == "collier2018"


def test_every_source_is_that_of_a_value() -> None:
    for suite in map(find, catalogue.catalogue()):
        names = {"seeds", "solved"}
        for experiment in suite.experiments:
            for part in ("task", "training", "model", "tested"):
                names |= describe.flatten(getattr(experiment, part), part).keys()
        assert not suite.sources.keys() - names, suite.name


def test_a_part_takes_the_source_of_a_whole_and_says_so() -> None:
    sources = {"model": "[c]", "model.read": "[p]"}
    names = ("model.read", "model.read.draw", "model.read_first", "training.clip")
    assert [describe.source(sources, name) for name in names] == ["[p]", "as model.read", "as model", ""]
    told = bench("show", "collier2018").stdout
    assert re.search(r"model\.read_first +True +as model\n", told) and re.search(r"task\.train +1-10 x 1-10 ", told)


def test_everything_that_a_suite_says_is_in_its_json() -> None:
    suite = find("mini")
    said = json.loads(json.dumps(describe.described(suite)))
    assert said.keys() == {each.name for each in dataclasses.fields(suite)} - {"found"}
    assert said["experiments"][0].keys() == {"key"} | {each.name for each in dataclasses.fields(suite.experiments[0])}


def test_a_missing_file_is_told_as_a_file() -> None:
    with pytest.raises(UsageError, match=r"no file './papr.py'; accepted is a suite's name or a Python file"):
        find("./papr.py")
