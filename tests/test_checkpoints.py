"""Checkpoints: atomic, checked, never executed."""

import hashlib
import io
import os
import random
from pathlib import Path

import pytest
import torch

from membench.benchmarks.optimizers import Moments
from membench.benchmarks.records import checkpoints
from membench.benchmarks.records.checkpoints import MAGIC, Best, Snapshot


def snapshot(step: int = 10) -> Snapshot:
    weights = torch.arange(5.0)
    moments = Moments(weights[None] + 1, weights[None] + 2, step)
    return Snapshot("copy/ntm/1", "abc", step, 1.5, weights, moments, Best(5, 0.25, 1.0, weights + 3), (0.5, 0.25), 2.0)


def same(one: Snapshot, other: Snapshot) -> bool:
    def flat(value: object) -> list[object]:
        if isinstance(value, torch.Tensor):
            return [value.tolist()]
        if isinstance(value, tuple):
            return [part for item in value for part in flat(item)]
        if isinstance(value, Snapshot | Best):
            return [part for item in vars(value).values() for part in flat(item)]
        return [value]

    return flat(one) == flat(other)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "1.pt"
    checkpoints.save(snapshot(), path)
    loaded = checkpoints.load(path)
    assert loaded is not None and same(loaded, snapshot())
    over = Snapshot("copy/ntm/1", "abc", 45, 1.5, torch.zeros(3), None, None, (), 0.0)
    checkpoints.save(over, path)
    assert (loaded := checkpoints.load(path)) is not None and same(loaded, over)
    assert os.listdir(path.parent) == ["1.pt"]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert checkpoints.load(tmp_path / "1.pt") is None


def test_damage_anywhere_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "1.pt"
    checkpoints.save(snapshot(), path)
    good = path.read_bytes()
    draw = random.Random(0)
    for _ in range(200):
        bad = bytearray(good)
        if draw.random() < 0.5:
            bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
        else:
            del bad[draw.randrange(len(bad)) :]
        path.write_bytes(bytes(bad))
        assert checkpoints.load(path) is None


class Hostile:
    """Would write a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    path, proof = tmp_path / "1.pt", tmp_path / "executed"
    buffer = io.BytesIO()
    torch.save({"key": Hostile(proof)}, buffer)
    body = buffer.getvalue()
    path.write_bytes(MAGIC + hashlib.sha256(body).digest() + body)  # with a checksum that is right
    assert checkpoints.load(path) is None
    assert not proof.exists()


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.pt"
    checkpoints.save(snapshot(10), path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(snapshot(20), path)
    loaded = checkpoints.load(path)
    assert loaded is not None and loaded.step == 10
    assert os.listdir(tmp_path) == ["1.pt"]
