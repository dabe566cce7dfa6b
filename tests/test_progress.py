"""What is shown while runs are trained, on terminals of every width and where there is none."""

import importlib
import io
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from membench.benchmarks.cli import listing
from membench.benchmarks.core import Run, Suite
from membench.benchmarks.records.events import Compiling, Ended, Evaluated, Event, Generalised, Resumed, Started
from membench.benchmarks.records.plan import Planned, plan
from membench.benchmarks.records.provenance import processor
from membench.benchmarks.records.record import Recorder, path_of
from membench.benchmarks.running import compiling, estimate, progress
from membench.benchmarks.running.estimate import Pace, duration
from membench.benchmarks.running.progress import Progress
from membench.benchmarks.running.runner import execute
from membench.benchmarks.suites import find


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def suite(tiny: str) -> Suite:
    found: Suite = find(tiny)
    return found


def started(run: Run, device: str | None = None) -> Started:
    return Started(run.key, run.digest, run.params, 1, 1, {"device": device or processor()})


def evaluated(run: Run, step: int, seconds: float, errors: float = 1.25) -> Evaluated:
    return Evaluated(run.key, step, step, 1.0, errors, None, None, seconds)


def shown(suite: Suite, stream: io.StringIO, results: Path, *events: Event, step: int = 0) -> Progress:
    planned = [Planned(run, "new", step) for run in suite.runs()]
    with Progress(planned, 2, Pace(suite, results, "cpu"), stream) as shows:
        for event in events:
            shows(event)
    return shows


def test_plain_lines_say_what_starts_and_ends(suite: Suite, tmp_path: Path) -> None:
    one, two, three, four = suite.runs()
    stream = io.StringIO()
    shows = shown(
        suite,
        stream,
        tmp_path,
        started(one),
        evaluated(one, 0, 0.0),
        Resumed(two.key, 20, {}),
        evaluated(one, 40, 4.0),
        Ended(one.key, "done", 45, 61.0),
        Ended(two.key, "diverged", 31, 2.0, "the training loss is not finite"),
        Ended(three.key, "failed", 3, 2.0, "KeyError: 'x' (model.py, line 3)"),
        Ended(four.key, "interrupted", 12, 2.0),
        Ended("of/another/1", "done", 1, 1.0),
    )
    assert stream.getvalue().splitlines() == [
        "copy/ntm/1: starts",
        "copy/lstm/1: goes on from step 20",
        "copy/ntm/1: done, 1.25 wrong bits, 1m01s",
        "copy/lstm/1: diverged at step 31, 2s (the training loss is not finite)",
        "copy/ntm/2: failed, 2s (KeyError: 'x' (model.py, line 3))",
        "copy/lstm/2: stopped at step 12, resumable, 2s",
    ]
    assert shows.ended == 3 and set(shows.left) == {four.key}


def test_a_line_now_and_then_says_how_far_it_is(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.02)
    run = next(suite.runs())
    stream = io.StringIO()
    with Progress([Planned(run, "new")], 1, Pace(suite, tmp_path, "cpu"), stream, limit=500.0) as shows:
        shows(started(run))
        shows(evaluated(run, 20, 1.0))
        shows(evaluated(run, 40, 21.0))
        until = time.monotonic() + 10
        while "left" not in stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    line = next(line for line in stream.getvalue().splitlines() if "left" in line and "40/45" in line)
    assert line.startswith("0 of 1 runs, about 5s left, stops in ") and line.endswith(
        "copy/ntm/1 40/45 1.25 wrong bits"
    )


def test_kernels_that_are_compiled_are_said_to_be(suite: Suite, tmp_path: Path) -> None:
    """Not the seconds that training will take, while that has not begun."""
    one, two, *_ = suite.runs()
    planned = [Planned(run, "new") for run in suite.runs()]
    shows = Progress(planned, 2, Pace(suite, tmp_path, "cpu"), io.StringIO())
    shows(Compiling(one.key))  # a model may need them before it starts
    assert shows.headline() == "0 of 4 runs, compiling kernels, once (about half a minute on a quiet core)"
    shows(started(one))
    shows(started(two))
    assert "left" in shows.headline()  # the other one trains
    shows(Compiling(two.key))
    assert shows.line() == (
        "0 of 4 runs, compiling kernels, once (about half a minute on a quiet core); copy/ntm/1 0/45 compiling; "
        "copy/lstm/1 0/45 compiling"
    )
    screen = io.StringIO()
    Console(file=screen, width=100).print(shows.table())
    assert screen.getvalue().count("compiling") == 3
    shows(evaluated(one, 0, 0.0))
    shows(Ended(two.key, "failed", 0, 0.0))
    assert "left" in shows.headline() and "compiling" not in shows.line()


KERNEL = """
import numba

@numba.njit(cache=True)
def twice(x):
    return 2 * x
"""


