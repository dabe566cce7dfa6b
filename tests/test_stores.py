"""An MLflow store that is absent, locked, moved or shared never costs a result."""

import contextlib
import os
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.tracking._tracking_service import utils
from stories import Story, only, said, stored, warned, with_a_store

from membench.benchmarks.cli import main
from membench.benchmarks.core import Suite
from membench.benchmarks.errors import UsageError
from membench.benchmarks.records.events import Event
from membench.benchmarks.running.runner import Outcome
from membench.benchmarks.tracking import store
from membench.benchmarks.tracking.listener import Tracker, attach, reach, replay
from membench.benchmarks.tracking.store_file import default_uri, file_of


@pytest.fixture
def results(schema: Path, tmp_path: Path) -> Path:
    return with_a_store(tmp_path / "results", schema)


def test_two_folders_may_share_a_store(suite: Suite, results: Path, tmp_path: Path) -> None:
    """As a lab's server is shared: nobody's runs are taken for another's, or put out of the way."""
    run, uri = next(suite.runs()), default_uri(results)
    theirs = tmp_path / "theirs"
    Story(suite, results, run, Tracker(uri, results, suite, warned)).start(0, 10).end()
    Story(suite, theirs, run, Tracker(uri, theirs, suite, warned)).start(0, 10, 20, commit="facade").end()
    assert [len(found["points"]) for found in stored(results, "lifecycle_stage = 'active'").values()] == [7, 11]
    shutil.copytree(results / "tiny", tmp_path / "clone" / "tiny")  # the same record elsewhere is the same run
    assert replay(uri, tmp_path / "clone", suite) == 1 and len(stored(results)) == 2


class Failing:
    """A store's client that fails while told to, at every call or at one."""

    def __init__(self, client: Any, only: str = "") -> None:
        self.client, self.only, self.fails = client, only, False

    def __getattr__(self, name: str) -> Any:
        if self.fails and self.only in ("", name):
            raise sqlite3.OperationalError("database is locked\n[SQL: ...]")
        return getattr(self.client, name)


def tracked(results: Path, suite: Suite, lines: list[str], only: str = "") -> tuple[Tracker, Failing]:
    """A tracker that warns into ``lines``, and its client, which fails once told to."""
    tracker = Tracker(default_uri(results), results, suite, lines.append)
    assert tracker.store is not None
    failing = Failing(tracker.store.client, only)
    tracker.store.client = failing
    return tracker, failing


@pytest.mark.parametrize("back", ["before the end", "at the end"])
def test_a_store_that_fails_for_a_while_is_caught_up(suite: Suite, results: Path, back: str) -> None:
    lines: list[str] = []
    runs = list(suite.runs())
    tracker, failing = tracked(results, suite, lines)
    first = Story(suite, results, runs[0], tracker).start(0, 10)
    second = Story(suite, results, runs[1], tracker).start(0)
    third = Story(suite, results, runs[2], tracker).start(0)
    failing.fails = True
    first.evaluate(20)
    second.evaluate(10).end()  # ends while nobody listens
    third.end("interrupted", 5)
    assert len(lines) == 1 and "database is locked)" in lines[0] and "bench ui" in lines[0] and "\n" not in lines[0]
    if back == "before the end":
        tracker.until = 0.0  # the pause is over
    first.evaluate(30).end()
    assert (only(results, "name = 'copy/ntm/1'")["points"] == said(first)) == (back == "before the end")
    tracker.close()
    assert len(lines) == 1
    found = {run["name"]: (run["points"], run["status"]) for run in stored(results).values()}
    assert found == {
        "copy/ntm/1": (said(first), "FINISHED"),
        "copy/lstm/1": (said(second), "FINISHED"),
        "copy/ntm/2": (said(third), "KILLED"),
    }


def test_a_run_that_was_left_without_parameters_is_given_them(suite: Suite, results: Path) -> None:
    """A store that fails, or a kill, between making the run and telling what was chosen."""
    lines: list[str] = []
    tracker, failing = tracked(results, suite, lines, only="log_batch")
    failing.fails = True
    story = Story(suite, results, next(suite.runs()), tracker).start(0)
    assert len(lines) == 1 and only(results)["params"] == {}
    tracker.until = 0.0
    story.end()
    params = only(results)["params"]
    assert params["training.batch"] == "4" and len(lines) == 1
    with sqlite3.connect(results / "mlflow.db") as store:
        store.execute("delete from params")
    store.close()
    replay(default_uri(results), results, suite)
    assert only(results)["params"] == params and only(results)["status"] == "FINISHED"


