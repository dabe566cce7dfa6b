"""What a suite plans, what its records say is there, and what is therefore due."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core import Run, Suite
from ..errors import UsageError, meant
from .record import Record, checkpoint_of, path_of, read

Plan = Literal["new", "done", "diverged", "unfinished", "failed", "stale"]


@dataclass(frozen=True)
class Planned:
    """A run, and what its record says.

    Attributes:
        run: The run.
        status: What is to be done about it.
        step: Where it is.
        until: The step it is trained up to; None for all of its training.
    """

    run: Run
    status: Plan
    step: int = 0
    until: int | None = None

    @property
    def due(self) -> bool:
        """Whether there is something left to do."""
        return self.status in ("new", "unfinished", "failed")

    @property
    def end(self) -> int:
        """The last step it is trained for."""
        return self.run.experiment.training.steps if self.until is None else self.until

    @property
    def left(self) -> int:
        """Steps left to train."""
        return max(self.end - self.step, 0)


def plan(
    suite: Suite,
    results: Path,
    tasks: Sequence[str] = (),
    models: Sequence[str] = (),
    seeds: Sequence[int] = (),
    *,
    shard: tuple[int, int] = (1, 1),
    force: bool = False,
) -> list[Planned]:
    """The suite's runs, or a selection of them, in the order they will be run.

    Args:
        suite: The suite.
        results: The results folder.
        tasks: Only these; none for all.
        models: Only these.
        seeds: Only these.
        shard: (2, 8) for the second of eight parts, by place: the same whatever is done already. Where the number of
            parts divides the number of experiments, all seeds of an experiment are in one part.
        force: Damaged records count as stale ones.

    Raises:
        UsageError: A task, model, seed or part the suite does not have, or a damaged record.
    """
    part, parts = shard
    if not 1 <= part <= parts:
        raise UsageError(f"shard {part}/{parts}: accepted is one of so many parts, 1/8 to 8/8 for eight")
    planned = []
    for run in chosen(suite, tasks, models, seeds)[part - 1 :: parts]:
        try:
            planned.append(state(run, path_of(results, suite.name, run)))
        except UsageError:
            if not force:
                raise
            planned.append(Planned(run, "stale"))
    return planned


def chosen(suite: Suite, tasks: Sequence[str] = (), models: Sequence[str] = (), seeds: Sequence[int] = ()) -> list[Run]:
    """The suite's runs of these tasks, models and seeds; none for all.

    Raises:
        UsageError: One that the suite does not have, or no run of all of them.
    """
    _known("task", tasks, dict.fromkeys(e.task_name for e in suite.experiments))
    _known("model", models, dict.fromkeys(e.model_name for e in suite.experiments))
    if beyond := [seed for seed in seeds if seed not in suite.seeds]:
        more = f"tuple(range({beyond[0]}, {beyond[-1] + 1}))"
        if list(range(beyond[0], beyond[-1] + 1)) != beyond or len(beyond) < 4:
            more = f"({_join(beyond)},)"
        raise UsageError(
            f"no seed {ranges(beyond)} in this suite; there are {ranges(suite.seeds)}; more of them are a suite of "
            f"your own: suite = replace(find({suite.name!r}), name='more', seeds={more})"
        )
    runs = [
        run
        for run in suite.runs()
        if (not tasks or run.experiment.task_name in tasks)
        and (not models or run.experiment.model_name in models)
        and (not seeds or run.seed in seeds)
    ]
    if not runs:
        raise UsageError(f"suite {suite.name}: no experiment joins task {_join(tasks)} and model {_join(models)}")
    return runs


def left_out(suite: Suite, results: Path) -> list[str]:
    """Models that have records among the suite's, but are none of its own: once added to it, say."""
    tasks = dict.fromkeys(e.task_name for e in suite.experiments)
    models = {e.model_name for e in suite.experiments}
    there = (path.parent.name for task in tasks for path in (results / suite.name / task).glob("*/*.jsonl"))
    return sorted(set(there) - models)


def refuse_stale(planned: Sequence[Planned]) -> None:
    """Nothing is trained beside records of other settings.

    Raises:
        UsageError: There is a stale one.
    """
    if stale := [each.run.key for each in planned if each.status == "stale"]:
        raise UsageError(
            f"{len(stale)} of {len(planned)} records are stale, made under other settings ({_join(stale[:3])}"
            f"{', ...' if len(stale) > 3 else ''}); accepted: --force, which keeps them as .old, or another --results"
        )


def state(run: Run, path: Path) -> Planned:
    """What a run's record says of it."""
    record = read(path, run.key)
    if record is None or record.started is None:
        return Planned(run, "new")
    if record.started.digest != run.digest:
        return Planned(run, "stale", record.step)
    return Planned(run, _status(run, record), record.step)


def _status(run: Run, record: Record) -> Plan:
    ended = record.ended
    if ended is None or ended.status == "interrupted":
        return "unfinished"
    if ended.status == "done" and missing(run, record) and checkpoint_of(record.path).exists():
        from .resume import kept  # needs torch

        if (snapshot := kept(run, record)) is not None and snapshot.moments is None:
            return "unfinished"  # a test was added since; the kept weights can answer
    return ended.status


def missing(run: Run, record: Record) -> bool:
    """Whether a test size of the suite was never measured, or an inspection."""
    experiment, tested = run.experiment, record.generalised
    return any((weights, size) not in tested for weights in ("best", "final") for size in experiment.task.test) or any(
        (type(each).__name__, each.size) not in record.inspected for each in experiment.inspections
    )


def _known(what: str, asked: Sequence[object], there: Iterable[object]) -> None:
    there = list(there)
    if unknown := [name for name in asked if name not in there]:
        hint = meant(unknown[0], there) if len(unknown) == 1 and isinstance(unknown[0], str) else ""
        more = "; --with FILE adds those of a file" if what == "model" else ""
        raise UsageError(f"no {what} {_join(unknown)} in this suite{hint or ';'} there are {_join(there)}{more}")


def _join(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "any"


def ranges(seeds: Sequence[int]) -> str:
    """Seeds as one writes them: ``1-3,7``."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
