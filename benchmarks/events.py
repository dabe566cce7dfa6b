"""What happens during a run, as values: the lines of a record, the points in MLflow, the moves of a progress bar.

Every event becomes one JSON object: its fields and ``"event"``, its name. Numbers that are not finite never appear;
a run that produces one ends as ``diverged``.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

Status = Literal["done", "diverged", "failed", "interrupted"]


@dataclass(frozen=True)
class Event:
    """Something that happened to the run ``key`` (``copy/ntm-constant/7``)."""

    name: ClassVar[str]
    key: str


@dataclass(frozen=True)
class Started(Event):
    """First line of a record: what is run, and where."""

    name = "started"
    digest: str
    params: dict[str, Any]
    parameters: int  # trainable floats
    state_size: int  # floats carried from step to step, at the longest training size
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Evaluated(Event):
    """The evaluation set after ``step`` updates."""

    name = "evaluated"
    step: int
    sequences: int  # trained on so far
    loss: float  # nats a sequence, on the evaluation set
    errors: float  # wrong bits a sequence, outputs rounded at 0.5
    train_loss: float | None  # mean since the last evaluation, as trained on; None before the first step
    gradient_norm: float | None  # largest since the last evaluation, before clipping; None before the first step
    seconds: float  # spent training and evaluating so far, over all sessions


@dataclass(frozen=True)
class Resumed(Event):
    """Training went on from a checkpoint; evaluations after ``step`` before this line are superseded."""

    name = "resumed"
    step: int
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Generalised(Event):
    """A trained model on one test size."""

    name = "generalised"
    weights: Literal["best", "final"]
    step: int  # whose weights
    size: list[int]
    sequences: int
    errors: float  # wrong bits a sequence
    bits: int  # scored bits a sequence
    perfect: float  # fraction of sequences without a wrong bit


@dataclass(frozen=True)
class Ended(Event):
    """Last line of a session: ``done`` and ``diverged`` are final, ``failed`` and ``interrupted`` are tried again."""

    name = "ended"
    status: Status
    step: int
    seconds: float
    message: str = ""


EVENTS: dict[str, type[Event]] = {kind.name: kind for kind in (Started, Evaluated, Resumed, Generalised, Ended)}


def to_json(event: Event) -> dict[str, Any]:
    """The event as one line of a record; the key is the record's path, so only ``started`` repeats it."""
    line = {"event": event.name, **asdict(event)}
    if not isinstance(event, Started):
        del line["key"]
    return line


def from_json(line: dict[str, Any], key: str) -> Event:
    """The event of a line.

    Raises:
        ValueError: An unknown event or a missing field.
    """
    kind = EVENTS.get(str(line.get("event")))
    if kind is None:
        raise ValueError(f"unknown event {line.get('event')!r}")
    names = {f.name for f in fields(kind)}
    values = {"key": key, **{name: value for name, value in line.items() if name in names}}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{kind.name}: {error}") from None
