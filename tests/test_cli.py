"""The command line: what it answers, what it refuses and how, and that nothing is touched where it refuses."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from click.testing import CliRunner, Result

from membench.benchmarks.cli import arguments, main
from membench.benchmarks.errors import UsageError
from membench.benchmarks.running import slots

BENCH = [sys.executable, "-P", "-c", "from membench.benchmarks.cli import main; main()"]


def bench(*arguments: object, code: int = 0) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="bench")
    assert result.exit_code == code, result.output + str(result.exc_info)
    return result


def document(*arguments: object) -> Any:
    """What a command answers as JSON, alone on stdout."""
    return json.loads(bench(*arguments, "--json").stdout)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the suite of seconds, run by the command line and tracked."""
    results = tmp_path_factory.mktemp("trained") / "results"
    suite = Path(__file__).with_name("tiny.py")
    result = bench("run", "--suite", suite, "--workers", 2, "--device", "cpu", "--results", results)
    assert result.stdout == "tiny: 4 done of 4 runs\n"
    assert "4 of 4 runs to do on 2 workers, about" in result.stderr and "rough guess" in result.stderr
    assert "copy/ntm/1: starts" in result.stderr and "copy/lstm/2: done" in result.stderr
    return results


def test_a_suite_that_is_done_is_not_run_again(tiny: str, trained: Path) -> None:
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    result = bench("run", "--suite", tiny, "--results", trained)
    assert result.stdout == "tiny: 4 done of 4 runs\n" and "all 4 runs are done" in result.stderr
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before


def test_a_dry_run_answers_in_json(tiny: str, trained: Path, tmp_path: Path) -> None:
    runs = document("run", "--suite", tiny, "--results", trained, "--dry-run", "--model", "ntm", "--seeds", "2")["runs"]
    (run,) = runs
    assert re.fullmatch("[0-9a-f]{16}", run.pop("digest"))
    assert run == {"key": "copy/ntm/2", "task": "copy", "model": "ntm", "seed": 2, "status": "done"}
    runs = document("run", "--suite", tiny, "--results", tmp_path / "new", "--dry-run")["runs"]
    assert [run["status"] for run in runs] == ["new"] * 4 and not (tmp_path / "new").exists()
    text = bench("run", "--suite", tiny, "--results", tmp_path / "new", "--dry-run").stdout
    assert text.splitlines()[0].split() == ["key", "task", "model", "seed", "digest", "status"]


def test_seeds_add_up(tiny: str, tmp_path: Path) -> None:
    asked = ("--results", tmp_path, "--dry-run", "--task", "copy", "--model", "ntm", "--model", "lstm")
    keys = [run["key"] for run in document("run", "--suite", tiny, *asked, "--seeds", "2,1-2")["runs"]]
    assert keys == ["copy/ntm/1", "copy/lstm/1", "copy/ntm/2", "copy/lstm/2"]


def test_what_was_run_is_in_mlflow(trained: Path) -> None:
    import sqlite3

    with sqlite3.connect(trained / "mlflow.db") as store:
        assert store.execute("select name, status from runs order by name").fetchall() == [
            ("copy/lstm/1", "FINISHED"),
            ("copy/lstm/2", "FINISHED"),
            ("copy/ntm/1", "FINISHED"),
            ("copy/ntm/2", "FINISHED"),
        ]
        names = store.execute("select key, count(*), count(distinct step || run_uuid) from metrics group by 1")
        assert {name: (rows, rows) for name, rows, _ in names} == {
            **dict.fromkeys(("eval/errors", "eval/loss"), (20, 20)),
            **dict.fromkeys(("train/loss", "train/gradient"), (16, 16)),
            "solved": (4, 4),
            **{
                f"generalisation/{w}/{what}": (8, 8)
                for w in ("best", "final")
                for what in ("errors", "perfect", "loss")
            },
        }
    store.close()


def test_suites_are_listed(tmp_path: Path) -> None:
    suites = {suite["name"]: suite for suite in document("list", "--results", tmp_path)["suites"]}
    assert suites["mini"]["runs"] == 6 and suites["mini"]["done"] == 0
    assert suites["collier2018"]["seeds"] == 10
    lines = bench("list", "--results", tmp_path).stdout.splitlines()
    assert lines[0].split()[:3] == ["name", "runs", "done"] and len(lines) == 1 + len(suites)


