"""What can go wrong while a suite runs: each ends in a right record, one sentence, and a next call that finishes."""

import errno
import gc
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from membench.benchmarks import records
from membench.benchmarks.core import Run
from membench.benchmarks.errors import UsageError
from membench.benchmarks.records import checkpoints
from membench.benchmarks.records.events import Ended, Evaluated, Event, Resumed, Started
from membench.benchmarks.records.plan import plan
from membench.benchmarks.running import local, schedule, session
from membench.benchmarks.running import slots as placing
from membench.benchmarks.running.estimate import Pace
from membench.benchmarks.running.progress import Progress
from membench.benchmarks.running.runner import Outcome, execute
from membench.benchmarks.running.session import perform
from membench.benchmarks.running.slots import cohorts
from membench.benchmarks.suites import find

CPU = torch.device("cpu")


def go(suite: str, results: Path, *listeners: Any, **options: Any) -> Outcome:
    chosen = {name: options.pop(name) for name in ("models", "seeds", "shard") if name in options}
    options = {"workers": 2, "device": "cpu", **options}
    return execute(plan(find(suite), results, **chosen), suite, results, listeners, **options)


def sentences(told: list[Event]) -> list[str]:
    """What was said of failures."""
    return [event.message for event in told if isinstance(event, Ended) and event.status == "failed"]


class Here:
    """The first run of the suite of seconds, an LSTM, performed in this process."""

    def __init__(self, suite: str, results: Path) -> None:
        self.run: Run = next(run for run in find(suite).runs() if run.key == "copy/lstm/1")
        self.path = records.path_of(results, "tiny", self.run)
        self.told: list[Event] = []

    def go(self, stop: Callable[[], bool] = lambda: False) -> str | None:
        """Perform it; gives how it ended."""
        return perform([(self.run, self.path)], CPU, self.told.append, stop)[self.run.key]

    def stopped_at(self, step: int) -> None:
        """Perform it up to about a step."""
        assert self.go(lambda: any(isinstance(e, Evaluated) and e.step == step for e in self.told)) == "interrupted"
        self.told.clear()


@pytest.fixture
def here(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setattr(session, "SHARE", float("inf"))  # every snapshot is written
    return Here(tiny, tmp_path / "here")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, said: Any) -> list[dict[str, Any]]:
    """What the record of that run says when nothing disturbs it."""
    results = tmp_path_factory.mktemp("alone")
    here = Here(str(Path(__file__).with_name("tiny.py")), results)
    assert here.go() == "done"
    lines: list[dict[str, Any]] = said(results)["tiny/copy/lstm/1.jsonl"]
    assert len(lines) == 9
    return lines


# Disks and folders


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("writes", [1, 3, 4, 6, 9])
def test_a_write_that_fails_leaves_what_is_good(
    here: Here, alone: Any, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, writes: int
) -> None:
    """Records and checkpoints are seen to the disk by ``fsync``: the n-th fails."""
    before, count = os.fsync, iter(range(1, 1000))

    def fsync(descriptor: int) -> None:
        if next(count) >= writes:
            raise OSError(number, os.strerror(number))
        before(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match=os.strerror(number)):
            here.go()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    assert here.path.read_bytes()[-1:] in (b"", b"\n")
    assert here.go() == "done"
    assert said(tmp_path / "here")["tiny/copy/lstm/1.jsonl"] == alone


def test_a_full_disk_stops_the_suite_with_a_sentence(tmp_path: Path, said: Any, variant: Any, alone: Any) -> None:
    """Files may not grow beyond a size in the worker: writing fails as on a full disk, without being root."""
    (tmp_path / "full").touch()
    suite = variant(
        "if (HERE / 'full').exists():\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))"
    )
    told: list[Event] = []
    outcome = go(suite, tmp_path, told.append, models=["lstm"], seeds=[1])
    assert (outcome.done, outcome.failed, outcome.interrupted) == (0, 1, False)
    (sentence,) = sentences(told)
    assert "cannot be written (File too large); nothing is lost: once it can, run again to go on" in sentence
    (tmp_path / "full").unlink()
    assert go(suite, tmp_path, models=["lstm"], seeds=[1]).done == 1
    assert said(tmp_path)["tiny/copy/lstm/1.jsonl"] == alone


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 kB, too small for the suite, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(folder)]
    if os.getuid() != 0 or shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing(small_disk: Path, tiny: str, said: Any, tmp_path: Path, alone: Any) -> None:
    told: list[Event] = []
    outcome = go(tiny, small_disk, told.append)
    assert outcome.failed >= 1 and outcome.done < 4
    assert len(sentences(told)) == 1 and "No space left on device" in sentences(told)[0]
    for run in find(tiny).runs():
        records.read(records.path_of(small_disk, "tiny", run), run.key)  # no record is damaged
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    assert go(tiny, small_disk).done == 4
    assert said(small_disk)["tiny/copy/lstm/1.jsonl"] == alone


