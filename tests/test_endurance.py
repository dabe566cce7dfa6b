"""What takes minutes: dozens of kills, thousands of runs, many writers of one store. Run by ``make faults``."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from membench.benchmarks import records
from membench.benchmarks.core import Suite
from membench.benchmarks.records.events import Ended, Evaluated, Event, Generalised, Started
from membench.benchmarks.records.plan import plan
from membench.benchmarks.records.record import Recorder, path_of
from membench.benchmarks.running.runner import execute
from membench.benchmarks.suites import find
from membench.benchmarks.tracking.listener import Tracker, replay
from membench.benchmarks.tracking.metrics import points
from membench.benchmarks.tracking.store_file import default_uri

pytestmark = pytest.mark.slow

KILLS = 50


def stored(results: Path) -> dict[str, list[tuple[str, int, float]]]:
    """Every point of every run in the store, by the run's key; a point that is there twice is listed twice."""
    with sqlite3.connect(results / "mlflow.db") as store:
        runs = store.execute("select run_uuid, name from runs where lifecycle_stage = 'active'").fetchall()
        assert len({name for _, name in runs}) == len(runs)
        query = "select key, step, value from metrics where run_uuid = ?"
        found = {name: sorted(store.execute(query, [uuid]).fetchall()) for uuid, name in runs}
    store.close()
    return found


def recorded(results: Path, suite: Suite) -> dict[str, list[tuple[str, int, float]]]:
    """The points of every record, by the run's key."""
    found = {}
    for run, record in records.of_suite(results, suite):
        assert record is not None
        found[run.key] = sorted((p.name, p.step, p.value) for event in record.events for p in points(run, event))
    return found


# Kills