def test_a_suite_is_shown_with_its_sources(tiny: str) -> None:
    text = bench("show", "collier2018").stdout
    assert "memory" in text and "[c]" in text and "collier2018-C" in text
    shown = document("show", tiny)
    assert shown["name"] == "tiny" and [e["key"] for e in shown["experiments"]] == ["copy/ntm", "copy/lstm"]


def test_what_tells_arms_apart_is_shown() -> None:
    text = bench("show", "dnc2016").stdout
    assert "dnc-tested-with-64-rows: its weights are tested with rows 64\n" in text
    assert "arms are compared over their first 15,625 steps" in bench("show", "collier2018-audit").stdout


def test_a_report_is_drawn_from_the_records(tiny: str, trained: Path) -> None:
    pages = document("report", "--suite", tiny, "--results", trained, "--no-tracking")["pages"]
    assert Path(pages["tiny"]) == trained / "tiny/report.html" and Path(pages["tiny"]).exists()
    assert (trained / "tiny/report.md").exists() and (trained / "index.html").exists()


def test_a_damaged_trace_keeps_no_other_suite_from_being_drawn(tiny: str, trained: Path, tmp_path: Path) -> None:
    """The first suite has one; the second, the same under another name, is drawn."""
    second = tmp_path / "second.py"
    second.write_text(Path(tiny).read_text().replace('name="tiny"', 'name="second"'))
    for name in ("tiny", "second"):
        shutil.copytree(trained / "tiny", tmp_path / "results" / name)
    for seed in (1, 2):  # of either of which the median may be
        trace = tmp_path / f"results/tiny/traces/copy/ntm-{seed}-2.npz"
        trace.parent.mkdir(parents=True, exist_ok=True)
        trace.write_bytes(b"damaged")
    asked = ("report", "--suite", tiny, "--suite", second, "--results", tmp_path / "results")
    assert "-2.npz: not a trace" in bench(*asked, code=2).stderr
    assert (tmp_path / "results/second/report.md").exists() and (tmp_path / "results/index.html").exists()


def test_models_and_folders_are_compared(tiny: str, trained: Path) -> None:
    text = bench("compare", "ntm", "lstm", "--suite", tiny, "--results", trained).stdout
    assert "ntm against lstm" in text and "copy" in text
    rows = document("compare", trained, trained, "--suite", tiny)
    assert {row["model"] for row in rows} == {"ntm", "lstm"}
    message = bench("compare", "ntm", "gru", "--suite", tiny, "--results", trained, code=2).stderr
    assert "'gru'" in message and "ntm, lstm" in message


