"""A run in MLflow's terms, as plain values: what was chosen, what was measured, what one filters and groups by."""

import getpass
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...report.words import size_text
from ..core import Run
from ..records.events import Evaluated, Event, Generalised, Started, to_json
from .store_file import shown

NOTE = """Every run is one seed of one arm of the suite **{suite}**. {title}

*Group by* the tags `task` and `model` to average over seeds; these pages load 100 runs at a time, so a group may lack
seeds until you press *Load more*. The tag `summary` marks one run an arm that has all of its seeds. `reading` says
under which reading of the paper an arm stands, `status` how a run ended, `digest` which settings it had.

| metric | what it is | its step |
|---|---|---|
| `eval/errors` | {wrong} a sequence, evaluation set | training steps |
| `eval/loss` | nats a sequence, evaluation set | training steps |
| `eval/excess` | of these, nats above the best possible predictor, where there is no perfect one | training steps |
| `train/loss` | mean since the last evaluation | training steps |
| `train/gradient` | largest norm since then, before clipping | training steps |
| `generalisation/best/errors`, `.../perfect` | weights of the lowest evaluation error, tested on longer sequences: \
{wrong} a sequence, share of sequences without any | **time steps of the test sequences** |
| `generalisation/best/loss`, `.../excess` | nats a sequence, likewise | **time steps** |
| `solved`, `steps_to_solve` | of a run that had its budget: 1 or 0; after how many steps, if it did | training steps |
| `arm/...` | of a summary (tag `summary`), all seeds of an arm: median and quartiles of `errors`, the share that \
solved the task within this suite's budget, the median steps it took | training steps |
| `generalisation/final/...` | the same for the last weights | **time steps** |
| `.../errors-2x9`, `.../perfect-2x9` | test size (2, 9), where one before it is as long | **time steps** |

Claims, intervals and figures are drawn from the records by `bench report --suite {suite}`: `{report}`
"""
"""What an experiment of MLflow says of its columns."""


OF_RUNS = ("solved", "steps_to_solve", "eval/errors")
OF_ARMS = ("arm/seeds", "arm/solved", "arm/steps_to_solve", "arm/errors")

VIEWS: Mapping[str, Mapping[str, Any]] = {
    "runs": {
        "searchFilter": "tags.seed != ''",
        "selectedColumns": [
            "tags.`task`",
            "tags.`model`",
            "tags.`seed`",
            *(f"metrics.`{name}`" for name in OF_RUNS),
        ],
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": "task"}, {"mode": "tag", "groupByData": "model"}],
        },
    },
    "arms": {
        "searchFilter": "tags.summary = 'arm'",
        "selectedColumns": ["tags.`task`", "tags.`model`", *(f"metrics.`{name}`" for name in OF_ARMS)],
        "groupBy": None,
    },
}
"""Ways to look at an experiment, in the form in which MLflow's pages share them: the address names one of these."""


class Point(NamedTuple):
    """One number of a run."""

    name: str
    step: int
    value: float
    seconds: float | None  # into the run, where known


def points(run: Run, event: Event) -> list[Point]:
    """The numbers of an event."""
    if isinstance(event, Evaluated):
        values = {
            "eval/errors": event.errors,
            "eval/loss": event.loss,
            "eval/excess": None if event.floor is None else event.loss - event.floor,
            "train/loss": event.train_loss,
            "train/gradient": event.gradient_norm,
        }
        return [Point(name, event.step, value, event.seconds) for name, value in values.items() if value is not None]
    if isinstance(event, Generalised):
        task, size = run.experiment.task, tuple(event.size)
        steps = task.steps(size)
        first = next((other for other in task.test if task.steps(other) == steps), size)
        twin = "" if size == first else f"-{size_text(size)}"  # MLflow tells points apart by name and step
        stem = f"generalisation/{event.weights}"
        excess = None if event.loss is None or event.floor is None else event.loss - event.floor
        found = {"errors": event.errors, "perfect": event.perfect, "loss": event.loss, "excess": excess}
        return [Point(f"{stem}/{name}{twin}", steps, value, None) for name, value in found.items() if value is not None]
    return []


def fingerprint(started: Started) -> str:
    """Tells records apart: the same wherever a record is copied, another once a run is made anew."""
    return hashlib.sha256(json.dumps(to_json(started), sort_keys=True).encode()).hexdigest()[:16]


def tags(run: Run, started: Started, suite: str, record: Path, results: Path) -> dict[str, str]:
    """What one filters and groups by, and what MLflow shows of a run's origin."""
    experiment, provenance = run.experiment, started.provenance
    device, implementation = (str(provenance.get(name) or "unknown") for name in ("device", "implementation"))
    state = "" if started.state_size is None else f" {started.state_size:,} floats of state,"
    values = {
        "suite": suite,
        "key": run.key,
        "task": experiment.task_name,
        "model": experiment.model_name,
        "seed": str(run.seed),
        "reading": experiment.reading,
        "status": "running",
        "digest": started.digest,
        "record": fingerprint(started),
        "results": shown(results.resolve()),
        "device": device,
        "implementation": implementation,
        "dirty": str(provenance.get("dirty") or False).lower(),
        "mlflow.user": _user(),
        "mlflow.source.name": f"bench run --suite {suite}",
        "mlflow.source.git.commit": str(provenance.get("commit") or ""),
        "mlflow.note.content": (
            f"Seed {run.seed} of {experiment.model_name} on {experiment.task_name}, suite {suite}: "
            f"{started.parameters:,} parameters,{state} on {device} "
            f"({implementation}). Its record: `{shown(record)}`"
        ),
    }
    return {name: value for name, value in values.items() if value}


def chosen(started: Started) -> dict[str, str]:
    """The hyperparameters by dotted name (``model.memory.value``), and the sizes that follow from them."""
    values = {**_flat(started.params), "parameters": started.parameters}
    values |= {} if started.state_size is None else {"state_size": started.state_size}
    return {name: text if len(text := str(value)) <= 6000 else f"{text[:5997]}..." for name, value in values.items()}


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, part in value.items():
        result |= _flat(part, f"{prefix}{name}.") if isinstance(part, Mapping) else {f"{prefix}{name}": part}
    return result


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""
