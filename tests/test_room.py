"""What a GPU has room for, what it says in a short trial, and the plan that follows: as far as that needs no GPU."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from membench.benchmarks.cli import main
from membench.benchmarks.core import Run
from membench.benchmarks.errors import UsageError
from membench.benchmarks.running import slots
from membench.benchmarks.running import trial as trial_module
from membench.benchmarks.running.estimate import duration
from membench.benchmarks.running.schedule import Schedule
from membench.benchmarks.running.slots import MEMBERS, Room, cohorts, together
from membench.benchmarks.suites import find
from membench.benchmarks.training import memory


def test_a_hundred_seeds_are_as_few_equal_cohorts_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    due = list(dataclasses.replace(find("mini"), seeds=tuple(range(1, 101))).runs())
    monkeypatch.setattr(memory, "needs", lambda run: 12_000_000 if "lstm" in run.key else 1_300_000_000)
    room = Room(60_000_000_000)
    found = cohorts(due, ["cuda:0"], room)
    assert [len(cohort) for cohort in found] == [33, 33, 34] * 2 + [100]  # of 48 GB: 36 of the NTMs, all of the LSTMs
    assert [run for cohort in found[:3] for run in cohort] == [run for run in due if "ntm-constant" in run.key]
    assert [len(cohort) for cohort in cohorts(due[:3], ["cuda:0"], Room(1000))] == [1] * 3  # it has to try
    assert together(found, room) == {
        "copy/ntm-constant": "cohorts of 34: 1.3 GB a member, 60 GB free",
        "copy/ntm-learned": "cohorts of 34: 1.3 GB a member, 60 GB free",
        "copy/lstm": "cohorts of 100: 12 MB a member, 60 GB free",
    }
    assert together(cohorts(due[:3], ["cpu"])) == {}


def test_what_a_member_needs_is_counted_and_a_broken_model_s_guessed(tiny: str) -> None:
    ntm, lstm = (Run(experiment, 1) for experiment in find(tiny).experiments)
    assert 10_000 < memory.needs(lstm) < memory.needs(ntm) < 3_000_000
    doubled = dataclasses.replace(ntm.experiment.training, batch=2 * ntm.experiment.training.batch)
    twice = Run(dataclasses.replace(ntm.experiment, training=doubled), 1)
    assert 1.7 < memory.needs(twice) / memory.needs(ntm) < 2
    broken = Run(dataclasses.replace(ntm.experiment, model=Broken()), 1)
    assert Room(1 << 40).members(broken) == MEMBERS and Room(1 << 40).said(broken) == ""


@dataclasses.dataclass(frozen=True)
class Broken:
    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        raise RuntimeError("there is no such model")


def test_workers_on_one_gpu_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: ({"cuda:0": 60, "cuda:1": 25}[device], 80))
    assert memory.free(["cuda:0", "cuda:1"]) == 25
    assert memory.free(["cuda:0", "cuda:1", "cuda:0", "cuda:0"]) == 20


def test_a_trial_times_the_arms_whose_speed_nobody_knows(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free", lambda devices: 1 << 30)
    monkeypatch.setattr(trial_module, "cohorts", lambda due, devices, room: cohorts(due, ["cuda:0"], room))
    keys = [run.key for run in find(tiny).runs()]
    found = trial_module.tried((tiny,), keys, ["cpu"], ["copy/ntm"], budget=60.0)
    assert found.room.free == 1 << 30 and found.seconds.keys() == {"copy/lstm"} and found.seconds["copy/lstm"] > 0
    assert trial_module.tried((tiny,), keys, ["cpu"], [], budget=-1.0).seconds == {}


def test_a_gpu_that_cannot_be_used_is_said_to_be_so(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    monkeypatch.setattr(memory, "free", lambda devices: 1 / 0)
    with pytest.raises(UsageError, match=r"device cuda:0: cannot be used \(.*division by zero.*\); accepted: cpu"):
        trial_module.trial((tiny,), [], ["cuda:0"], [])


def test_what_failed_together_is_tried_again_in_halves(tiny: str, tmp_path: Path) -> None:
    runs = [Run(find(tiny).experiments[0], seed) for seed in range(1, 6)]
    schedule = Schedule([tuple(runs)], "tiny", tmp_path, [], None)
    cohort = schedule.next()
    assert cohort is not None
    schedule.finished(cohort, {run.key: "done" if run.seed == 4 else "failed" for run in cohort})
    assert [[run.seed for run in part] for part in schedule.queue] == [[1, 2], [3, 5]]


def test_the_plan_says_all_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "slots", lambda *_: ["cuda:0"])
    monkeypatch.setattr(memory, "needs", lambda run: 10_000_000)
    monkeypatch.setattr(trial_module, "trial", lambda *_: trial_module.Trial(Room(10**10), {"copy/lstm": 0.002}))
    asked = ["run", "mini", "--model", "lstm", "--dry-run", "--device", "cuda", "--results", str(tmp_path)]
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0, answer.stderr
    steps = find("mini").experiments[-1].training.steps
    assert answer.stderr.splitlines() == [
        "Tries the arms on cuda:0 for a minute at most.",
        "  copy/lstm  2 new; cohorts of 2: 10 MB a member, 10 GB free; "
        f"about {duration(2 * steps * 0.002)} on one worker",
        f"mini: 2 of 2 runs to do on 1 worker, about {duration(2 * steps * 0.002)} (from a short trial).",
    ]
