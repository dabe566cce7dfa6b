"""Runs trained again: a curve is the record's or is said not to be, records stay as they are, and what is watched is
what a trace shows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from membench.benchmarks import records
from membench.benchmarks.cli import main
from membench.benchmarks.core import Run, Suite
from membench.benchmarks.errors import UsageError
from membench.benchmarks.inspecting import rerun, traces
from membench.benchmarks.records import differences
from membench.benchmarks.records.events import Ended, Generalised
from membench.benchmarks.records.frames import facts_of, frames_of
from membench.benchmarks.records.record import Record
from membench.benchmarks.running.session import perform
from membench.benchmarks.suites import find
from membench.benchmarks.training.train import train
from membench.report import statistics
from membench.report import watched as watching
from membench.report.claims import Arm
from membench.report.figures import attention, style
from membench.report.pages import render
from membench.report.trace import Focus
from membench.report.watched import Course, Look


def only(suite: Suite, results: Path, model: str = "ntm") -> tuple[Run, Record]:
    """Seed 1 of a model."""
    ((run, record),) = rerun.recorded(suite, results, models=[model], seeds=[1])
    return run, record


def bench(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result


def falsify(path: Path, step: int) -> None:
    """Another number of wrong bits in an evaluation, as a hand would write it."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["sum"]
        if line["event"] == "evaluated" and line["step"] == step:
            line["errors"] += 1.0
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("model", ["ntm", "lstm"])
def test_a_run_trained_again_is_as_recorded(suite: Suite, results: Path, model: str) -> None:
    run, record = only(suite, results, model)
    before = record.path.read_bytes()
    one = rerun.rerun(run, record, rerun.until(run, record, None))
    assert (one.compared, one.difference, one.course) == (5 + 4, None, None)  # steps 0 to 40; two weights, two sizes
    assert record.path.read_bytes() == before and not (results / "tiny/traces").exists()


def test_one_number_that_is_not_the_records_is_found(suite: Suite, results: Path, tiny: str) -> None:
    run, record = only(suite, results)
    was = record.evaluated[20].errors
    falsify(record.path, 20)
    one = rerun.rerun(*only(suite, results), 45, watch=True)
    assert one.difference == ("step 20", "errors", was + 1, was)
    assert one.compared == 2 and one.course is None  # what was seen belongs to another curve
    result = bench("rerun", "--suite", tiny, "--results", results, "--watch", code=1)
    assert (
        f"copy/ntm/1: differs at step 20: errors {was} instead of {was + 1}, recorded by the code at" in result.stdout
    )
    assert "copy/lstm/1: equal in all 9" in result.stdout and "tiny: 1 of 2 as recorded" in result.stdout
    assert not records.watched_of(records.path_of(results, suite.name, run), (2,)).exists()
    answers = json.loads(bench("rerun", "--suite", tiny, "--results", results, "--json", code=1).stdout)["runs"]
    assert [(each["key"], each["equal"]) for each in answers] == [("copy/ntm/1", False), ("copy/lstm/1", True)]


def made(path: Path, *sessions: dict[str, Any]) -> None:
    """Another provenance of the first session, and of one that went on at step 20 if two are given, as by hand."""
    lines = [json.loads(line) for line in path.read_text().splitlines() if '"resumed"' not in line]
    for line in lines:
        line.pop("sum", None)
    lines[0]["provenance"] |= sessions[0]
    for later in sessions[1:]:
        lines.insert(4, {"event": "resumed", "step": 20, "provenance": lines[0]["provenance"] | later})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


HERE = {
    "kernels": "x86-64-v4", "device": "AMD EPYC with AVX512", "torch": "2", "numba": "3", "implementation": "fused"
}  # fmt: skip
XEON = {"device": "Xeon (Skylake, IBRS) with AVX512"}


@pytest.mark.parametrize(
    ("was", "why"),
    [
        ({}, []),
        (XEON, []),
        ({"commit": "another", "platform": "another", "python": "another"}, []),
        ({"kernels": None}, ["compiled for AMD EPYC with AVX512 itself"]),
        ({"kernels": "x86-64-v3", "device": "AMD EPYC with AVX2"}, ["compiled for x86-64-v3, here for x86-64-v4"]),
        ({"device": "AMD EPYC with AVX2"}, ["torch used AVX2, here AVX512"]),
        ({"torch": "1"}, ["torch 1, this is 2"]),
        ({"torch": "1", "numba": None}, ["torch 1, this is 2", "numba None, this is 3"]),
        ({"implementation": "reference"}, []),
        ({"implementation": "torch", **XEON}, ["made on Xeon (Skylake, IBRS), this is AMD EPYC"]),
        (
            {"implementation": "cohort of 4", "device": "NVIDIA H200"},
            ["torch used", "on NVIDIA H200, this is AMD EPYC"],
        ),
    ],
)
def test_what_may_differ_is_said_by_name(was: dict[str, Any], why: list[str]) -> None:
    found = differences.reasons([HERE, HERE | was, HERE | was], HERE)
    assert len(found) == len(why)
    assert all(part in reason for part, reason in zip(why, found, strict=True))


