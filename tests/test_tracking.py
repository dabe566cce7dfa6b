"""MLflow shows what the records say: live, caught up, each point once, and never in the way of a run."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow.tracking._tracking_service import utils

from membench.benchmarks import records
from membench.benchmarks.cli import main
from membench.benchmarks.core import Run, Suite
from membench.benchmarks.errors import UsageError
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Resumed, Started
from membench.benchmarks.records.record import Recorder, path_of
from membench.benchmarks.running.runner import Outcome
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copies import Copies
from membench.benchmarks.tracking import bulk, store
from membench.benchmarks.tracking.listener import Tracker, attach, reach, replay
from membench.benchmarks.tracking.metrics import Point, chosen, points
from membench.benchmarks.tracking.store_file import default_uri, file_of
from membench.benchmarks.tracking.summary import outcome

NAMES = {
    "solved",
    *("eval/errors", "eval/loss", "train/loss", "train/gradient"),
    *(f"generalisation/{weights}/{what}" for weights in ("best", "final") for what in ("errors", "perfect")),
}
ORIGIN = {"commit": "c0ffee", "dirty": True, "device": "a processor", "implementation": "fused"}


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store: making its schema takes seconds, copying it does not."""
    path = tmp_path_factory.mktemp("schema") / "mlflow.db"
    with store.quiet():
        store.mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}")
    return path


@pytest.fixture
def suite(tiny: str) -> Suite:
    found: Suite = find(tiny)
    return found


@pytest.fixture
def results(schema: Path, tmp_path: Path) -> Iterator[Path]:
    """A results folder with an empty store."""
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(schema, folder / "mlflow.db")
    yield folder


def evaluated(key: str, step: int, errors: float = 1.5) -> Evaluated:
    first = step == 0
    return Evaluated(key, step, step * 4, 2.5, errors, None if first else 3.5, None if first else 4.5, step / 10)


class Story:
    """A run whose events go into its record, and to a listener, as an engine would do it."""

    def __init__(self, suite: Suite, results: Path, run: Run, listener: Callable[[Event], None] | None = None) -> None:
        self.suite, self.run, self.path = suite, run, path_of(results, suite.name, run)
        self.listener = listener
        self.recorder = Recorder(self.path, run.key)

    def tell(self, *events: Event) -> "Story":
        for event in events:
            if self.recorder.write(event) and self.listener is not None:
                self.listener(event)
        return self

    def start(self, *steps: int, commit: str = "c0ffee") -> "Story":
        key, run = self.run.key, self.run
        self.tell(Started(key, run.digest, run.params, 723, 39, {**ORIGIN, "commit": commit}))
        return self.evaluate(*steps)

    def evaluate(self, *steps: int) -> "Story":
        return self.tell(*(evaluated(self.run.key, step) for step in steps))

    def test(self) -> "Story":
        for size in self.run.experiment.task.test:
            for weights in ("best", "final"):
                self.tell(Generalised(self.run.key, weights, 40, list(size), 8, 0.5, 4, 0.25))  # type: ignore[arg-type]
        return self

    def end(self, status: Any = "done", step: int = 45, message: str = "") -> "Story":
        self.tell(Ended(self.run.key, status, step, step / 10, message))
        self.recorder.__exit__()
        return self

    def die(self) -> "Story":
        """Without a word."""
        self.recorder.__exit__()
        return self


TRAINED = "run_uuid not in (select run_uuid from tags where key = 'summary')"


def stored(results: Path, where: str = "1", which: str = TRAINED) -> dict[str, dict[str, Any]]:
    """What an SQLite store holds of each run, read without MLflow; rows of a metric are not merged."""
    with sqlite3.connect(results / "mlflow.db") as store:
        wanted = f"({where}) and ({which})"
        rows = store.execute(f"select run_uuid, name, status, lifecycle_stage from runs where {wanted}").fetchall()
        found = {}
        for uuid, name, status, stage in rows:
            tags = dict(store.execute("select key, value from tags where run_uuid = ?", [uuid]))
            found[uuid] = {
                "name": name,
                "status": status,
                "stage": stage,
                "tags": tags,
                "params": dict(store.execute("select key, value from params where run_uuid = ?", [uuid])),
                "points": sorted(store.execute("select key, step, value from metrics where run_uuid = ?", [uuid])),
            }
    store.close()
    return found