def test_what_is_compiled_is_told_of_once_and_what_is_read_from_the_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernel_of_a_test.py").write_text(KERNEL)
    monkeypatch.syspath_prepend(tmp_path)
    told: list[Event] = []
    for _ in range(2):
        monkeypatch.delitem(sys.modules, "kernel_of_a_test", raising=False)
        kernel = importlib.import_module("kernel_of_a_test")
        with compiling.heard(["a", "b"], told.append):
            assert kernel.twice(2) == 4 and kernel.twice(2.5) == 5
        assert told == [Compiling("a"), Compiling("b")]
    with compiling.heard(["c"], told.append):
        pass
    kernel.twice(2j)
    assert len(told) == 2  # nobody listens any more


def test_a_worker_says_that_it_compiles_and_records_it_not(tmp_path: Path, variant: Callable[[str], str]) -> None:
    suite = variant("import numba\nnumba.njit(lambda x: x)(1)")
    events: list[Event] = []
    planned = plan(find(suite), tmp_path, models=["lstm"], seeds=[1])
    execute(planned, suite, tmp_path, [events.append], workers=1, device="cpu")
    assert [event.name for event in events[:3]] == ["compiling", "started", "evaluated"]
    assert "compiling" not in (tmp_path / "tiny/copy/lstm/1.jsonl").read_text()


@pytest.mark.parametrize("width", [0, 1, 2, 7, 20, 40, 80, 200])
def test_the_table_survives_any_width(suite: Suite, tmp_path: Path, width: int) -> None:
    one, two, *_ = suite.runs()
    shows = Progress([Planned(run, "new") for run in suite.runs()], 2, Pace(suite, tmp_path, "cpu"), io.StringIO())
    for event in (started(one), evaluated(one, 0, 0.0), evaluated(one, 40, 4.0), started(two)):
        shows(event)
    shows(Generalised(two.key, "best", 40, [2], 8, 0.5, 4, 0.25))
    screen = Terminal()
    Console(file=screen, width=width, force_terminal=True).print(shows.table())
    if width >= 80:
        text = screen.getvalue()
        assert "copy/ntm/1" in text and "40/45" in text and "1.25" in text and "testing" in text
        assert "0 of 4 runs" in text and "22%" in text  # 40 of 180 steps