def bench(suite: str, results: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-c", "from membench.benchmarks.cli import main; main()", "run"]
    options = ["--suite", suite, "--results", str(results), "--workers", "2", "--device", "cpu"]
    with (results.parent / f"{results.name}.log").open("a") as log:
        return subprocess.Popen([*command, *options], stdout=log, stderr=log)


def family(pid: int) -> Iterator[int]:
    """The processes that a process has begun, and theirs."""
    with contextlib.suppress(OSError):  # it is gone
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in task.read_text().split():
                yield int(child)
                yield from family(int(child))


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def lines(results: Path) -> int:
    """How many lines all records have."""
    return sum(path.read_bytes().count(b"\n") for path in results.rglob("*.jsonl"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, said: Any) -> dict[str, Any]:
    """What the records of the suite `mini` say when nothing disturbs it."""
    results = tmp_path_factory.mktemp("undisturbed")
    assert execute(plan(find("mini"), results), "mini", results, device="cpu", workers=2).done == 6
    whole: dict[str, Any] = said(results)
    return whole


def disturbed(results: Path, draw: random.Random, killed: dict[str, int]) -> int:
    """Run the suite `mini` to its end, killing what runs it meanwhile until that has been done often enough.

    Returns:
        How many calls it took.
    """
    parent, log, calls = bench("mini", results), results.parent / f"{results.name}.log", 1
    while True:
        # a moment of time, which is often one of starting, or one of training
        more, until, before = draw.randrange(3), time.monotonic() + draw.uniform(0.2, 5.0), lines(results)
        while parent.poll() is None and (time.monotonic() < until if not more else lines(results) < before + more):
            time.sleep(0.02)
        time.sleep(draw.uniform(0.0, 0.2))
        if parent.poll() == 0:
            return calls
        if parent.poll() is None and sum(killed.values()) < KILLS:
            victim, children = draw.choice([*killed]), list(family(parent.pid))
            if victim == "worker" and children:
                kill(draw.choice(children))  # a worker, or what starts them
                killed[victim] += 1
                continue
            kill(parent.pid, *(children if victim == "all" else []))
            killed["all" if victim == "all" else "parent"] += 1
            parent.wait()
        elif parent.poll() is None:
            continue
        else:
            assert parent.returncode == 1, log.read_text()[-3000:]  # a run was lost too often in a row
        assert calls < 2 * KILLS, log.read_text()[-3000:]
        parent, calls = bench("mini", results), calls + 1


def test_fifty_kills_lose_and_double_nothing(undisturbed: dict[str, Any], tmp_path: Path, said: Any) -> None:
    draw, killed, suite = random.Random(7), {"parent": 0, "worker": 0, "all": 0}, find("mini")
    rounds = []
    while sum(killed.values()) < KILLS:  # a fast machine needs the suite twice
        results = tmp_path / str(len(rounds))
        rounds.append(disturbed(results, draw, killed))
        assert said(results) == undisturbed
        for run, record in records.of_suite(results, suite):
            assert record is not None and record.ended is not None and record.ended.status == "done", run.key
            assert sum(isinstance(event, Started) for event in record.events) == 1
            steps = [event.step for event in record.events if isinstance(event, Evaluated)]
            assert steps == list(range(0, 3001, 100))
        replay(default_uri(results), results, suite)
        assert stored(results) == recorded(results, suite)
    print(f"{killed} in {rounds} calls")
    assert sum(killed.values()) == KILLS


# Many runs


MANY = '''
import hashlib, os, signal
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from membench.benchmarks.core import Experiment, Suite, Training
from membench.benchmarks.tasks.copy import Copy

TRIED = Path(__file__).parent / "tried"


@dataclass(frozen=True)
class Coin:
    """A linear map; one in ten builds comes to a bad end: raises, exits, or is killed."""

    def build(self, inputs, outputs, seed=0):
        TRIED.mkdir(exist_ok=True)
        tries = TRIED / str(seed)
        with tries.open("a") as file:
            file.write("x")
        draw = int(hashlib.sha256(f"{seed} {tries.stat().st_size}".encode()).hexdigest(), 16) % 1000
        if draw < 34:
            raise RuntimeError("tails")
        if draw < 67:
            os._exit(3)
        if draw < 100:
            os.kill(os.getpid(), signal.SIGKILL)
        model = torch.nn.Linear(inputs, outputs)
        torch.nn.init.zeros_(model.weight)
        return model

    def state_size(self, steps):
        return 0


TASK = Copy(bits=1, train=(range(1, 2),), test=((1,),))
TRAINING = Training(steps=1, batch=1, eval_every=1, eval_sizes=((1,),), eval_batch=1, test_sequences=1)
suite = Suite(
    name="many",
    title="A great many runs of no time at all",
    experiments=(Experiment("copy", TASK, "coin", Coin(), TRAINING),),
    seeds=tuple(range(2000)),
    solved=0.1,
)
'''


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_thousands_of_runs_with_failures_all_finish_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text(MANY)
    ended: list[str] = []
    memory: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, Ended):
            ended.append(event.status)
            if len(ended) % 200 == 0:
                memory.append(resident())

    suite, calls, done = str(path), 0, 0
    while done < 2000:
        calls += 1
        assert calls < 8
        done = execute(plan(find(suite), tmp_path), suite, tmp_path, [watch], workers=2, device="cpu").done
    failures = sum(len(tries.read_text()) - 1 for tries in (tmp_path / "tried").iterdir())
    print(f"{calls} calls, {failures} bad ends, memory {[round(bytes / 2**20, 1) for bytes in memory]} MB")
    assert ended.count("done") == 2000 and 120 < failures < 360
    assert max(memory[2:]) - memory[1] < 8 << 20
    for run, record in records.of_suite(tmp_path, find(suite)):
        assert record is not None and len(record.evaluated) == 2 and len(record.generalised) == 2, run.key


# Many writers

WRITERS, RUNS = 8, 500


def write(path: str, results: str, part: str) -> None:
    """Log every eighth run of a suite, as an engine would; warnings are printed."""
    suite: Suite = find(path)
    tracker = Tracker(default_uri(Path(results)), Path(results), suite, print)
    for run in list(suite.runs())[int(part) :: WRITERS]:
        key = run.key
        events: list[Event] = [Started(key, run.digest, run.params, 1, 1, {"commit": None, "device": "", "torch": ""})]
        events += [Evaluated(key, n, n, n / 8, int(part) + n / 4, n or None, n or None, n / 2) for n in range(20)]
        events += [Generalised(key, weights, 1, [1], 1, 0.5, 1, 0.5) for weights in ("best", "final")]  # type: ignore[arg-type]
        with Recorder(path_of(Path(results), suite.name, run), key) as recorder:
            for event in [*events, Ended(key, "done", 20, 10.0)]:
                recorder.write(event)
                tracker(event)
    tracker.close()


WRITER = "import runpy, sys; runpy.run_path(sys.argv[1])['write'](*sys.argv[2:])"


def test_eight_writers_of_one_store_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "many.py"
    path.write_text(MANY.replace("range(2000)", f"range({RUNS})"))
    began = time.monotonic()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, __file__, str(path), str(tmp_path), str(part)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for part in range(WRITERS)
    ]
    for writer in writers:
        warned, error = writer.communicate()
        assert writer.returncode == 0, error
        assert not warned
    print(f"{time.monotonic() - began:.0f} s")
    suite = find(str(path))
    there = stored(tmp_path)
    assert len(there) == RUNS and there == recorded(tmp_path, suite)
    assert json.dumps(there)  # no number is missing
