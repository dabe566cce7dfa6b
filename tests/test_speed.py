"""Timing: every implementation takes its turn and has its row. How fast anything is, is never tested."""

import dataclasses
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from membench.benchmarks.cli import main
from membench.benchmarks.errors import UsageError
from membench.benchmarks.inspecting import speed, speed_gpu
from membench.benchmarks.suites import find

ROW = {"task", "model", "implementation", "ms_per_step", "ratio_to_reference", "ratio_to_lstm", "peak_mb"}


def test_every_implementation_has_a_row(tiny: str, tmp_path: Path) -> None:
    asked = ["speed", "--suite", tiny, "--rounds", "3", "--results", str(tmp_path), "--json"]
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0, answer.stderr
    rows = json.loads(answer.stdout)["rows"]
    assert not list(tmp_path.iterdir()), "printed instead of kept"
    assert all(row.keys() >= ROW for row in rows)
    assert [(row["model"], row["implementation"]) for row in rows] == [
        ("ntm", "reference"),
        ("ntm", "fused"),
        ("ntm", "cohort of 4"),
        ("ntm", speed.YARDSTICK),
        ("lstm", "torch"),
        ("lstm", "cohort of 4"),
        ("lstm", speed.YARDSTICK),
    ]
    for row in rows:
        assert 0 < row["ms_least"] <= row["ms_per_step"] <= row["ms_most"]
        if row["implementation"] in ("reference", speed.YARDSTICK):
            other = "ratio_to_reference" if row["implementation"] == "reference" else "ratio_to_lstm"
            assert row[other] == 1
    grown = {row["model"]: set(row["growth"]) for row in rows if row["growth"]}
    assert grown == {
        "ntm": {"length x 4", "rows x 4", "batch x 4", "batch 1"},
        "lstm": {"length x 4", "batch x 4", "batch 1"},
    }


