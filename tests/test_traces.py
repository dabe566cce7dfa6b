"""Traces: what is seen is what was computed, the numbers say what the heads did, and a file from elsewhere is data."""

import io
import json
import runpy
import shlex
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from matplotlib.figure import Figure

from membench.baselines.dnc import DNC
from membench.benchmarks import records
from membench.benchmarks.cli import main
from membench.benchmarks.core import Suite
from membench.benchmarks.errors import UsageError
from membench.benchmarks.inspecting import traces, weights
from membench.benchmarks.objectives import Bits
from membench.benchmarks.records.frames import facts_of, frames_of
from membench.ntm import NTM, FeedforwardController, LSTMController, stream
from membench.report.figures import heads, style
from membench.report.pages import render
from membench.report.pages import trace_words as said
from membench.report.trace import Moment, Numbers, Origin, Trace, alike, focus, measure, pack, unpack

SMALL: dict[str, Any] = {"rows": 7, "width": 3}
SEEN = {
    "ntm": NTM(**SMALL, reads=2, controller=LSTMController(units=5)),
    "ntm, two write heads": NTM(**SMALL, writes=2, reach=2, read_first=False, controller=LSTMController(5, layers=2)),
    "ntm, feedforward": NTM(**SMALL, similarity="dot", controller=FeedforwardController(5)),
    "dnc": DNC(**SMALL, reads=2, units=5),
    "dnc, deepmind's": DNC.deepmind(**SMALL, writes=2, units=5, layers=2),
    "dnc, no links": DNC(**SMALL, units=5, links=False, masked=True, recurrent=False),
    "dnc, sharpened": DNC(**SMALL, units=5, sharpened=True, deallocate=True),
}


@pytest.fixture(params=SEEN)
def looked(request: pytest.FixtureRequest) -> tuple[Any, Any, dict[str, Any]]:
    """A module with weights that make its heads look somewhere, logits by ``forward``, and what ``watch`` gives."""
    module = SEEN[request.param].build(4, 2, seed=3)
    with torch.no_grad():
        for n, parameter in enumerate(module.parameters()):
            parameter += torch.randn(parameter.shape, generator=stream("looked", n))
        inputs = torch.rand(9, 3, 4, generator=stream("inputs"))
        logits, seen = module.watch(inputs)
        torch.testing.assert_close(logits, module(inputs), atol=1e-4, rtol=1e-4)
    return module, inputs, seen


def test_watching_changes_nothing_and_shows_every_head(looked: tuple[Any, Any, dict[str, Any]]) -> None:
    spec, seen = looked[0].cell.spec, looked[2]
    for name, part in seen.items():
        heads = spec.reads if name.startswith("read") else spec.writes if name.startswith(("write", "alloc")) else 1
        expected = 1 if name == "allocation" else heads
        assert part.shape[:3] == (9, 3, expected), name
        assert part.isfinite().all()
        if name.endswith("vector"):
            assert part.shape[3] == spec.width
        if name.endswith(("weighting", "usage", "allocation", "forward", "backward")):
            assert part.shape[3] == spec.rows


def test_weightings_and_choices_are_distributions(looked: tuple[Any, Any, dict[str, Any]]) -> None:
    spec, seen = looked[0].cell.spec, looked[2]
    for name, part in seen.items():
        if name.endswith(("weighting", "shift", "mode", "usage", "allocation", "forward", "backward", "gate")):
            assert part.min() >= 0 and part.max() <= 1 + 1e-5
        if name.endswith(("shift", "mode")) or (name.endswith("weighting") and isinstance(spec, NTM)):
            torch.testing.assert_close(part.sum(dim=-1), torch.ones(part.shape[:3]), atol=1e-5, rtol=0)
        elif name.endswith("weighting"):
            assert (part.sum(dim=-1) <= 1 + 1e-5).all()