def test_a_folder_made_read_only_meanwhile_stops_the_suite(tiny: str, tmp_path: Path, said: Any, alone: Any) -> None:
    folder = tmp_path / "tiny/copy/lstm"
    folder.mkdir(parents=True)

    def mode(flag: str) -> None:
        if (
            shutil.which("chattr") is None
            or subprocess.run(["chattr", flag, str(folder)], capture_output=True).returncode
        ):
            pytest.skip("folders cannot be made immutable here")

    mode("+i")  # even for root
    mode("-i")
    told: list[Event] = []

    def make(event: Event) -> None:
        told.append(event)
        if isinstance(event, Evaluated) and event.step == 10:
            mode("+i")

    try:
        outcome = go(tiny, tmp_path, make, models=["lstm"], seeds=[1])
    finally:
        mode("-i")
    assert (outcome.done, outcome.failed) == (0, 1)
    (sentence,) = sentences(told)
    assert "cannot be written (Operation not permitted)" in sentence
    assert go(tiny, tmp_path, models=["lstm"], seeds=[1]).done == 1
    assert said(tmp_path)["tiny/copy/lstm/1.jsonl"] == alone


# Processes


DRIVER = """
import sys
from pathlib import Path
from membench.benchmarks.records.plan import plan
from membench.benchmarks.running.runner import execute
from membench.benchmarks.suites import find

if __name__ == "__main__":
    suite, results = sys.argv[1], Path(sys.argv[2])
    execute(plan(find(suite), results), suite, results, workers=2, device="cpu")
"""


def test_a_parent_that_is_killed_takes_no_run_with_it(tmp_path: Path, variant: Any, said: Any, alone: Any) -> None:
    suite = variant("while (HERE / 'wait').exists():\n    time.sleep(0.05)")
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "wait").touch()
    parent = subprocess.Popen([sys.executable, str(tmp_path / "driver.py"), suite, str(tmp_path)])
    path = tmp_path / "tiny/copy/lstm/1.jsonl"
    until = time.monotonic() + 120
    while not (path.exists() and records.locked(path)):
        assert time.monotonic() < until and parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    (tmp_path / "wait").unlink()
    assert go(suite, tmp_path).done == 4  # while the orphans still come to their end
    assert said(tmp_path)["tiny/copy/lstm/1.jsonl"] == alone


def test_one_worker_asked_to_stop_is_replaced(tmp_path: Path, variant: Any, said: Any, alone: Any) -> None:
    suite = variant(
        "if seed == 1 and not (HERE / 'once').exists():\n"
        "    (HERE / 'once').touch()\n    os.kill(os.getpid(), signal.SIGTERM)"
    )
    told: list[Event] = []
    assert go(suite, tmp_path, told.append, models=["lstm"], workers=1) == Outcome(2, 0, 0, 0, False)
    ended = [(event.key, event.status) for event in told if isinstance(event, Ended)]
    assert ended == [("copy/lstm/1", "interrupted"), ("copy/lstm/1", "done"), ("copy/lstm/2", "done")]
    assert said(tmp_path)["tiny/copy/lstm/1.jsonl"] == alone


def test_a_process_counts_as_hung_by_how_long_intervals_took() -> None:
    silence = schedule.Silence()

    def waits(seconds: float) -> bool:
        return any(silence.hung(0.5) for _ in range(int(2 * seconds)))

    assert not waits(3 * schedule.FLOOR)  # it may be compiling
    for step in (0, 1, 2):
        silence.broken(Evaluated("key", step, 0, 0.0, 0.0, None, None, 0.0))
        assert not waits(100.0)
    silence.broken(Evaluated("key", 3, 0, 0.0, 0.0, None, None, 0.0))
    assert not waits(1900.0) and waits(200.0)  # 20 times 100 s
    assert not schedule.Silence().hung(1e9)  # this machine slept, or this process did


@pytest.mark.parametrize(("hung", "says"), [(True, "it hung"), (False, "out of memory")])
def test_a_process_that_was_killed_for_hanging_did_not_run_out_of_memory(hung: bool, says: str) -> None:
    process, plans = Mock(exitcode=-signal.SIGKILL), Mock()
    worker = local.Worker(process, Mock(), "cpu", hung=hung)
    local.Engine(plans, "tiny").bury(worker)
    ((_, how), _) = plans.died.call_args
    assert says in how


