"""Trained weights: from a run's checkpoint, or from a file that a repository can hold.

A checkpoint stays where it was made. What is published of it are the weights of the best step, as arrays with the names
of the module's parameters, and whose they are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters

from ...report import npz
from ...report.trace import STRICT
from .. import records
from ..core import Run, Suite
from ..errors import UsageError, reason
from ..records import files, resume
from ..records.plan import plan, state
from ..training.learner import built

Weights = Literal["best", "final"]

LARGEST = 1 << 26
"""Bytes of the largest file that is read; unpacked, four times as many."""


@dataclass(frozen=True)
class About:
    """Whose weights they are."""

    __pydantic_config__ = STRICT
    run: str  # its key
    digest: str
    step: int  # the last before them


class Kept(NamedTuple):
    """Weights, and the last step before them."""

    step: int
    vector: Tensor  # (parameters,): all trainable values, in the module's order


ABOUT = TypeAdapter(About)


def trained(suite: Suite, results: Path, task: str, model: str, seed: int) -> nn.Module:
    """A model with the best weights of a run.

    Args:
        suite: The suite.
        results: The results folder.
        task: A task of the suite.
        model: A model of the suite.
        seed: A seed of the suite.

    Raises:
        UsageError: The suite has no such run, there is no record of it, or its weights are not there, or damaged.
    """
    run = plan(suite, results, [task], [model], [seed])[0].run
    return filled(run, kept(suite, results, run)["best"].vector)


def fill(module: nn.Module, vector: Tensor, run: Run) -> None:
    """Put weights in the place of those of the run's model.

    Raises:
        UsageError: They are not as many.
    """
    if len(vector) != (count := sum(p.numel() for p in module.parameters())):
        raise UsageError(f"{run.key}: {len(vector)} kept weights do not fit a model of {count}")
    vector_to_parameters(vector, module.parameters())


def filled(run: Run, vector: Tensor) -> nn.Module:
    """The run's model with these weights."""
    module = built(run)
    fill(module, vector, run)
    return module


def publish(suite: Suite, results: Path, run: Run) -> Path:
    """Write the best weights of a run where a repository can hold them.

    Raises:
        UsageError: They are not there, do not fit the model, would not be read again, or cannot be written.
    """
    path = records.weights_of(records.path_of(results, suite.name, run))
    content = pack(run, kept(suite, results, run)["best"])
    try:
        unpack(content, run)
    except ValueError as error:
        raise UsageError(f"{run.key}: {error}") from None
    files.put({path: content})
    return path


def pack(run: Run, best: Kept) -> bytes:
    """Weights as a file; equal ones give equal bytes."""
    parameters = filled(run, best.vector).named_parameters()
    arrays = {name: parameter.detach().numpy() for name, parameter in parameters}
    return npz.pack(ABOUT.dump_json(About(run.key, run.digest, best.step)), arrays)


def unpack(content: bytes, run: Run) -> Kept:
    """The weights of a file.

    Raises:
        ValueError: They are none, or of another run.
    """
    expected = {name: tuple(parameter.shape) for name, parameter in built(run).named_parameters()}
    try:
        text, arrays = npz.unpack(content, np.float32, LARGEST)
        about = ABOUT.validate_json(text)
    except Exception as error:  # whatever a file that is none makes zipfile or NumPy raise
        raise ValueError(f"no weights: {reason(error)}") from None
    if (about.run, about.digest) != (run.key, run.digest):
        raise ValueError(f"weights of {about.run}, settings {about.digest}; accepted is {run.key}, {run.digest}")
    shapes = {name: part.shape for name, part in arrays.items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if (there := shapes.get(name)) != (wanted := expected.get(name)):
            raise ValueError(f"weights that do not fit the model: {name} is {there}; accepted is {wanted}")
    return Kept(about.step, torch.cat([torch.tensor(arrays[name]).flatten() for name in expected]))


def kept(suite: Suite, results: Path, run: Run) -> dict[Weights, Kept]:
    """The weights of a run that are there: best and final ones by its checkpoint, or best ones as published.

    Raises:
        UsageError: There is no record, it was made under other settings, no weights are there, or they are damaged.
    """
    path = records.path_of(results, suite.name, run)
    experiment = run.experiment
    made = (
        f"bench run {suite.options} --task {experiment.task_name} --model {experiment.model_name} "
        f"--seeds {run.seed} --results"
    )
    again = f"{made} {results}"
    status = state(run, path).status
    if status == "new":
        raise UsageError(f"{run.key}: no record at {path}; make it with: {again}")
    if status == "stale":
        raise UsageError(f"{run.key}: {path} was made under other settings; make it again with: {again} --force")
    record = records.read(path, run.key)
    assert record is not None and record.best is not None  # it is not new
    snapshot = resume.kept(run, record)
    if snapshot is not None and snapshot.best is not None and (status != "done" or snapshot.moments is None):
        best = Kept(snapshot.best.step, snapshot.best.weights)
        return {"best": best, "final": Kept(snapshot.step, snapshot.weights)}
    published = records.weights_of(path)
    maker = "bench trace --publish where its checkpoint is"
    found = files.taken(published, LARGEST, lambda content: unpack(content, run), maker)
    if found is None:
        raise UsageError(
            f"{run.key}: no weights at {records.checkpoint_of(path)}, nor at {published}; they stay on the machine "
            f"that trained them; to make them again in a folder of your own: {made} mine; then trace with "
            "--results mine"
        )
    if found.step != (step := record.best.step):
        raise UsageError(f"{published}: of step {found.step:,}, but by its record the best step is {step:,}; {maker}")
    return {"best": found}