def broken_schema(path: Path) -> None:
    with sqlite3.connect(path) as store:
        store.execute("update alembic_version set version_num = 'f00f00f00f00'")
    store.close()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_bytes(b"no database" * 1000), "not a database"),
        (broken_schema, "schema"),
        (lambda path: (path.unlink(), path.mkdir()), "unable to open"),
    ],
    ids=["junk", "another schema", "a folder"],
)
def test_a_store_that_cannot_be_used_stops_nothing(
    suite: Suite, results: Path, spoil: Callable[[Path], Any], why: str
) -> None:
    spoil(results / "mlflow.db")
    lines: list[str] = []
    tracker = Tracker(default_uri(results), results, suite, lines.append)
    story = Story(suite, results, next(suite.runs()), tracker).start(0, 10).end()
    tracker.close()
    assert len(lines) == 1 and lines[0].startswith("MLflow at sqlite:///")
    assert why in lines[0], lines[0]
    assert len(said(story)) == 7
    with pytest.raises(Exception, match=why):
        replay(default_uri(results), results, suite)


@pytest.mark.parametrize("code", [None, "raise AttributeError('no such attribute')"], ids=["missing", "broken"])
def test_a_package_that_cannot_be_imported_stops_nothing(
    tiny: str, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str | None
) -> None:
    """MLflow's, with whatever its import raises: the runs are recorded all the same."""
    stories: list[Story] = []

    def execute(planned: Any, suite_name: str, results: Path, listeners: list[Any], **_: Any) -> Outcome:
        def tell(event: Event) -> None:
            for listener in listeners:
                listener(event)

        stories.append(Story(suite, results, planned[0].run, tell).start(0, 10).end())
        return Outcome(1, 0, 0, 0, False)

    monkeypatch.setattr("membench.benchmarks.running.runner.execute", execute)
    for name in ("listener", "store"):
        monkeypatch.delitem(sys.modules, f"membench.benchmarks.tracking.{name}")
    if code is None:
        monkeypatch.setitem(sys.modules, "mlflow", None)
    else:
        monkeypatch.delitem(sys.modules, "mlflow")
        (tmp_path / "mlflow.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
    asked = ["--suite", tiny, "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, ["run", *asked, "--model", "lstm", "--seeds", "1", "--device", "cpu"])
    assert result.exit_code == 0, result.output + str(result.exc_info)
    assert result.stdout == "tiny: 1 done of 1 runs\n" and len(said(stories[0])) == 7
    assert result.stderr.count("cannot be used (reinstall the package mlflow") == 1, result.stderr
    result = CliRunner().invoke(main, ["ui", *asked])
    assert result.exit_code == 2
    assert "reinstall the package mlflow" in result.stderr and "--tracking-uri" not in result.stderr


def test_a_record_that_cannot_be_read_keeps_no_other_from_being_logged(suite: Suite, results: Path) -> None:
    lines: list[str] = []
    runs = list(suite.runs())
    tracker, failing = tracked(results, suite, lines)
    bad = Story(suite, results, runs[1], tracker).start(0)  # the first to be caught up
    good = Story(suite, results, runs[0], tracker).start(0)
    failing.fails = True
    bad.evaluate(10)
    good.evaluate(10)
    bad.path.write_bytes(bad.path.read_bytes().replace(b"2.5", b"9.5"))
    tracker.until = 0.0  # the pause is over
    bad.evaluate(20)
    good.evaluate(20).end()
    bad.evaluate(30).end()
    tracker.close()
    assert len(lines) == 2 and "database is locked" in lines[0]
    assert lines[1].startswith("copy/lstm/1 is not logged") and "damaged" in lines[1] and "MLflow at" not in lines[1]
    assert only(results, "name = 'copy/ntm/1'")["points"] == said(good)


def test_a_server_that_is_not_there_stops_nothing(suite: Suite, tmp_path: Path) -> None:
    lines: list[str] = []
    tracker = Tracker("http://127.0.0.1:9", tmp_path, suite, lines.append)
    Story(suite, tmp_path, next(suite.runs()), tracker).start(0).end()
    assert len(lines) == 1 and lines[0].startswith("MLflow at http://127.0.0.1:9 cannot be used")


def test_a_store_elsewhere_is_left_as_it_is(tmp_path: Path) -> None:
    assert file_of("http://127.0.0.1:9") is None
    assert file_of(f"sqlite:///{tmp_path / 'none.db'}") is None


@pytest.fixture
def server() -> Iterator[Callable[[bytes], str]]:
    """Serves what is no answer: takes every request, sends these bytes, then one now and then; gives its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)

        def answer(connection: socket.socket, first: bytes) -> None:
            with contextlib.suppress(OSError), connection:
                connection.recv(1000)
                connection.sendall(first)
                while True:
                    time.sleep(0.2)
                    connection.sendall(b" " if first else b"")

        def listen(first: bytes) -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(listening.accept()[0], first), daemon=True).start()

        def start(first: bytes) -> str:
            threading.Thread(target=listen, args=(first,), daemon=True).start()
            return f"http://127.0.0.1:{listening.getsockname()[1]}"

        yield start


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"], ids=["mute", "slow"])
def test_a_server_that_never_answers_stops_nothing(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Callable[[bytes], str], first: bytes
) -> None:
    monkeypatch.setattr("membench.benchmarks.tracking.patience.PATIENCE", 1.0)
    lines: list[str] = []
    began = time.monotonic()
    tracker = Tracker(server(first), tmp_path, suite, lines.append)
    Story(suite, tmp_path, next(suite.runs()), tracker).start(0).end()
    tracker.close()
    assert len(lines) == 1 and "no answer within 1 s" in lines[0]
    with pytest.raises(TimeoutError):
        reach(tracker.uri, tmp_path)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("how", ["copied", "moved", "moved and replayed"])
def test_nothing_is_written_where_results_were_before(suite: Suite, results: Path, tmp_path: Path, how: str) -> None:
    Story(suite, results, next(suite.runs())).start(0, 10).end()
    report = results / "tiny/report.html"
    report.write_text("<p>report")
    replay(default_uri(results), results, suite)
    attach(default_uri(results), results, suite, results / "tiny")
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    there = tmp_path / "there"
    shutil.copytree(results, there)
    if how != "copied":
        shutil.rmtree(results)
        before = {}
    utils._artifact_repos_cache.clear()  # another process has none
    if how == "moved and replayed":
        replay(default_uri(there), there, suite)
    (there / "tiny/report.html").write_text("<p>another")
    attach(default_uri(there), there, suite, there / "tiny")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before
    assert [path.read_text() for path in there.glob("mlartifacts/tiny/*/artifacts/report.html")] == ["<p>another"]
    assert sorted(run["name"] for run in stored(there).values()) == ["copy/ntm/1", "report"]
    assert {run["tags"]["results"] for run in stored(there).values()} == {str(there)}


def test_experiments_that_are_not_ours_stay_where_they_are(suite: Suite, results: Path, tmp_path: Path) -> None:
    client = store.mlflow.MlflowClient(tracking_uri=default_uri(results))
    for name, where in (
        ("mine", (tmp_path / "mine").as_uri()),
        ("far", "s3://bucket/mlartifacts/far"),
        ("plain", None),
    ):
        client.create_experiment(name, artifact_location=where)
    before = [client.get_experiment_by_name(name).artifact_location for name in ("mine", "far", "plain", "Default")]
    replay(default_uri(results), results, suite)
    after = [client.get_experiment_by_name(name).artifact_location for name in ("mine", "far", "plain", "Default")]
    assert after == before


NAMES_OF_FOLDERS = [
    "r?n",
    "a%20b",
    "a#b",
    "a b",
    "a&b=c;d",
    "a'b",
    'a"b',
    "é∞",
    "a\nb",
    "%zz",
    "a@b:c",
    "[x]",
    "a\\b",
    "~",
]


@pytest.mark.parametrize("name", NAMES_OF_FOLDERS)
def test_a_folder_may_have_any_name(suite: Suite, schema: Path, tmp_path: Path, name: str) -> None:
    """The store lies in it, and nothing beside it."""
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(schema, folder / "mlflow.db")
    Story(suite, folder, next(suite.runs())).start(0, 10).end()
    (folder / "tiny/report.html").write_text("<p>report")
    replay(default_uri(folder), folder, suite)
    attach(default_uri(folder), folder, suite, folder / "tiny")
    assert sorted(run["name"] for run in stored(folder).values()) == ["copy/ntm/1", "report"]
    assert len(list(folder.glob("mlartifacts/tiny/*/artifacts/report.html"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_whose_name_is_no_text_has_a_store(suite: Suite, schema: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    shutil.copy(schema, folder / "mlflow.db")
    Story(suite, folder, next(suite.runs())).start(0, 10).end()
    replay(default_uri(folder), folder, suite)
    assert only(folder)["tags"]["results"].endswith(r"caf\xe9")
    with pytest.raises(UsageError, match="not UTF-8"):
        attach(default_uri(folder), folder, suite, folder / "tiny")
    assert list(tmp_path.iterdir()) == [folder]
