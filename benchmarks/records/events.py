"""What happens during a run, as values: the lines of a record, the points in MLflow, the moves of a progress bar.

Every event becomes one JSON object: its fields and ``"event"``, its name. Numbers that are not finite never appear:
a run whose training or evaluation produces one ends as ``diverged``, and a test counts as wrong.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ..values import present

Status = Literal["done", "diverged", "failed", "interrupted"]
Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Event:
    """Something that happened to the run ``key`` (``copy/ntm-constant/7``)."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # a line with a field of another name is not this event
    name: ClassVar[str]
    key: str


@dataclass(frozen=True)
class Started(Event):
    """First line of a record: what is run, and where."""

    name = "started"
    digest: str
    params: dict[str, Any]
    parameters: Count  # trainable floats
    state_size: Count | None  # floats carried from step to step, at the longest training size; None: not said
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Evaluated(Event):
    """The evaluation set after ``step`` updates."""

    name = "evaluated"
    step: Count
    sequences: Count  # trained on so far
    loss: Amount  # nats a sequence, on the evaluation set
    errors: Amount  # wrong answers a sequence, whatever they are: bits, tokens
    train_loss: Amount | None  # mean since the last evaluation, as trained on; None before the first step
    gradient_norm: Amount | None  # largest since the last evaluation, before clipping; None before the first step
    seconds: Amount  # spent training and evaluating so far, over all sessions
    floor: Amount | None = field(default=None, metadata={"since": 2})  # nats a sequence by the best possible predictor


@dataclass(frozen=True)
class Resumed(Event):
    """Training went on from a checkpoint, or without one from step 0; what the record says is not said again."""

    name = "resumed"
    step: Count
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Generalised(Event):
    """A trained model on one test size."""

    name = "generalised"
    weights: Literal["best", "final"]
    step: Count  # whose weights
    size: list[Count]
    sequences: Count
    errors: Amount  # wrong answers a sequence, whatever they are
    bits: Count  # scored answers a sequence, whatever they are
    perfect: Amount  # fraction of sequences without a wrong answer
    loss: Amount | None = field(default=None, metadata={"since": 2})  # nats a sequence; older records do not say, nor
    # does one where it is not finite: all answers of such a sequence count as wrong, and the run's end tells of it
    floor: Amount | None = field(default=None, metadata={"since": 2})  # as of an evaluation


@dataclass(frozen=True)
class Inspected(Event):
    """What else was measured of the best weights: see ``inspections``."""

    name = "inspected"
    what: str  # the kind of inspection
    step: Count  # whose weights
    size: list[Count]
    sequences: Count
    values: dict[str, Amount]  # by name; none where the model does not show what is asked for, or it is not finite


@dataclass(frozen=True)
class Ended(Event):
    """Last line of a session: ``done`` and ``diverged`` are final, ``failed`` and ``interrupted`` are tried again."""

    name = "ended"
    status: Status
    step: Count
    seconds: Amount
    message: str = ""


class Measured(Protocol):
    """What an evaluation found."""

    @property
    def errors(self) -> float: ...

    @property
    def loss(self) -> float | None: ...

    @property
    def floor(self) -> float | None: ...


def judged(found: Measured) -> float:
    """What counts of an evaluation or a test: wrong answers a sequence, or where there is a floor, nats above it."""
    return found.errors if found.floor is None or found.loss is None else found.loss - found.floor


def rank(found: Measured) -> tuple[float, float]:
    """What makes an evaluation better than another: what is judged, then a lower loss; of equals the first is best."""
    return judged(found), found.loss or 0.0


@dataclass(frozen=True)
class Compiling(Event):
    """Kernels of the run that no process has kept on disk are compiled; told to listeners alone, never recorded."""

    name = "compiling"


_KINDS: dict[str, TypeAdapter[Event]] = {
    kind.name: TypeAdapter(kind) for kind in (Started, Evaluated, Resumed, Generalised, Inspected, Ended)
}


def to_json(event: Event) -> dict[str, Any]:
    """The event as one line of a record; the key is the record's path, so only ``started`` repeats it."""
    line = {"event": event.name, **{name: getattr(event, name) for name in present(event)}}
    if not isinstance(event, Started):
        del line["key"]
    return line


def from_json(line: dict[str, Any], key: str) -> Event:
    """The event of a line.

    Raises:
        ValueError: An unknown event, or a field that is missing, of another type or out of range.
    """
    name = str(line.get("event"))
    kind = _KINDS.get(name)
    if kind is None:
        raise ValueError(f"unknown event {name[:80]!r}")
    fields = {field: value for field, value in line.items() if field != "event"}
    try:
        return kind.validate_python({**fields, "key": key})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{name}: {where}: {first['msg']}") from None
