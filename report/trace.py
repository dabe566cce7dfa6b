"""A trace: one example through a trained model, with what its memory did in every step, and the numbers it yields.

Packed into a few 10,000 bytes, so that it can be kept beside the records. Bytes from elsewhere are data: bounded,
checked, never executed.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter

from . import npz

Array = NDArray[np.floating[Any]]

LARGEST = 1 << 24
"""Bytes of the largest packed trace that is read; unpacked, four times as many."""

LONGEST, MOST_HEADS = 2000, 16
"""Time steps and heads of the largest trace."""

LAGS = (0, 1, 2, 3)
"""Steps that a controller may keep a vector, between seeing and writing it or between reading and answering."""

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Focus:
    """How the heads of a kind look, over steps and heads whose weighting sums to more than a half."""

    __pydantic_config__ = STRICT
    largest: float  # mean largest share of a row
    entropy: float  # mean, in bits; log2(rows) where all rows count the same
    move: float | None  # mean move of the row with the largest share, rows a step, the shorter way round
    usual: int | None  # the commonest move
    steady: float | None  # its share of the moves


@dataclass(frozen=True)
class Numbers:
    """What a trace yields. Of copying Graves et al. 2014 (4.1) say: read where it was written, +1 a step, sharply."""

    __pydantic_config__ = STRICT
    wrong: int  # wrong answers
    bits: int  # of so many
    writing: Focus | None = None  # before the answer; None where no weighting is to be seen
    reading: Focus | None = None  # while answering
    found: float | None = None  # how much of what was written to the rows read is what the answer needs: see found()
    lag: int | None = None  # for how many steps of LAGS that is largest


@dataclass(frozen=True)
class Moment:
    """The same example at another time of the training."""

    __pydantic_config__ = STRICT
    weights: str  # first, best or final
    step: int
    numbers: Numbers


@dataclass(frozen=True)
class Example:
    """Whose heads were looked at, and on which example."""

    __pydantic_config__ = STRICT
    task: str
    model: str
    seed: int
    digest: str  # of the run
    size: str  # of the example: "40", "10x20"

    @property
    def run(self) -> tuple[str, str, int, str]:
        """Whose it is."""
        return self.task, self.model, self.seed, self.digest


@dataclass(frozen=True)
class Origin(Example):
    """Where a trace comes from."""

    weights: str  # best or final
    moments: tuple[Moment, ...]  # first, best, final: all the weights that are kept

    @property
    def moment(self) -> Moment:
        """The one that is traced."""
        return next(moment for moment in self.moments if moment.weights == self.weights)


@dataclass(frozen=True)
class Trace:
    """One example. Arrays are time first; what was seen is (time, heads, size), by name, in the order to be shown.

    A name that begins with ``read`` is of reading, any other of writing. A size of 1 is a number a step; a larger one
    is drawn as a map: one called ``weighting`` is a share of attention for every row, one called ``attention`` what of
    every step's write is read.
    """

    origin: Origin
    inputs: Array  # (time, channels)
    targets: Array  # (time, outputs)
    outputs: Array  # (time, outputs), probabilities
    scored: Array  # (time,), 1 where the answer is read
    seen: Mapping[str, Array]


def measure(
    inputs: Array, targets: Array, outputs: Array, scored: Array, seen: Mapping[str, Array], symbols: bool = False
) -> Numbers:
    """The numbers of a trace, from its arrays; ``symbols``: an answer is not a bit, but the largest of the outputs."""
    answer = scored > 0.5
    shown = np.cumsum(answer) == 0
    if symbols:
        wrong = int(((outputs.argmax(axis=1) != targets.argmax(axis=1)) & answer).sum())
    else:
        wrong = int((((outputs > 0.5) != (targets > 0.5)) & answer[:, None]).sum())
    bits = int(answer.sum()) * (1 if symbols else targets.shape[1])
    writing, reading = seen.get("write weighting"), seen.get("read weighting")
    if writing is None or reading is None:
        return Numbers(wrong, bits)
    channels = min(inputs.shape[1], targets.shape[1])
    same = (np.abs(targets[answer][:, None, :channels] - inputs[shown][:, :channels]) < 0.5).all(axis=-1)
    written = {lag: np.minimum(np.flatnonzero(shown) + lag, len(scored) - 1) for lag in LAGS}
    shares = {lag: found(same, reading[answer], writing[written[lag]]) for lag in LAGS}
    lag = max(LAGS, key=lambda lag: shares[lag] or 0)
    return Numbers(wrong, bits, focus(writing[shown]), focus(reading[answer]), shares[lag], lag)


def found(same: NDArray[np.bool_], reading: Array, writing: Array) -> float | None:
    """How much of what was written to the rows that are read is what the answer needs, from 0 to 1.

    For every answer that was shown before: of all the vectors that were written mainly to the row that is mainly
    read, the share of those that equal the answer. Heads that never move get 1 / vectors, not 1.

    Args:
        same: Whether an answer equals a vector, (answers, vectors).
        reading: While answering, (answers, heads, rows).
        writing: Of the vectors, (vectors, heads, rows).
    """
    wrote = (writing.sum(axis=-1) > 0.5).T  # (heads, vectors): a DNC's write gate may be closed
    here = (
        reading.argmax(axis=-1)[:, :, None, None] == writing.argmax(axis=-1).T
    ) & wrote  # (answers, heads, heads, v)
    right = (here & same[:, None, None, :]).sum(axis=(-1, -2))
    share = (right / np.maximum(here.sum(axis=(-1, -2)), 1)).max(axis=-1)
    known = same.any(axis=-1)  # the end of an answer, where it is said, was not shown
    return float(share[known].mean()) if known.any() else None


def focus(weighting: Array) -> Focus | None:
    """How some heads look, from their weightings (time, heads, rows); None where they never look at all."""
    weighting = weighting.astype(float)
    total = weighting.sum(axis=-1)
    there = total > 0.5
    if not there.any():
        return None
    share = weighting[there] / total[there][:, None]
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=-1)
    rows, size = weighting.argmax(axis=-1), weighting.shape[-1]
    moves = ((np.diff(rows, axis=0) + size // 2) % size - size // 2)[there[1:] & there[:-1]]
    kinds, counts = np.unique(moves, return_counts=True)
    return Focus(
        largest=float(share.max(axis=-1).mean()),
        entropy=float(entropy.mean()),
        move=float(moves.mean()) if len(moves) else None,
        usual=int(kinds[counts.argmax()]) if len(moves) else None,
        steady=float(counts.max() / counts.sum()) if len(moves) else None,
    )


ORIGIN = TypeAdapter(Origin)
OWN = ("inputs", "targets", "outputs", "scored")


ROUNDING = 1e-4
"""By how much two processors may differ: single precision, over the steps of an example and through sharp functions."""


def alike(one: Trace, other: Trace) -> bool:
    """Whether two traces that were packed differ by no more than how processors round."""
    if list(one.seen) != list(other.seen) or not _alike(
        ORIGIN.dump_python(one.origin), ORIGIN.dump_python(other.origin)
    ):
        return False
    arrays = [[*(getattr(trace, name) for name in OWN), *trace.seen.values()] for trace in (one, other)]
    half = float(np.finfo(np.float16).eps)
    return all(
        a.shape == b.shape and np.allclose(a.astype(float), b.astype(float), rtol=half, atol=ROUNDING)
        for a, b in zip(*arrays, strict=True)
    )


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def pack(trace: Trace) -> bytes:
    """A trace as a compressed ``npz`` of half-precision arrays, rounded to 4 digits; equal traces give equal bytes.

    Raises:
        ValueError: It is larger than what would be unpacked again.
    """
    arrays = {name: getattr(trace, name) for name in OWN} | {f"seen {name}": part for name, part in trace.seen.items()}
    limit = float(np.finfo(np.float16).max)
    rounded = {name: np.clip(part.astype(float).round(4), -limit, limit) for name, part in arrays.items()}
    halved = {name: part.astype(np.float16) for name, part in rounded.items()}
    content = npz.pack(ORIGIN.dump_json(trace.origin), halved)
    unpack(content)
    return content


def unpack(content: bytes) -> Trace:
    """The trace of some bytes; needs no pickle, and memory in proportion to what is there.

    Raises:
        ValueError: They are no trace, or one that is too large.
    """
    try:
        about, arrays = npz.unpack(content, np.float16, LARGEST)
        origin = ORIGIN.validate_json(about)
        seen = {name.removeprefix("seen "): arrays.pop(name) for name in list(arrays) if name.startswith("seen ")}
        trace = Trace(origin, **arrays, seen=seen)
        _check(trace)
    except Exception as error:  # whatever a file that is none makes zipfile or NumPy raise
        raise ValueError(f"not a trace: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    return trace


def _check(trace: Trace) -> None:
    """Refuse what does not fit together: a checksum says that a file is whole, not who made it."""
    steps, own = len(trace.inputs), [trace.inputs, trace.targets, trace.outputs, trace.scored]
    if not 1 <= steps <= LONGEST or not all(len(part) == steps for part in (*own, *trace.seen.values())):
        raise ValueError(f"1 to {LONGEST} time steps are accepted, the same number in every array; inputs have {steps}")
    if [part.ndim for part in own] != [2, 2, 2, 1] or trace.targets.shape != trace.outputs.shape:
        raise ValueError(f"inputs, targets, outputs and scored are {[part.shape for part in own]}")
    for name, part in trace.seen.items():
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,59}", name) is None:
            raise ValueError(f"{name[:60]!r}: accepted are names of letters, digits, spaces and ._-")
        if part.ndim != 3 or not 1 <= part.shape[1] <= MOST_HEADS or part.size == 0:
            raise ValueError(f"{name} is {part.shape}: accepted is (time, heads, size) with up to {MOST_HEADS} heads")
    if not all(np.isfinite(part).all() for part in (*own, *trace.seen.values())):
        raise ValueError("a number that is not finite")
    _ = trace.origin.moment  # is there
