"""Records and checkpoints from elsewhere are data: checked, bounded, inside the folder, never executed."""

import hashlib
import io
import json
import os
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from membench.benchmarks import records
from membench.benchmarks.core import Run, Suite
from membench.benchmarks.errors import UsageError
from membench.benchmarks.records import checkpoints
from membench.benchmarks.records.checkpoints import MAGIC, Snapshot
from membench.benchmarks.records.encoding import checksum
from membench.benchmarks.records.events import Evaluated, Event
from membench.benchmarks.records.frames import facts_of, frames_of
from membench.benchmarks.records.record import Record, Recorder
from membench.benchmarks.records.resume import usable
from membench.benchmarks.running.session import perform
from membench.benchmarks.suites import find
from membench.report.pages import render

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["", "..", ".", ".hidden", "a/b", "/etc", "a\\b", "a b", "naïve", "a\n", "x" * 101])
def test_a_name_that_could_lead_elsewhere_is_refused(tiny: str, name: str) -> None:
    suite = find(tiny)
    for change in ({"task_name": name}, {"model_name": name}, {"home": name or "/"}):
        with pytest.raises(ValueError, match="letters, digits and"):
            replace(suite.experiments[0], **change)
    with pytest.raises(ValueError, match=r"Suite\(name="):
        replace(suite, name=name)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record and the checkpoints of one run, stopped and gone on with, and the last checkpoint of its training."""
    folder = tmp_path_factory.mktemp("results")
    run = one(find(str(Path(__file__).with_name("tiny.py"))))
    path = records.path_of(folder, "tiny", run)
    told: list[Event] = []
    perform([(run, path)], CPU, told.append, lambda: any(isinstance(e, Evaluated) and e.step == 30 for e in told))
    (folder / "trained.pt").write_bytes(records.checkpoint_of(path).read_bytes())
    perform([(run, path)], CPU, told.append)
    return folder


def one(suite: Suite) -> Run:
    """The run that all of this is about."""
    return next(run for run in suite.runs() if run.key == "copy/lstm/1")


# Paths


def test_links_out_of_the_folder_are_not_followed(tiny: str, tmp_path: Path) -> None:
    run, folder, outside = one(find(tiny)), tmp_path / "results", tmp_path / "outside"
    outside.mkdir()
    (outside / "1.jsonl").write_text("precious")
    for link, target in (
        ("tiny", outside),
        ("tiny/copy/lstm", outside),
        ("tiny/copy/lstm/1.jsonl", outside / "1.jsonl"),
    ):
        place = folder / link
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
        with pytest.raises(UsageError, match="a link out of the results folder, to "):
            records.path_of(folder, "tiny", run)
        with pytest.raises(UsageError, match="a link out of the results folder, to "):
            frames_of(folder, find(tiny))
        place.unlink()
    (tmp_path / "linked").symlink_to(folder)
    assert records.path_of(tmp_path / "linked", "tiny", run)  # the folder itself may be anywhere
    assert (outside / "1.jsonl").read_text() == "precious"


def test_a_checkpoint_never_writes_through_a_link(tmp_path: Path, results: Path) -> None:
    snapshot, outside = checkpoints.load(results / "trained.pt"), tmp_path / "precious"
    assert snapshot is not None
    outside.write_text("precious")
    for name in ("1.pt", f".1.pt.{os.getpid()}", "1.previous.pt"):
        (tmp_path / name).symlink_to(outside)
    for _ in range(3):
        checkpoints.save(snapshot, tmp_path / "1.pt")
    assert outside.read_text() == "precious"
    assert not (tmp_path / "1.pt").is_symlink() and checkpoints.load(tmp_path / "1.pt") is not None


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_no_record(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "1.jsonl")
    with pytest.raises(UsageError, match="not a file"):
        records.read(tmp_path / "1.jsonl", "copy/lstm/1")
    assert checkpoints.load(tmp_path / "1.jsonl") is None


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("1.jsonl", records.LARGEST), ("1.pt", checkpoints.LARGEST)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(most + 1)
    with pytest.raises(UsageError, match=f"{records.LARGEST + 1} bytes are no record"):
        records.read(tmp_path / "1.jsonl", "copy/lstm/1")
    assert checkpoints.load(tmp_path / "1.pt") is None


# Records

NASTY: list[Any] = [
    *(None, True, -1, 2**53 + 1, 10**400, 1e308, -0.0, float("nan"), float("inf"), "", "x" * 9000, [], {}, [[]] * 50),
    *("../../etc/passwd", "/etc/passwd", "a/../../b", "\x00", "\x1b[2J", "</script>", "${HOME}", "\ud800", "\u202e"),
]
"""Values for any field."""


def hostile(lines: list[bytes], draw: random.Random) -> list[bytes]:
    """A line with a nasty value, and a checksum that is right."""
    number = draw.randrange(len(lines))
    line = json.loads(lines[number])
    line[draw.choice([*line, "extra"])] = draw.choice(NASTY)
    before = b"".join(lines[:number])
    line["sum"] = checksum(line, zlib.crc32(before)) if draw.random() < 0.9 else "x"
    return [*lines[:number], json.dumps(line).encode() + b"\n", *lines[number + 1 :]]


def mangled(good: bytes, draw: random.Random) -> tuple[bytes, bool]:
    """A damaged record, and whether every number that it still says must be one of the good record's."""
    kind = draw.randrange(6)
    bad = bytearray(good)
    lines = good.splitlines(keepends=True)
    if kind == 0:
        return bytes(bad[: draw.randrange(len(bad))]), True
    if kind == 1:
        for _ in range(draw.choice([1, 1, 2, 8])):
            bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
        return bytes(bad), True
    if kind == 2:
        start = draw.randrange(len(bad))
        bad[start : start + draw.randrange(64)] = draw.randbytes(draw.randrange(64))
        return bytes(bad), True
    if kind == 3:
        start = draw.randrange(len(bad))
        bad[start : start + 512] = bytes(512)  # blocks that never reached the disk
        return bytes(bad), True
    if kind == 4:
        draw.shuffle(lines)
        return b"".join(lines[: draw.randrange(len(lines) + 1)]), True
    return b"".join(hostile(lines, draw)), False


