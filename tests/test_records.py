"""Records: append-only, every line once, damage seen, nothing overwritten."""

import json
from pathlib import Path

import pytest

from membench.benchmarks.errors import UsageError
from membench.benchmarks.records.events import (
    Ended,
    Evaluated,
    Event,
    Generalised,
    Resumed,
    Started,
    from_json,
    to_json,
)
from membench.benchmarks.records.record import LONGEST, Busy, Recorder, aside, checkpoint_of, read

KEY = "copy/ntm/1"
STARTED = Started(KEY, "abc", {"seed": 1}, 10, 5, {"torch": "2"})


def evaluated(step: int, errors: float = 1.0) -> Evaluated:
    return Evaluated(KEY, step, step * 4, 2.0, errors, None, None, 0.5)


EVENTS: list[Event] = [
    STARTED,
    evaluated(0),
    Resumed(KEY, 0, {}),
    Generalised(KEY, "best", 0, [4], 8, 1.5, 8, 0.25),
    Ended(KEY, "done", 45, 1.0),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "copy" / "ntm" / "1.jsonl"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_survives_its_line(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event))), KEY) == event


def test_what_is_written_is_read(path: Path) -> None:
    with Recorder(path, KEY) as recorder:
        assert all(recorder.write(event) for event in EVENTS)
    record = read(path, KEY)
    assert record is not None and list(record.events) == EVENTS
    assert record.started == STARTED and record.ended == EVENTS[-1]
    assert record.step == 45 and list(record.evaluated) == [0] and list(record.generalised) == [("best", (4,))]


def test_a_line_is_written_once(path: Path) -> None:
    with Recorder(path, KEY) as recorder:
        recorder.write(STARTED)
        recorder.write(evaluated(10))
        assert not recorder.write(evaluated(10, errors=9.0))
    with Recorder(path, KEY) as recorder:
        assert not recorder.write(STARTED) and not recorder.write(evaluated(10))
        assert recorder.write(evaluated(20)) and recorder.write(Resumed(KEY, 10, {}))
    record = read(path, KEY)
    assert record is not None and [e.errors for e in record.evaluated.values()] == [1.0, 1.0]


def test_a_torn_last_line_is_left_out_and_mended(path: Path) -> None:
    with Recorder(path, KEY) as recorder:
        recorder.write(STARTED)
        recorder.write(evaluated(10))
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    record = read(path, KEY)
    assert record is not None and record.torn and list(record.events) == [STARTED]
    with Recorder(path, KEY) as recorder:
        assert recorder.write(evaluated(10))
    assert path.read_bytes() == whole


def test_an_empty_file_is_a_record_without_events(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    record = read(path, KEY)
    assert record is not None and record.started is None and record.step == 0
    assert read(path.with_name("2.jsonl"), KEY) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("not json", "Expecting value"),
        ("[1]", "not a JSON object"),
        ('{"event": "evaluated", "step": 1}', "Field required"),
        ('{"event": "no such"}', "unknown event"),
        ('{"event": "ended", "status": "won", "step": 1, "seconds": 1}', "'done', 'diverged'"),
        ('{"event": "resumed", "step": -1, "provenance": {}}', "greater than or equal to 0"),
        ('{"event": "ended", "status": "done", "step": 1, "seconds": NaN}', "finite"),
        ('{"event": "ended", "status": "done", "step": 1, "seconds": 1e999}', "finite"),
        ("[" * 100_000, "recursion"),
        ("x" * (LONGEST + 10), "Expecting value"),
    ],
)
def test_a_damaged_line_is_named(path: Path, line: str, why: str) -> None:
    with Recorder(path, KEY) as recorder:
        recorder.write(STARTED)
    with path.open("a") as file:
        file.write(line + "\n")
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"1\.jsonl, line 2: damaged") as error:
        read(path, KEY)
    assert why in str(error.value) and len(str(error.value)) < 600
    with pytest.raises(UsageError):
        Recorder(path, KEY)
    assert path.read_bytes() == before


def test_a_record_begins_with_started(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(to_json(evaluated(0))) + "\n")
    with pytest.raises(UsageError, match="line 1: damaged"):
        read(path, KEY)


def test_one_writer_at_a_time(path: Path) -> None:
    with Recorder(path, KEY), pytest.raises(Busy, match="another process"):
        Recorder(path, KEY, wait=0)
    Recorder(path, KEY, wait=0).__exit__()


def test_no_number_that_is_not_finite_is_written(path: Path) -> None:
    with Recorder(path, KEY) as recorder:
        recorder.write(STARTED)
        with pytest.raises(ValueError, match="JSON compliant"):
            recorder.write(evaluated(10, errors=float("nan")))


def test_what_is_moved_aside_is_kept(path: Path) -> None:
    assert aside(path) is None
    for number in (1, 2):
        with Recorder(path, KEY) as recorder:
            recorder.write(STARTED)
        checkpoint_of(path).write_text(str(number))
        assert aside(path) == path.with_name(f"1.jsonl.old{number}")
    assert not path.exists() and not checkpoint_of(path).exists()
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "1.jsonl.old1",
        "1.jsonl.old2",
        "1.pt.old1",
        "1.pt.old2",
    ]
