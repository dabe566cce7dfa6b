"""A suite's records as the tables a report is made of."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...report.claims import Parameters
from ...report.frames import Frames, SuiteFacts, TrainedOn, frames
from ...report.words import size_text
from ..core import Experiment, Run, Suite, stages
from ..protocols import Size, answer_of, largest, objective_of, smallest
from .counted import Counted, counted
from .events import Generalised, Resumed, Started, judged
from .record import Record, of_suite


def frames_of(results: Path, suite: Suite) -> Frames:
    """Everything the records of a suite say; a stale record counts as a stale run and says nothing else.

    Raises:
        UsageError: A record is damaged.
    """
    runs: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    generalisation: list[dict[str, Any]] = []
    inspections: list[dict[str, Any]] = []
    for run, record in of_suite(results, suite):
        stale = record is not None and record.started is not None and record.started.digest != run.digest
        pace, found = suite.pace(run.experiment), counted(suite, run, None if stale else record)
        runs.append(_run(run, None if stale else record, found._replace(status="stale") if stale else found, pace))
        if record is None or stale:
            continue
        arm = _arm(run)
        for evaluated in found.evaluated:
            evaluations.append(
                {
                    **arm,
                    "step": evaluated.step * pace,
                    "sequences": evaluated.sequences,
                    "loss": evaluated.loss,
                    "errors": judged(evaluated),
                    "train_loss": evaluated.train_loss,
                    "gradient_norm": evaluated.gradient_norm,
                    "seconds": evaluated.seconds,
                }
            )
        planned = set(run.experiment.task.test)
        for point in record.generalised.values():
            size = tuple(point.size)
            if size not in planned or found.cut:
                continue
            generalisation.append(
                {
                    **arm,
                    "weights": point.weights,
                    "step": point.step * pace,
                    "size": size_text(size),
                    "steps": run.experiment.task.steps(size),
                    "trained": trained_on(run.experiment, size),
                    "sequences": point.sequences,
                    "errors": errors_of(run, point),
                    "bits": _whole(run, point),
                    "perfect": point.perfect,
                }
            )
        for seen in record.inspected.values() if not found.cut else ():
            beside = {"step": seen.step * pace, "size": size_text(tuple(seen.size)), "sequences": seen.sequences}
            inspections += [{**arm, **beside, "number": each, "value": v} for each, v in seen.values.items()]
    return frames(runs, evaluations, generalisation, inspections)


def facts_of(suite: Suite) -> SuiteFacts:
    """What a report says of a suite that its records do not."""
    tasks = {e.task_name: e.task for e in suite.experiments}
    trained = {}
    for name, task in tasks.items():
        least, most = smallest(task), largest(task)
        sizes = " x ".join(f"{low}-{high}" for low, high in zip(least, most, strict=True))
        trained[name] = TrainedOn(sizes, (task.steps(least), task.steps(most)))
    return SuiteFacts(
        name=suite.name,
        title=suite.title,
        paper=suite.paper,
        solved=suite.solved,
        relapse=suite.relapse,
        answers={name: answer_of(task) for name, task in tasks.items()},
        claims=suite.claims,
        arms=suite.arms,
        seeds=suite.seeds,
        trained=trained,
        factors=suite.factors,
        own=suite.own,
        provisional=suite.provisional,
        remarks=suite.remarks,
        notes="\n".join(filter(None, (suite.notes, *_additions(suite)))),
        added=tuple(dict.fromkeys(e.model_name for e in suite.experiments if e.added)),
        clock=suite.clock,
        parameters=_parameters(suite),
        found=suite.options,
    )


def _parameters(suite: Suite) -> dict[tuple[str, str], int]:
    """Trainable numbers of the arms whose number is claimed: they are built, and not trained."""
    asked = {arm for claim in suite.claims if isinstance(claim, Parameters) for arm in claim.arms}
    found = {}
    for e in suite.experiments:
        if {(e.task_name, e.model_name), (e.task_name, e.arm)} & asked:
            module = e.model.build(e.task.inputs, e.task.outputs, 1)
            found[e.task_name, e.model_name] = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return found


def _additions(suite: Suite) -> Iterator[str]:
    """What a report says of arms that are not the suite's own."""
    for name in dict.fromkeys(e.model_name for e in suite.experiments if e.added):
        like = {e.added: None for e in suite.experiments if e.model_name == name}
        yield f"{name} is none of the arms of the suite: it was added, and is trained as {' and '.join(like)} is."


def trained_on(experiment: Experiment, size: Size) -> bool:
    """Whether training draws this size."""
    return any(
        all(number in sizes for number, sizes in zip(size, ranges, strict=True))
        for ranges in stages(experiment.task, experiment.training)
    )


def errors_of(run: Run, point: Generalised) -> float:
    """What is judged of a test; where its loss is not finite, nats above a floor are those of guessing."""
    return _whole(run, point) if point.floor is not None and point.loss is None else judged(point)


def _whole(run: Run, point: Generalised) -> float:
    """Of what the errors of a test are a share: its answers, or where there is a floor, nats above it when guessing."""
    if point.floor is None:
        return point.bits
    task = run.experiment.task
    return point.bits * objective_of(task).guess(task.outputs) - point.floor


def _arm(run: Run) -> dict[str, Any]:
    experiment = run.experiment
    return {
        "task": experiment.task_name,
        "model": experiment.model_name,
        "reading": experiment.reading,
        "seed": run.seed,
    }


def _run(run: Run, record: Record | None, found: Counted, pace: int) -> dict[str, Any]:
    started = record.started if record is not None else None
    ended = record.ended if record is not None else None
    sessions = [event.provenance for event in record.events if isinstance(event, Started | Resumed)] if record else []
    return {
        "key": run.key,
        **_arm(run),
        "status": found.status,
        "step": found.step * pace,
        "steps": found.budget * pace,
        "seconds": found.seconds,
        "parameters": started.parameters if started is not None else None,
        "state_size": started.state_size if started is not None else None,
        "digest": run.digest,
        "message": ended.message if ended is not None else "",
        "device": _said(str(each.get("device") or "") for each in sessions),
        "implementation": _said(str(each.get("implementation") or "") for each in sessions),
        "cut": found.cut,
        "commit": _said(str(each.get("commit") or "")[:10] + "+" * bool(each.get("dirty")) for each in sessions),
    }


def _said(values: Iterable[str]) -> str:
    """What several sessions of a run say: each once, in order."""
    return "; ".join(dict.fromkeys(value for value in values if value))