def test_what_is_kept_says_where_it_was_measured(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys((*ROW, "growth"), 1)
    monkeypatch.setattr(speed, "measure", lambda *asked: iter([row]))
    asked = ["speed", "--suite", tiny, "--rounds", "3", "--results", str(tmp_path)]
    assert CliRunner().invoke(main, asked).exit_code == 0
    kept = json.loads((tmp_path / "speed.json").read_text())
    assert kept["rows"] == [row] and kept["rounds"] == 3 and {"device", "torch", "commit", "dirty"} <= kept.keys()


def test_no_file_is_touched_unless_it_is_asked_for(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys((*ROW, "growth"), 1)
    monkeypatch.setattr(speed, "measure", lambda *asked: iter([row]))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "results/speed.json"
    path.parent.mkdir()
    path.write_text("of another day")
    answer = CliRunner().invoke(main, ["speed", tiny, "--model", "lstm"])
    assert answer.exit_code == 0 and "ms_per_step" in answer.stdout and path.read_text() == "of another day"


def test_rows_are_kept_as_they_are_measured(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys((*ROW, "growth"), 1)

    def measured(*asked: object) -> Iterator[dict[str, int]]:
        yield row
        raise KeyError("no such layer")

    monkeypatch.setattr(speed, "measure", measured)
    answer = CliRunner().invoke(main, ["speed", tiny, "--results", str(tmp_path)])
    assert answer.exit_code == 1 and json.loads((tmp_path / "speed.json").read_text())["rows"] == [row]
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


def test_a_size_that_a_task_refuses_is_said_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "timed", lambda steps, rounds: {name: [2.0] for name in steps})
    experiment = find("schlag2021").experiments[0]
    found = speed.growth(dataclasses.replace(experiment, model=speed.Yardstick(4)), "torch", 3)
    assert found == {
        "batch x 4": 1.0,
        "batch 1": 1.0,
        "length x 4": "refused: Associations: size (80,), again=False: accepted are up to 20 pairs",
    }


def test_contestants_take_turns_of_two_steps_the_second_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def clock() -> float:
        order.append("|")
        return 0.0

    monkeypatch.setattr(time, "perf_counter", clock)
    times = speed.timed({name: (lambda name=name: order.append(name)) for name in "ab"}, rounds=3)  # type: ignore[misc]
    assert "".join(order) == "ab" + 3 * "a|a|b|b|"
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}


def test_what_is_timed_is_what_is_asked_for(tiny: str) -> None:
    experiment = find(tiny).experiments[0]
    assert speed.implementations(experiment) == ["reference", "fused"]
    batch = speed.drawn(experiment)
    assert batch.inputs.shape == (5, 4, 3)  # the largest size trained on, and the training's batch
    step = speed.alone(dataclasses.replace(experiment, model=speed.Yardstick()), "torch", batch)
    assert step() is not None


def test_a_cohort_that_vmap_cannot_batch_is_skipped_and_said(tiny: str, tmp_path: Path) -> None:
    suite, source = tmp_path / "gru.py", Path(tiny).read_text()
    gru = """
from dataclasses import dataclass
from torch import nn
from membench.ntm import seeded

class Module(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer, self.output = nn.GRU(inputs, 4), nn.Linear(4, outputs)

    def forward(self, inputs):
        return self.output(self.layer(inputs)[0])

@dataclass(frozen=True)
class GRU:
    def build(self, inputs, outputs, seed=0):
        with seeded(seed):
            return Module(inputs, outputs)

"""
    suite.write_text(gru + source.replace('"lstm", LSTM(units=8, layers=1)', '"gru", GRU()'))
    asked = ["speed", "--suite", str(suite), "--model", "gru", "--rounds", "3", "--results", str(tmp_path), "--json"]
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0, answer.stderr
    assert "copy/gru cohort of 4: skipped, vmap cannot batch Module: " in answer.stderr
    rows = [(row["model"], row["implementation"]) for row in json.loads(answer.stdout)["rows"]]
    assert rows == [("gru", "torch"), ("gru", speed.YARDSTICK)]


def test_cohorts_are_timed_as_they_are_trained(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here on a CPU, in the place of a GPU."""
    monkeypatch.setattr(speed_gpu, "gpu", lambda: "cpu")
    monkeypatch.setattr(speed_gpu, "free", lambda devices: 1 << 24)
    monkeypatch.setattr(speed_gpu, "COHORTS", (1, 2, 10**4))
    monkeypatch.setattr(speed_gpu, "timing", partial(speed_gpu.timing, steps=2))
    asked = ["speed", "--suite", tiny, "--model", "lstm", "--device", "cuda", "--results", str(tmp_path)]
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0, answer.stderr
    kept = json.loads((tmp_path / "speed-gpu.json").read_text())
    assert {"device", "processor", "torch", "cuda", "commit"} <= kept.keys()
    rows = kept["rows"]
    assert [(row["model"], row["seeds"]) for row in rows] == [
        (model, seeds) for model in ("lstm", "torch.nn.LSTM-100") for seeds in (1, 2)
    ]
    assert rows[1]["implementation"] == "cohort of 2" and rows[0]["times_one_by_one"] == 1
    assert all(row["ms_per_step"] > 0 and 0 < row["waiting"] < 1 and row["peak_mb"] is None for row in rows)
    assert "copy/lstm cohort of 10000: skipped, there is room for " in answer.stderr
    late = CliRunner().invoke(main, [*asked, "--time-limit", "1s", "--json"])
    assert late.exit_code == 0 and "skipped" in late.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_kernel_that_does_not_compile_costs_its_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class CompilationError(Exception): ...

    def fails(runs: object, device: object) -> None:
        raise CompilationError("no kernel for this card")

    monkeypatch.setattr(speed_gpu, "free", lambda devices: 1 << 40)
    monkeypatch.setattr(speed_gpu, "timing", fails)
    said: list[str] = []
    assert not [*speed_gpu.measure(find("mini"), [], ["lstm"], "cpu", None, said.append)]
    assert said and all("skipped, no kernel for this card" in line for line in said)
    assert not torch.backends.cudnn.allow_tf32, "timed, as trained, in float32"


def test_without_a_gpu_that_is_said_in_a_line(tiny: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["speed", "--suite", tiny, "--device", "cuda", "--results", str(tmp_path)])
    assert isinstance(answer.exception, UsageError) or answer.exit_code == 2
    told = str(answer.exception) if isinstance(answer.exception, UsageError) else answer.stderr
    assert "no CUDA device: torch " in told and "accepted: --device cpu" in told
