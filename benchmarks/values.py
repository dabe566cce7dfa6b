"""Hyperparameters as plain values: what a dataclass says of itself as JSON, and what counts as a number."""

import dataclasses
import math
import reprlib
from typing import Any

import numpy as np
from torch import nn


def present(value: Any) -> list[str]:
    """Names of a dataclass's fields, but for those that were added later and hold their default.

    Such a field carries ``field(default=..., metadata={"since": 2})``: what was said before it was there stays true.
    """
    return [
        f.name
        for f in dataclasses.fields(value)
        if "since" not in f.metadata
        or getattr(value, f.name) != (f.default if f.default_factory is dataclasses.MISSING else f.default_factory())
    ]


def plain(value: Any, where: str = "a value") -> Any:
    """Any frozen value as JSON: a dataclass becomes an object with its ``kind``, a tuple or range a list.

    Raises:
        TypeError: There is something else in it; ``where`` is what its path begins with.
    """
    value = unboxed(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type | nn.Module):
        fields = {name: plain(getattr(value, name), f"{where}.{name}") for name in present(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, range):
        return [value.start, value.stop, value.step]
    if isinstance(value, tuple | list):
        return [plain(item, f"{where}[{at}]") for at, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    kind = f"the class {value.__name__}" if isinstance(value, type) else f"{type(value).__name__}"
    said = "" if isinstance(value, type | nn.Module) else f" {' '.join(reprlib.repr(value).split())}"
    allowed = "only dataclasses, tuples, ranges, finite numbers, strings and None are allowed"
    raise TypeError(f"{where} is {kind}{said}: {allowed}")


def unboxed(value: Any) -> Any:
    """The same with NumPy's numbers as Python's; the very same where there are none."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        items = [unboxed(item) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else tuple(items)
    if isinstance(value, dict):
        named = {name: unboxed(item) for name, item in value.items()}
        return value if all(named[name] is item for name, item in value.items()) else named
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        before = {each.name: getattr(value, each.name) for each in dataclasses.fields(value) if each.init}
        after = {name: new for name, old in before.items() if (new := unboxed(old)) is not old}
        return dataclasses.replace(value, **after) if after else value
    return value


def is_count(value: Any) -> bool:
    """Whether this is a whole number from 1 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_positive(value: Any) -> bool:
    """Whether this is a finite number above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
