"""A course: how the heads of a run looked at each evaluation of its training, on the one example that traces show.

Kept as JSON beside the traces. Bytes from elsewhere are data: bounded, checked, never executed.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .trace import STRICT, Example, Focus, Numbers

LARGEST = 1 << 22
"""Bytes of the largest course that is read: ours have some 10,000."""

DIGITS = 4


@dataclass(frozen=True)
class Look:
    """The heads after so many steps of training."""

    __pydantic_config__ = STRICT
    step: int
    wrong: int  # wrong answers of the example
    found: float | None  # see trace.found()
    writing: Focus | None  # before the answer
    reading: Focus | None  # while answering


@dataclass(frozen=True)
class Course(Example):
    """What was seen of a run."""

    loss: float  # of the record, at the last look
    looks: tuple[Look, ...]  # in the order of their steps, at least one


ADAPTER = TypeAdapter(Course)


def look(step: int, numbers: Numbers) -> Look:
    """What a trace's numbers say of the heads, after so many steps."""
    return Look(step, numbers.wrong, numbers.found, numbers.writing, numbers.reading)


def dump(course: Course) -> bytes:
    """A course as JSON, a line a look, rounded; equal courses give equal bytes."""
    text = json.dumps(_rounded(asdict(course)), separators=(",", ":"), allow_nan=False)
    return (text.replace(',{"step"', ',\n{"step"') + "\n").encode()


def load(content: bytes) -> Course:
    """The course of some bytes.

    Raises:
        ValueError: They are none.
    """
    try:
        course = ADAPTER.validate_json(content)
    except ValidationError as error:
        raise ValueError(f"not a course: {error.errors(include_url=False)[0]['msg']}") from None
    steps = [look.step for look in course.looks]
    if not steps or not 0 <= steps[0] <= steps[-1] < 1 << 53 or steps != sorted(set(steps)):
        raise ValueError("not a course: steps are counts, at least one, in their order")
    return course


def rounded(value: float) -> float:
    """A number as it is kept."""
    return round(value, DIGITS)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return rounded(value) if isinstance(value, float) else value
