"""What a run must remember to go on exactly where it stopped, on disk.

A file is replaced in one step or not at all, carries a checksum, and is read without executing anything.
"""

import contextlib
import hashlib
import io
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from .optimizers import Moments


@dataclass(frozen=True)
class Best:
    """The weights of the lowest validation error so far, ties by lower validation loss."""

    step: int
    errors: float
    loss: float
    weights: Tensor  # (parameters,)


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


MAGIC = b"membench1"


def save(snapshot: Snapshot, path: Path) -> None:
    """Write atomically: a reader sees the old file or the new one, whole.

    Raises:
        OSError: The disk is full or the folder cannot be written; the old file is untouched.
    """
    buffer = io.BytesIO()
    moments = snapshot.moments and snapshot.moments._asdict()
    torch.save({**asdict(snapshot), "moments": moments}, buffer)
    body = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(MAGIC + hashlib.sha256(body).digest() + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def load(path: Path) -> Snapshot | None:
    """The snapshot of a file, or None where there is none or it is damaged: the run then starts again."""
    try:
        content = path.read_bytes()
        head = len(MAGIC)
        body = content[head + 32 :]
        if content[:head] != MAGIC or hashlib.sha256(body).digest() != content[head : head + 32]:
            return None
        values: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
        moments, best = values.pop("moments"), values.pop("best")
        return Snapshot(**values, moments=moments and Moments(**moments), best=best and Best(**best))
    except (OSError, RuntimeError, TypeError, KeyError, AttributeError, ValueError, EOFError, UnpicklingError):
        return None
