"""From records to the report's tables: what a run says within a suite's budget, and where it was trained."""

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from membench.benchmarks.core import Run, Suite
from membench.benchmarks.records.events import Ended, Evaluated, Generalised, Resumed, Started
from membench.benchmarks.records.frames import facts_of, frames_of
from membench.benchmarks.records.record import Recorder, path_of, read
from membench.benchmarks.tracking.summary import Arms, outcome
from membench.report.frames import distinct
from membench.report.pages.tables import cost
from membench.report.table import Column, Table, as_count

HERE = {"device": "a processor", "implementation": "fused"}


@pytest.fixture
def suite() -> Suite:
    loaded = runpy.run_path(str(Path(__file__).parent / "tiny.py"))["suite"]
    assert isinstance(loaded, Suite)
    return loaded


def trained(suite: Suite, results: Path, *sessions: dict[str, Any]) -> Run:
    """The record of the suite's first run, to its end: an evaluation every ten steps and seconds, every size tested."""
    run = next(iter(suite.runs()))
    first, *others = sessions
    with Recorder(path_of(results, suite.name, run), run.key) as recorder:
        recorder.write(Started(run.key, run.digest, run.params, 10, 5, first))
        for step in (0, 10, 20, 30, 40, 45):
            recorder.write(Evaluated(run.key, step, 4 * step, 2.0, 1.0, None, None, float(step)))
            if step == 20:
                for session in others:
                    recorder.write(Resumed(run.key, 20, session))
        for size in run.experiment.task.test:
            recorder.write(Generalised(run.key, "best", 20, list(size), 8, 0.5, 4, 0.25))
        recorder.write(Ended(run.key, "done", 45, 50.0))
    return run


def test_a_run_within_its_budget_says_all(suite: Suite, tmp_path: Path) -> None:
    trained(suite, tmp_path, HERE)
    found = frames_of(tmp_path, suite)
    row = found.runs.iloc[0]
    assert (row["status"], row["step"], row["seconds"], row["cut"]) == ("done", 45, 50, False)
    assert len(found.evaluations) == 6 and len(found.generalisation) == 2


def test_a_run_that_another_suite_trains_longer_is_cut_at_the_budget(suite: Suite, tmp_path: Path) -> None:
    """Its time and curve too; points of its best weights would be there only if they happened to be early ones."""
    trained(suite, tmp_path, HERE)
    found = frames_of(tmp_path, replace(suite, budget=30))
    row = found.runs.iloc[0]
    assert (row["status"], row["step"], row["steps"], row["seconds"], row["cut"]) == ("done", 30, 30, 30, True)
    assert found.evaluations["step"].max() == 30 and found.generalisation.empty


def test_the_summary_of_an_arm_has_the_budget_of_the_report(suite: Suite, tmp_path: Path) -> None:
    """Solved at step 20 by evaluations that hold to step 45: within the first 30 that is not seen yet."""
    run = trained(suite, tmp_path, HERE)
    record = read(path_of(tmp_path, suite.name, run), run.key)
    assert record is not None
    errors = {0: 9.0, 10: 9.0, 20: 0.0, 30: 0.0, 40: 0.0, 45: 0.0}
    events = (replace(e, errors=errors[e.step]) if isinstance(e, Evaluated) else e for e in record.events)
    record = replace(record, events=tuple(events))
    for budget, solved in ((None, 1.0), (30, 0.0)):
        cut = replace(suite, budget=budget)
        arms = Arms(cut)
        arms.add(run, record)
        (summary,) = arms
        found = {(point.name, point.step): point.value for point in summary.points}
        assert found["arm/solved", budget or 45] == solved and max(step for _, step in found) == (budget or 45)
        assert next(p.value for p in outcome(cut, run, record) if p.name == "solved") == solved
        away = replace(run, experiment=replace(run.experiment, home="other"))
        assert next(p.value for p in outcome(cut, away, record) if p.name == "solved") == 1  # as it is said at home


def test_a_suite_that_counts_in_sequences_has_them_for_steps(suite: Suite, tmp_path: Path) -> None:
    """Of a run at batch 4: where it is, its budget, its curve and what it was tested from."""
    trained(suite, tmp_path, HERE)
    counted = replace(suite, clock="sequences", budget=30)
    row = frames_of(tmp_path, counted).runs.iloc[0]
    assert (row["step"], row["steps"], facts_of(counted).clock) == (120, 120, "sequences")
    found = frames_of(tmp_path, replace(counted, budget=None))
    assert found.evaluations["step"].tolist() == [0, 40, 80, 120, 160, 180]
    assert found.generalisation["step"].tolist() == [80, 80]
    with pytest.raises(ValueError, match=r"Suite\('tiny'\): clock='hours': accepted are steps, sequences"):
        replace(suite, clock="hours")  # type: ignore[arg-type]


def test_a_run_that_was_trained_to_its_end_and_not_tested_is_not_done(suite: Suite, tmp_path: Path) -> None:
    run = next(iter(suite.runs()))
    with Recorder(path_of(tmp_path, suite.name, run), run.key) as recorder:
        recorder.write(Started(run.key, run.digest, run.params, 10, 5, HERE))
        recorder.write(Evaluated(run.key, 45, 180, 2.0, 1.0, None, None, 45.0))
        recorder.write(Ended(run.key, "failed", 45, 50.0, "no space left"))
    assert frames_of(tmp_path, suite).runs["status"].iloc[0] == "failed"


def test_every_session_says_where_it_trained(suite: Suite, tmp_path: Path) -> None:
    first = HERE | {"commit": "0123456789abcdef", "dirty": False}
    trained(suite, tmp_path, first, first, first | {"commit": "fedcba9876543210", "dirty": True})
    row = frames_of(tmp_path, suite).runs.iloc[0]
    assert (row["commit"], row["device"], row["implementation"]) == ("0123456789; fedcba9876+", "a processor", "fused")


def test_a_column_names_each_place_once(suite: Suite, tmp_path: Path) -> None:
    trained(suite, tmp_path, HERE, HERE | {"device": "another, of two"})
    frames = frames_of(tmp_path, suite)
    assert frames.runs["device"].iloc[0] == "a processor; another, of two"
    assert distinct(pd.Series(["a processor; another, of two", "", "a processor"])) == [
        "a processor",
        "another, of two",
    ]
    twice = frames.runs.iloc[[0, 0]].assign(device=["a processor; another, of two", "a processor"])
    costs = cost(frames._replace(runs=twice), facts_of(suite)).frame
    assert list(costs["device"]) == ["a processor; another, of two"]


def test_what_is_the_same_in_every_row_is_said_once() -> None:
    columns = {
        "task": Column("Task"),
        "runs": Column("Runs", says=as_count),
        "model": Column("Model"),
        "why": Column("Why"),
    }
    frame = pd.DataFrame([{"task": "copy", "runs": 5, "model": model, "why": ""} for model in "abc"])
    narrow = Table("cost", "Cost", "A note.", frame, columns).narrowed()
    assert list(narrow.columns) == ["model"] and narrow.note == "A note. In every row: Task copy; Runs 5."
    assert narrow.markdown().splitlines() == ["| Model |", "| --- |", "| a |", "| b |", "| c |"]
    assert narrow.csv() == Table("cost", "Cost", "", frame, columns).csv()  # of which nothing is left out
    two = Table("cost", "Cost", "A note.", frame[:2], columns)
    assert two.narrowed() is two