def test_what_is_seen_is_what_the_step_used() -> None:
    """Each part of a step, recomputed from what is seen of it: one head that reads what it has just written."""
    module = NTM(**SMALL, read_first=False, controller=LSTMController(units=5)).build(4, 2, seed=1)
    with torch.no_grad():
        _, seen = module.watch(torch.rand(6, 1, 4, generator=stream("inputs")))
        state = module.cell.begin(1)
        for step, x in enumerate(torch.rand(6, 1, 4, generator=stream("inputs"))):
            before = state
            _, state = module.cell(x, state)
            ask = module.cell.ask(state.controller[-1][0])  # an LSTM's output is its hidden state
            assert seen["write weighting"][step].equal(state.weightings[:, 1:])
            assert seen["read vector"][step].equal(state.weightings[:, :1] @ state.memory)
            assert seen["write vector"][step].equal(ask.add)
            assert seen["read strength"][step].equal(ask.strength[:, :1])
            assert seen["write gate"][step].equal(ask.gate[:, 1:])
            assert seen["read shift"][step].equal(ask.kernel[:, :1])
            assert seen["write sharpness"][step].equal(ask.sharpness[:, 1:])
            assert not before.memory.equal(state.memory)


def test_what_is_seen_of_a_dnc_is_what_the_step_used() -> None:
    module = DNC(**SMALL, units=5, clip=0.02).build(4, 2, seed=1)
    inputs = torch.rand(6, 1, 4, generator=stream("inputs"))
    with torch.no_grad():
        _, seen = module.watch(inputs)
        _, state = module.cell(inputs[0], module.cell.begin(1))
    asked = module.cell.ask(state.controller[0][0])  # which the clip has passed
    for name, part in {
        "write vector": asked.write,
        "read free gate": asked.free,
        "write gate": asked.write_gate,
    }.items():
        torch.testing.assert_close(seen[name][0], part)
    gate, allocated = seen["allocation gate"], seen["allocation"]
    by_content = (seen["write weighting"] / seen["write gate"] - gate * allocated) / (1 - gate)
    torch.testing.assert_close(by_content.sum(dim=-1), torch.ones(6, 1, 1))  # what is left is a softmax
    mode, backward, forward = seen["read mode"], seen["read backward"], seen["read forward"]
    by_key = seen["read weighting"] - mode[..., :1] * backward - mode[..., 1:2] * forward
    torch.testing.assert_close(by_key.sum(dim=-1, keepdim=True), mode[..., 2:], atol=1e-5, rtol=1e-4)


COPIER = runpy.run_path(str(Path(__file__).with_name("test_known_answer.py")))


@pytest.mark.parametrize("encoding", ["collier", "graves"])
def test_an_ntm_that_copies_by_hand_reads_where_it_wrote_one_row_a_step(encoding: str) -> None:
    """Graves et al. 2014, section 4.1."""
    batch = COPIER["sequences"](10, encoding)
    alone = type(batch)(*(part[:, :1] for part in batch))
    outputs, seen = traces.look(COPIER["copier"](), alone, Bits())
    numbers = measure(*(part[:, 0].numpy() for part in alone[:2]), outputs, alone.scored[:, 0].numpy(), seen)
    assert (numbers.wrong, numbers.bits, numbers.found, numbers.lag) == (0, 30, 1.0, 0)
    for one in (numbers.writing, numbers.reading):
        assert one is not None
        assert (one.move, one.usual, one.steady) == (1.0, 1, 1.0)
        assert one.largest > 1 - 1e-5 and one.entropy < 1e-3


VECTORS = np.eye(6, dtype=np.float32)[:4]  # four different ones of six bits


def copying(rows: list[int], answered: list[int], size: int = 8) -> Numbers:
    """The numbers of a copy in which ``rows`` are written, the end too, and ``answered`` are read."""
    steps, silent = 9, np.zeros((5, 6), np.float32)
    inputs, targets = np.concatenate([VECTORS, silent]), np.concatenate([silent, VECTORS])
    scored = (np.arange(steps) > 4).astype(np.float32)
    writing, reading = np.zeros((steps, 1, size), np.float32), np.zeros((steps, 1, size), np.float32)
    writing[np.arange(steps), 0, [*rows, *[rows[-1]] * (steps - len(rows))]] = 1
    reading[np.arange(steps), 0, [*[answered[0]] * 5, *answered]] = 1
    return measure(inputs, targets, targets, scored, {"write weighting": writing, "read weighting": reading})


