"""Tasks of every kind through the whole house: trained, recorded, judged by bars of their own, said in their words."""

import json
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from membench.benchmarks import records
from membench.benchmarks.cli import main
from membench.benchmarks.cli.describe import lines
from membench.benchmarks.core import Experiment, Run, Suite
from membench.benchmarks.inspecting import traces
from membench.benchmarks.records.checkpoints import load, save
from membench.benchmarks.records.differences import differs
from membench.benchmarks.records.events import Evaluated, Generalised, from_json, judged, rank, to_json
from membench.benchmarks.records.frames import facts_of, frames_of
from membench.benchmarks.records.plan import plan
from membench.benchmarks.running import runner
from membench.benchmarks.running.progress import Row, counted
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.tracking.metrics import points
from membench.benchmarks.training import evaluate
from membench.benchmarks.training.evaluate import Score
from membench.benchmarks.training.learner import Learner
from membench.benchmarks.training.train import train
from membench.benchmarks.training.trainee import Trainee
from membench.report import statistics
from membench.report.answers import Answer, bar_said, counted_of, guessing, noun_of
from membench.report.figures import curves, style
from membench.report.pages import render, trace_words

PATH = str(Path(__file__).with_name("kinds.py"))
KINDS = runpy.run_path(PATH)
CPU = torch.device("cpu")
ASKED = ("copy", "mqar", "ngrams")