@pytest.mark.slow
def test_a_worker_that_hangs_is_killed_and_its_run_tried_again(
    tmp_path: Path, variant: Any, said: Any, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = variant("if not (HERE / 'once').exists():\n    (HERE / 'once').touch()\n    time.sleep(10_000)")
    monkeypatch.setattr(schedule, "FIRST", 30.0)
    assert go(suite, tmp_path, models=["lstm"], workers=1, seeds=[1]) == Outcome(1, 0, 0, 0, False)
    assert said(tmp_path)["tiny/copy/lstm/1.jsonl"] == alone


def test_want_of_memory_is_a_failure_with_a_sentence(tmp_path: Path, variant: Any) -> None:
    suite = variant("if not (HERE / 'mended').exists():\n    import torch\n    torch.empty(1 << 60)")
    told: list[Event] = []
    assert go(suite, tmp_path, told.append, models=["lstm"], seeds=[1]).failed == 1
    assert len(sentences(told)) == 1 and "memory" in sentences(told)[0]
    (tmp_path / "mended").touch()
    assert go(suite, tmp_path, models=["lstm"], seeds=[1]).done == 1


def test_a_suite_that_is_changed_while_it_runs_is_not_mixed(tiny: str, tmp_path: Path) -> None:
    suite = tmp_path / "tiny.py"
    suite.write_text(Path(tiny).read_text())
    planned = plan(find(str(suite)), tmp_path, models=["lstm"], seeds=[1])
    suite.write_text(Path(tiny).read_text().replace("Adam(3e-3)", "Adam(1e-3)"))
    told: list[Event] = []
    assert execute(planned, str(suite), tmp_path, [told.append], workers=1, device="cpu").failed == 1
    assert sentences(told) == [f"{suite} was changed while it ran; run it again"]


# Two at once


def test_two_calls_on_one_folder_share_the_work(tiny: str, tmp_path: Path, said: Any, alone: Any) -> None:
    told: tuple[list[Event], list[Event]] = ([], [])
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda mine=mine: outcomes.append(go(tiny, tmp_path, mine.append, workers=1)))
        for mine in told
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(outcome.failed == 0 and outcome.left == outcome.elsewhere for outcome in outcomes)
    assert go(tiny, tmp_path) == Outcome(4, 0, 0, 0, False)
    both = [event for mine in told for event in mine]
    assert len([event for event in both if isinstance(event, Started)]) == 4
    assert len({(event.key, event.step) for event in both if isinstance(event, Evaluated)}) == 20
    assert len([event for event in both if isinstance(event, Evaluated)]) == 20
    assert said(tmp_path)["tiny/copy/lstm/1.jsonl"] == alone


def test_shards_copied_together_are_the_suite(tiny: str, tmp_path: Path, said: Any, alone: Any) -> None:
    for part in (1, 2):
        go(tiny, tmp_path / f"node{part}", models=["lstm"], shard=(part, 2))
        shutil.copytree(tmp_path / f"node{part}", tmp_path / "all", dirs_exist_ok=True)
    assert [each.status for each in plan(find(tiny), tmp_path / "all", models=["lstm"])] == ["done", "done"]
    assert said(tmp_path / "all")["tiny/copy/lstm/1.jsonl"] == alone


# Checkpoints


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_a_damaged_checkpoint_costs_an_interval(here: Here, said: Any, tmp_path: Path, alone: Any) -> None:
    here.stopped_at(20)
    checkpoint = records.checkpoint_of(here.path)
    assert [snapshot.step for snapshot in checkpoints.snapshots(checkpoint)] == [20, 20]
    here.stopped_at(30)
    checkpoint.unlink()  # as a kill between two renamings leaves it
    assert [snapshot.step for snapshot in checkpoints.snapshots(checkpoint)] == [30]
    here.stopped_at(40)
    damage(checkpoint)
    damage(checkpoints.previous_of(checkpoint))
    assert here.go() == "done"
    assert [event.step for event in here.told if isinstance(event, Resumed)] == [0]  # from the beginning
    assert said(tmp_path / "here")["tiny/copy/lstm/1.jsonl"] == alone
    assert not checkpoints.previous_of(checkpoint).exists()


