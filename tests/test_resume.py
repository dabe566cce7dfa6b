"""What a run goes on from is what its record vouches for, whatever lies beside it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from membench.benchmarks import records
from membench.benchmarks.core import Run
from membench.benchmarks.errors import UsageError
from membench.benchmarks.inspecting import weights
from membench.benchmarks.records import checkpoints
from membench.benchmarks.records.events import Ended, Evaluated, Event, Resumed
from membench.benchmarks.records.plan import plan
from membench.benchmarks.running.session import Session, perform
from membench.benchmarks.suites import find

CPU = torch.device("cpu")
KEY = "copy/ntm/1"


class Place:
    """A run of the suite of seconds, which was trained to its end, with the checkpoint of its 25th step."""

    def __init__(self, suite: str, results: Path) -> None:
        self.suite, self.results = suite, results
        self.run: Run = next(run for run in find(suite).runs() if run.key == KEY)
        self.path = records.path_of(results, "tiny", self.run)
        self.checkpoint = records.checkpoint_of(self.path)
        assert self.go(Mock(side_effect=[*[False] * 25, True])) == "interrupted"
        self.early = results / "early.pt"
        shutil.copy(self.checkpoint, self.early)
        assert self.go() == "done"
        self.lines = [json.loads(line) for line in self.path.read_text().splitlines()]

    def go(self, stop: Any = lambda: False, told: list[Event] | None = None) -> str | None:
        return perform([(self.run, self.path)], CPU, (told if told is not None else []).append, stop)[KEY]

    def record(self) -> records.Record:
        record = records.read(self.path, KEY)
        assert record is not None
        return record

    def write(self, whole: bool = False, **losses: float) -> None:
        """The record anew, with other losses by step (``at_10``), and unless it is to be whole nothing but these."""
        kept = [line for line in self.lines if whole or line["event"] in ("started", "evaluated")]
        text = ""
        for line in kept:
            line = {k: v for k, v in line.items() if k != "sum"}
            if line["event"] == "evaluated":
                line["loss"] = losses.get(f"at_{line['step']}", line["loss"])
            text += json.dumps(line) + "\n"
        self.path.write_text(text)


@pytest.fixture
def place(tiny: str, tmp_path: Path) -> Place:
    return Place(tiny, tmp_path / "results")


@pytest.mark.parametrize("at", [10, 20])
def test_a_checkpoint_of_another_training_is_not_gone_on_with(place: Place, at: int) -> None:
    """As after a pull of a newer record beside an old checkpoint: any evaluation up to there tells them apart."""
    place.write(**{f"at_{at}": 0.25})
    shutil.copy(place.early, place.checkpoint)
    checkpoints.previous_of(place.checkpoint).unlink(missing_ok=True)
    told: list[Event] = []
    assert place.go(told=told) == "failed"
    assert isinstance(told[0], Resumed) and told[0].step == 0
    assert f"differs at step {at}: " in told[-1].message  # type: ignore[attr-defined]


def test_what_is_repeated_after_a_kill_is_compared_and_the_checkpoint_stays(place: Place) -> None:
    """The record is ahead of its checkpoint, and the next call rounds otherwise."""
    place.write(at_30=0.25)
    before = place.record().evaluated
    shutil.copy(place.early, place.checkpoint)
    told: list[Event] = []
    assert place.go(told=told) == "failed"
    assert isinstance(told[0], Resumed) and told[0].step == 25
    assert place.record().evaluated == before and place.checkpoint.read_bytes() == place.early.read_bytes()
    place.write()  # where it is the same to the last digit, it goes on
    assert place.go() == "done"
    assert [e.loss for e in place.record().evaluated.values()] == [
        line["loss"] for line in place.lines if line["event"] == "evaluated"
    ]


def test_a_stop_while_it_repeats_keeps_the_checkpoint_that_is_the_record_s(place: Place) -> None:
    place.write()
    shutil.copy(place.early, place.checkpoint)
    assert place.go(Mock(side_effect=[*[False] * 7, True])) == "interrupted"
    assert place.checkpoint.read_bytes() == place.early.read_bytes()
    assert place.go() == "done"


def test_a_whole_record_stays_whole_where_no_kept_weights_are_its_own(place: Place, tmp_path: Path) -> None:
    """A test is added to the suite; what lies beside the record is damaged, or of another training."""
    suite = tmp_path / "tiny.py"
    suite.write_text(Path(place.suite).read_text().replace("((2,), (4,))", "((2,), (4,), (6,))"))

    def status() -> str:
        return plan(find(str(suite)), place.results, models=["ntm"], seeds=[1])[0].status

    assert status() == "unfinished"  # its own weights can answer
    good = place.checkpoint.read_bytes()
    for other in (good[:-1], place.early.read_bytes(), b""):
        place.checkpoint.write_bytes(other)
        assert status() == "done"
    place.checkpoint.write_bytes(good)
    place.write(whole=True, at_20=0.25)
    assert status() == "done"


def test_tests_that_fail_later_leave_a_whole_record_as_it_was(place: Place) -> None:
    before = place.path.read_bytes()
    run = replace(
        place.run, experiment=replace(place.run.experiment, task=replace(place.run.experiment.task, test=((6,),)))
    )
    with Session(run, place.path) as session:
        assert session.over is None and session.snapshot is not None
        failed = Ended(KEY, "failed", 45, 1.0, "no memory")
        assert session.take(failed) == failed and session.over == failed
    assert place.path.read_bytes() == before


def test_weights_of_another_training_are_not_shown(place: Place) -> None:
    suite = find(place.suite)
    assert weights.kept(suite, place.results, place.run)["best"].step == place.record().best.step  # type: ignore[union-attr]
    shutil.copy(place.early, place.checkpoint)
    with pytest.raises(UsageError, match="no weights at"):
        weights.kept(suite, place.results, place.run)


def test_an_evaluation_that_the_record_has_did_not_diverge(place: Place) -> None:
    place.write()
    place.checkpoint.unlink()
    told: list[Event] = []
    with Session(place.run, place.path) as session:
        for event in place.record().events:
            assert session.take(event) is None or not isinstance(event, Evaluated)
            told += [event]
            if isinstance(event, Evaluated) and event.step == 30:
                break
        ended = session.take(Ended(KEY, "diverged", 40, 1.0, "the evaluation loss is not finite"))
        assert isinstance(ended, Ended) and ended.status == "failed"


def test_who_made_a_line_is_among_a_record_s_sessions(place: Place) -> None:
    started, *rest = place.record().events
    anew = Resumed(KEY, 0, {"device": "another"})
    evaluated = [event for event in rest if isinstance(event, Evaluated)]
    own = [started.provenance]  # type: ignore[attr-defined]
    assert records.Record(place.path, (started, *evaluated, anew)).sessions == own  # it only repeated
    assert records.Record(place.path, (started, anew, *evaluated)).sessions == [*own, anew.provenance]