def run_of(task: str, model: str = "lstm", steps: int = 20) -> Run:
    tasks, models = KINDS["TASKS"], KINDS["MODELS"]
    return Run(Experiment(task, tasks[task], model, models[model], KINDS["training"](tasks[task], steps)), 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seed 1 of an NTM on a task of bits, one of tokens, and one with a floor."""
    results = tmp_path_factory.mktemp("kinds") / "results"
    planned = plan(find(PATH), results, tasks=ASKED, models=["ntm"], seeds=[1])
    assert runner.execute(planned, PATH, results, workers=1, device="cpu").done == 3
    return results


@pytest.fixture
def few(trained: Path) -> Suite:
    """The suite with these tasks alone."""
    suite: Suite = find(PATH)
    kept = tuple(e for e in suite.experiments if e.task_name in ASKED)
    bars = [{task: bar for task, bar in bars.items() if task in ASKED} for bars in (suite.solved, suite.relapse)]  # type: ignore[union-attr]
    return replace(suite, experiments=kept, solved=bars[0] | {"ngrams": 30.0}, relapse=bars[1])


@pytest.mark.parametrize("model", ["ntm", "dnc", "lstm"])
@pytest.mark.parametrize(("task", "steps", "below"), [("copy", 600, 0.6), ("mqar", 1000, 0.3)])
def test_every_family_learns(task: str, steps: int, below: float, model: str) -> None:
    """Copying six bits; of two pairs which value belongs to which key: who knows the values alone has half of two."""
    found = [event for event in train(run_of(task, model, steps), CPU) if isinstance(event, Evaluated)]
    assert found[0].errors > 1 and min(event.errors for event in found) < below


def test_a_record_says_loss_and_floor(trained: Path, few: Suite) -> None:
    for task in ASKED:
        (run,) = [run for run in few.runs() if run.key == f"{task}/ntm/1"]
        record = records.read(records.path_of(trained, few.name, run), run.key)
        assert record is not None and len(record.generalised) == 4
        for event in (*record.evaluated.values(), *record.generalised.values()):
            assert event.loss is not None
            assert (event.floor is not None) == (task == "ngrams") == ("floor" in to_json(event))
            assert judged(event) == (event.errors if event.floor is None else event.loss - event.floor)
        whole = {"copy": 6, "mqar": 2, "ngrams": 20}[task]
        assert record.generalised["best", tuple(run.experiment.task.test[0])].bits == whole


def test_a_record_from_before_stays_what_it_is() -> None:
    old = {"weights": "best", "step": 0, "size": [4], "sequences": 8, "errors": 1.5, "bits": 8, "perfect": 0.25}
    event = from_json({"event": "generalised", **old}, "copy/ntm/1")
    assert isinstance(event, Generalised) and event.loss is None and event.floor is None
    assert to_json(event) == {"event": "generalised", **old}
    assert judged(event) == 1.5
    now = replace(event, key="copy/ntm/1", loss=2.0)
    assert differs(now, event) is None  # trained again it says more, and nothing else
    assert differs(replace(now, errors=1.25), event) is not None
    assert differs(replace(now, loss=2.5), now) is not None


def test_the_best_weights_of_a_task_with_a_floor_are_those_of_the_lowest_loss(tmp_path: Path) -> None:
    """Elsewhere of the fewest wrong answers, and of equally many, of the lower loss."""
    for floor, best in ((None, 30), (5.0, 20)):
        run = run_of("ngrams" if floor else "copy")
        member = Trainee(run, Learner([run], CPU), 0)
        for step, errors, loss in ((10, 3.0, 8.0), (20, 2.0, 6.0), (30, 1.0, 9.0), (40, 1.0, 9.5), (50, 2.0, 6.0)):
            list(member.evaluated(step, Score(loss, errors, 0.0, 20, floor)))
            if step == 30:  # and so they are after a rest
                *_, snapshot = member.evaluated(30, Score(9.0, 3.0, 0.0, 20, floor))
                save(snapshot, tmp_path / "kept.pt")
                member = Trainee(run, Learner([run], CPU), 0, load(tmp_path / "kept.pt"))
        assert member.best is not None and member.best.step == best
    assert rank(Score(1.0, 4.0, 0.0, 20)) == (4.0, 1.0) and rank(Score(1.0, 4.0, 0.0, 20, 0.25)) == (0.75, 1.0)


def test_each_task_is_judged_by_what_it_counts(trained: Path, few: Suite) -> None:
    tables, facts = frames_of(trained, few), facts_of(few)
    for task in ASKED:
        (run,) = [run for run in few.runs() if run.key == f"{task}/ntm/1"]
        record = records.read(records.path_of(trained, few.name, run), run.key)
        assert record is not None
        mine = tables.evaluations[tables.evaluations["task"] == task]
        assert mine["errors"].tolist() == [judged(event) for event in record.evaluated.values()]
        tested = tables.generalisation[tables.generalisation["task"] == task]
        assert tested["errors"].tolist() == [judged(event) for event in record.generalised.values()]
        if task == "ngrams":  # a share of what guessing costs above the optimum: 20 coins less the floor
            first = record.generalised["best", (20,)]
            assert tested["bits"].iloc[0] == pytest.approx(20 * np.log(2) - (first.floor or 0))
        else:
            assert tested["bits"].iloc[0] == record.generalised["best", tuple(run.experiment.task.test[0])].bits
    outcomes = statistics.outcomes(tables, few.solved, few.relapse).set_index("task")
    assert np.isfinite(outcomes["time"]).to_dict() == {"copy": False, "mqar": False, "ngrams": True}  # below 30 nats
    assert facts.answer("mqar") == ("token", "wrong tokens", 0.875)


def test_a_page_of_several_kinds_names_each(trained: Path, few: Suite, tmp_path: Path) -> None:
    tables, facts = frames_of(trained, few), facts_of(few)
    shown = [traces.trace(few, trained, "mqar", "ntm", 1).trace]
    render.report(tables, facts, tmp_path, shown)
    text = " ".join((tmp_path / "report.md").read_text().split())
    assert "Wrong bits a sequence on the evaluation set" in text  # the figure of copy
    assert "Wrong tokens a sequence on the evaluation set" in text
    assert "Nats above the optimum a sequence on the evaluation set" in text
    assert (
        "A run is solved at the first evaluation below 0.1 wrong bits (copy) or 0.1 wrong tokens (mqar) or "
        "30 nats above the optimum (ngrams) a sequence that holds for the next three." in text
    )
    assert "one wrong bit (copy) or one wrong token (mqar) or 1 nats above the optimum (ngrams)" in text
    assert "50 % (copy) or 87.5 % (mqar) or 100 % (ngrams) is guessing" in text
    for title in ("Wrong bits", "Wrong tokens", "Nats above the optimum"):
        assert f"<dt>{title}</dt>" in text
    assert "of 2 tokens wrong" in trace_words.sentence(shown[0], "token")
    assert json.loads((tmp_path / "claims.json").read_text())["solved"] == {"copy": 0.1, "mqar": 0.1, "ngrams": 30.0}


def test_axes_say_what_is_counted(trained: Path, few: Suite) -> None:
    tables, facts = frames_of(trained, few), facts_of(few)
    outcomes = statistics.outcomes(tables, few.solved, few.relapse)
    with style.drawing():
        for task in ASKED:
            said = f"{facts.answer(task).counted} a sequence"
            assert curves.convergence(tables, facts, task, outcomes).get_supylabel() == said
            lengths = curves.lengths(tables, facts, task)
            assert lengths is not None and lengths.get_supylabel() == said
        heat = curves.heat(tables, facts)
        assert heat is not None and heat.axes[-1].get_ylabel() == "share of errors"


def test_a_page_of_one_kind_speaks_of_it_alone(trained: Path, few: Suite, tmp_path: Path) -> None:
    alone = tuple(e for e in few.experiments if e.task_name == "mqar")
    only = replace(few, experiments=alone, solved=0.1, relapse=1.0)
    render.report(frames_of(trained, only), facts_of(only), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "below 0.1 wrong tokens a sequence that holds" in text and "above one wrong token a sequence again" in text
    assert "wrong bits" not in text and "Wrong bits" not in text and "87.5 % is guessing" in text


def test_a_trace_of_tokens_counts_tokens(trained: Path, few: Suite) -> None:
    """Whatever the probabilities of the other symbols are."""
    found = traces.trace(few, trained, "mqar", "ntm", 1).trace
    scored = found.scored > 0.5
    assert found.outputs.sum(axis=1) == pytest.approx(1, abs=1e-5)
    wrong = (found.outputs.argmax(axis=1) != found.targets.argmax(axis=1)) & scored
    numbers = found.origin.moment.numbers
    assert (numbers.wrong, numbers.bits) == (int(wrong.sum()), 2)
    result = CliRunner().invoke(
        main, ["trace", "--suite", PATH, "--results", str(trained), "--task", "mqar", "--model", "ntm"]
    )
    assert result.exit_code == 0 and f"{wrong.sum()} of 2 tokens wrong." in result.output


def test_progress_says_what_is_counted() -> None:
    found = {task: counted(Row(run_of(task), 20, 45, 1.25)) for task in ASKED}
    assert found == {"copy": "1.25 wrong bits", "mqar": "1.25 wrong tokens", "ngrams": "1.25 nats above the optimum"}
    assert counted(Row(run_of("copy"), 0, 45)) == "not evaluated yet"


def test_a_suite_is_described_with_its_bars(few: Suite) -> None:
    said = (
        "solved below 0.1 wrong bits (copy) or 0.1 wrong tokens (mqar) or 30 nats above the optimum (ngrams) a sequence"
    )
    assert said in list(lines(few))
    assert "solved below 0.1 wrong bits a sequence" in "\n".join(lines(find("mini")))


def test_mlflow_is_told_loss_and_excess() -> None:
    run = run_of("ngrams")
    seen = Evaluated(run.key, 20, 640, 14.0, 9.0, None, None, 1.0, 12.5)
    assert {point.name: point.value for point in points(run, seen)} == {
        "eval/errors": 9.0,
        "eval/loss": 14.0,
        "eval/excess": 1.5,
    }
    test = Generalised(run.key, "best", 20, [20], 40, 9.0, 20, 0.0, 14.0, 12.5)
    stem = "generalisation/best"
    assert {point.name: point.value for point in points(run, test)} == {
        f"{stem}/errors": 9.0,
        f"{stem}/perfect": 0.0,
        f"{stem}/loss": 14.0,
        f"{stem}/excess": 1.5,
    }


BIT, TOKEN, NATS = Answer(), Answer("token", "wrong tokens", 0.9), Answer("bit", "nats above the optimum", 1.0)


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (lambda: (noun_of([BIT, BIT]), noun_of([BIT, TOKEN]), noun_of([BIT, NATS])), ("bit", "answer", "bit")),
        (lambda: (counted_of([BIT]), counted_of([BIT, TOKEN])), ("wrong bits", "wrong answers")),
        (lambda: counted_of([TOKEN, NATS]), "errors"),
        (lambda: guessing({"a": BIT, "b": BIT}), "50 % is guessing"),
        (lambda: guessing({"a": BIT, "b": TOKEN, "c": BIT}), "50 % (a, c) or 90 % (b) is guessing"),
        (lambda: bar_said(1.0, {"a": BIT}), "one wrong bit"),
        (lambda: bar_said(1.0, {"a": NATS}), "1 nats above the optimum"),
        (lambda: bar_said({"a": 0.5, "b": 0.5}, {"a": BIT, "b": BIT}), "0.5 wrong bits"),
        (lambda: bar_said({"a": 0.1, "b": 0.5}, {"a": BIT, "b": BIT}), "0.1 wrong bits (a) or 0.5 wrong bits (b)"),
    ],
)
def test_words(say: Callable[[], Any], expected: Any) -> None:
    assert say() == expected


def test_the_sequences_of_a_test_set_are_all_different() -> None:
    """A set that repeats its first 32 would look as large as announced, and measure less."""
    batches = evaluate.test_set(Copy(), (5,), 100, CPU)
    assert [batch.inputs.shape[1] for batch in batches] == [32, 32, 32, 4]
    shown = torch.cat([batch.inputs for batch in batches], dim=1)  # 40 random bits each
    assert len(shown.transpose(0, 1).flatten(1).unique(dim=0)) == 100
