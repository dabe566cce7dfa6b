"""What a GPU has room for."""

import gc
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from ..core import Run, longest
from .learner import AHEAD, built

COPIES = 8
"""Of a member's trainable values: weights, gradients, the optimiser's state, and what a step makes on its way."""

SLACK = 1.5
"""Times what autograd keeps: for what it makes on its way back and what lies between. Not measured on a GPU."""


def needs(run: Run) -> int:
    """Bytes of a GPU that a run takes as a member of a cohort, at most: by what autograd keeps of one long sequence.

    It is computed on the CPU, by the reference; a kernel of the model's own needs less.
    """
    task, training = run.experiment.task, run.experiment.training
    module = built(run)
    module.implementation = "reference"  # type: ignore[assignment]
    steps = longest(task, training)
    kept: dict[int, int] = {}

    def noted(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(noted, lambda tensor: tensor):
        logits = module(torch.zeros(steps, 1, task.inputs))  # held, so that no place is taken twice
    activations = training.batch * sum(size for place, size in kept.items() if place not in own)
    parameters = 4 * sum(parameter.numel() for parameter in module.parameters())
    step = 4 * steps * training.batch * (task.inputs + task.outputs + 1)
    assert logits.shape[0] == steps
    return int(SLACK * activations) + COPIES * parameters + step * AHEAD


def release(device: torch.device | str) -> None:
    """Give back what a GPU held for a cohort that is over: its graphs refer to it in a circle."""
    if torch.device(device).type == "cuda":
        gc.collect()
        with suppress(RuntimeError):  # of a GPU that was led astray, which its cohort has said
            torch.cuda.empty_cache()


def free(devices: Sequence[str]) -> int:
    """Bytes that each worker may take, one a device: the least there is for one of those that share a GPU."""
    return min(torch.cuda.mem_get_info(device)[0] // devices.count(device) for device in devices)
