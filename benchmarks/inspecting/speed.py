"""How fast a training step is: every implementation of a model beside a plain LSTM, interleaved, one thread.

Only ratios of one call mean anything: all contestants take their turns in the same process, so that whatever else the
machine does falls on all of them. A turn is two steps, of which the second is timed: in a training, too, the step
before is one's own, and caches hold what it left, not what another contestant did.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from ...ntm import stream
from ..core import Experiment, Run, Suite
from ..errors import UsageError, reason
from ..protocols import Batch, Model, Size, largest, smallest
from ..records.provenance import commit, processor
from ..training.learner import Learner
from ..training.process import prepare

MEMBERS = 4
"""Seeds in the cohort that is timed."""

YARDSTICK = "torch.nn.LSTM(100)"


@dataclass(frozen=True)
class Yardstick:
    """``torch.nn.LSTM`` and a linear layer: what PyTorch does best on a CPU."""

    units: int = 100

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        """The module; its values do not matter."""
        return YardstickModule(inputs, self.units, outputs)

    def state_size(self, steps: int) -> int:
        """Hidden and cell."""
        return 2 * self.units


class YardstickModule(nn.Module):
    """An LSTM layer and the output layer."""

    def __init__(self, inputs: int, units: int, outputs: int) -> None:
        super().__init__()
        self.lstm, self.output = nn.LSTM(inputs, units), nn.Linear(units, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(time, batch, inputs) to logits."""
        logits: Tensor = self.output(self.lstm(inputs)[0])
        return logits


@dataclass(frozen=True)
class Fixed:
    """A model whose module runs one implementation."""

    model: Model
    implementation: str

    def build(self, inputs: int, outputs: int, seed: int = 0) -> nn.Module:
        """The module, told which."""
        module = self.model.build(inputs, outputs, seed)
        module.implementation = self.implementation  # type: ignore[assignment]
        return module


def alone(experiment: Experiment, implementation: str, batch: Batch) -> Callable[[], object]:
    """One training step of one run: forward, loss, backward, clip, optimiser."""
    if implementation in ("reference", "fused"):
        experiment = replace(experiment, model=Fixed(experiment.model, implementation))
    learner = Learner([Run(experiment, 1)], torch.device("cpu"))
    return lambda: learner.train(learner.laid_out([[batch]]))


def together(experiment: Experiment, batch: Batch) -> Callable[[], object]:
    """One training step of several seeds in lockstep.

    Raises:
        UsageError: ``vmap`` cannot batch the model.
    """
    learner = Learner([Run(experiment, seed) for seed in range(1, MEMBERS + 1)], torch.device("cpu"))
    if why := getattr(learner.differentiate, "why", ""):
        raise UsageError(why)
    return lambda: learner.train(learner.laid_out([[batch] * MEMBERS]))


def implementations(experiment: Experiment) -> list[str]:
    """What a model has: a reference and perhaps a fused twin, or PyTorch's own."""
    module = experiment.model.build(experiment.task.inputs, experiment.task.outputs, 1)
    which = getattr(module, "implementation_for", lambda device: "torch")("cpu")
    return ["reference", "fused"] if which == "fused" else [which]


def drawn(experiment: Experiment, size: Size | None = None, batch: int | None = None) -> Batch:
    """Sequences to train on, the same in every call."""
    count = batch or experiment.training.batch
    return experiment.task.sample(size or largest(experiment.task), count, stream("speed"))


