"""Two trainings of one run, number by number: is the curve the record's?

It is where the same code trains with the same instructions and libraries, whoever made the processor.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...report.words import size_text
from ..values import present
from .events import Ended, Evaluated, Event, Generalised
from .provenance import rounding
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
        where = f"size {size_text(tuple(was.size))}, {was.weights} weights"
    for name in (name for name in COMPARED if name in present(was)):  # an older record does not say everything
        before, now = getattr(was, name, None), getattr(event, name, None)
        if before != now:
            return Difference(where, name, before, now)
    return None


def reasons(recorded: Iterable[Mapping[str, Any]], here: Mapping[str, Any]) -> list[str]:
    """Why a training need not be the record's to the last digit; nothing where it has to be.

    Args:
        recorded: The provenance of every session of the record.
        here: That of this training.
    """
    return list(dict.fromkeys(reason for was in recorded for reason in _reasons(was, here)))


def _reasons(was: Mapping[str, Any], here: Mapping[str, Any]) -> Iterable[str]:
    device, kernels, torch, numba = (was.get(name) for name in ("device", "kernels", "torch", "numba"))
    rounded = rounding(str(here.get("device")))
    if kernels is None:
        yield f"its code was compiled for {device} itself, as all was before records name what for"
    elif kernels != here.get("kernels"):
        yield f"its code was compiled for {kernels}, here for {here.get('kernels')}"
    elif (instructions := rounding(str(device))) != rounded:
        yield f"its torch used {instructions or 'other instructions'}, here {rounded or 'others'}"
    for name, version in (("torch", torch), ("numba", numba)):
        if version != here.get(name):
            yield f"it was made with {name} {version}, this is {here.get(name)}"
    if kernels is not None and not was.get("implementation") == here.get("implementation") == "fused":
        before, now = (str(each).rpartition(" with ")[0] or str(each) for each in (device, here.get("device")))
        if before != now:
            yield f"torch's libraries choose by the processor, and it was made on {before}, this is {now}"


def said_of(difference: Difference, recorded: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """A difference, where the record comes from, where this is, and what may explain it."""
    where, what, before, now = difference
    commit, device, platform = (str(recorded.get(name) or "?") for name in ("commit", "device", "platform"))
    by = f"recorded by the code at {commit[:10]} on {device}, {platform}; this is {here.get('device')}"
    why = "; ".join(reasons([recorded], here))
    return f"differs at {where}: {what} {now} instead of {before}, {by}{': ' if why else ''}{why}"
