"""A suite in words: its arms, its hyperparameters with their sources, its claims."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ...report.answers import bar_said
from ...report.claims.power import out_of_reach
from ..core import Experiment, Suite
from ..protocols import answer_of
from ..values import plain, present


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """A frozen value as dotted names and short texts; a dataclass is called by its kind."""
    if not dataclasses.is_dataclass(value):
        return {prefix: shorten(value)}
    result = {prefix: type(value).__name__}
    for name in present(value):
        result |= flatten(getattr(value, name), f"{prefix}.{name}" if prefix else name)
    return result


def shorten(value: Any) -> str:
    """A number, or a list in a few characters."""
    text = _text(value)
    return text if len(text) <= 48 else f"{text[:40]}... ({len(value)})"


def _text(value: Any) -> str:
    """A range as 1-20, ranges of several numbers as 1-20 x 1-10."""
    if value is None:
        return "-"
    if isinstance(value, range):
        step = f" by {value.step}" if value.step != 1 else ""
        return str(value[0]) if len(value) == 1 else f"{value.start}-{max(value, default=value.start)}{step}"
    if not isinstance(value, tuple | list):
        return str(value)
    if value and all(isinstance(each, range) for each in value):
        return " x ".join(map(_text, value))
    return f"[{', '.join(map(_text, value))}]"


def source(sources: Mapping[str, str], name: str) -> str:
    """The source of a value: its own, or ``as model`` where only a whole that it is a part of has one."""
    whole = name
    while whole and whole not in sources:
        whole = whole.rpartition(".")[0]
    return sources.get(name, f"as {whole}" if whole else "")


def described(suite: Suite) -> dict[str, Any]:
    """Everything a suite says, as plain values."""
    said = {each.name: getattr(suite, each.name) for each in dataclasses.fields(suite) if each.name != "found"}
    arms = [
        {"key": e.key, **{each.name: plain(getattr(e, each.name)) for each in dataclasses.fields(e)}}
        for e in suite.experiments
    ]
    return {**{name: _plain(value) for name, value in said.items() if name != "experiments"}, "experiments": arms}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return plain(value)


def lines(suite: Suite) -> Iterator[str]:
    """The same for people: what all arms of a kind share, then what each has of its own."""
    yield f"{suite.name}: {suite.title}"
    if suite.paper:
        yield suite.paper
    yield f"seeds {', '.join(map(str, suite.seeds))}  {source(suite.sources, 'seeds')}".rstrip()
    bar = bar_said(suite.solved, {e.task_name: answer_of(e.task) for e in suite.experiments})
    yield f"solved below {bar} a sequence  {source(suite.sources, 'solved')}".rstrip()
    if suite.budget:
        yield f"arms are compared over their first {suite.budget:,} steps"
    for part in ("task", "training", "model"):
        arms = {_name(suite, e, part): flatten(getattr(e, part), part) for e in suite.experiments}
        for kind in dict.fromkeys(values[part] for values in arms.values()):
            of_kind = {name: values for name, values in arms.items() if values[part] == kind}
            first = next(iter(of_kind.values()))
            shared = {k: v for k, v in first.items() if all(values.get(k) == v for values in of_kind.values())}
            yield ""
            yield f"{part.capitalize()}: {', '.join(of_kind) if len(of_kind) <= 12 else f'{len(of_kind)} arms'}"
            varied = dict.fromkeys(k for values in of_kind.values() for k in values if k not in shared)
            yield from _rows(suite, shared | dict.fromkeys((k for k in varied if k in suite.sources), "varies"))
            for name, values in of_kind.items():
                own = [f"{k.partition('.')[2]} {v}" for k, v in values.items() if k not in shared]
                if own:
                    yield f"  {name}: {', '.join(own)}"
    for e in suite.experiments:
        if e.tested is not None:
            before, after = (flatten(m) for m in (e.model, e.tested))
            other = ", ".join(
                f"{name} {value}  {source(suite.sources, f'tested.{name}')}".rstrip()
                for name, value in after.items()
                if before.get(name) != value
            )
            yield f"  {e.model_name}: its weights are tested with {other}"
    if suite.claims:
        yield ""
        yield "Claims (* decisive)"
        for claim in suite.claims:
            number = f" [{claim.paper}]" if claim.paper is not None else ""
            yield f"  {claim.id}{'*' if claim.primary else ''}: {claim.text}{number}  ({claim.source})"
        if missed := out_of_reach(suite.claims, len(suite.seeds)):
            yield (
                f"  Of {len(suite.seeds)} seeds none can decide {', '.join(missed)}, however clear: p is corrected for "
                f"the number of decisive claims, and is {min(missed.values()):.2g} at best."
            )


def found_out(published: Mapping[str, Any]) -> Iterator[str]:
    """What the runs of the suite that came with membench said, if any did."""
    if not published:
        return
    runs = published["runs"]
    yield ""
    yield f"Came with membench: {runs['complete']} of {runs['planned']} runs. Verdicts:"
    for each in published["verdicts"]:
        reading = f", {each['reading']}" if each["reading"] else ""
        interim = ", interim" if each["interim"] else ""
        yield f"  {each['id']}{reading}: {each['verdict']}{interim}"


def _name(suite: Suite, experiment: Experiment, part: str) -> str:
    """What a part belongs to: a task or model; a training to its task, if all of the task's arms share it."""
    if part == "model":
        return experiment.model_name
    alike = {e.training for e in suite.experiments if e.task_name == experiment.task_name}
    return experiment.task_name if part == "task" or len(alike) == 1 else experiment.key


def _rows(suite: Suite, values: Mapping[str, str]) -> Iterator[str]:
    """A value a line, with its source."""
    names = max((len(name) for name in values), default=0)
    longest = max((len(value) for value in values.values()), default=0)
    for name, value in values.items():
        yield f"  {name.ljust(names)}  {value.ljust(longest)}  {source(suite.sources, name)}".rstrip()
