"""MLflow shows a run as it goes, and each point once."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from stories import ORIGIN, Story, only, said, stored, warned, with_a_store

from membench.benchmarks import records
from membench.benchmarks.core import Suite
from membench.benchmarks.records.events import Ended, Resumed, Started
from membench.benchmarks.tasks.copies import Copies
from membench.benchmarks.tracking.listener import Tracker, attach, replay
from membench.benchmarks.tracking.metrics import chosen
from membench.benchmarks.tracking.store import FRESH, Store
from membench.benchmarks.tracking.store_file import default_uri


@pytest.fixture
def results(schema: Path, tmp_path: Path) -> Path:
    return with_a_store(tmp_path / "results", schema)


NAMES = {
    "solved",
    *("eval/errors", "eval/loss", "train/loss", "train/gradient"),
    *(f"generalisation/{weights}/{what}" for weights in ("best", "final") for what in ("errors", "perfect")),
}


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


def test_a_run_that_another_process_has_is_left_to_it(suite: Suite, results: Path) -> None:
    tracker = Tracker(default_uri(results), results, suite, warned)
    story = Story(suite, results, next(suite.runs())).start(0)
    tracker(Ended(story.run.key, "interrupted", 0, 0.0, "being written by another process"))
    assert stored(results) == {}
    story.end()


def test_a_run_that_fails_before_it_says_anything_is_shown_as_failed(suite: Suite, results: Path) -> None:
    """As one whose model cannot be built any more: its record says so, and so does MLflow."""
    run, uri = next(suite.runs()), default_uri(results)
    Story(suite, results, run, Tracker(uri, results, suite, warned)).start(0, 10).end("interrupted", 10)
    tracker = Tracker(uri, results, suite, warned)  # of the next call
    Story(suite, results, run, tracker).end("failed", 10, "no such file")
    assert only(results)["status"] == "FAILED" and only(results)["tags"]["message"] == "no such file"


def test_two_processes_log_a_run_once(suite: Suite, results: Path) -> None:
    """Both opened the store before either had the run: two calls on one folder, or a replay beside one."""
    run, uri = next(suite.runs()), default_uri(results)
    trackers = [Tracker(uri, results, suite, warned) for _ in range(2)]
    late = Store(uri, results, suite)
    story = Story(suite, results, run, trackers[0]).start(0, 10).end()
    record = records.read(records.path_of(results, suite.name, run), run.key)
    assert record is not None and record.ended is not None
    trackers[1](record.ended)  # which it is told by whoever finished it
    late.looked -= FRESH
    late.catch_up_together([(run, record)])
    late.catch_up(run, record)
    assert len(stored(results)) == 1 and only(results)["points"] == said(story)


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