def test_a_terminal_gets_a_live_table(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    run = next(suite.runs())
    screen = Terminal()
    shown(suite, screen, tmp_path, started(run), evaluated(run, 10, 1.0), Ended(run.key, "done", 45, 2.0))
    assert "\x1b[" in screen.getvalue() and "copy/ntm/1: done, 1.25 wrong bits, 2s" in screen.getvalue()


def test_a_dumb_terminal_gets_lines(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    shown(suite, screen, tmp_path, started(next(suite.runs())))
    assert screen.getvalue() == "copy/ntm/1: starts\n"


def test_messages_are_not_taken_for_markup(suite: Suite, tmp_path: Path) -> None:
    stream = io.StringIO()
    shown(suite, stream, tmp_path).say("[bold]x[/nothing] " + "long " * 60)
    assert stream.getvalue() == "[bold]x[/nothing] " + "long " * 60 + "\n"


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_nobody_needs_to_watch(suite: Suite, tmp_path: Path) -> None:
    run = next(suite.runs())
    shown(suite, Gone(), tmp_path, started(run), Ended(run.key, "done", 45, 2.0))


def test_durations_are_short() -> None:
    said = {0.2: "0s", 59: "59s", 60: "1m00s", 754: "12m34s", 3900: "1h05m", 86400 * 2 + 3600 * 3: "2d03h"}
    assert {seconds: duration(seconds) for seconds in said} == said


def test_estimates_come_from_records_of_this_machine(suite: Suite, tmp_path: Path) -> None:
    """Two seconds a step here, in the last session; ten elsewhere, before, and under other settings."""
    ntm, lstm, ntm2, _ = suite.runs()
    for run, device in ((ntm, processor()), (lstm, "another processor")):
        with Recorder(path_of(tmp_path, "tiny", run), run.key) as recorder:
            for event in (
                started(run, device),
                *(evaluated(run, step, 10.0 * step) for step in (0, 10)),
                Resumed(run.key, 10, {"device": device.partition(" with ")[0]}),  # its instructions do not matter
                *(evaluated(run, step, 100 + 2.0 * step) for step in (20, 30)),
            ):
                recorder.write(event)
    found = Pace(suite, tmp_path, "cpu")
    assert found.known == {"copy/ntm": 2.0}
    planned = [Planned(ntm, "unfinished", 30), Planned(ntm2, "new")]
    assert found.left(planned, 1) == 2.0 * (15 + 45)
    assert found.left(planned, 2) == 2.0 * 45  # no sooner than the longest
    assert found.left([Planned(ntm, "new", 10, until=30)], 1) == 2.0 * 20
    assert 0 < found.step(lstm) < 1 and found.left([], 1) == 0.0
    changed = replace(suite, experiments=tuple(replace(e, revision=2) for e in suite.experiments))
    assert Pace(changed, tmp_path, "cpu").known == {}


def test_a_gpu_learns_from_records_of_its_own_kind(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ntm, lstm, ntm2, lstm2 = suite.runs()
    seconds = {ntm: ("NVIDIA H200", 2.0), ntm2: ("NVIDIA L4", 9.0), lstm: ("AMD EPYC with AVX512", 9.0)}
    for run, (device, each) in {**seconds, lstm2: (processor(), 9.0)}.items():
        with Recorder(path_of(tmp_path, "tiny", run), run.key) as recorder:
            for event in (started(run, device), *(evaluated(run, step, each * step) for step in (0, 10))):
                recorder.write(event)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert Pace(suite, tmp_path, "cuda").known == {}  # a cluster's, of a name that nobody knows here
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "NVIDIA H200")
    assert Pace(suite, tmp_path, "cuda:0").known == {"copy/ntm": 2.0}
    assert Pace(suite, tmp_path, "cpu").known == {"copy/lstm": 9.0}


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_speed_is_guessed_before_a_thread_draws_and_answers_go_to_stdout(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: type
) -> None:
    """A guess builds models, and keeps what they print from stdout: two threads at it would keep it for ever."""
    threads: list[threading.Thread] = []
    monkeypatch.setattr(estimate, "guess", lambda run: threads.append(threading.current_thread()) or 1.0)
    planned = [Planned(run, "new") for run in suite.runs()]
    with Progress(planned, 1, Pace(suite, tmp_path, "cpu"), stream()) as shows:
        assert threads == [threading.main_thread()] * 2
        shows.table()
        print("an answer")
    assert len(threads) == 2 and capsys.readouterr().out == "an answer\n"


def test_a_plan_says_where_its_estimate_comes_from(suite: Suite, tmp_path: Path) -> None:
    planned = [Planned(run, "done" if run.seed == 1 else "new") for run in suite.runs()]
    due = [each for each in planned if each.due]
    found = Pace(suite, tmp_path, "cpu")
    *arms, last = listing.plan_lines(suite, planned, due, found, 2)
    assert [line.split()[0] for line in arms] == ["copy/ntm", "copy/lstm"] and "1 done, 1 new" in arms[0]
    assert last.startswith("tiny: 2 of 4 runs to do on 2 workers") and "rough guess for 2 of 2 arms" in last
    found.known = {"copy/ntm": 1.0, "copy/lstm": 2.0}
    assert "about 1m30s (from this machine's records)" in list(listing.plan_lines(suite, planned, due, found, 2))[-1]
    *_, last = listing.plan_lines(suite, planned[:1], [], found, 2)
    assert last == "tiny: all 1 runs are done."
    stale = [replace(each, status="stale") for each in planned[:2]]
    mixed = [stale[0], planned[0]]
    (*_, all_of), (*_, one) = (listing.plan_lines(suite, some, [], found, 2) for some in (stale, mixed))
    assert all_of == "tiny: 2 of 2 runs are stale, made under other settings."
    assert one == "tiny: 1 of 2 runs are stale, made under other settings; the rest are done."


def test_a_guess_grows_with_the_work(suite: Suite) -> None:
    small = next(suite.runs())
    experiment = small.experiment
    longer = replace(experiment, training=replace(experiment.training, batch=64))
    assert estimate.guess(Run(longer, 1)) > estimate.guess(small) > 0


def test_a_cohort_is_one_row(suite: Suite, tmp_path: Path) -> None:
    ntm = suite.experiments[0]
    cohort = [Run(ntm, seed) for seed in (1, 2, 3, 7)]
    stream = io.StringIO()
    planned = [Planned(run, "new") for run in cohort]
    shows = Progress(planned, 1, Pace(suite, tmp_path, "cuda:0"), stream, cohorts=[cohort])
    for run, errors in zip(cohort, (1.0, 2.0, 4.0, 9.0), strict=True):
        shows(started(run))
        for step in (20, 40):
            shows(evaluated(run, step, 0.25 * step, errors))
    assert stream.getvalue().splitlines() == ["copy/ntm/1-3,7: starts"]
    assert shows.line().endswith("; copy/ntm/1-3,7 40/45 3.00 wrong bits (median of 4)")
    (row,) = map(progress.together, shows.groups().values())
    assert row.speed == 1.0  # a step of each, in a second of which every member has a quarter
    shows(Ended(cohort[0].key, "diverged", 31, 2.0))
    assert shows.line().endswith(" (median of 3)") and "1 of 4 runs, about 4s left" in shows.line()
