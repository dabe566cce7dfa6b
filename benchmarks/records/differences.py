"""Two trainings of one run, number by number: is the curve the record's?

It is where the same code trains on a processor that rounds alike.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core import present, said
from .events import Ended, Evaluated, Event, Generalised
from .provenance import processor
from .record import Record

COMPARED = ("loss", "errors", "train_loss", "gradient_norm", "perfect", "floor")
"""What an evaluation or a test says that has to be equal, to the last digit."""


class Difference(NamedTuple):
    """The first number that is not the record's."""

    where: str  # "step 200", "size 40, best weights"
    what: str  # a field of the event
    recorded: float | str | None
    found: float | str | None


def counterpart(event: Event, record: Record) -> Evaluated | Generalised | None:
    """What the record says of the same evaluation, or of the same test on as many sequences, if it does."""
    if isinstance(event, Evaluated):
        return record.evaluated.get(event.step)
    if isinstance(event, Generalised):
        tested = record.generalised.get((event.weights, tuple(event.size)))
        return tested if tested is not None and tested.sequences == event.sequences else None
    return None


def differs(event: Event, was: Evaluated | Generalised | None) -> Difference | None:
    """The first number of an event that is not the record's. What was recorded has not diverged so far."""
    if isinstance(event, Ended) and event.status != "done":
        return Difference(f"step {event.step:,}", "status", None, event.status)
    if was is None:
        return None
    where = f"step {was.step:,}"
    if isinstance(was, Generalised):
        where = f"size {said(tuple(was.size))}, {was.weights} weights"
    for name in (name for name in COMPARED if name in present(was)):  # an older record does not say everything
        before, now = getattr(was, name, None), getattr(event, name, None)
        if before != now:
            return Difference(where, name, before, now)
    return None


def said_of(difference: Difference, provenance: Mapping[str, Any]) -> str:
    """A difference, where the record comes from, and where this is."""
    where, what, before, now = difference
    commit, device, platform = (str(provenance.get(name) or "?") for name in ("commit", "device", "platform"))
    by = f"recorded by the code at {commit[:10]} on {device}, {platform}; this is {processor()}"
    return f"differs at {where}: {what} {now} instead of {before}, {by}"