def timeless(event: Event) -> Event:
    return replace(event, seconds=0.0) if isinstance(event, Evaluated) else event


def fuzz_records(results: Path, folder: Path, rounds: int, seed: int) -> Iterator[Record]:
    """Damaged copies of a record, in its place; gives those that can still be read."""
    run = one(find(str(Path(__file__).with_name("tiny.py"))))
    good = records.path_of(results, "tiny", run).read_bytes()
    killed = b"".join(good.splitlines(keepends=True)[:4])
    path = records.path_of(folder, "tiny", run)
    path.parent.mkdir(parents=True)
    path.write_bytes(good)
    whole = records.read(path, run.key)
    assert whole is not None and whole.ended is not None
    exact = set(map(repr, whole.events))
    known = {repr(timeless(event)) for event in whole.events}
    draw = random.Random(seed)
    for _ in range(rounds):
        ended = draw.random() < 0.5
        content, faithful = mangled(good if ended else killed, draw)
        path.write_bytes(content)
        try:
            record = records.read(path, run.key)
        except UsageError as error:
            assert len(str(error)) < 1000 and str(error).isprintable()
            continue
        assert record is not None
        if faithful:
            assert all(repr(timeless(event)) in known for event in record.events), content
        if faithful and record.ended is not None and record.ended.status == "done":
            assert all(repr(event) in exact for event in record.events), content
        with Recorder(path, run.key) as recorder:  # going on with it keeps what is good
            assert recorder.record.events == record.events
        yield record


