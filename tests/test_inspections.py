"""What else is measured of trained weights: the numbers, how they reach a record, and the claims that read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from membench.benchmarks.core import Experiment, Run
from membench.benchmarks.inspections import Copying, Ends, Prefix, Sorting
from membench.benchmarks.protocols import Batch
from membench.benchmarks.records.events import Generalised
from membench.benchmarks.records.frames import errors_of, frames_of
from membench.benchmarks.records.plan import state
from membench.benchmarks.records.record import path_of, read
from membench.benchmarks.running.session import perform
from membench.benchmarks.suites import find
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.tasks.sort import Sort
from membench.benchmarks.training.evaluate import INSPECTED, inspect
from membench.benchmarks.training.learner import built
from membench.report.claims import Arm, Claim, Shows, Shrinks
from membench.report.claims.judge import judge
from membench.report.claims.verdict import Verdict
from membench.report.frames import SuiteFacts, frames

ROWS = 16


def looking(rows: Sequence[Sequence[int]] | Tensor, share: float = 1.0) -> Tensor:
    """Weightings (time, 1, heads, rows) that give one row of every head this share, and the others the rest."""
    heads = torch.as_tensor(rows) % ROWS
    rest = (1 - share) / (ROWS - 1)
    return torch.full((*heads.shape, ROWS), rest).scatter(-1, heads[..., None], share)[:, None]


def test_an_answer_s_right_beginning_ends_at_its_first_mistake() -> None:
    batch = Batch(torch.zeros(6, 2, 1), torch.zeros(6, 2, 2), torch.tensor([0, 1, 1, 0, 1, 1.0])[:, None].expand(6, 2))
    wrong = torch.zeros(6, 2, 2)
    wrong[4, 1, 0] = wrong[5, 1, 1] = 1  # the other sequence is right throughout
    assert Prefix((1,))(batch, wrong, {}) == {"answers before the first mistake": (4 + 2) / 2}
    batch.targets[5, :, 1] = 1
    assert list(Ends((1,))(batch, wrong, {}).values()) == [0.5, 0.0, 0.5]
    wrong[1, :, 1] = wrong[2, 0, 1] = 1
    assert list(Prefix((1,))(batch, wrong, {}).values()) == [0.0]
    assert list(Ends((1,))(batch, wrong, {}).values()) == [0.5, 1.5, 0.5]


@pytest.mark.parametrize(
    ("reads", "share", "found", "moves", "focus"),
    [
        (range(14, 20), 1.0, 1.0, 1.0, 1.0),  # where it was written, over the end of the ring
        (range(20, 14, -1), 0.5, 0.2, 1.0, 0.5),  # backwards: one vector of five at its place
        (range(14, 26, 2), 1.0, 0.2, 0.0, 1.0),  # two rows a step
    ],
)
def test_how_heads_copy(reads: Sequence[int], share: float, found: float, moves: float, focus: float) -> None:
    task = Copy(bits=8, encoding="flags")
    batch = task.sample((5,), 1, torch.Generator().manual_seed(1))
    batch.inputs[1:6, 0, :5] = batch.targets[7:12, 0, :5] = torch.eye(5)  # no two vectors are equal
    writes = [[row] for row in (13, *range(14, 19), 19, 5, 5, 5, 5, 5, 5)]
    seen = {
        "write weighting": looking(writes),
        "read weighting": looking([[0]] * 7 + [[row] for row in reads], share),
    }
    got = list(Copying((5,))(batch, torch.zeros(13, 1, 9), seen).values())
    assert got == pytest.approx([found, moves, focus], abs=0.01)
    assert Copying((5,))(batch, torch.zeros(13, 1, 9), {}) == {}


def test_how_heads_sort() -> None:
    task = Sort(bits=2, train=(range(9, 10), range(5, 6)))
    batch = task.sample((9, 5), 1, torch.Generator().manual_seed(1))
    batch.inputs[:9, 0, 2] = torch.tensor([0.1, -0.4, 0.3, 0.0, -0.2, 0.4, -0.1, -0.3, 0.2])
    rows = (10 * batch.inputs[:9, 0, 2]).round().long()  # from -4 to 4: across the end of the ring
    late = torch.cat([torch.tensor([7, 7]), rows, torch.zeros(4).long()])  # written two steps after it was seen
    noise = torch.randint(ROWS, (15,), generator=torch.Generator().manual_seed(2))
    ways = torch.tensor([0] * 10 + [14, 15, 1, 2, 3])  # one way, over the end
    back = torch.tensor([0] * 10 + [1, 4, 2, 1, 4])
    size, wrong = Sorting((9, 5), channel=2), torch.zeros(15, 1, 2)
    heads = {"write weighting": looking(torch.stack([noise, late], 1)), "read weighting": looking(back[:, None])}
    assert list(size(batch, wrong, heads).values()) == pytest.approx([1.0, 0.5])
    heads = {"write weighting": looking(noise[:, None]), "read weighting": looking(torch.stack([back, ways], 1))}
    line, way = size(batch, wrong, heads).values()
    assert line < 0.5 and way == 1.0
    heads["write weighting"] = looking(torch.full((15, 1), 3))  # it never moves
    assert next(iter(size(batch, wrong, heads).values())) == 0.0
    assert size(batch, wrong, {}) == {}


def inspected(experiment: Experiment, *inspections: Any) -> Run:
    return Run(replace(experiment, inspections=inspections), 1)


@pytest.mark.parametrize("at", [0, 1])
def test_a_record_keeps_what_was_measured_and_is_told_later_what_was_not(tiny: str, tmp_path: Path, at: int) -> None:
    suite, prefix, copying = find(tiny), Prefix((3,)), Copying((2,))
    plain = Run(suite.experiments[at], 1)
    before, after = inspected(plain.experiment, prefix), inspected(plain.experiment, prefix, copying)
    assert before.digest == after.digest == plain.digest and before.params == plain.params
    path = path_of(tmp_path, suite.name, plain)
    for run in (before, after):
        told: list[Any] = []
        assert perform([(run, path)], torch.device("cpu"), told.append) == {run.key: "done"}
    assert [event.name for event in told] == ["resumed", "inspected", "ended"], "nothing is measured twice"
    assert state(after, path).status == "done"
    record = read(path, plain.key)
    assert record is not None and list(record.inspected) == [("Prefix", (3,)), ("Copying", (2,))]
    seen, found = record.inspected["Copying", (2,)], record.inspected["Prefix", (3,)]
    assert found.sequences == INSPECTED and found.step == record.best.step  # type: ignore[union-attr]
    assert list(seen.values) == (list(Copying.numbers) if at == 0 else []), "an LSTM shows nothing"
    table = frames_of(tmp_path, replace(suite, experiments=(after.experiment,), seeds=(1,))).inspections
    assert table["number"].tolist() == [*Prefix.numbers, *seen.values]
    assert table["value"].tolist() == [*found.values.values(), *seen.values.values()]
    assert table["size"].tolist() == ["3", *["2"] * len(seen.values)]


def test_it_is_the_best_weights_that_are_inspected(tiny: str, tmp_path: Path) -> None:
    from membench.benchmarks.inspecting.weights import trained

    suite = find(tiny)
    run = inspected(suite.experiments[0], Prefix((1,)))
    suite = replace(suite, experiments=(run.experiment,), seeds=(1,))
    path = path_of(tmp_path, suite.name, run)
    perform([(run, path)], torch.device("cpu"), lambda event: None)
    record = read(path, run.key)
    assert record is not None
    again = inspect(trained(suite, tmp_path, "copy", "ntm", 1), run.experiment.task, Prefix((1,)))
    assert record.inspected["Prefix", (1,)].values == again
    assert again != inspect(built(run), run.experiment.task, Prefix((1,))), "untrained ones would give another"


class Overflowing(nn.Module):
    """Every other sequence that is longer than those trained on gives no number, nor do the heads."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, inputs: Tensor) -> Tensor:
        logits = self.weight.expand(*inputs.shape[:2], 2).clone()
        if len(inputs) > 5:
            logits[-1, ::2, 0] = torch.nan
        return logits

    def watch(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        seen = torch.full((*inputs.shape[:2], 1, 4), torch.nan)
        return self(inputs), {"write weighting": seen, "read weighting": seen}


@dataclass(frozen=True)
class Overflows:
    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        return Overflowing()


def test_what_is_not_finite_once_trained_is_not_right_and_the_run_is_done(tiny: str, tmp_path: Path) -> None:
    suite = find(tiny)
    training = replace(suite.experiments[0].training, steps=1)
    run = inspected(replace(suite.experiments[0], model=Overflows(), training=training), Copying((4,)), Prefix((4,)))
    path = path_of(tmp_path, suite.name, run)
    assert perform([(run, path)], torch.device("cpu"), lambda event: None) == {run.key: "done"}
    record = read(path, run.key)
    assert record is not None and record.ended is not None and state(run, path).status == "done"
    assert record.ended.message == (
        "not finite, and so not right, at size 4 (best weights), 4 (final weights), 4 (Copying)"
    )
    near, far = (record.generalised["best", size] for size in ((2,), (4,)))
    assert near.loss is not None and far.loss is None and far.bits == 8
    assert far.errors > 4 + near.errors / 2 and far.perfect <= 0.5  # of half the sequences every bit is wrong
    assert record.inspected["Copying", (4,)].values == {}
    (first,) = record.inspected["Prefix", (4,)].values.values()
    assert first < 4  # the half that has no loss has no right beginning
    tables = frames_of(tmp_path, replace(suite, experiments=(run.experiment,), seeds=(1,)))
    assert tables.generalisation["errors"].tolist() == [e.errors for e in record.generalised.values()]
    assert tables.runs["message"].tolist() == [record.ended.message]


def test_where_there_is_a_floor_what_is_not_finite_counts_as_a_guess() -> None:
    run = next(run for run in find("schlag2021").runs() if run.experiment.task.test)
    size = list(run.experiment.task.test[0])
    found = Generalised(run.key, "best", 1, size, 8, 1.0, 1, 0.0, loss=None, floor=0.0)
    assert errors_of(run, found) == 0.5 * (1 - 1 / run.experiment.task.outputs)
    assert errors_of(run, replace(found, loss=0.75)) == 0.75


SAID = ("suite-C1", "Something is said.", "somewhere [p]")
SIZES = ((3,), (5,), (9,))


def ask(claim: Claim, values: Mapping[str, Sequence[float]], solved: Sequence[bool]) -> Verdict:
    """The verdict, where at every size each seed has a value, or NaN where it was not measured."""
    rows: dict[str, list[Any]] = {"runs": [], "evaluations": [], "generalisation": [], "inspections": []}
    for seed, good in enumerate(solved, 1):
        arm = {"task": "copy", "model": "a", "reading": "", "seed": seed}
        text = dict.fromkeys(("digest", "message", "device", "implementation", "commit"), "")
        numbers = {"step": 1000, "steps": 1000, "seconds": 1.0, "parameters": 1, "state_size": 1, "cut": False}
        rows["runs"].append({"key": f"copy/a/{seed}", **arm, "status": "done", **numbers, **text})
        zeros = dict.fromkeys(("loss", "train_loss", "gradient_norm", "seconds"), 0.0)
        for step in range(0, 1001, 100):
            errors = 0.0 if good and step > 300 else 9.0
            rows["evaluations"].append({**arm, "step": step, "sequences": 0, "errors": errors, **zeros})
        for size, each in values.items():
            if each[seed - 1] == each[seed - 1]:
                row = {"step": 1000, "size": size, "sequences": 64, "number": "focus", "value": each[seed - 1]}
                rows["inspections"].append({**arm, **row})
    arms = (Arm("copy", "a", "a", "", SIZES, tuple(("focus", size) for size in SIZES)),)
    claim.check(arms)
    facts = SuiteFacts("suite", "", "", 0.1, (claim,), arms, tuple(range(1, len(solved) + 1)))
    return judge(frames(**rows), facts)[0]


NONE = float("nan")


def test_a_number_reaches_its_bar_in_solved_runs_or_in_all() -> None:
    values, solved = {"5": [0.9, 0.95, 1.0, 0.9, 0.99, 0.91, 0.2]}, [True] * 6 + [False]
    found = ask(Shows(*SAID, "copy", "a", "focus", (5,), least=0.9), values, solved)
    assert found.verdict == "agrees" and found.found == (
        "At size 5, focus: 0.9 or more in 6 of 6 solved runs; the median is 0.93."
    )
    found = ask(Shows(*SAID, "copy", "a", "focus", (5,), least=0.9, unsolved=True), values, solved)
    assert found.estimate == pytest.approx(6 / 7) and "in 6 of 7 runs;" in found.found
    found = ask(Shows(*SAID, "copy", "a", "focus", (5,), below=0.9), values, solved)
    assert found.verdict == "contradicts" and "below 0.9 in 0 of 6 solved runs" in found.found
    found = ask(Shows(*SAID, "copy", "a", "focus", (5,), least=0.9), {"5": [NONE, *values["5"][1:]]}, solved)
    assert found.estimate == 1 and "5 of 5 solved runs (1 more is still to be tested)" in found.found
    assert ask(Shows(*SAID, "copy", "a", "focus", (3,), least=0.9), values, solved).verdict == "not estimable"


def test_a_number_falls_as_sizes_grow() -> None:
    claim = Shrinks(*SAID, "copy", "a", "focus", SIZES)
    falling = {"3": [8.0] * 6, "5": [9.0] * 6, "9": [2.0] * 6}
    found = ask(claim, falling, [True] * 3 + [False] * 3)
    assert found.verdict == "agrees" and found.found == (
        "Median focus by size: 8.0 at 3, 9.0 at 5, 2.0 at 9; the line fitted to it falls in 6 of 6 runs."
    )
    assert ask(claim, falling | {"9": [8.6] * 6}, [True] * 6).verdict == "contradicts"
    assert ask(claim, falling | {"9": [NONE] * 6}, [True] * 6).reason == "Of 6 runs none was tested at sizes 3, 5, 9."


def test_a_claim_of_a_number_that_is_not_measured_is_refused() -> None:
    for claim, why in (
        (Shows(*SAID, "copy", "a", "focus", (7,), least=1), r"number='focus', size=\(7,\): of a on copy is measured"),
        (Shows(*SAID, "copy", "a", "foc", (5,), least=1), "number='foc'"),
        (Shrinks(*SAID, "copy", "a", "focus", ((3,), (4,), (5,))), r"size=\(4,\)"),
        (Shrinks(*SAID, "copy", "a", "focus", ((3,), (5,))), "three or more"),
    ):
        with pytest.raises(ValueError, match=why):
            ask(claim, {}, [True])
    for bars in ({}, {"least": 1.0, "below": 2.0}):
        with pytest.raises(ValueError, match="one of the two"):
            Shows(*SAID, "copy", "a", "focus", (5,), **bars)
