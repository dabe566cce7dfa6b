"""What is published stays true: the settings of the paper, its records, and the pages drawn from them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from membench.benchmarks import records
from membench.benchmarks.cli import main
from membench.benchmarks.inspecting import weights
from membench.benchmarks.optimizers import Adam, GlobalNorm
from membench.benchmarks.records.plan import plan
from membench.benchmarks.suites import find, names
from membench.benchmarks.training.evaluate import evaluate, evaluation_set
from membench.ntm import Constant, Learned, Random
from membench.report.figures import style

RESULTS = Path(__file__).parent.parent / "results"


def committed(name: str, places: str) -> list[Path]:
    """Files below the folder of results, from there; not what somebody tried in a clone."""
    listed = subprocess.run(["git", "-C", str(RESULTS), "ls-files", name], capture_output=True, text=True).stdout
    return [*map(Path, listed.splitlines())] or [path.relative_to(RESULTS) for path in RESULTS.glob(places)]


COMMITTED = committed("*.jsonl", "*/*/*/*.jsonl")
"""Records."""
PUBLISHED = [name for name in names() if name in {path.parts[0] for path in COMMITTED}]
WEIGHTS = sorted(map(str, committed("*/weights/*.npz", "*/weights/*/*.npz")))
CPU = torch.device("cpu")
PAGES = ("report.md", "claims.json", "tables/*.csv")
"""Pages of words and numbers; how figures are drawn differs from machine to machine."""
HEAVIEST = "collier2018-audit"
"""The page with the most figures, which alone are drawn: they take longer than all of the words."""


def test_collier2018_is_trained_as_the_paper_was() -> None:
    """The defaults of MarkPKCollier/NeuralTuringMachine are not the paper's: neither its optimiser nor its memory."""
    suite = find("collier2018")
    assert suite.seeds == tuple(range(1, 11)) and suite.solved == 0.1
    for experiment in suite.experiments:
        training = experiment.training
        assert training.optimizer == Adam(1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
        assert (training.clip, training.batch, training.steps) == (GlobalNorm(50.0), 32, 31_250)
        assert (training.eval_every, training.eval_batch * len(training.eval_sizes)) == (200, 640)
        assert training.reduction == "sum"
    memories = {e.model_name: e.model.memory for e in suite.experiments if e.model_name.startswith("ntm")}  # type: ignore[attr-defined]
    for reading in ("cosine", "dot"):
        assert memories[f"ntm-constant-{reading}"] == Constant(1e-6, trainable=True)
        assert memories[f"ntm-learned-{reading}"] == Learned("xavier")
        assert memories[f"ntm-random-{reading}"] == Random(std=0.5, trainable=True, squash=True)


@pytest.mark.parametrize("suite", PUBLISHED)
def test_no_record_is_stale(suite: str) -> None:
    """A change of settings, or of what a digest covers, would disown hours of training."""
    planned = plan(find(suite), RESULTS)
    assert [each.run.key for each in planned if each.status == "stale"] == []
    assert any(each.status == "done" for each in planned)


def test_every_record_has_the_digest_of_its_run() -> None:
    """All records that are committed, whichever suite is at home there, and no other run's."""
    runs = {(run.experiment.home or name, run.key): run.digest for name in names() for run in find(name).runs()}
    said = {}
    for path in COMMITTED:
        folder, task, model, seed = path.with_suffix("").parts
        with (RESULTS / path).open() as file:
            said[folder, f"{task}/{model}/{seed}"] = json.loads(file.readline())["digest"]
    assert len(said) >= 668
    assert said == {place: runs.get(place) for place in said}


@pytest.mark.parametrize("suite", PUBLISHED)
def test_the_pages_are_what_the_records_say(suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if suite != HEAVIEST:
        monkeypatch.setattr(style, "saved", lambda figure: ('<svg width="9pt" height="9pt"></svg>', b""))
    folders = {suite, *(e.home for e in find(suite).experiments if e.home)}
    command = ["git", "-C", str(RESULTS), "status", "--porcelain", "--untracked-files=all", "--", *folders]
    state = subprocess.run(command, capture_output=True, text=True)
    if state.returncode or state.stdout:
        pytest.skip("records that are not committed yet: their pages are still to be drawn")
    for folder in folders:
        shutil.copytree(RESULTS / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pt", "figures"))
    kept = {path: path.read_bytes() for pattern in PAGES for path in sorted((tmp_path / suite).glob(pattern))}
    for path in kept:
        path.unlink()
    asked = ["report", "--suite", suite, "--results", str(tmp_path), "--no-tracking"]
    result = CliRunner().invoke(main, asked, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert (tmp_path / suite / "report.html").stat().st_size < 1_500_000  # a page is there in a second
    assert kept and [path for path, bytes in kept.items() if path.read_bytes() != bytes] == []


@pytest.mark.parametrize("file", WEIGHTS)
def test_published_weights_do_what_their_record_says(file: str) -> None:
    suite, _, task, arm = file.removesuffix(".npz").split("/")
    (run,) = [run for run in find(suite).runs() if run.key == f"{task}/{'/'.join(arm.rsplit('-', 1))}"]
    record = records.read(records.path_of(RESULTS, suite, run), run.key)
    assert record is not None
    best = weights.unpack((RESULTS / file).read_bytes(), run)
    experiment = run.experiment
    score = evaluate(
        weights.filled(run, best.vector), evaluation_set(experiment.task, experiment.training, CPU), experiment.task
    )
    then = record.evaluated[best.step]
    assert (score.loss, score.errors) == pytest.approx((then.loss, then.errors), rel=1e-4, abs=0.01)
    assert (then.errors, then.loss) == min((each.errors, each.loss) for each in record.evaluated.values())