def test_reading_what_was_written_counts_whole_and_heads_that_stay_count_little() -> None:
    assert copying([2, 3, 4, 5, 6], [2, 3, 4, 5]).found == 1
    assert copying([2, 3, 4, 5, 6], [0, 1, 0, 1]).found == 0
    assert copying([2, 3, 4, 5, 6], [2, 3, 0, 0]).found == 0.5
    assert copying([1] * 5, [1] * 4).found == pytest.approx(1 / 5)
    late = copying([7, 7, 2, 3, 4, 5, 6], [2, 3, 4, 5])  # the controller keeps every vector for two steps
    assert (late.found, late.lag) == (1, 2)


def test_moves_go_the_shorter_way_round() -> None:
    numbers = copying([6, 7, 0, 1, 2], [2, 1, 0, 7])
    assert numbers.writing is not None and numbers.reading is not None
    assert (numbers.writing.move, numbers.writing.usual, numbers.writing.steady) == (1, 1, 1)
    assert (numbers.reading.move, numbers.reading.usual) == (-1, -1)
    mixed = copying([0, 1, 2, 2, 3], [0, 1, 2, 3]).writing
    assert mixed is not None and (mixed.move, mixed.usual, mixed.steady) == (0.75, 1, 0.75)


def test_entropy_is_in_bits_and_closed_gates_do_not_count() -> None:
    even = focus(np.full((3, 2, 16), 1 / 16))
    assert even is not None and (even.entropy, even.largest) == (pytest.approx(4), pytest.approx(1 / 16))
    half = np.zeros((4, 1, 16))
    half[:2, 0, :2] = 0.4  # the gate lets 0.8 pass
    half[2:, 0, 5] = 0.3  # hardly anything
    some = focus(half)
    assert some is not None and (some.entropy, some.largest) == (pytest.approx(1), pytest.approx(0.5))
    assert some.move == 0
    assert focus(half[2:]) is None
    alone = focus(half[:1])
    assert alone is not None and alone.move is None and alone.steady is None


def test_what_is_written_once_the_answer_began_does_not_count() -> None:
    plain, padded = (np.concatenate([np.zeros((3, 6)), VECTORS, VECTORS, np.zeros((n, 6))]) for n in (0, 3))
    both = []
    for values in (plain, padded):
        steps = len(values)
        scored = ((np.arange(steps) >= 7) & (np.arange(steps) < 11)).astype(np.float32)
        weighting = np.zeros((steps, 1, 8))
        weighting[np.arange(steps), 0, [0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 3, 2][:steps]] = 1
        seen = {"write weighting": weighting, "read weighting": weighting}
        both.append(measure(values, values, values, scored, seen))
    assert both[0] == both[1] and both[0].found == 1


def made(seen: dict[str, Any] | None = None, **others: Any) -> Trace:
    """A trace of nine steps."""
    drawn = np.random.default_rng(0)
    numbers = copying([0, 1, 2, 3, 4], [0, 1, 2, 3])
    moments = tuple(Moment(weights, step, numbers) for weights, step in (("first", 0), ("best", 40), ("final", 45)))
    origin = Origin("copy", "ntm", 1, "0123456789abcdef", "2", "best", moments)
    bits = (drawn.random((9, 2)) > 0.5).astype(np.float32)
    parts = {"inputs": drawn.random((9, 3)), "targets": bits, "outputs": bits, "scored": np.ones(9)}
    if seen is None:
        seen = {"write weighting": drawn.random((9, 1, 5)), "read gate": drawn.random((9, 2, 1))}
    return Trace(**{"origin": origin, **parts, "seen": seen, **others})


def test_a_trace_comes_back_as_it_was_and_equal_ones_are_equal_bytes() -> None:
    trace = made()
    packed = pack(trace)
    again = unpack(packed)
    assert again.origin == trace.origin
    assert list(again.seen) == list(trace.seen)
    for one, other in [(trace.inputs, again.inputs), *((trace.seen[n], again.seen[n]) for n in trace.seen)]:
        np.testing.assert_allclose(one, other, atol=6e-4)
    assert again.targets.tolist() == trace.targets.tolist()
    assert pack(made()) == packed == pack(again)
    turned, moved = replace(trace, outputs=1 - trace.outputs), replace(trace.origin, seed=2)
    assert alike(again, again) and not any(
        alike(again, unpack(pack(t))) for t in (turned, replace(trace, origin=moved))
    )