def test_checkpoints_take_no_more_than_their_share(
    here: Here, said: Any, tmp_path: Path, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SHARE", 1e-9)
    written: list[int] = []
    save = checkpoints.save
    monkeypatch.setattr(checkpoints, "save", lambda one, path: (written.append(one.step), save(one, path)))

    def fails(event: Event) -> None:
        if isinstance(event, Evaluated) and event.step == 20:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        perform([(here.run, here.path)], CPU, fails)
    assert written == [0, 10]  # the first at once; what waits, whatever ends the training
    here.stopped_at(30)
    assert written == [0, 10, 20, 30]
    written.clear()
    assert here.go() == "done"
    assert written == [40, 45]
    assert said(tmp_path / "here")["tiny/copy/lstm/1.jsonl"] == alone


def test_the_last_good_state_is_used(here: Here, said: Any, tmp_path: Path, alone: Any) -> None:
    here.stopped_at(20)
    older = checkpoints.load(records.checkpoint_of(here.path))
    here.stopped_at(30)
    damage(records.checkpoint_of(here.path))
    before = here.path.read_text().splitlines(keepends=True)
    assert older is not None and here.go() == "done"
    assert [event.step for event in here.told if isinstance(event, Resumed)] == [30]
    # the record lost lines that the last checkpoint has seen: the one before is used
    here.path.write_text("".join(line for line in before if '"step": 30' not in line and '"ended"' not in line))
    checkpoints.save(older, checkpoints.previous_of(records.checkpoint_of(here.path)))
    here.told.clear()
    assert here.go() == "done"
    assert [event.step for event in here.told if isinstance(event, Resumed)] == [20]
    assert said(tmp_path / "here")["tiny/copy/lstm/1.jsonl"] == alone


def test_a_stale_record_is_never_appended_to(here: Here, tiny: str, tmp_path: Path) -> None:
    here.stopped_at(20)
    other = tmp_path / "tiny.py"
    other.write_text(Path(tiny).read_text().replace("Adam(3e-3)", "Adam(1e-3)"))
    before = here.path.read_bytes()
    with pytest.raises(UsageError, match="made under other settings"):
        Here(str(other), tmp_path / "here").go()
    assert here.path.read_bytes() == before


# Cohorts


def test_a_cohort_goes_on_from_wherever_its_members_are(tiny: str, tmp_path: Path) -> None:
    runs = [run for run in find(tiny).runs() if run.experiment.model_name == "lstm"]
    places = [(run, records.path_of(tmp_path, "tiny", run)) for run in runs]
    told: list[Event] = []
    stop = lambda: any(isinstance(e, Evaluated) and e.step == 20 for e in told)  # noqa: E731
    assert perform(places[:1], CPU, told.append, stop) == {"copy/lstm/1": "interrupted"}
    assert perform(places, CPU, told.append) == {"copy/lstm/1": "done", "copy/lstm/2": "done"}
    assert perform(places, CPU, told.append) == {"copy/lstm/1": "done", "copy/lstm/2": "done"}
    assert len({(event.key, event.step) for event in told if isinstance(event, Evaluated)}) == 10
    assert len([event for event in told if isinstance(event, Evaluated)]) == 10


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment's seeds are a cohort, as on a GPU."""
    monkeypatch.setattr(placing, "cohorts", lambda due, *_: cohorts(due, ["cuda:0"]))


@pytest.mark.parametrize("end", ["raise MemoryError", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["raised", "died"])
def test_a_cohort_that_fails_is_tried_again_by_all_workers(
    tmp_path: Path, variant: Any, said: Any, alone: Any, together: None, end: str
) -> None:
    """Seed by seed, also by a worker that had nothing left to do; here each seed waits for the other to be at it."""
    suite = variant(
        "def wait(pattern, count):\n"
        "    until = time.monotonic() + 20\n"
        "    while len(list(HERE.glob(pattern))) < count and time.monotonic() < until:\n"
        "        time.sleep(0.05)\n"
        "    return len(list(HERE.glob(pattern)))\n"
        "if not (HERE / 'once').exists():\n"
        "    wait('idle', 1)\n"
        "    time.sleep(1.0)\n"
        "    (HERE / 'once').touch()\n"
        f"    {end}\n"
        "(HERE / f'at-{seed}').touch()\n"
        "(HERE / f'seen-by-{seed}').write_text(str(wait('at-*', 2)))"
    )

    def idle(event: Event) -> None:
        if isinstance(event, Ended) and event.key == "copy/ntm/2":
            (tmp_path / "idle").touch()

    assert go(suite, tmp_path, idle) == Outcome(4, 0, 0, 0, False)
    assert [(tmp_path / f"seen-by-{seed}").read_text() for seed in (1, 2)] == ["2", "2"]
    assert said(tmp_path)["tiny/copy/lstm/1.jsonl"] == alone


def test_a_cohort_that_fails_is_shown_to_go_on_until_its_runs_fail_alone(
    tmp_path: Path, variant: Any, together: None
) -> None:
    suite = variant(
        "from multiprocessing import parent_process\n"
        "if parent_process() and not (HERE / 'once').exists():\n"  # in a worker, not where a time is guessed
        "    (HERE / 'once').touch()\n"
        "    raise MemoryError\n"
        "if (HERE / 'broken').exists():\n"
        "    raise KeyError('rows')"
    )
    told: list[Event] = []
    stream = io.StringIO()
    planned = plan(find(suite), tmp_path, models=["lstm"])
    with Progress(planned, 1, Pace(find(suite), tmp_path, "cpu"), stream) as shows:
        assert execute(planned, suite, tmp_path, [told.append, shows], workers=1, device="cpu").done == 2
    said = [line.split(", ")[0] for line in stream.getvalue().splitlines()]
    assert said == [f"copy/lstm/{seed}: {what}" for seed in (1, 2) for what in ("starts", "done")]
    assert sentences(told) == []
    (tmp_path / "once").unlink()
    (tmp_path / "broken").touch()
    assert go(suite, tmp_path / "again", told.append, models=["lstm"], workers=1) == Outcome(0, 0, 2, 0, False)
    assert ["KeyError: 'rows'" in sentence for sentence in sentences(told)] == [True, True]


def test_after_a_failure_another_process_goes_on(tmp_path: Path, variant: Any) -> None:
    """A GPU that was led astray fails whatever its process asks for."""
    suite = variant(
        "from multiprocessing import parent_process\n"
        "if parent_process():\n"
        "    (HERE / f'process-of-{seed}').write_text(str(os.getpid()))\n"
        "if seed == 1:\n"
        "    raise KeyError('rows')"
    )
    assert go(suite, tmp_path, models=["lstm"], workers=1) == Outcome(1, 0, 1, 0, False)
    assert len({(tmp_path / f"process-of-{seed}").read_text() for seed in (1, 2)}) == 2


def test_what_a_gpu_held_for_a_cohort_is_let_go_when_it_is_over(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it refers to itself, as a learner and its graphs do."""
    held: list[weakref.ref[Any]] = []

    class Circle:
        def __init__(self) -> None:
            self.graph = lambda: self

    def trained(*_: Any) -> Iterator[Event]:
        held.append(weakref.ref(Circle()))
        yield from ()

    monkeypatch.setattr(session, "train_together", trained)
    run = next(find(tiny).runs())
    gc.disable()
    try:
        list(session.training([(run, None)], torch.device("cuda"), lambda: False))
    finally:
        gc.enable()
    assert held[0]() is None


def test_a_member_that_had_ended_is_not_counted_as_failed(tiny: str, tmp_path: Path) -> None:
    """The disk is full, say, when the second of three is done."""
    cohort = tuple(find(tiny).runs())[:3]
    told: list[Event] = []
    kept = schedule.Schedule([], "tiny", tmp_path, [told.append], None)
    for run, status in zip(cohort, ("diverged", "done"), strict=False):
        kept.tell(Ended(run.key, status, 45, 1.0))
    kept.hopeless(cohort, "the disk is full")
    assert list(kept.ended.values()) == ["diverged", "done", "failed"]
    assert [(event.key, event.status) for event in told if isinstance(event, Ended)] == list(kept.ended.items())
    assert sentences(told) == ["the disk is full"]


def test_a_member_that_is_not_a_number_stops_alone(tmp_path: Path, variant: Any) -> None:
    suite = find(
        variant(
            "if seed == 1:\n"
            "    module = super().build(inputs, outputs, seed)\n"
            "    next(module.parameters()).data.fill_(float('nan'))\n"
            "    return module"
        )
    )
    places = [
        (run, records.path_of(tmp_path, "tiny", run)) for run in suite.runs() if run.experiment.model_name == "lstm"
    ]
    told: list[Event] = []
    assert perform(places, CPU, told.append) == {"copy/lstm/1": "diverged", "copy/lstm/2": "done"}
    assert [e.step for e in told if e.key.endswith("2") and isinstance(e, Evaluated)] == [0, 10, 20, 30, 40]
    assert [e.step for e in told if isinstance(e, Ended)] == [0, 45]
    assert [p.status for p in plan(suite, tmp_path, models=["lstm"])] == ["diverged", "done"]