def only(results: Path, where: str = "lifecycle_stage = 'active'") -> dict[str, Any]:
    (one,) = stored(results, where).values()
    return one


def said(story: Story) -> list[tuple[str, int, float]]:
    """The points a record speaks of."""
    record = records.read(story.path, story.run.key)
    assert record is not None
    told = [p for event in record.events for p in points(story.run, event)]
    return sorted({(p.name, p.step, p.value) for p in told + outcome(story.suite, story.run, record)})


def warned(message: str) -> None:
    raise AssertionError(message)


def test_a_run_is_logged_as_it_goes(suite: Suite, results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tracker = Tracker(default_uri(results), results, suite, warned)
    run = next(suite.runs())
    story = Story(suite, results, run, tracker).start(0, 10)
    live = only(results)
    assert live["status"] == "RUNNING" and live["points"] == said(story) and len(live["points"]) == 6
    story.evaluate(20, 30, 40).test().end()
    tracker.close()
    done = only(results)
    assert done["name"] == "copy/ntm/1" and done["status"] == "FINISHED"
    assert done["points"] == said(story)
    assert {name for name, _, _ in done["points"]} == NAMES
    assert ("generalisation/best/errors", 9, 0.5) in done["points"]  # four vectors are nine time steps
    assert ("train/loss", 0) not in {point[:2] for point in done["points"]}
    tags = done["tags"]
    expected = {"suite": "tiny", "key": run.key, "task": "copy", "model": "ntm", "seed": "1", "digest": run.digest}
    assert {name: tags[name] for name in expected} == expected
    assert tags["status"] == "done" and "reading" not in tags
    assert tags["mlflow.source.git.commit"] == "c0ffee" and tags["dirty"] == "true"
    assert "723 parameters" in tags["mlflow.note.content"]
    assert done["params"]["model.memory.value"] == "1e-06" and done["params"]["training.batch"] == "4"
    assert done["params"]["parameters"] == "723" and done["params"]["state_size"] == "39"
    assert capfd.readouterr() == ("", "")


def test_an_experiment_is_a_suite_and_explains_itself(suite: Suite, results: Path) -> None:
    Tracker(default_uri(results), results, suite, warned)
    with sqlite3.connect(results / "mlflow.db") as store:
        (row,) = store.execute("select experiment_id, artifact_location from experiments where name = 'tiny'")
        notes = dict(store.execute("select key, value from experiment_tags where experiment_id = ?", [row[0]]))
        (journal,) = store.execute("pragma journal_mode").fetchone()
    store.close()
    assert row[1] == (results / "mlartifacts" / "tiny").as_uri()
    assert json.loads(notes["mlflow.sharedViewState.runs"])["groupBy"]["groupByKeys"][1]["groupByData"] == "model"
    assert "arm/solved" in notes["mlflow.sharedViewState.arms"]
    assert "Group by" in notes["mlflow.note.content"] and suite.title in notes["mlflow.note.content"]
    assert all(name.partition("/")[0] in notes["mlflow.note.content"] for name in NAMES)
    assert journal == "wal"  # the pages can be read while runs are logged


def test_a_second_session_goes_on_in_the_same_run(suite: Suite, results: Path) -> None:
    run = next(suite.runs())
    first = Tracker(default_uri(results), results, suite, warned)
    Story(suite, results, run, first).start(0, 10).end("interrupted", 12)
    assert only(results)["status"] == "KILLED" and only(results)["tags"]["status"] == "interrupted"
    second = Tracker(default_uri(results), results, suite, warned)
    story = Story(suite, results, run, second).tell(Resumed(run.key, 12, ORIGIN))
    assert only(results)["status"] == "RUNNING" and only(results)["tags"]["status"] == "running"
    story.evaluate(20, 30, 40).test().end()
    assert only(results)["status"] == "FINISHED"
    assert only(results)["points"] == said(story)


def test_test_sizes_of_equal_length_are_told_apart(suite: Suite, results: Path) -> None:
    """The first has the length as its step; so has the other, under a name of its own."""
    task = Copies(bits=2, train=(range(1, 3), range(1, 3)), test=((4, 5), (2, 9), (2, 2)))
    first = suite.experiments[0]
    arm = replace(first, task=task, training=replace(first.training, eval_sizes=((1, 1),)))
    changed = replace(suite, experiments=(arm,), seeds=(1,))
    story = Story(changed, results, next(changed.runs())).start(0).test().end()
    replay(default_uri(results), results, changed)
    found = only(results)["points"]
    assert found == said(story)
    assert [(name, step) for name, step, _ in found if name.startswith("generalisation/best/errors")] == [
        ("generalisation/best/errors", 10),
        ("generalisation/best/errors", 45),
        ("generalisation/best/errors-2x9", 45),
    ]
    with sqlite3.connect(results / "mlflow.db") as store:
        for table in ("metrics", "latest_metrics"):
            store.execute(f"delete from {table} where key like '%-2x9'")
        store.execute("update tags set value = '10' where key = 'points'")
    store.close()
    replay(default_uri(results), results, changed)
    assert only(results)["points"] == found  # what was lacking, and nothing twice


def test_records_are_replayed_once(suite: Suite, results: Path) -> None:
    """Nothing was tracked: a clone, or --no-tracking. Replaying again changes nothing."""
    stories = [Story(suite, results, run).start(0, 10, 20).test().end() for run in suite.runs()]
    uri = default_uri(results)
    assert replay(uri, results, suite) == 4
    once = stored(results)
    assert sorted(run["points"] for run in once.values()) == sorted(said(story) for story in stories)
    assert all(run["status"] == "FINISHED" for run in once.values())
    with sqlite3.connect(results / "mlflow.db") as store:
        times = store.execute(f"select start_time, end_time from runs where {TRAINED}").fetchall()
    store.close()
    assert [end - start for start, end in times] == [4500] * 4  # as the record says, not as long as replaying took
    assert sorted(end for _, end in times) == sorted(round(1000 * story.path.stat().st_mtime) for story in stories)
    assert replay(uri, results, suite) == 4
    assert stored(results) == once


def table(results: Path, name: str) -> list[Any]:
    """The rows of a table of a store, without the names that are drawn at random, and when."""
    keys = {run: said["name"] for run, said in stored(results, which="1").items()}
    with sqlite3.connect(results / "mlflow.db") as store:
        store.row_factory = sqlite3.Row
        rows = [dict(row) for row in store.execute(f"select * from {name}")]
    store.close()
    passing = {"artifact_uri"}
    mine = [{k: keys.get(v, v) for k, v in row.items() if k not in passing} for row in rows]
    return sorted(mine, key=repr)


def test_what_is_written_at_once_is_what_mlflow_writes(
    suite: Suite, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Table by table; not a number, and what is infinite, too."""
    runs = list(suite.runs())
    stories = [Story(suite, results, run).start(0, 10) for run in runs]
    for story, status in zip(stories, ("diverged", "done", "interrupted", "failed"), strict=True):
        story.test().end(status, message="why" * (status == "failed"))
    odd = [Point(f"odd/{value}", step, value, None) for value in (np.nan, np.inf, -np.inf) for step in (1, 3, 2)]
    monkeypatch.setattr(
        store,
        "points",
        lambda run, event: points(run, event) + odd * (isinstance(event, Evaluated) and event.step == 10),
    )
    monkeypatch.setattr(store, "_now", lambda: 1_000_000)
    other = tmp_path / "other"
    shutil.copytree(results, other)  # with the times of the files
    replay(default_uri(results), results, suite)
    at_once: list[bool] = []
    real = store.fill
    monkeypatch.setattr(store, "fill", lambda *_: False)
    replay(default_uri(other), other, suite)
    monkeypatch.setattr(store, "fill", lambda *said: at_once.append(real(*said)) or at_once[-1])
    for name in ("metrics", "latest_metrics", "params", "runs"):
        assert table(results, name) == table(other, name), name
    here, there = ([row for row in table(folder, "tags") if row["key"] not in PLACES] for folder in (results, other))
    assert here == there
    fresh = replace(suite, name="fresh")
    shutil.copytree(results / suite.name, results / "fresh")
    replay(default_uri(results), results, fresh)
    assert at_once and all(at_once)  # it was not given up


PLACES = ("results", "record", "mlflow.note.content")


def test_what_is_written_at_once_is_all_or_nothing(results: Path) -> None:
    told = bulk.Told("a", "copy/ntm/1", "0", "there", {"rows": "4"}, {"seed": "1"}, [], "FINISHED", 1, 2)
    file = results / "mlflow.db"
    assert not bulk.fill(file, [told, told]) and stored(results, which="1") == {}  # no two runs have one id
    assert bulk.fill(file, [told]) and only(results)["params"] == {"rows": "4"}


def test_an_arm_is_one_line(suite: Suite, results: Path) -> None:
    first, second = [run for run in suite.runs() if run.experiment.model_name == "ntm"]
    Story(suite, results, first).start(0).tell(*(evaluated(first.key, step, 0.0) for step in (10, 20, 30, 40))).end()
    Story(suite, results, second).start(0, 10, 20, 30, 40).end()
    replay(default_uri(results), results, suite)
    summaries = "run_uuid in (select run_uuid from tags where key = 'summary' and value = 'arm')"
    (arm,) = stored(results, which=summaries).values()
    points = {(name, step): value for name, step, value in arm["points"]}
    assert arm["tags"]["task"] == "copy" and arm["tags"]["model"] == "ntm" and arm["status"] == "FINISHED"
    assert points["arm/solved", 45] == 0.5 and points["arm/seeds", 45] == 2 and ("arm/steps_to_solve", 45) not in points
    assert (points["arm/errors", 0], points["arm/errors", 40], points["arm/errors-high", 40]) == (1.5, 0.75, 1.125)
    ran = {run["name"]: {name: value for name, _, value in run["points"]} for run in stored(results).values()}
    assert ran[first.key]["solved"] == 1 and ran[first.key]["steps_to_solve"] == 10 and ran[second.key]["solved"] == 0
    replay(default_uri(results), results, suite)
    assert len(stored(results, which=summaries)) == 1
    other = next(run for run in suite.runs() if run.experiment.model_name == "lstm")
    Story(suite, results, other).start(0, 10).end()
    replay(default_uri(results), results, suite)
    assert len(stored(results, "lifecycle_stage = 'active'", summaries)) == 2


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 21, 22, 23])
def test_a_replay_that_was_killed_is_done_by_the_next(
    suite: Suite, results: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Where MLflow is called for one run after another: five times a run, then four times an arm."""
    for run in suite.runs():
        Story(suite, results, run).start(0, 10).end()
    left, real = iter(range(calls)), store.connect

    class Killed:
        def __init__(self, client: Any) -> None:
            self.client = client

        def __getattr__(self, name: str) -> Any:
            if name in ("create_run", "log_batch", "set_tag", "set_terminated") and next(left, None) is None:
                raise KeyboardInterrupt
            return getattr(self.client, name)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(store, "fill", lambda *_: False)
        patched.setattr(store, "connect", lambda *said: Killed(real(*said)))
        replay(default_uri(results), results, suite)
    replay(default_uri(results), results, suite)
    there = stored(results, "lifecycle_stage = 'active'", which="1")
    assert len(there) == len(list(suite.runs())) + len(suite.experiments)
    assert all(run["points"] and run["status"] == "FINISHED" and run["tags"]["record"] for run in there.values())


def test_replay_fills_in_what_a_live_session_lost(suite: Suite, results: Path) -> None:
    run = next(suite.runs())
    tracker = Tracker(default_uri(results), results, suite, warned)
    story = Story(suite, results, run, tracker).start(0, 10)
    story.listener = None  # the parent was killed; its worker went on for a while
    story.evaluate(20, 30).die()
    assert replay(default_uri(results), results, suite) == 1
    assert only(results)["points"] == said(story)
    assert only(results)["status"] == "KILLED" and only(results)["tags"]["status"] == "interrupted"


def test_a_damaged_record_keeps_no_other_from_being_replayed(suite: Suite, results: Path) -> None:
    first, *others = suite.runs()
    for run in others:
        Story(suite, results, run).start(0, 10).end()
    path = records.path_of(results, suite.name, first)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("damaged\n")
    with pytest.raises(UsageError, match=r"1\.jsonl, line 1: damaged"):
        replay(default_uri(results), results, suite)
    assert {run.key for run in others} == {run["name"] for run in stored(results).values()}


def test_replay_leaves_a_run_alone_that_is_being_trained(suite: Suite, results: Path) -> None:
    story = Story(suite, results, next(suite.runs())).start(0, 10)
    assert replay(default_uri(results), results, suite) == 0 and stored(results) == {}
    story.end()
    assert replay(default_uri(results), results, suite) == 1


@pytest.mark.parametrize(("status", "shown"), [("diverged", "FINISHED"), ("failed", "FAILED"), ("done", "FINISHED")])
def test_how_a_run_ended_is_shown(suite: Suite, results: Path, status: str, shown: str) -> None:
    tracker = Tracker(default_uri(results), results, suite, warned)
    Story(suite, results, next(suite.runs()), tracker).start(0).end(status, 7, "the loss is not finite")
    assert only(results)["status"] == shown
    assert only(results)["tags"]["status"] == status
    assert only(results)["tags"]["message"] == "the loss is not finite"


@pytest.mark.parametrize("commit", ["c0ffee", "facade"])
def test_a_run_made_again_takes_the_place_of_the_old_one(suite: Suite, results: Path, commit: str) -> None:
    """By the same code or by other code: its record is another."""
    run = next(suite.runs())
    tracker = Tracker(default_uri(results), results, suite, warned)
    old = Story(suite, results, run, tracker).start(0, 10).end()
    records.aside(old.path)
    new = Story(suite, results, run, tracker).start(0, commit=commit).evaluate(10, 20).end()
    gone = only(results, "lifecycle_stage = 'deleted'")
    assert gone["tags"]["status"] == "superseded" and len(gone["points"]) == 7
    assert only(results)["points"] == said(new)
    replay(default_uri(results), results, suite)
    assert len(stored(results)) == 2


def test_a_stale_record_is_marked_and_not_logged(suite: Suite, results: Path) -> None:
    runs = list(suite.runs())
    Story(suite, results, runs[0]).start(0, 10).end()
    assert replay(default_uri(results), results, suite) == 1
    Story(suite, results, runs[1]).start(0).end()
    changed = replace(suite, experiments=tuple(replace(e, revision=2) for e in suite.experiments))
    assert replay(default_uri(results), results, changed) == 0
    assert only(results)["name"] == "copy/ntm/1" and only(results)["tags"]["status"] == "stale"


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


@pytest.mark.parametrize("back", ["before the end", "at the end"])
def test_a_store_that_fails_for_a_while_is_caught_up(suite: Suite, results: Path, back: str) -> None:
    lines: list[str] = []
    runs = list(suite.runs())
    tracker = Tracker(default_uri(results), results, suite, lines.append)
    assert tracker.store is not None
    failing = Failing(tracker.store.client)
    tracker.store.client = failing
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
    tracker = Tracker(default_uri(results), results, suite, lines.append)
    assert tracker.store is not None
    tracker.store.client = Failing(tracker.store.client, only="log_batch")
    tracker.store.client.fails = True
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
    result = CliRunner().invoke(main, ["run", *asked, "--model", "lstm", "--seed", "1", "--device", "cpu"])
    assert result.exit_code == 0, result.output + str(result.exc_info)
    assert result.stdout == "tiny: 1 done of 1 runs\n" and len(said(stories[0])) == 7
    assert result.stderr.count("cannot be used (reinstall the package mlflow") == 1, result.stderr
    result = CliRunner().invoke(main, ["ui", *asked])
    assert result.exit_code == 2
    assert "reinstall the package mlflow" in result.stderr and "--tracking-uri" not in result.stderr


def test_a_record_that_cannot_be_read_keeps_no_other_from_being_logged(suite: Suite, results: Path) -> None:
    lines: list[str] = []
    runs = list(suite.runs())
    tracker = Tracker(default_uri(results), results, suite, lines.append)
    assert tracker.store is not None
    failing = Failing(tracker.store.client)
    tracker.store.client = failing
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


def test_a_run_that_another_process_has_is_left_to_it(suite: Suite, results: Path) -> None:
    tracker = Tracker(default_uri(results), results, suite, warned)
    story = Story(suite, results, next(suite.runs())).start(0)
    tracker(Ended(story.run.key, "interrupted", 0, 0.0, "being written by another process"))
    assert stored(results) == {}
    story.end()


def test_a_report_is_added_once(suite: Suite, results: Path) -> None:
    folder = results / "tiny"
    (folder / "figures").mkdir(parents=True)
    (folder / "report.html").write_text("<p>report")
    (folder / "figures" / "one.svg").write_text("<svg/>")
    for _ in range(2):
        attach(default_uri(results), results, suite, folder)
    (uuid,) = stored(results)
    assert (results / "mlartifacts/tiny" / uuid / "artifacts/report.html").read_text() == "<p>report"
    assert (results / "mlartifacts/tiny" / uuid / "artifacts/figures/one.svg").exists()


def test_parameters_fit_into_mlflow(suite: Suite) -> None:
    run = next(suite.runs())
    values = chosen(Started(run.key, run.digest, {"task": {"sizes": list(range(9999))}}, 1, 1, {}))
    assert len(values["task.sizes"]) == 6000 and values["task.sizes"].endswith("...")


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


@pytest.mark.parametrize("when", [0, -1e9, 4e9, 1e-9])
def test_a_record_of_any_age_is_replayed(suite: Suite, results: Path, when: float) -> None:
    """Of 1970, as an archive may give its files, of before, and of a clock that was wrong."""
    stories = [Story(suite, results, run).start(0, 10).end() for run in suite.runs()]
    os.utime(stories[0].path, (when, when))
    assert replay(default_uri(results), results, suite) == 4
    assert [run["points"] for run in stored(results).values()] == [said(story) for story in stories]
    with sqlite3.connect(results / "mlflow.db") as store:
        times = store.execute("select start_time, end_time from runs").fetchall()
    store.close()
    assert all(0 < start <= end for start, end in times)


def test_a_record_that_mlflow_does_not_take_keeps_no_other_out(
    suite: Suite, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = suite.runs()
    for run in suite.runs():
        Story(suite, results, run).start(0, 10).end()
    chosen = store.chosen
    monkeypatch.setattr(
        store, "chosen", lambda started: chosen(started) | ({"": "x"} if started.key == first.key else {})
    )
    with pytest.raises(UsageError, match=r"1\.jsonl: MLflow does not take it"):
        replay(default_uri(results), results, suite)
    done = {run["name"] for run in stored(results).values() if run["status"] == "FINISHED"}
    assert done == {run.key for run in others}


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
