"""What a run must remember to go on exactly where it stopped, on disk.

A file is replaced in one step or not at all, carries a checksum, and is read without executing anything. While a run
trains, the checkpoint before the last is kept as well, so that a damaged file costs an interval, not the run.
"""

import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...report.files import replacing
from ..optimizers import Moments


@dataclass(frozen=True)
class Best:
    """The weights of the best evaluation so far: see ``events.rank``."""

    step: int
    errors: float
    loss: float
    weights: Tensor  # (parameters,)
    floor: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """A run after ``step`` updates; everything later follows from it."""

    key: str
    digest: str
    step: int
    seconds: float
    weights: Tensor  # (parameters,): all trainable values, in the module's order
    moments: Moments | None  # the optimiser's; None once training is over
    best: Best | None
    losses: tuple[float, ...]  # training losses since the last evaluation
    gradient_norm: float  # the largest since the last evaluation
    trail: int = 0  # of all evaluations so far, by the function of this name; 0: not told


MAGIC = b"membench1"

LARGEST = 1 << 32
"""Bytes of the largest file that is read."""


def previous_of(path: Path) -> Path:
    """Where the checkpoint before the last is, while the run trains."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save(snapshot: Snapshot, path: Path) -> None:
    """Write atomically: a reader sees the old file or the new one, whole. One process at a time may write a path.

    Raises:
        OSError: The disk is full or the folder cannot be written; the old file is untouched.
    """
    buffer = io.BytesIO()
    moments = snapshot.moments and snapshot.moments._asdict()
    torch.save({**asdict(snapshot), "moments": moments}, buffer)
    body = buffer.getvalue()
    with replacing(path) as file:
        file.write(MAGIC + hashlib.sha256(body).digest() + body)
        file.flush()
        os.fsync(file.fileno())
        if snapshot.moments is not None and path.exists():
            os.replace(path, previous_of(path))
    if snapshot.moments is None:  # training is over, and its weights are safe
        previous_of(path).unlink(missing_ok=True)


def trail(before: int, step: int, loss: float) -> int:
    """A checksum of evaluations, from that of those before: equal for one training, and for none that differs."""
    return zlib.crc32(f"{step} {loss!r}".encode(), before)


def forget(path: Path) -> None:
    """Remove what is kept of a run.

    Raises:
        OSError: It cannot be removed.
    """
    for each in (path, previous_of(path)):
        each.unlink(missing_ok=True)


def snapshots(path: Path) -> Iterator[Snapshot]:
    """The good snapshots of a run, the last first."""
    for each in (path, previous_of(path)):
        if (snapshot := load(each)) is not None:
            yield snapshot


def load(path: Path) -> Snapshot | None:
    """The snapshot of a file, or None where there is none or it is damaged."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        content = path.read_bytes()
        head = len(MAGIC)
        body = content[head + 32 :]
        if content[:head] != MAGIC or hashlib.sha256(body).digest() != content[head : head + 32]:
            return None
        values: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
        moments, best = values.pop("moments"), values.pop("best")
        snapshot = Snapshot(**values, moments=moments and Moments(**moments), best=best and Best(**best))
        return snapshot if _sound(snapshot) else None
    except Exception:  # whatever else a file that is no checkpoint makes torch raise
        return None


def _sound(snapshot: Snapshot) -> bool:
    """Whether every field is what it should be: a checksum says that a file is whole, not who made it."""
    moments, best = snapshot.moments, snapshot.best
    vectors = [snapshot.weights, *([best.weights] if best is not None else [])]
    matrices = [moments.first, moments.second] if moments is not None else []
    matrices += [moments.third] if moments is not None and moments.third is not None else []
    counts = [
        snapshot.step,
        snapshot.trail,
        *([best.step] if best is not None else []),
        *([moments.step] if moments is not None else []),
    ]
    amounts = [snapshot.seconds, snapshot.gradient_norm, *snapshot.losses]
    amounts += [best.errors, best.loss] if best is not None else []
    amounts += [best.floor] if best is not None and best.floor is not None else []
    return (
        all(isinstance(text, str) for text in (snapshot.key, snapshot.digest))
        and all(isinstance(count, int) and count >= 0 for count in counts)
        and all(isinstance(amount, float) for amount in amounts)
        and (moments is None or moments.step == snapshot.step)
        and snapshot.weights.ndim == 1
        and all(vector.shape == snapshot.weights.shape for vector in vectors)
        and all(matrix.shape == (1, *snapshot.weights.shape) for matrix in matrices)
        and all(tensor.dtype == torch.float32 for tensor in (*vectors, *matrices))
    )
