"""Running a suite over processes: skipped, resumed, tried again, never lost or doubled."""

import json
import os
import signal
import threading
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from membench.benchmarks import records
from membench.benchmarks.errors import UsageError
from membench.benchmarks.records.events import Ended, Evaluated, Event, Resumed, Started
from membench.benchmarks.records.frames import facts_of, frames_of
from membench.benchmarks.records.plan import plan
from membench.benchmarks.running import local, schedule
from membench.benchmarks.running.runner import Outcome, execute
from membench.benchmarks.running.session import perform
from membench.benchmarks.running.slots import cohorts
from membench.benchmarks.suites import find


def go(suite: str, results: Path, *listeners: Any, **options: Any) -> Outcome:
    chosen = {name: options.pop(name) for name in ("tasks", "models", "seeds") if name in options}
    options = {"workers": 2, "device": "cpu", **options}
    return execute(plan(find(suite), results, **chosen), suite, results, listeners, **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four runs, done without a disturbance, and the events the parent was told."""
    results = tmp_path_factory.mktemp("undisturbed")
    told: list[Event] = []
    outcome = go(str(Path(__file__).with_name("tiny.py")), results, told.append)
    assert outcome == Outcome(done=4, diverged=0, failed=0, left=0, interrupted=False)
    assert len([e for e in told if isinstance(e, Started)]) == 4
    assert len([e for e in told if isinstance(e, Evaluated)]) == 20
    return results


def test_a_suite_is_run_once(tiny: str, undisturbed: Path) -> None:
    before = {path: path.read_bytes() for path in undisturbed.rglob("*.jsonl")}
    assert len(before) == 4
    assert [p.status for p in plan(find(tiny), undisturbed)] == ["done"] * 4
    told: list[Event] = []
    assert go(tiny, undisturbed, told.append).done == 4
    assert told == [] and {path: path.read_bytes() for path in undisturbed.rglob("*.jsonl")} == before


def test_runs_are_planned_seed_by_seed_and_can_be_chosen(tiny: str, tmp_path: Path) -> None:
    assert [p.run.key for p in plan(find(tiny), tmp_path)] == ["copy/ntm/1", "copy/lstm/1", "copy/ntm/2", "copy/lstm/2"]
    assert [p.run.key for p in plan(find(tiny), tmp_path, models=["lstm"], seeds=[2])] == ["copy/lstm/2"]
    for wrong, there in (({"tasks": ["sort"]}, "copy"), ({"models": ["gru"]}, "ntm, lstm"), ({"seeds": [3]}, "1-2")):
        with pytest.raises(UsageError, match=f"there are {there}"):
            plan(find(tiny), tmp_path, **wrong)  # type: ignore[arg-type]


def test_shards_are_the_same_whatever_is_done_and_seeds_stay_together(tiny: str, undisturbed: Path) -> None:
    suite = find(tiny)
    parts = [[p.run.key for p in plan(suite, undisturbed, shard=(part, 3))] for part in (1, 2, 3)]
    assert parts == [["copy/ntm/1", "copy/lstm/2"], ["copy/lstm/1"], ["copy/ntm/2"]]
    assert [p.run.key for p in plan(suite, undisturbed, shard=(2, 2))] == ["copy/lstm/1", "copy/lstm/2"]
    assert plan(suite, undisturbed, shard=(9, 9)) == []
    for wrong in ((0, 2), (3, 2), (1, 0)):
        with pytest.raises(UsageError, match=r"accepted is one of so many parts"):
            plan(suite, undisturbed, shard=wrong)


def test_on_a_gpu_an_experiments_seeds_are_a_cohort_and_no_gpu_is_idle() -> None:
    suite = find("mini")
    due = list(suite.runs())
    keys = lambda slots: [[run.key for run in cohort] for cohort in cohorts(due, slots)]  # noqa: E731
    assert keys(["cpu"] * 2) == [[run.key] for run in due]
    assert keys(["cuda:0"]) == [
        [f"copy/{name}/{seed}" for seed in (1, 2)] for name in ("ntm-constant", "ntm-learned", "lstm")
    ]
    assert keys([f"cuda:{n}" for n in range(6)]) == [[run.key] for run in due]


def test_a_worker_a_core_where_the_system_does_not_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local.devices("cpu", None) == ["cpu"] * len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert local.devices("cpu", None) == ["cpu"] * (os.cpu_count() or 1)
    assert local.devices("cpu", 3) == ["cpu"] * 3


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_workers_make_no_threads_of_their_own(
    tmp_path: Path, variant: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Whether they are forked, as on Linux, or started one by one, as on macOS."""
    monkeypatch.setattr(local, "get_context", lambda _: get_context(method))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    suite = variant("(HERE / 'threads').write_text(os.environ['OMP_NUM_THREADS'])")
    assert go(suite, tmp_path, models=["lstm"], seeds=[1]).done == 1
    assert (tmp_path / "threads").read_text() == "1" and os.environ["OMP_NUM_THREADS"] == "7"


def test_the_number_of_workers_changes_nothing(tiny: str, undisturbed: Path, tmp_path: Path, said: Any) -> None:
    assert go(tiny, tmp_path, workers=1, seeds=[1]).done == 2
    alone = said(tmp_path)
    assert alone == {name: them for name, them in said(undisturbed).items() if name in alone} and len(alone) == 2


def test_a_worker_that_is_killed_takes_nothing_with_it(tiny: str, undisturbed: Path, tmp_path: Path, said: Any) -> None:
    killed: list[int] = []

    def kill(event: Event) -> None:
        if isinstance(event, Evaluated) and event.step == 20 and len(killed) < 2:
            killed.append(writer(records.path_of(tmp_path, "tiny", runs[event.key])))
            os.kill(killed[-1], signal.SIGKILL)

    runs = {run.key: run for run in find(tiny).runs()}
    assert go(tiny, tmp_path, kill, seeds=[1]) == Outcome(2, 0, 0, 0, False)
    assert len(killed) == 2
    assert said(tmp_path) == {name: them for name, them in said(undisturbed).items() if name.endswith("/1.jsonl")}


def writer(record: Path) -> int:
    """The process that has a record open, other than this one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(record.samefile(link) for link in (process / "fd").iterdir() if link.exists()):
                return int(process.name)
        except OSError:
            continue
    raise AssertionError(f"nobody writes {record}")


def test_a_run_whose_worker_always_dies_fails_and_the_others_go_on(tiny: str, tmp_path: Path, variant: Any) -> None:
    suite = variant("if not (HERE / 'mended').exists():\n    os.kill(os.getpid(), signal.SIGKILL)")
    told: list[Event] = []
    outcome = go(suite, tmp_path, told.append, seeds=[1])
    assert outcome == Outcome(done=1, diverged=0, failed=1, left=0, interrupted=False)
    assert [e.message for e in told if isinstance(e, Ended) and e.status == "failed"] == [
        "its process ended 3 times without getting on, the last time: killed (signal 9), as a machine out of memory "
        "does: fewer --workers need less"
    ]
    (tmp_path / "mended").touch()
    assert go(suite, tmp_path, seeds=[1]).done == 2  # and the next call finishes it


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_and_the_next_call_goes_on(
    tiny: str, undisturbed: Path, tmp_path: Path, number: signal.Signals, said: Any
) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, Evaluated) and event.step == 20:
            os.kill(os.getpid(), number)

    outcome = go(tiny, tmp_path, interrupt, workers=1, models=["ntm"], seeds=[1])
    assert outcome.interrupted and outcome.left == 1
    assert [p.status for p in plan(find(tiny), tmp_path, models=["ntm"], seeds=[1])] == ["unfinished"]
    assert go(tiny, tmp_path, models=["ntm"], seeds=[1]).done == 1
    assert said(tmp_path) == {"tiny/copy/ntm/1.jsonl": said(undisturbed)["tiny/copy/ntm/1.jsonl"]}


def test_a_time_limit_stops_and_is_no_interruption(tiny: str, tmp_path: Path) -> None:
    outcome = go(tiny, tmp_path, workers=1, time_limit=0.0)
    assert not outcome.interrupted and outcome.failed == 0 and outcome.left >= 3


def test_a_checkpoint_ahead_of_its_record_is_not_trusted(
    tiny: str, undisturbed: Path, tmp_path: Path, said: Any
) -> None:
    """A disk may keep the checkpoint and lose lines of the record: the curve must have no gap."""
    go(tiny, tmp_path, models=["ntm"], seeds=[1])
    path = tmp_path / "tiny/copy/ntm/1.jsonl"
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:3]))  # started and two evaluations
    assert go(tiny, tmp_path, models=["ntm"], seeds=[1]).done == 1
    assert said(tmp_path) == {"tiny/copy/ntm/1.jsonl": said(undisturbed)["tiny/copy/ntm/1.jsonl"]}


def test_a_run_that_begins_anew_on_its_record_says_so(tiny: str, undisturbed: Path, tmp_path: Path, said: Any) -> None:
    """As in a clone, which has records and no checkpoints: what is added comes from another machine."""
    go(tiny, tmp_path, models=["ntm"], seeds=[1])
    path = tmp_path / "tiny/copy/ntm/1.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))  # started and two evaluations
    path.with_suffix(".pt").unlink()
    path.with_suffix(".previous.pt").unlink(missing_ok=True)
    told: list[Event] = []
    assert go(tiny, tmp_path, told.append, models=["ntm"], seeds=[1]).done == 1
    assert isinstance(told[0], Resumed) and told[0].step == 0 and told[0].provenance["device"]
    record = records.read(path, "copy/ntm/1")
    assert record is not None and record.events[3] == told[0]
    assert said(tmp_path) == {"tiny/copy/ntm/1.jsonl": said(undisturbed)["tiny/copy/ntm/1.jsonl"]}


def changed(path: Path, where: str, **values: Any) -> None:
    """As another processor would have rounded: an evaluation's numbers, in a record whose run is not over."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line for line in lines if line["event"] in ("started", "evaluated")]
    for line in lines:
        line.pop("sum", None)
        if line["event"] == "evaluated" and str(line["step"]) == where:
            line.update(values)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("step", ["0", "10"])
def test_a_run_that_comes_out_otherwise_when_begun_anew_fails(tiny: str, tmp_path: Path, step: str) -> None:
    go(tiny, tmp_path, models=["ntm"], seeds=[1])
    path = tmp_path / "tiny/copy/ntm/1.jsonl"
    changed(path, step, loss=0.25)
    records.checkpoint_of(path).unlink()
    before = records.read(path, "copy/ntm/1")
    told: list[Event] = []
    outcome = go(tiny, tmp_path, told.append, models=["ntm"], seeds=[1])
    record = records.read(path, "copy/ntm/1")
    assert outcome.failed == 1 and record is not None and before is not None and record.ended is not None
    assert record.evaluated == before.evaluated  # nothing was added
    assert f"differs at step {step}: loss " in record.ended.message and " instead of 0.25" in record.ended.message
    assert "--force" in record.ended.message and record.ended.status == "failed"
    assert told[-1] == record.ended and not any(isinstance(event, Evaluated) for event in told)
    again = go(tiny, tmp_path, models=["ntm"], seeds=[1])  # nor does it go on from what it kept until then
    record = records.read(path, "copy/ntm/1")
    assert again.failed == 1 and record is not None and record.evaluated == before.evaluated


def test_what_begins_anew_is_compared_with_its_record_over_all_its_sessions(tiny: str, tmp_path: Path) -> None:
    go(tiny, tmp_path, models=["ntm"], seeds=[1])
    path = tmp_path / "tiny/copy/ntm/1.jsonl"
    changed(path, "30", loss=0.25)
    checkpoint = records.checkpoint_of(path)
    checkpoint.unlink()
    before = records.read(path, "copy/ntm/1")
    run, cpu = next(run for run in find(tiny).runs() if run.key == "copy/ntm/1"), torch.device("cpu")
    for asked in (15, 12):
        stopped = perform([(run, path)], cpu, lambda event: None, Mock(side_effect=[*[False] * asked, True]))
        assert stopped == {run.key: "interrupted"}
        assert checkpoint.exists()  # a session goes on where the last one stopped
    assert perform([(run, path)], cpu, lambda event: None) == {run.key: "failed"}
    record = records.read(path, "copy/ntm/1")
    assert record is not None and before is not None and record.evaluated == before.evaluated
    assert [event.step for event in record.events if isinstance(event, Resumed)] == [0, 15, 27]
    assert not checkpoint.exists()


def test_an_old_checkpoint_does_not_go_on_with_a_newer_training(tiny: str, tmp_path: Path) -> None:
    """As in a folder that was given, meanwhile, a record that another machine began anew."""
    go(tiny, tmp_path, models=["ntm"], seeds=[1])
    path = tmp_path / "tiny/copy/ntm/1.jsonl"
    kept = records.read(path, "copy/ntm/1")
    assert kept is not None
    changed(path, str(best_step(kept)), loss=0.25)
    told: list[Event] = []
    go(tiny, tmp_path, told.append, models=["ntm"], seeds=[1])
    assert isinstance(told[0], Resumed) and told[0].step == 0


def best_step(record: records.Record) -> int:
    """Of the lowest error, ties by loss."""
    return min(record.evaluated.values(), key=lambda e: (e.errors, e.loss)).step


def test_a_test_size_added_later_is_measured_from_the_kept_weights(
    tiny: str, undisturbed: Path, tmp_path: Path
) -> None:
    source = Path(tiny).read_text()
    suite = tmp_path / "tiny.py"
    suite.write_text(source)
    go(str(suite), tmp_path, models=["ntm"], seeds=[1])
    suite.write_text(source.replace("((2,), (4,))", "((2,), (4,), (6,))"))
    assert [p.status for p in plan(find(str(suite)), tmp_path, models=["ntm"], seeds=[1])] == ["unfinished"]
    told: list[Event] = []
    go(str(suite), tmp_path, told.append, models=["ntm"], seeds=[1])
    assert [event.name for event in told] == ["resumed", "generalised", "generalised", "ended"]


def test_a_stale_record_is_refused_and_forced_is_kept(tiny: str, tmp_path: Path) -> None:
    other = tmp_path / "tiny.py"
    other.write_text(Path(tiny).read_text().replace("Adam(3e-3)", "Adam(1e-3)"))
    go(str(other), tmp_path, models=["ntm"], seeds=[1])
    path = tmp_path / "tiny/copy/ntm/1.jsonl"
    stale = path.read_text()
    with pytest.raises(UsageError, match=r"1 of 1 records are stale.*copy/ntm/1.*--force"):
        go(tiny, tmp_path, models=["ntm"], seeds=[1])
    assert path.read_text() == stale
    assert frames_of(tmp_path, find(tiny)).runs.status.tolist() == ["stale", "new", "new", "new"]
    assert frames_of(tmp_path, find(tiny)).evaluations.empty
    assert go(tiny, tmp_path, models=["ntm"], seeds=[1], force=True).done == 1
    assert path.with_name("1.jsonl.old1").read_text() == stale


def test_a_model_that_raises_fails_alone_and_says_where(tiny: str, tmp_path: Path, variant: Any) -> None:
    suite = variant("if not (HERE / 'mended').exists():\n    raise KeyError('no such layer')")
    told: list[Event] = []
    assert go(suite, tmp_path, told.append, seeds=[1]) == Outcome(1, 0, 1, 0, False)
    message = next(e.message for e in told if isinstance(e, Ended) and e.status == "failed")
    assert "KeyError" in message and "variant.py, line" in message
    (tmp_path / "mended").touch()
    assert go(suite, tmp_path, seeds=[1]).done == 2


def test_a_record_another_process_writes_is_left_to_it(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "LINGER", 0.2)
    run = next(find(tiny).runs())
    told: list[Event] = []
    with records.Recorder(records.path_of(tmp_path, "tiny", run), run.key):
        assert frames_of(tmp_path, find(tiny)).runs.status[0] == "new"
        outcome = go(tiny, tmp_path, told.append, models=["ntm"], seeds=[1])
        with pytest.raises(UsageError, match=r"1\.jsonl is being written by another process; let it finish"):
            go(tiny, tmp_path, models=["ntm"], seeds=[1], force=True)
    assert outcome == Outcome(0, 0, 0, left=1, interrupted=False, elsewhere=1) and told == []
    assert go(tiny, tmp_path, models=["ntm"], seeds=[1]).done == 1


def test_forced_runs_are_all_moved_aside_or_none(tiny: str, tmp_path: Path) -> None:
    runs = list(find(tiny).runs())
    paths = [records.path_of(tmp_path, "tiny", run) for run in runs]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with records.Recorder(paths[-1], runs[-1].key):
        with pytest.raises(UsageError, match=r"lstm/2\.jsonl is being written by another process"):
            go(tiny, tmp_path, force=True)
        assert sorted(tmp_path.rglob("*.jsonl*")) == sorted(paths)


def test_what_was_moved_aside_before_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record's old name may be free where a checkpoint's is not: somebody removed it, or a kill came in between."""
    path = tmp_path / "1.jsonl"
    there = {"1.pt.old1": "orphan", "1.previous.pt.old2": "another", "1.jsonl": "record", "1.pt": "checkpoint"}
    for name, text in there.items():
        (tmp_path / name).write_text(text)
    rename, moved = Path.rename, []
    monkeypatch.setattr(Path, "rename", lambda file, to: (moved.append(file.name), rename(file, to))[1])
    assert records.aside(path) == tmp_path / "1.jsonl.old3"
    assert moved == ["1.pt", "1.jsonl"]  # a kill in between must leave no checkpoint without its record
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "1.pt.old1": "orphan",
        "1.previous.pt.old2": "another",
        "1.jsonl.old3": "record",
        "1.pt.old3": "checkpoint",
    }


def test_results_that_cannot_be_written_are_refused(tiny: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        go(tiny, tmp_path / "file" / "results")
    with pytest.raises(UsageError, match=r"device 'tpu'.*auto, cpu, cuda"):
        go(tiny, tmp_path, device="tpu")


def test_tables_hold_every_line_of_every_record(tiny: str, undisturbed: Path) -> None:
    frames = frames_of(undisturbed, find(tiny))
    assert frames.runs.status.tolist() == ["done"] * 4 and frames.runs.step.tolist() == [45] * 4
    assert len(frames.evaluations) == 20 and len(frames.generalisation) == 16
    assert frames.generalisation.trained.sum() == 8  # size 2 is trained on, 4 is not
    facts = facts_of(find(tiny))
    assert facts.models == ("ntm", "lstm") and facts.trained["copy"].steps == (3, 5)


def test_the_engine_asks_no_questions_in_other_threads(tiny: str, tmp_path: Path) -> None:
    """Signals are the main thread's; from another thread a suite runs without them."""
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(go(tiny, tmp_path, models=["lstm"], seeds=[1])))
    thread.start()
    until = time.monotonic() + 60
    thread.join(60)
    assert time.monotonic() < until and outcomes[0].done == 1