def second(run: Run, path: Path, loss: float) -> None:
    """A record of seed 2, a copy of seed 1 but for the loss at step 10."""
    lines = [json.loads(line.replace(f"{run.key}", f"{run.key[:-1]}2")) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("sum", None)
        if line["event"] == "started":
            line["digest"] = replace(run, seed=2).digest
        if line["event"] == "evaluated" and line["step"] == 10:
            line["loss"] = loss
    path.with_name("2.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_what_need_not_be_equal_is_compared_with_the_arms_seeds(suite: Suite, results: Path, tiny: str) -> None:
    run, record = only(suite, results)
    true, steps = record.evaluated[10].loss, 20
    falsify(record.path, 10)
    assert rerun.rerun(*only(suite, results), steps).reasons == []  # equal processors, equal libraries
    made(record.path, {"numba": "0.1"})
    for loss, low, high in ((true + 1, true, true + 1), (true - 1, true - 1, true)):
        second(run, record.path, loss)
        one = rerun.rerun(*only(suite, results), 10, watch=True)
        assert one.difference is not None and one.difference.where == "step 10" and one.course is None
        spread = rerun.among(suite, results, one)
        assert spread == ("loss at step 10", true, true, low, high, 2) and spread.within
    assert rerun.among(suite, results, rerun.rerun(*only(suite, results, "lstm"), 10)) is None  # it is equal
    asked = ("rerun", "--suite", tiny, "--results", results, "--seeds", 1, "--steps", 20)
    told = bench(*asked).stdout
    assert "copy/ntm/1: differs from step 10 on (errors" in told and "with numba 0.1, this is" in told
    assert "1 of 2 as recorded; of 1 that need not be, 1 lie among their arm's seeds" in told
    answers = json.loads(bench(*asked, "--json").stdout)["runs"]
    assert [(each["equal"], (each["spread"] or {}).get("within")) for each in answers] == [(False, True), (True, None)]


def test_a_whole_run_is_compared_by_the_steps_until_it_is_solved(suite: Suite, results: Path) -> None:
    _, record = only(suite, results)
    falsify(record.path, 20)
    made(record.path, {"torch": "1.0"})
    one = rerun.rerun(*only(suite, results), 45)
    assert rerun.among(suite, results, one) == ("steps until solved", np.inf, np.inf, np.inf, np.inf, 1)
    spread = rerun.among(replace(suite, solved=1000.0), results, one)
    assert spread is not None and (spread.recorded, spread.found) == (0, 0)
    assert "steps until solved: 0, recorded 0; within the 0 to 0 of the arm's 1" in rerun.sentence(one, spread)
    assert rerun.answer(one, rerun.among(suite, results, one))["spread"]["found"] is None  # JSON has no infinity


def test_more_outside_than_chance_explains_is_a_failure() -> None:
    inside, outside = (rerun.Spread("loss", 1.0, found, 0.0, 2.0, 9) for found in (1.0, 3.0))
    assert (inside.within, outside.within, inside.chance) == (True, False, 0.2)
    assert rerun.accident([]) == rerun.accident([inside]) == 1.0
    assert rerun.accident([outside]) == pytest.approx(0.2)
    assert rerun.accident([outside, inside]) == pytest.approx(1 - 0.8**2)
    assert rerun.accident([outside] * 3) == pytest.approx(0.2**3) and rerun.accident([outside] * 3) < rerun.UNLIKELY
    assert "fewer than chance explains (0.008)" in rerun.summary([outside] * 3)
    assert rerun.accident([outside._replace(seeds=1)] * 9) == 1.0  # one seed says nothing


def test_a_test_that_is_not_the_records_is_found(suite: Suite, results: Path) -> None:
    _, record = only(suite, results)
    last = record.events[-2]
    lines = record.path.read_text().splitlines()
    assert '"generalised"' in lines[-2]
    changed = {**json.loads(lines[-2]), "perfect": 0.987}
    del changed["sum"]
    ended = json.loads(lines[-1])
    del ended["sum"]
    record.path.write_text("\n".join([*lines[:-2], json.dumps(changed), json.dumps(ended)]) + "\n")
    one = rerun.rerun(*only(suite, results), 45)
    assert one.difference is not None and one.compared == 8
    assert (one.difference.where, one.difference.what) == ("size 4, final weights", "perfect")
    assert (one.difference.recorded, one.difference.found) == (0.987, last.perfect)  # type: ignore[attr-defined]


def test_no_further_than_asked_nor_than_recorded(suite: Suite, results: Path) -> None:
    run, record = only(suite, results)
    begun = replace(record, events=record.events[:4])  # started, steps 0 to 20
    ends = [(None, 45), (45, 45), (99, 45), (44, 40), (20, 20), (19, 10), (1, 10)]
    assert [rerun.until(run, record, steps) for steps, _ in ends] == [end for _, end in ends]
    assert [rerun.until(run, begun, steps) for steps in (None, 99, 20, 19)] == [20, 20, 20, 10]
    assert rerun.rerun(run, record, 20).compared == 3  # and no test of weights that were not the last
    assert rerun.rerun(run, begun, 20).compared == 3


def test_a_part_of_a_training_is_trained_by_the_schedule_of_the_whole(tiny: str, tmp_path: Path) -> None:
    """Whose warm-up may be longer than that part: up to a step, or as far as a record goes that was not finished."""
    path, results = tmp_path / "cosine.py", tmp_path / "results"
    path.write_text(
        "from membench.benchmarks.learning_rates import Cosine\n"
        + Path(tiny).read_text().replace("steps=45,", "steps=45, schedule=Cosine(warm_up=15),")
    )
    run = next(run for run in find(str(path)).runs() if run.experiment.model_name == "lstm")
    place = records.path_of(results, "tiny", run)
    perform([(run, place)], torch.device("cpu"), lambda event: None)
    asked = ("rerun", path, "--results", results, "--seeds", 1, "--model", "lstm")
    for steps, compared in ((10, 2), (30, 4)):
        assert f"copy/lstm/1: equal in all {compared} evaluations" in bench(*asked, "--steps", steps).stdout
    place.write_bytes(b"".join(place.read_bytes().splitlines(keepends=True)[:4]))  # started, steps 0 to 20
    told = bench(*asked)
    assert "copy/lstm/1: equal in all 3 evaluations" in told.stdout and "copy/lstm/1: done" in told.stderr


def test_what_is_watched_is_what_a_trace_shows(suite: Suite, results: Path) -> None:
    run, record = only(suite, results)
    one = rerun.rerun(run, record, 45, watch=True)
    assert one.course is not None and one.course.run == ("copy", "ntm", 1, run.digest)
    assert [look.step for look in one.course.looks] == [0, 10, 20, 30, 40]
    looks = {look.step: look for look in one.course.looks}
    first, best, _ = traces.trace(suite, results, "copy", "ntm", 1).trace.origin.moments
    for moment in (first, best):
        numbers, look = moment.numbers, looks[moment.step]
        assert (look.wrong, look.found) == (numbers.wrong, numbers.found)
        assert (look.writing, look.reading) == (numbers.writing, numbers.reading)
    assert looks[0] != looks[40]


def test_a_model_without_a_memory_has_a_course_without_heads(suite: Suite, results: Path) -> None:
    one = rerun.rerun(*only(suite, results, "lstm"), 10, watch=True)
    assert one.course is not None and {(look.writing, look.reading) for look in one.course.looks} == {(None, None)}


def test_courses_are_kept_beside_the_traces_and_shown(suite: Suite, results: Path, tiny: str) -> None:
    asked = ("rerun", "--suite", tiny, "--results", results, "--model", "ntm", "--watch")
    assert "copy/ntm/1: equal in all 9 evaluations and tests" in bench(*asked).stdout
    path = results / "tiny/traces/copy/ntm-1-2.json"
    before = path.read_bytes()
    assert b"\n" in before.strip() and watching.dump(watching.load(before)) == before
    bench(*asked)
    assert path.read_bytes() == before
    (one,) = rerun.shown(suite, results)
    assert len(one.looks) == 5
    (cut,) = rerun.shown(replace(suite, budget=20), results)
    assert [look.step for look in cut.looks] == [0, 10, 20]
    bench(*asked, "--steps", 10)
    assert path.read_bytes() == before  # one that goes further stays
    for other in (replace(one, digest="0" * 16), replace(one, loss=one.loss + 0.0002)):  # of other settings, or records
        path.write_bytes(watching.dump(other))
        assert list(rerun.shown(suite, results)) == []
    bench(*asked, "--steps", 10)
    assert len(watching.load(path.read_bytes()).looks) == 2
    path.write_bytes(b"damaged")
    with pytest.raises(
        UsageError, match=r"ntm-1-2.json: not a course: .*; remove it, or make it again with bench rerun"
    ):
        list(rerun.shown(suite, results))


def said(*steps: int) -> bytes:
    """A course with looks at these steps, as bytes from elsewhere may say it."""
    look = {"wrong": 0, "found": None, "writing": None, "reading": None}
    about = {"task": "copy", "model": "ntm", "seed": 1, "digest": "", "size": "2", "loss": 0.5}
    return json.dumps({**about, "looks": [{"step": step, **look} for step in steps]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        said(),
        said(0, 0),
        said(10, 0),
        said(-1),
        said(0, 1 << 53),
        said(-(10**400)),
    ],
)
def test_bytes_that_are_no_course_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a course"):
        watching.load(content)


def test_a_large_file_is_not_read(suite: Suite, results: Path) -> None:
    assert len(watching.load(said(0, 10)).looks) == 2
    path = results / "tiny/traces/copy/ntm-1-2.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(said(0) + b" " * watching.LARGEST)
    with pytest.raises(UsageError, match="at most"):
        list(rerun.shown(suite, results))


def test_some_are_drawn_at_random(results: Path, tiny: str) -> None:
    asked = ("rerun", "--suite", tiny, "--results", results, "--steps", 10, "--json")
    seen = set()
    for _ in range(40):
        (one,) = json.loads(bench(*asked, "--sample", 1).stdout)["runs"]
        assert one["compared"] == 2 and one["equal"]
        seen.add(one["key"])
        if len(seen) == 2:
            break
    assert seen == {"copy/ntm/1", "copy/lstm/1"}
    assert len(json.loads(bench(*asked, "--sample", 9).stdout)["runs"]) == 2


def test_what_cannot_be_trained_again_is_said(suite: Suite, results: Path, tiny: str) -> None:
    missing = bench("rerun", "--suite", tiny, "--results", results, "--seeds", "2", code=2).stderr
    assert "tiny: no such run has a record" in missing and f"bench run {tiny}" in missing
    assert "there are ntm, lstm" in bench("rerun", "--suite", tiny, "--model", "gru", code=2).stderr
    changed = replace(suite, experiments=tuple(replace(each, revision=2) for each in suite.experiments))
    with pytest.raises(UsageError, match=r"2 records under .* were made under other settings"):
        rerun.recorded(changed, results)
    for model in ("ntm", "lstm"):  # killed before the first evaluation that training has a part in
        path = only(suite, results, model)[1].path
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(UsageError, match="no such run has a record"):
        rerun.recorded(suite, results)


def watched(bits: list[float | None]) -> Course:
    """A course of read heads with these entropies, ten steps apart, and write heads that are never sharp."""

    def focus(entropy: float | None) -> Focus | None:
        return None if entropy is None else Focus(0.5, entropy, None, None, None)

    looks = tuple(Look(10 * n, 0, None, focus(3.0), focus(entropy)) for n, entropy in enumerate(bits))
    return Course("copy", "ntm", 1, "", "2", 0.5, looks)


def test_heads_are_sharp_once_they_stay_so(suite: Suite, results: Path) -> None:
    frames = frames_of(results, suite)
    outcomes = statistics.outcomes(frames, suite.solved)
    outcomes["time"] = 30.0

    def row(bits: list[float | None]) -> dict[str, Any]:
        (found,) = attention.table([watched(bits)], facts_of(suite), outcomes).frame.to_dict("records")
        return {str(name): value for name, value in found.items()}

    found = row([3, 0.5, 2, 0.9, 0.8, 0.7, 0.1])
    assert (found["read_sharp"], found["write_sharp"]) == (30, np.inf)
    assert (found["solved"], found["read_entropy"], found["write_entropy"], found["watched"]) == (30, 0.9, 3.0, 60)
    assert row([3, 1.0, 1.0, 1.0, 1.0, 1.0])["read_sharp"] == np.inf  # below, not at
    assert row([None, 0.5, 0.5, 0.5, 0.5])["read_sharp"] == 10
    assert row([3, 3, 3, 3, 0.5, 0.5])["read_sharp"] == 40  # to the last look
    assert row([0.5, 0.5, 0.5, 3, 3])["read_sharp"] == np.inf
    outcomes["time"] = np.inf
    assert row([3, 0.5, 2, 0.4])["read_entropy"] == 0.4


def test_which_came_first_is_counted() -> None:
    rows = [(60, 30, 10, 20), (60, 40, 40, 10), (60, 20, 30, 10), (60, np.inf, np.inf, 10), (60, 90, 10, 20)]
    runs = pd.DataFrame(rows, columns=["watched", "solved", "write_sharp", "read_sharp"], dtype=float)
    assert attention.tally(runs, "sequences") == (
        "of 5 runs 3 were solved while watched; in 2 of these write and read heads were sharp by then, by a median of "
        "5 sequences. Of the other 2, 1 had both sharp while watched; 1 were solved later."
    )


def test_a_run_counts_as_solved_while_watched_up_to_the_last_look(suite: Suite, results: Path) -> None:
    frames, facts = frames_of(results, suite), facts_of(suite)
    outcomes = statistics.outcomes(frames, suite.solved)
    for time, solved in ((50.0, 1), (60.0, 0)):  # of looks at 0 to 50
        outcomes["time"] = time
        note = attention.table([watched([3, 3, 3, 3, 3, 0.2])], facts, outcomes).note
        assert f", of 1 runs {solved} were solved while watched" in note
    both = [watched([3.0]), replace(watched([3.0]), task="recall")]
    note = attention.table(both, facts, outcomes).note
    assert "On copy, of 1 runs" in note and "On recall, of 1 runs" in note
    headless = replace(watched([None, None]), looks=(Look(0, 0, None, None, None),))
    assert attention.table([headless], facts, outcomes).frame.empty
    unrecorded = attention.table([replace(watched([3.0]), seed=9)], facts, outcomes).frame
    assert np.isnan(unrecorded["solved"]).all()


def test_a_divergence_is_a_difference(suite: Suite, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, record = only(suite, results)
    begun = [event for event in train(run, torch.device("cpu"))][:4]
    monkeypatch.setattr(rerun, "train", lambda *_: iter([*begun, Ended(run.key, "diverged", 13, 1.0)]))
    one = rerun.rerun(run, record, 45, watch=True)
    assert one.difference == ("step 13", "status", None, "diverged") and one.course is None


def test_what_the_record_lacks_is_not_counted(suite: Suite, results: Path) -> None:
    run, record = only(suite, results)
    fewer = replace(record, events=tuple(e for e in record.events if getattr(e, "size", None) != [4]))
    assert rerun.rerun(run, fewer, 45).compared == 5 + 2
    others = (replace(e, sequences=4, errors=9.0) if isinstance(e, Generalised) else e for e in record.events)
    one = rerun.rerun(run, replace(record, events=tuple(others)), 45)  # on other sequences
    assert (one.compared, one.difference) == (5, None)


def test_a_page_shows_how_the_heads_came_to_look(suite: Suite, results: Path) -> None:
    frames, facts = frames_of(results, suite), facts_of(suite)
    page = render.report(frames, facts, results / "tiny", courses=[watched([2, 1.5, 0.5, 0.4, 0.3, 0.2])])
    root = ElementTree.fromstring(page.read_text())
    ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
    assert {"attention", "figure-attention-copy"} <= ids
    outcomes = statistics.outcomes(frames, suite.solved)
    known = replace(facts, arms=(Arm("copy", "ntm", "ntm"), Arm("copy", "lstm", "lstm")))
    two = [watched([2.0, 1.0]), replace(watched([2.0, 7.0]), model="lstm")]
    with style.drawing():
        figure = attention.picture(two, frames, known, "copy", outcomes)
    assert figure is not None and {ax.get_ylim()[0] for ax in figure.axes} == {0}
    assert all(ax.get_ylim()[1] > 7 for ax in figure.axes)  # panels share their height
    assert (results / "tiny/figures/attention-copy.png").exists()
    text = (results / "tiny/report.md").read_text()
    assert "figures/attention-copy.png" in text and "| copy | ntm | 1 | 50 | not seen | 20 |" in text
    render.report(frames, facts, results / "tiny")
    assert "attention" not in (results / "tiny/report.md").read_text()