def fuzzed(results: Path, tmp_path: Path, rounds: int, drawn: int) -> int:
    """Fuzz, making a table of every record and a report of some; gives how many could still be read."""
    suite, folder, outside = (
        find(str(Path(__file__).with_name("tiny.py"))),
        tmp_path / "results",
        set(tmp_path.iterdir()),
    )
    readable = 0
    for readable, record in enumerate(fuzz_records(results, folder, rounds, seed=1), 1):
        frames = frames_of(folder, suite)
        assert len(frames.evaluations) <= len(record.evaluated)
        if readable % (rounds // drawn // 4) == 0:
            render.report(frames, facts_of(suite), folder / suite.name)
    assert {path.name for path in set(tmp_path.iterdir()) - outside} == {"results"}
    assert {path.name for path in folder.iterdir()} == {"tiny"}
    return readable


def test_damaged_records_show_no_wrong_number(results: Path, tmp_path: Path) -> None:
    assert fuzzed(results, tmp_path, rounds=300, drawn=3) > 30


@pytest.mark.slow
def test_thousands_of_damaged_records_show_no_wrong_number(results: Path, tmp_path: Path) -> None:
    assert fuzzed(results, tmp_path, rounds=5000, drawn=10) > 500


# Checkpoints


def sealed(body: bytes) -> bytes:
    """Any content, with a checksum that is right."""
    return MAGIC + hashlib.sha256(body).digest() + body


def forged(good: dict[str, Any], draw: random.Random) -> bytes:
    """A checkpoint with a nasty field."""
    values = {**good, "moments": dict(good["moments"]), "best": dict(good["best"])}
    where = draw.choice([values, values, values["moments"], values["best"]])
    tensors = [torch.zeros(0), torch.zeros(3, 3), torch.zeros(5, dtype=torch.float64), torch.zeros(2, 2).to_sparse()]
    where[draw.choice([*where, "extra"])] = draw.choice([*NASTY, *tensors])
    if draw.random() < 0.1:
        del where[draw.choice(list(where))]
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return sealed(buffer.getvalue())


def fuzz_checkpoints(results: Path, tmp_path: Path, rounds: int) -> None:
    """Damaged and forged checkpoints: what is taken for a good one has weights that fit."""
    run = one(find(str(Path(__file__).with_name("tiny.py"))))
    good = (results / "trained.pt").read_bytes()
    body = good[len(MAGIC) + 32 :]
    values = torch.load(io.BytesIO(body), weights_only=True)
    record = records.path_of(results, "tiny", run)
    folder, draw = tmp_path / "checkpoints", random.Random(2)
    folder.mkdir()
    with Recorder(record, run.key) as recorder:
        for _ in range(rounds):
            kind, bad = draw.randrange(4), bytearray(good)
            if kind == 0:
                bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del bad[draw.randrange(len(bad)) :]
            elif kind == 2:
                inner = bytearray(body)
                for _ in range(draw.choice([1, 4, 64])):
                    inner[draw.randrange(len(inner))] ^= 1 << draw.randrange(8)
                bad = bytearray(sealed(bytes(inner)))
            else:
                bad = bytearray(forged(values, draw))
            (folder / "1.pt").write_bytes(bad)
            snapshot = checkpoints.load(folder / "1.pt")
            assert kind > 1 or snapshot is None
            if isinstance(snapshot, Snapshot) and usable(snapshot, run, recorder.record):
                assert snapshot.weights.numel() == values["weights"].numel()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"] and os.listdir(folder) == ["1.pt"]


FLAWS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a name that is no text": lambda c: c.update(key=7),
    "a digest that is no text": lambda c: c.update(digest=None),
    "a step that is no count": lambda c: c.update(step=1.5),
    "a step below zero": lambda c: c["best"].update(step=-1),
    "seconds that are no number": lambda c: c.update(seconds="1"),
    "an error that is no number": lambda c: c["best"].update(errors=None),
    "losses that are none": lambda c: c.update(losses=["0.5"]),
    "weights of another type": lambda c: c.update(weights=c["weights"].double()),
    "weights of another shape": lambda c: c.update(weights=c["weights"][None]),
    "best weights of another size": lambda c: c["best"].update(weights=c["best"]["weights"][1:]),
    "moments of another shape": lambda c: c["moments"].update(first=c["moments"]["first"][0]),
    "moments of another type": lambda c: c["moments"].update(second=c["moments"]["second"].double()),
    "moments of another step": lambda c: c["moments"].update(step=c["step"] + 1),
    "third moments of another shape": lambda c: c["moments"].update(third=c["moments"]["first"][:, 1:]),
    "third moments that are no tensor": lambda c: c["moments"].update(third=0.0),
    "nothing at all": lambda c: c.clear(),
    "a field too many": lambda c: c.update(extra=1),
}


def resealed(good: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    values = torch.load(io.BytesIO(good[len(MAGIC) + 32 :]), weights_only=True)
    change(values)
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return sealed(buffer.getvalue())


def test_a_checkpoint_that_is_whole_and_sound_is_taken(results: Path, tmp_path: Path) -> None:
    (tmp_path / "1.pt").write_bytes(resealed((results / "trained.pt").read_bytes(), lambda checkpoint: None))
    assert checkpoints.load(tmp_path / "1.pt") is not None


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_checkpoint_with_one_flaw_is_not_taken(results: Path, tmp_path: Path, flaw: str) -> None:
    (tmp_path / "1.pt").write_bytes(resealed((results / "trained.pt").read_bytes(), FLAWS[flaw]))
    assert checkpoints.load(tmp_path / "1.pt") is None


def test_a_state_that_is_not_the_optimiser_s_is_not_usable(results: Path) -> None:
    run = one(find(str(Path(__file__).with_name("tiny.py"))))
    snapshot = checkpoints.load(results / "trained.pt")
    assert snapshot is not None and snapshot.moments is not None
    more = snapshot.moments._replace(third=snapshot.moments.first)
    with Recorder(records.path_of(results, "tiny", run), run.key) as recorder:
        assert usable(snapshot, run, recorder.record)
        assert not usable(replace(snapshot, moments=more), run, recorder.record)


def test_damaged_checkpoints_crash_nothing(results: Path, tmp_path: Path) -> None:
    fuzz_checkpoints(results, tmp_path, rounds=200)


@pytest.mark.slow
def test_thousands_of_damaged_checkpoints_crash_nothing(results: Path, tmp_path: Path) -> None:
    fuzz_checkpoints(results, tmp_path, rounds=5000)