def timed(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every step, taking turns of two, the second timed; one more first, which compiles."""
    for step in steps.values():
        step()
    gc.freeze()  # as workers do
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            step()
            began = time.perf_counter()
            step()
            times[name].append((time.perf_counter() - began) * 1000)
    return times


def measure(
    suite: Suite,
    tasks: Sequence[str],
    models: Sequence[str],
    rounds: int,
    peaks: Sequence[str],
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[dict[str, Any]]:
    """One row for every implementation of every arm that is chosen.

    Args:
        suite: The suite.
        tasks: Its tasks to time; all if empty.
        models: Its models to time; all if empty.
        rounds: Turns of each contestant.
        peaks: What ``suites.find`` takes, to measure memory in a process of its own.
        say: Told of every row that is skipped.
    """
    prepare()
    for experiment in suite.experiments:
        if (tasks and experiment.task_name not in tasks) or (models and experiment.model_name not in models):
            continue
        batch, names = drawn(experiment), implementations(experiment)
        steps = {name: alone(experiment, name, batch) for name in names}
        steps[YARDSTICK] = alone(replace(experiment, model=Yardstick()), "torch", batch)
        try:
            steps["cohort"] = together(experiment, batch)
        except UsageError as error:
            say(f"{experiment.key} cohort of {MEMBERS}: skipped, {error}")
        times = timed(steps, rounds)
        if "cohort" in times:
            times["cohort"] = [each / MEMBERS for each in times["cohort"]]
        middle = {name: median(each) for name, each in times.items()}
        for name in (*names, *(["cohort"] if "cohort" in times else []), YARDSTICK):
            yield {
                "task": experiment.task_name,
                "model": experiment.model_name,
                "implementation": name if name != "cohort" else f"cohort of {MEMBERS}",
                "ms_per_step": round(middle[name], 2),
                "ms_least": round(min(times[name]), 2),
                "ms_most": round(max(times[name]), 2),
                "ratio_to_reference": round(middle["reference"] / middle[name], 2) if "reference" in middle else None,
                "ratio_to_lstm": round(middle[name] / middle[YARDSTICK], 2),
                "sequences_per_second": round(experiment.training.batch / middle[name] * 1000),
                "peak_mb": peak(peaks, experiment.key, name) if name in names else None,
                "growth": growth(experiment, name, rounds) if name == names[-1] else None,
            }


def growth(experiment: Experiment, implementation: str, rounds: int) -> dict[str, float | str]:
    """How many times longer a step takes with a size, the rows or the batch four times as large, or a batch of one.

    Of what the task or the model refuses, why.
    """
    size, rows = largest(experiment.task), getattr(experiment.model, "rows", None)

    def step(size: Size = size, batch: int | None = None, rows: int | None = rows) -> Callable[[], object]:
        larger = experiment.model if rows is None else replace(experiment.model, rows=rows)  # type: ignore[type-var]
        taken = alone(replace(experiment, model=larger), implementation, drawn(experiment, size, batch))
        taken()  # a model may refuse only what it is given
        return taken

    cases: dict[str, Callable[[], Callable[[], object]]] = {"one": step}
    cases |= {"batch x 4": partial(step, batch=4 * experiment.training.batch)}
    cases |= {"batch 1": partial(step, batch=1), "length x 4": partial(step, (4 * size[0], *size[1:]))}
    cases |= {} if rows is None else {"rows x 4": partial(step, rows=4 * rows)}
    steps, refused = dict[str, Callable[[], object]](), dict[str, float | str]()
    for name, case in cases.items():
        try:
            steps[name] = case()
        except Exception as error:
            if name == "one":
                raise
            refused[name] = f"refused: {reason(error)}"
    middle = {name: median(each) for name, each in timed(steps, rounds).items()}
    return {name: round(each / middle["one"], 2) for name, each in middle.items() if name != "one"} | refused


def peak(sources: Sequence[str], key: str, implementation: str) -> float | None:
    """Megabytes a training step needs beyond what is loaded before it, in a process of its own; None if unknown."""
    command = [
        sys.executable,
        "-P",  # modules are not looked for in the folder it is called in
        "-c",
        "from membench.benchmarks.inspecting.speed import above; above()",
        key,
        implementation,
        *sources,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None  # after what its models print


def above() -> None:
    """Print that number: the program of the other process."""
    from ..suites import find

    key, implementation, *sources = sys.argv[1:]
    prepare()
    experiment = next(e for e in find(*sources).experiments if e.key == key)
    alone(
        experiment, implementation, drawn(experiment, smallest(experiment.task), 1)
    )()  # imports, and loads what is compiled
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _memory("VmRSS")
    step = alone(experiment, implementation, drawn(experiment))
    step()
    step()
    print(round((_memory("VmHWM") - before) / 1024, 1))


def _memory(name: str) -> float:
    """A line of the kernel's account of this process, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def document(rows: Sequence[dict[str, Any]], rounds: int) -> str:
    """What ``results/speed.json`` holds."""
    where = {"device": processor(), "torch": str(torch.__version__), **commit(), "rounds": rounds}
    return json.dumps({**where, "rows": list(rows)}, indent=1) + "\n"