def test_a_suite_is_mapped(tiny: str, trained: Path, tmp_path: Path) -> None:
    asked = ("map", "--suite", tiny, "--results", trained)
    text = bench(*asked, "--png", tmp_path / "map.png").stdout
    assert max(map(len, text.splitlines())) <= 80 and "ntm" in text and "lstm" in text
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    cells = document(*asked, "--best")
    assert {(cell["task"], cell["arm"]) for cell in cells} == {("copy", "ntm"), ("copy", "lstm")}
    empty = bench("map", "--suite", tiny, "--results", tmp_path, code=2).stderr
    assert "full budget; to make some: bench run" in empty and len(empty.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], ["no suite", "mini", "bench list"]),
        (["run", "--suite", "nope"], ["'nope'", "collier2018", "mini"]),
        (["run", "--suite", "TINY", "--task", "sort"], ["task", "sort", "copy"]),
        (["run", "--suite", "TINY", "--model", "gru"], ["model", "gru", "ntm, lstm"]),
        (["run", "--suite", "TINY", "--seeds", "3"], ["seed", "3", "1-2"]),
        (["run", "--suite", "TINY", "--seeds", "x"], ["seeds", "'x'"]),
        (["run", "--suite", "TINY", "--seeds", "2-1"], ["'2-1'", "1-5"]),
        (["run", "--suite", "TINY", "--device", "tpu"], ["'tpu'", "'auto', 'cpu', 'cuda'"]),
        (["run", "--suite", "TINY", "--workers", "0"], ["--workers", "0", "x>=1"]),
        (["run", "--suite", "TINY", "--time-limit", "20"], ["'20'", "20m"]),
        (["run", "--suite", "TINY", "--bogus"], ["--bogus"]),
        (["run", "--suite", "TINY", "--shard", "3/2"], ["'3/2'", "1/8"]),
        (["run", "--suite", "TINY", "--engine", "slurm"], ["'slurm'", "'local', 'ray'"]),
        (["run", "--suite", "TINY", "--dry-run", "--ray-address", "here:1"], ["'here:1'", "--engine ray"]),
        (["run", "--suite", "TINY", "--results", "TINY"], ["--results", "tiny.py", "file"]),
        (["run", "--suite", "TINY", "--tracking-uri", "bogus://x"], ["'bogus://x'", "sqlite:///FILE", "http://SERVER"]),
        (["run", "--suite", "TINY", "--dry-run", "--tracking-uri", "http://"], ["'http://'", "http://SERVER"]),
        (["run", "--suite", "TINY", "--tracking-uri", "sqlite:x.db"], ["'sqlite:x.db'", "sqlite:///FILE"]),
        (["run", "--suite", "TINY", "--tracking-uri", "./mlruns"], ["'./mlruns'", "sqlite:///FILE"]),
        (["run", "--suite", "TINY", "--tracking-uri", "localhost:5000"], ["'localhost:5000'", "http://SERVER"]),
        (["report", "--suite", "TINY", "--tracking-uri", "bogus://x"], ["'bogus://x'", "sqlite:///FILE"]),
        (["report", "mini", "--findings", "TINY"], ["--findings", "--results alone"]),
        (["report", "--json", "--findings", "TINY"], ["--findings", "--results alone"]),
        (["compare", "mini", "ntm", "lstm", "--suite", "TINY"], ["two suites, mini and", "tiny.py"]),
        (["ui", "--tracking-uri", "bogus://x"], ["'bogus://x'", "sqlite:///FILE"]),
        (["report"], ["no records", "bench run mini"]),
        (["report", "--suite", "collier2018"], ["no records of collier2018", "bench run collier2018"]),
        (["report", "--suite", "TINY", "--suite", "TINY"], ["2 suites called tiny", "names that differ"]),
        (["report", "--suite", "TINY", "--suite", "mini"], ["no records of tiny", "tiny.py --results"]),
        (["show", "nope"], ["'nope'", "collier2018"]),
        (["ui", "--port", "99999999"], ["--port", "99999999"]),
        (["dance"], ["'dance'"]),
    ],
    ids=lambda value: "-".join(value[:5]) if isinstance(value[0], str) else "",
)
def test_bad_usage_is_one_line_and_touches_nothing(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = bench(*(tiny if argument == "TINY" else argument for argument in arguments), code=2)
    assert result.stdout == "" and result.stderr.count("\n") == 1 and result.stderr.startswith("Error: ")
    assert all(word in result.stderr for word in says), result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there(tiny: str, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    result = bench("run", "--suite", tiny, "--device", "cuda", "--results", tmp_path / "results", code=2)
    assert "device cuda: there is none here" in result.stderr and "auto, cpu" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_asks_the_cluster_and_says_that_no_gpu_was_tried(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "slots", lambda engine, *_: ["cuda" if engine == "ray" else "cpu"])
    asked = ("run", "--suite", tiny, "--results", tmp_path, "--dry-run", "--engine", "ray")
    untried = "Takes cuda: we have not run this code on a GPU"
    assert untried in bench(*asked).stderr
    assert untried not in bench(*asked, "--device", "cuda").stderr


def test_a_user_s_file_is_executed_once(tiny: str, trained: Path, tmp_path: Path) -> None:
    suite, executed = tmp_path / "tiny.py", tmp_path / "executed"
    suite.write_text(f"{Path(tiny).read_text()}\nwith open({str(executed)!r}, 'a') as file:\n    file.write('once ')\n")
    bench("run", suite, "--results", trained, "--no-tracking")
    assert executed.read_text() == "once "


def claimed(text: str, claim: str) -> str:
    """The suite's file with a claim."""
    head = "from membench.report.claims import Faster, Generalises\n" + text
    return head.replace("    solved=0.1,\n", f"    solved=0.1,\n    claims=({claim},),\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text + "\nsuite = (", "'(' was never closed"),
        (lambda text: text + "\nraise KeyError('rows')", "KeyError: 'rows'"),
        (lambda text: text.replace("steps=45", "steps=0"), "Training(steps=0): at least 1 is needed"),
        (
            lambda text: text.replace("Adam(3e-3)", "Adam(float('nan'))"),
            "Adam(learning_rate=nan): a finite number above 0",
        ),
        (lambda text: text.replace("Adam(3e-3)", "Adam(3e-3), clip=GlobalNorm(float('inf'))"), "GlobalNorm(norm=inf)"),
        (lambda text: text.replace("NTM(", "NTM(depth=2,", 1), "unexpected keyword argument 'depth'"),
        (lambda text: "import nothing_of_that_name\n" + text, "No module named 'nothing_of_that_name'"),
        (
            lambda text: claimed(text, "Faster('t-C1', '', '', 'copy', 'ntm', 'lsmt')"),
            "claim t-C1: no arm 'lsmt' on copy",
        ),
        (
            lambda text: claimed(text, "Generalises('t-C1', '', '', 'copy', 'ntm', 40)"),
            "size=40: ntm is tested on copy",
        ),
        (lambda text: claimed(text, "Faster('t-C1', '', '', 'copy', base='ntm', rivals='lstm')"), "argument 'rivals'"),
        (lambda text: text.replace("suite = Suite", "suit = Suite"), "defines no `suite = Suite(...)`"),
        (
            lambda text: text.replace("suite = Suite", "arms = {}\nsuit = Suite"),
            "did you mean: bench run mini --with /",
        ),
    ],
)
def test_a_suite_file_with_an_error_says_where(tiny: str, tmp_path: Path, change: Any, says: str) -> None:
    path = tmp_path / "mine.py"
    source = Path(tiny).read_text().replace("import Adam\n", "import Adam, GlobalNorm\n")
    path.write_text(change(source))
    message = bench("run", "--suite", path, "--results", tmp_path / "results", code=2).stderr
    assert says in message and message.count("\n") == 1 and str(path) in message
    assert re.search(r"line \d+", message) or "defines no" in message


def test_results_that_cannot_be_written(tiny: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = bench("run", "--suite", tiny, "--results", tmp_path / "file" / "results", code=2).stderr
    assert "file/results" in message and message.splitlines()[-1].startswith("Error: ")


def test_stale_and_damaged_records_are_refused_and_kept(tiny: str, trained: Path, tmp_path: Path) -> None:
    suite = tmp_path / "tiny.py"
    suite.write_text(Path(tiny).read_text().replace("batch=4", "batch=5"))
    asked = ("run", "--suite", suite, "--results", trained, "--model", "ntm", "--seeds", 1)
    path = trained / "tiny/copy/ntm/1.jsonl"
    before = path.read_bytes()
    assert document(*asked, "--dry-run")["runs"][0]["status"] == "stale"
    message = bench(*asked, code=2).stderr.splitlines()[-1]
    assert "stale" in message and "copy/ntm/1" in message and "--force" in message and path.read_bytes() == before
    clone = tmp_path / "clone"
    shutil.copytree(trained / "tiny", clone / "tiny")
    (clone / "tiny/copy/ntm/2.jsonl").unlink()  # there is something to run besides
    bench("run", "--suite", suite, "--results", clone, code=2)
    assert [file.name for file in clone.iterdir()] == ["tiny"]  # a store would be touched, if not made
    damaged = tmp_path / "results/tiny/copy/ntm/1.jsonl"
    damaged.parent.mkdir(parents=True)
    damaged.write_text('{"event": "started"}\n')
    message = bench("run", "--suite", tiny, "--results", tmp_path / "results", code=2).stderr
    assert "1.jsonl, line 1" in message and damaged.read_text() == '{"event": "started"}\n'


def test_forced_runs_keep_the_old_records(tiny: str, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "results/tiny/copy/lstm/1.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("damaged\n")
    asked = ("--suite", tiny, "--results", tmp_path / "results", "--model", "lstm", "--seeds", 1, "--no-tracking")
    assert bench("run", *asked, "--force").stdout == "tiny: 1 done of 1 runs\n"
    assert path.with_name("1.jsonl.old1").read_text() == "damaged\n"
    assert not (tmp_path / "results/mlflow.db").exists()


def test_a_crash_and_a_divergence_are_told_apart(tiny: str, tmp_path: Path) -> None:
    source = Path(tiny).read_text()
    (tmp_path / "diverging.py").write_text(source.replace("3e-3", "1e38"))
    broken = (  # where it is trained alone: what can never be built is refused before
        "import multiprocessing\n\n\nclass Broken(LSTM):\n    def build(self, inputs, outputs, seed=0):\n"
        "        if multiprocessing.parent_process():\n            raise KeyError('rows')\n"
        "        return super().build(inputs, outputs, seed)\n\n\n"
    )
    source = source.replace("HEAD = OneHot(0)", f"{broken}HEAD = OneHot(0)")
    (tmp_path / "crashing.py").write_text(source.replace("LSTM(units=8, layers=1)", "Broken(units=8, layers=1)"))
    asked = ("--model", "lstm", "--seeds", 1, "--no-tracking", "--workers", 1)
    result = bench("run", "--suite", tmp_path / "diverging.py", "--results", tmp_path / "a", *asked)
    assert "1 diverged" in result.stdout and "copy/lstm/1: diverged at step" in result.stderr
    result = bench("run", "--suite", tmp_path / "crashing.py", "--results", tmp_path / "b", *asked, code=1)
    assert "1 failed" in result.stdout and "KeyError" in result.stderr and "crashing.py, line" in result.stderr
    assert result.stdout.endswith("; the same command tries again\n")
    result = bench("run", "--suite", tmp_path / "crashing.py", "--results", tmp_path / "b", *asked, "--force", code=1)
    assert result.stdout.endswith("; the same command without --force tries again\n")  # with it, it would begin anew


def test_a_store_that_cannot_be_used_does_not_stop_a_run(tiny: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (results / "mlflow.db").mkdir(parents=True)
    result = bench("run", "--suite", tiny, "--results", results, "--model", "lstm", "--seeds", 1)
    assert result.stdout == "tiny: 1 done of 1 runs\n"
    assert result.stderr.count("cannot be used") == 1 and "bench ui" in result.stderr
    message = bench("ui", "--suite", tiny, "--results", results, code=2).stderr
    assert "cannot be used" in message.splitlines()[-1] and "--tracking-uri" in message


def test_pages_of_a_server_that_is_not_there(tmp_path: Path) -> None:
    told = bench("ui", "--tracking-uri", "http://127.0.0.1:9", "--results", tmp_path, code=2)
    assert told.stdout == "" and "MLflow at http://127.0.0.1:9 cannot be used" in told.stderr.splitlines()[-1]


def test_records_of_files_are_told_from_those_of_built_in_suites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for suite in ("collier2018", "mine"):
        (tmp_path / suite / "copy/lstm").mkdir(parents=True)
        (tmp_path / suite / "copy/lstm/1.jsonl").touch()
    monkeypatch.setattr("membench.benchmarks.tracking.listener.replay", None)  # enough was said by then
    said = bench("ui", "mini", "--results", tmp_path, code=2).stderr
    assert "mine: not a suite" in said and "collier2018: not a suite" not in said


def test_a_variable_for_others_does_not_matter_where_nothing_is_tracked(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "bogus://x")
    bench("run", "--suite", tiny, "--results", tmp_path, "--dry-run", "--no-tracking")
    assert "'bogus://x'" in bench("run", "--suite", tiny, "--results", tmp_path, "--dry-run", code=2).stderr


def test_a_suite_without_records_keeps_no_other_from_being_drawn(tiny: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "tiny", tmp_path / "results/tiny")
    told = bench("report", "--suite", "mini", "--suite", tiny, "--results", tmp_path / "results", code=2)
    assert "no records of mini" in told.stderr and "report.html" in told.stdout
    assert not (tmp_path / "results/mini").exists() and (tmp_path / "results/tiny/report.html").exists()


def test_a_page_of_runs_that_have_not_ended_claims_nothing(tiny: str, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "results/tiny/copy/lstm/1.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join((trained / "tiny/copy/lstm/1.jsonl").read_text().splitlines(keepends=True)[:3]))
    bench("report", "--suite", tiny, "--results", tmp_path / "results")
    page = (tmp_path / "results/tiny/report.md").read_text()
    assert (
        page.startswith("**Partial report: none of 4 runs has had the full budget") and "Nothing is found yet." in page
    )


def test_ctrl_c_stops_and_the_same_command_goes_on(tiny: str, tmp_path: Path) -> None:
    suite = tmp_path / "long.py"
    suite.write_text(Path(tiny).read_text().replace("steps=45", "steps=1_000_000"))
    command = [*BENCH, "run", "--suite", str(suite), "--results", str(tmp_path / "results"), "--no-tracking"]
    process = subprocess.Popen(
        [*command, "--model", "lstm", "--seeds", "1"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "starts" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    answer, conversation = process.communicate(timeout=120)
    assert process.returncode == 130, conversation
    assert "copy/lstm/1: stopped at step" in conversation and "resumable" in conversation
    assert answer == "tiny: 1 left of 1 runs; the same command goes on\n"
    result = bench(*command[4:], "--model", "lstm", "--seeds", "1", "--time-limit", "1s")
    assert "1 unfinished" in result.stderr and "1 left" in result.stdout


def test_the_pages_are_served_and_leave_nothing_behind(tiny: str, trained: Path) -> None:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*BENCH, "ui", "--suite", tiny, "--results", str(trained), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().split()[0]
    assert address == f"http://127.0.0.1:{port}/#/experiments"
    assert process.stdout.readline() == f"tiny: {address}/1/runs?viewStateShareKey=runs\n"
    servers = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if serves(pid, port)]
    assert servers
    with urllib.request.urlopen(address, timeout=30) as page:
        assert b"MLflow" in page.read()
    busy = bench("ui", "--suite", tiny, "--results", trained, "--port", port, code=2).stderr
    assert f"port {port}" in busy.splitlines()[-1] and "--port" in busy
    process.send_signal(signal.SIGTERM)
    _, conversation = process.communicate(timeout=60)
    assert process.returncode == 0, conversation
    assert "tiny: 4 runs" in conversation
    assert not [pid for pid in servers if serves(pid, port)]


def serves(pid: int, port: int) -> bool:
    """Whether a process is part of MLflow's server on this port."""
    try:
        said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(port).encode() in said and b"ui" not in said


def test_help_teaches() -> None:
    text = bench("--help").stdout
    assert all(f"  {name} " in text for name in main.commands)
    assert {"run", "list", "show", "report", "map", "compare", "trace", "speed", "ui"} <= set(main.commands)
    text = bench("run", "--help").stdout
    assert "MLFLOW_TRACKING_URI" in text and "bench run mini" in text and "130" in text
    assert "the same command without --force goes on" in " ".join(text.split())
    assert "Usage: bench" in bench(code=2).stderr


def test_options_may_come_from_the_environment(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_RUN_SUITE", tiny)
    monkeypatch.setenv("BENCH_RUN_RESULTS", str(tmp_path))
    assert len(document("run", "--dry-run")["runs"]) == 4


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("2d", 172800), ("1h5s", 3605), (" 15m ", 900)]
)
def test_durations(text: str, seconds: float) -> None:
    assert arguments.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "-5m", "1.5h", "5m1h", "5 m", "0s", "1x", "٣m", "1m" * 9])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(text))):
        arguments.seconds(text)


def test_seeds() -> None:
    assert arguments.seeds("1-3") == [1, 2, 3] and arguments.seeds("7") == [7] and arguments.seeds("1-2,9") == [1, 2, 9]


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-2", "1,", "1-999999999", "1..3"])
def test_no_seeds(text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(text))):
        arguments.seeds(text)