def test_large_numbers_are_cut_and_order_in_memory_is_no_matter() -> None:
    large = np.full((9, 1, 2), 1e30)
    assert unpack(pack(made(seen={"write strength": large}))).seen["write strength"].max() == 65504
    turned = np.asfortranarray(np.arange(90).reshape(9, 2, 5))
    assert unpack(pack(made(seen={"a": turned}))).seen["a"].tolist() == turned.tolist()


def rezipped(change: Callable[[dict[str, bytes]], Any], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A packed trace with other entries."""
    with zipfile.ZipFile(io.BytesIO(pack(made()))) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def array(value: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(value), allow_pickle=True)
    return file.getvalue()


class Bang:
    """What must never run."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def announcing(shape: tuple[int, ...]) -> bytes:
    """An array that says it is large, and is not."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})  # type: ignore[no-untyped-call]
    return file.getvalue() + b"12"


HALF = np.float16
HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "pickled": (lambda e: e.update({"seen a.npy": array([[[Bang()]]] * 9)}), "an array of object"),
    "doubles": (lambda e: e.update({"inputs.npy": array(np.ones((9, 3)))}), "an array of float64"),
    "larger than it is": (lambda e: e.update({"seen a.npy": announcing((9, 1 << 40, 1))}), "cannot reshape"),
    "other steps": (lambda e: e.update({"seen a.npy": array(np.ones((8, 1, 1), HALF))}), "the same number in every"),
    "no steps": (lambda e: e.update({n: array(np.ones((0, 1), HALF)) for n in e if "about" not in n}), "1 to 2000"),
    "flat": (lambda e: e.update({"inputs.npy": array(np.ones(9, HALF))}), "inputs, targets, outputs and scored are"),
    "heads": (lambda e: e.update({"seen a.npy": array(np.ones((9, 99, 1), HALF))}), "up to 16 heads"),
    "infinite": (lambda e: e.update({"scored.npy": array(np.full(9, np.inf, HALF))}), "not finite"),
    "nameless": (lambda e: e.pop("about.npy"), "about"),
    "another name": (lambda e: e.update({"more.npy": array(np.ones(9, HALF))}), "unexpected keyword"),
    "many": (lambda e: e.update({f"seen {n}.npy": b"" for n in range(300)}), "arrays, at most"),
    "mathematics": (
        lambda e: e.update({r"seen write $\oops$.npy": array(np.ones((9, 1, 2), HALF))}),
        "accepted are names",
    ),
    "no array": (lambda e: e.update({"inputs.npy": b"<html>"}), "magic"),
    "a bomb": (lambda e: e.update({"inputs.npy": bytes((1 << 26) + 1)}), "bytes when unpacked, at most"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_trace_is_refused(name: str) -> None:
    change, message = HOSTILE[name]
    with pytest.raises(ValueError, match=f"not a trace: .*{message}"):
        unpack(rezipped(change))


def test_heads_of_two_memories_are_drawn() -> None:
    drawn = np.random.default_rng(0)
    trace = made(seen={"write weighting": drawn.random((9, 1, 5)), "read weighting": drawn.random((9, 1, 7))})
    rows, size = heads.attended(trace)
    assert size == 7 and len(rows) <= 7
    with style.drawing():
        assert heads.picture(trace, "bit").axes


def test_what_is_said_of_a_trace_is_checked() -> None:
    def about(**fields: Any) -> Callable[[dict[str, bytes]], None]:
        def change(entries: dict[str, bytes]) -> None:
            text = bytes(np.lib.format.read_array(io.BytesIO(entries["about.npy"])))
            entries["about.npy"] = array(np.frombuffer(json.dumps({**json.loads(text), **fields}).encode(), np.uint8))

        return change

    unpack(rezipped(about()))
    for fields in ({"seed": "1"}, {"size": None}, {"more": 1}, {"moments": []}, {"weights": "worst"}):
        with pytest.raises(ValueError, match="not a trace"):
            unpack(rezipped(about(**fields)))


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"GIF89a" * 9, pack(made())[:-30], rezipped(lambda e: None, zipfile.ZIP_LZMA)]
)
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a trace"):
        unpack(content)


def test_a_file_that_announces_little_is_not_unpacked_to_much(monkeypatch: pytest.MonkeyPatch) -> None:
    content = rezipped(lambda entries: entries.update({"inputs.npy": bytes(1 << 22)}))
    entry = content.rindex(b"inputs.npy") - 46  # in the directory, which is what is believed
    size = (1 << 22).to_bytes(4, "little")
    assert content[entry + 24 : entry + 28] == size
    lying = content[: entry + 24] + (100).to_bytes(4, "little") + content[entry + 28 :]
    with pytest.raises(ValueError, match="not a trace"):
        unpack(lying)


def test_a_run_is_traced_from_its_best_weights(suite: Suite, results: Path) -> None:
    one = traces.trace(suite, results, "copy", "ntm", 1)
    folder = results / "tiny/traces/copy"
    assert one.files == tuple(folder / f"ntm-1-2.{suffix}" for suffix in ("npz", "svg", "png"))
    trace = traces.read(one.files[0])
    assert trace is not None and trace.origin == one.trace.origin
    run = next(run for run in suite.runs() if run.key == "copy/ntm/1")
    record = records.read(records.path_of(results, "tiny", run), run.key)
    assert record is not None and trace.origin.run == ("copy", "ntm", 1, run.digest)
    best = min(record.evaluated.values(), key=lambda event: (event.errors, event.loss, event.step)).step
    assert [(m.weights, m.step) for m in trace.origin.moments] == [("first", 0), ("best", best), ("final", 45)]
    first, _, final = trace.origin.moments
    assert first.numbers.writing != final.numbers.writing
    with torch.no_grad():
        logits = weights.trained(suite, results, "copy", "ntm", 1)(traces.example(run.experiment.task, (2,)).inputs)
    outputs = torch.sigmoid(logits)[:, 0]
    np.testing.assert_allclose(trace.outputs, outputs, atol=1e-3)
    np.testing.assert_allclose(trace.seen["write weighting"].sum(axis=-1), 1, atol=2e-3)


def test_final_weights_and_other_sizes_have_files_of_their_own(suite: Suite, results: Path) -> None:
    final = traces.trace(suite, results, "copy", "ntm", 1, (4,), "final")
    assert final.files[0].name == "ntm-1-4-final.npz"
    assert len(final.trace.inputs) == 9 and final.trace.origin.moment.step == 45
    best = traces.trace(suite, results, "copy", "lstm", 1, (4,))
    assert best.trace.seen == {} and best.trace.origin.moment.numbers.writing is None
    assert best.trace.inputs.tolist() == final.trace.inputs.tolist()  # one example for all models


def test_equal_traces_are_equal_files(suite: Suite, results: Path) -> None:
    files = traces.trace(suite, results, "copy", "ntm", 1).files
    before = [file.read_bytes() for file in files]
    traces.trace(suite, results, "copy", "ntm", 1)
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize(("by", "kept"), [(1e-7, True), (1e-2, False)])
def test_a_published_trace_stays_as_it_is_on_another_machine(
    suite: Suite, results: Path, monkeypatch: pytest.MonkeyPatch, by: float, kept: bool
) -> None:
    """The last digits of single precision hang on the processor; what differs by more is another trace."""
    file = traces.trace(suite, results, "copy", "ntm", 1).files[0]
    before, look = file.read_bytes(), traces.look

    def elsewhere(*asked: Any) -> Any:
        outputs, seen = look(*asked)
        return outputs, {name: part * (1 - by) for name, part in seen.items()}

    monkeypatch.setattr(traces, "look", elsewhere)
    traces.trace(suite, results, "copy", "ntm", 1)
    assert (file.read_bytes() == before) == kept


def test_what_cannot_be_traced_is_said(suite: Suite, results: Path) -> None:
    def refused(message: str, *arguments: Any) -> None:
        with pytest.raises(UsageError, match=message):
            traces.trace(suite, results, *arguments)

    refused("no model gru in this suite; there are ntm, lstm", "copy", "gru", 1)
    refused("no seed 3 in this suite", "copy", "ntm", 3)
    refused("copy/ntm/2: no record at .*; make it with: bench run .*tiny.py --task copy", "copy", "ntm", 2)
    refused(r"size \(1, 2\): accepted is \(length >= 1\)", "copy", "ntm", 1, (1, 2))
    refused("size 5000 takes 10001 time steps; accepted are up to 2000", "copy", "ntm", 1, (5000,))
    (results / "tiny/copy/ntm/1.pt").write_bytes(b"damaged")
    refused(
        "copy/ntm/1: no weights at .*1.pt, nor at .*ntm-1.npz; they stay on the machine that trained them; "
        "to make them again in a folder of your own: .* --results mine; then",
        "copy",
        "ntm",
        1,
    )
    changed = replace(suite.experiments[1], revision=2)
    suite = replace(suite, experiments=(suite.experiments[0], changed))
    refused("copy/lstm/1: .* was made under other settings; make it again with: .* --force", "copy", "lstm", 1)
    assert not (results / "tiny/traces").exists()


def test_the_median_run_is_worth_tracing() -> None:
    def outcome(seed: int, time: float, last: float, complete: bool = True) -> dict[str, Any]:
        return {"task": "copy", "model": "ntm", "seed": seed, "time": time, "last": last, "complete": complete}

    def median(*rows: dict[str, Any]) -> dict[tuple[str, str], int]:
        return said.medians(pd.DataFrame(rows))

    assert median(outcome(1, 900, 0), outcome(2, 300, 0.05), outcome(3, 600, 0)) == {("copy", "ntm"): 3}
    assert median(outcome(1, 900, 0), outcome(2, 300, 0.05)) == {("copy", "ntm"): 2}
    unsolved = outcome(4, np.inf, 2.5), outcome(5, np.inf, 9), outcome(6, np.inf, 4)
    assert median(*unsolved) == {("copy", "ntm"): 6}
    assert median(*unsolved, outcome(1, 900, 0), outcome(2, 300, 0)) == {("copy", "ntm"): 4}
    assert median(outcome(1, 900, 0), outcome(2, 300, 0, complete=False)) == {("copy", "ntm"): 1}
    assert median(outcome(1, 900, 0, complete=False)) == {}


def test_a_report_shows_the_traces_that_are_there(suite: Suite, results: Path) -> None:
    assert traces.typical(suite, results, models=["ntm"])[0].seed == 1
    tables_of = frames_of(results, suite)
    assert traces.shown(suite, results, tables_of) == []
    for model in ("ntm", "lstm"):
        traces.trace(suite, results, "copy", model, 1)
    shown = traces.shown(suite, results, tables_of)
    assert [trace.origin.model for trace in shown] == ["ntm", "lstm"]
    page = render.report(tables_of, facts_of(suite), results / "tiny", shown)
    root = ElementTree.fromstring(page.read_text())
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert {"memory", "figure-trace-copy-ntm", "figure-trace-copy-lstm"} <= set(ids) and len(ids) == len(set(ids))
    pictures = [e for e in root.iter() if e.tag.endswith("}image")]
    assert pictures and all(e.attrib[next(k for k in e.attrib if "href" in k)].startswith("data:") for e in pictures)
    assert said.sentence(shown[0], "bit") in " ".join("".join(root.itertext()).split())
    links = [e.attrib["href"] for e in root.iter() if e.attrib.get("href", "").startswith("figures/")]
    assert "figures/trace-copy-ntm.png" in links and all((results / "tiny" / link).exists() for link in links)
    assert (results / "tiny/figures/trace-copy-ntm.svg").exists()
    assert len((results / "tiny/tables/traces.csv").read_text().splitlines()) == 3
    assert "figures/trace-copy-ntm.png" in (results / "tiny/report.md").read_text()


def test_a_report_shows_no_trace_of_other_settings_and_none_beyond_its_budget(suite: Suite, results: Path) -> None:
    frames = frames_of(results, suite)
    path = traces.trace(suite, results, "copy", "ntm", 1).files[0]
    trace = traces.read(path)
    assert trace is not None and trace.origin.moment.step > 0
    assert traces.shown(replace(suite, budget=trace.origin.moment.step), results, frames)
    assert traces.shown(replace(suite, budget=trace.origin.moment.step - 1), results, frames) == []
    path.write_bytes(pack(replace(trace, origin=replace(trace.origin, digest="0" * 16))))
    assert traces.shown(suite, results, frames) == []
    path.write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"ntm-1-2.npz: not a trace: .*; remove it, or make it again with bench trace"):
        traces.shown(suite, results, frames)


@pytest.mark.parametrize("name", ["ntm", "dnc, deepmind's", "dnc, no links"])
def test_every_memory_can_be_drawn(name: str) -> None:
    """Several heads, weightings that wrap round, a memory that nobody attends to, a single step."""
    module = SEEN[name].build(4, 2, seed=3)
    with torch.no_grad():
        _, seen = module.watch(torch.rand(9, 1, 4, generator=stream("inputs")))
    whole = made({part: values[:, 0].numpy() for part, values in seen.items()})
    cut = {part: values[:1] for part, values in whole.seen.items()}
    alone = made(cut, **{part: getattr(whole, part)[:1] for part in ("inputs", "targets", "outputs", "scored")})
    silent = made({part: 0 * values for part, values in whole.seen.items()})
    for trace in (whole, alone, silent):
        with style.drawing():
            figure = heads.picture(trace, "bit")
            panels = {ax.get_title(loc="left").split(",")[0].split(" (")[0] for ax in figure.axes}
            svg, png = style.saved(figure)
        assert panels == {"inputs", "targets", "outputs", "errors", *trace.seen}
        sides = {ax.get_title(loc="left"): ax.get_position().x0 > 0.5 for ax in figure.axes}
        assert all(right == title.startswith(("read", "outputs", "errors")) for title, right in sides.items())
        assert svg.startswith("<?xml") and png.startswith(b"\x89PNG")


def test_rows_that_nobody_attends_to_are_cut_off() -> None:
    def rows(*attended: int, size: int = 64) -> list[int]:
        weighting = np.full((9, 1, size), 0.001)
        weighting[4, 0, list(attended)] = 0.3
        numbers, count = heads.attended(made({"read weighting": weighting}))
        assert count == size
        return list(numbers)

    assert rows(20, 22, 23) == [19, 20, 21, 22, 23, 24]
    assert rows(62, 1) == [61, 62, 63, 0, 1, 2]
    assert rows(0) == [63, 0, 1]
    assert rows(0, 30) == [63, *range(32)]
    assert rows(0, 2, 4, size=6) == rows(size=6) == list(range(6))
    assert heads.attended(made({}))[1] == 0


def test_numbers_of_rows_leave_each_other_room_round_the_end() -> None:
    weighting = np.full((9, 1, 16), 0.001)
    weighting[4, 0, :13] = 0.3  # so that rows 15 to 13 are drawn, and 15 and 0 are neighbours
    numbers, rows = heads.attended(made({"read weighting": weighting}))
    (panel,) = heads.panels("read weighting", weighting, numbers, rows)
    ax = Figure().subplots()
    heads.draw(ax, panel)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "5", "10"]
    assert list(ax.get_yticks()) == [1, 6, 11]


def test_the_command_says_what_it_found(tiny: str, results: Path) -> None:
    def bench(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["trace", "--suite", tiny, "--results", str(results), *arguments])

    text = bench("--model", "ntm", "--size", "4")
    assert text.exit_code == 0, text.output
    assert "copy/ntm/1: Seed 1, size 4, best weights" in text.stdout and "ntm-1-4.png" in text.stdout
    answer = json.loads(bench("--seed", "1", "--weights", "final", "--json").stdout)["traces"]
    assert [one["model"] for one in answer] == ["ntm", "lstm"]
    assert answer[0]["moments"][2]["numbers"]["bits"] == 4 and all(Path(file).exists() for file in answer[0]["files"])
    for arguments, message in (
        (["--size", "2x"], "size '2x': accepted are numbers"),
        (["--seed", "2"], "no record"),
        (["--task", "sort"], "no task sort"),
    ):
        refused = bench(*arguments)
        assert refused.exit_code == 2 and message in refused.stderr
    (results / "tiny/copy/lstm/1.pt").unlink()
    partly = bench()
    assert partly.exit_code == 0 and "copy/ntm/1: " in partly.stdout
    assert "Left out: copy/lstm/1: no weights" in partly.stderr
    again = partly.stderr.partition("folder of your own: bench run ")[2].partition(";")[0]
    assert main.commands["run"].make_context("run", shlex.split(again)).params["results"] == Path("mine")
