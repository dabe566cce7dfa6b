"""How fast a training step is on a GPU: a seed alone, and cohorts of ten and of a hundred.

Every cohort takes its steps as in ``bench run``: batches made ahead, the step captured. Beside the models of a task
stands ``torch.nn.LSTM``, whose members cuDNN computes one after another. Nobody has measured with it yet.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..core import Experiment, Run, Suite
from ..errors import UsageError, reason
from ..records.provenance import commit, device_name, processor
from ..running.slots import Room
from ..training.memory import free, release
from ..training.process import prepare
from ..training.timing import timing
from .speed import YARDSTICK, Yardstick

COHORTS = (1, 10, 100)
"""Seeds that are trained together."""


def gpu() -> str:
    """The device that is timed.

    Raises:
        UsageError: There is none.
    """
    if torch.cuda.is_available():
        return "cuda:0"
    built = torch.version.cuda is not None
    why = "torch finds none here" if built else f"torch {torch.__version__} was built without CUDA"
    raise UsageError(f"no CUDA device: {why}; accepted: --device cpu")


def measure(
    suite: Suite,
    tasks: Sequence[str],
    models: Sequence[str],
    device: str,
    limit: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[dict[str, Any]]:
    """One row for every cohort of every arm that is chosen.

    Args:
        suite: The suite.
        tasks: Its tasks to time; all if empty.
        models: Its models to time; all if empty.
        device: Where.
        limit: Seconds after which no other cohort is begun; None for no limit.
        say: Told of every cohort that is skipped.
    """
    prepare()
    until = None if limit is None else time.monotonic() + limit
    for experiment in contestants(suite, tasks, models):
        alone = None
        for members in COHORTS:
            runs = [Run(experiment, seed) for seed in range(1, members + 1)]
            try:
                if until is not None and time.monotonic() > until:
                    raise UsageError("the time is over")
                if (most := Room(free([device])).members(runs[0])) < members:
                    raise UsageError(f"there is room for {most}")
                found = timing(runs, device)
            except Exception as error:  # memory may be short, or a kernel not compile: the other rows are measured
                say(f"{experiment.key} cohort of {members}: skipped, {reason(error)}")
                continue
            finally:
                release(device)
            alone = found.seconds if members == 1 else alone
            yield {
                "task": experiment.task_name,
                "model": experiment.model_name,
                "seeds": members,
                "implementation": found.how,
                "ms_per_step": round(found.seconds * 1000, 3),
                "times_one_by_one": None if alone is None else round(alone * members / found.seconds, 1),
                "waiting": round(found.waiting, 4),
                "sequences_per_second": round(members * experiment.training.batch / found.seconds),
                "peak_mb": None if found.peak is None else round(found.peak / 1e6),
            }


def contestants(suite: Suite, tasks: Sequence[str], models: Sequence[str]) -> Iterator[Experiment]:
    """The arms that are chosen, and after those of a task the yardstick."""
    for task in dict.fromkeys(experiment.task_name for experiment in suite.experiments):
        arms = [e for e in suite.experiments if e.task_name == task and (not models or e.model_name in models)]
        if arms and (not tasks or task in tasks):
            yield from arms
            yield replace(arms[0], model_name=YARDSTICK.replace("(", "-").rstrip(")"), model=Yardstick(), tested=None)


def document(rows: Sequence[dict[str, Any]], device: str) -> str:
    """What ``results/speed-gpu.json`` holds."""
    where = {
        "device": device_name(device),
        "processor": processor(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
    }
    return json.dumps({**where, **commit(), "rows": list(rows)}, indent=1) + "\n"
