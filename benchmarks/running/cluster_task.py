"""The cluster engine's other side: a task of Ray that trains a cohort on whatever node and yields what happens."""

from collections.abc import Iterator
from functools import cache

import torch

from ..core import Run
from ..outside import Packed, unpacked
from ..records.checkpoints import Snapshot
from ..records.events import Event
from ..suites import find
from ..training.process import prepare
from .session import training


def train_far(
    sources: Packed, members: dict[str, tuple[str, Snapshot | None]], gpu: bool
) -> Iterator[Event | Snapshot]:
    """A task: train a cohort, on whatever node."""
    prepare()
    runs = runs_of(sources)
    if any(key not in runs or runs[key].digest != digest for key, (digest, _) in members.items()):
        raise RuntimeError("this node has another version of membench or of the suite than the driver")
    device = torch.device("cuda" if gpu else "cpu")
    yield from training([(runs[key], snapshot) for key, (_, snapshot) in members.items()], device, lambda: False)


@cache
def runs_of(sources: Packed) -> dict[str, Run]:
    """The runs of a suite, by key."""
    return {run.key: run for run in find(*unpacked(sources)).runs()}
