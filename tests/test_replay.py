"""Records are logged to MLflow after the fact: each once, whatever was there before."""

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stories import TRAINED, Story, evaluated, only, said, stored, warned, with_a_store

from membench.benchmarks import records
from membench.benchmarks.core import Suite
from membench.benchmarks.errors import UsageError
from membench.benchmarks.records.events import Evaluated
from membench.benchmarks.tracking import bulk, store
from membench.benchmarks.tracking.listener import Tracker, replay
from membench.benchmarks.tracking.metrics import Point, points
from membench.benchmarks.tracking.store_file import default_uri


@pytest.fixture
def results(schema: Path, tmp_path: Path) -> Path:
    return with_a_store(tmp_path / "results", schema)


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


def test_a_stale_record_is_marked_and_not_logged(suite: Suite, results: Path) -> None:
    runs = list(suite.runs())
    Story(suite, results, runs[0]).start(0, 10).end()
    assert replay(default_uri(results), results, suite) == 1
    Story(suite, results, runs[1]).start(0).end()
    changed = replace(suite, experiments=tuple(replace(e, revision=2) for e in suite.experiments))
    assert replay(default_uri(results), results, changed) == 0
    assert only(results)["name"] == "copy/ntm/1" and only(results)["tags"]["status"] == "stale"


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
