"""A suite in words: its arms, its hyperparameters with their sources, its claims."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...report.answers import bar_said
from ...report.claims.power import out_of_reach
from ..core import Experiment, Suite
from ..protocols import answer_of
from ..values import plain


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """A plain value as dotted names and short texts."""
    if not isinstance(value, Mapping):
        return {prefix: shorten(value)}
    result: dict[str, str] = {}
    for name, part in value.items():
        dotted = f"{prefix}.{name}" if prefix else str(name)
        result |= {prefix: str(part)} if name == "kind" else flatten(part, dotted)
    return result


def shorten(value: Any) -> str:
    """A number, or a list in a few characters."""
    text = "-" if value is None else str(value)
    return text if len(text) <= 48 else f"{text[:40]}... ({len(value)})"


def source(sources: Mapping[str, str], name: str) -> str:
    """The source of a parameter: its own, or that of the nearest name it begins with."""
    while name:
        if name in sources:
            return sources[name]
        name = re.sub(r"[._]?[^._]*$", "", name)
    return ""


def described(suite: Suite) -> dict[str, Any]:
    """Everything `bench show` says, as plain values."""
    return {
        "name": suite.name,
        "title": suite.title,
        "paper": suite.paper,
        "solved": dict(suite.solved) if isinstance(suite.solved, Mapping) else suite.solved,
        "seeds": list(suite.seeds),
        "budget": suite.budget,
        "experiments": [
            {
                "key": e.key,
                "reading": e.reading,
                "task": plain(e.task),
                "model": plain(e.model),
                "training": plain(e.training),
                "tested": None if e.tested is None else plain(e.tested),
                "revision": e.revision,
                "home": e.home,
            }
            for e in suite.experiments
        ],
        "sources": dict(suite.sources),
        "claims": [plain(claim) for claim in suite.claims],
    }


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
        arms = {_name(suite, e, part): flatten(plain(getattr(e, part)), part) for e in suite.experiments}
        for kind in dict.fromkeys(values[part] for values in arms.values()):
            of_kind = {name: values for name, values in arms.items() if values[part] == kind}
            first = next(iter(of_kind.values()))
            shared = {k: v for k, v in first.items() if all(values.get(k) == v for values in of_kind.values())}
            yield ""
            yield f"{part.capitalize()}: {', '.join(of_kind) if len(of_kind) <= 12 else f'{len(of_kind)} arms'}"
            varied = dict.fromkeys(k for values in of_kind.values() for k in values if k not in shared)
            yield from _rows(suite, shared | dict.fromkeys((k for k in varied if source(suite.sources, k)), "varies"))
            for name, values in of_kind.items():
                own = [f"{k.partition('.')[2]} {v}" for k, v in values.items() if k not in shared]
                if own:
                    yield f"  {name}: {', '.join(own)}"
    for e in suite.experiments:
        if e.tested is not None:
            before, after = (flatten(plain(m)) for m in (e.model, e.tested))
            other = ", ".join(f"{name} {value}" for name, value in after.items() if before.get(name) != value)
            yield f"  {e.model_name}: its weights are tested with {other}"
    if suite.claims:
        yield ""
        yield "Claims (* in the primary set)"
        for claim in suite.claims:
            number = f" [{claim.paper}]" if claim.paper is not None else ""
            yield f"  {claim.id}{'*' if claim.primary else ''}: {claim.text}{number}  ({claim.source})"
        if missed := out_of_reach(suite.claims, len(suite.seeds)):
            yield (
                f"  Of {len(suite.seeds)} seeds none can decide {', '.join(missed)}, however clear: p is corrected for "
                f"the number of claims in the primary set, and is {min(missed.values()):.2g} at best."
            )


def found_out(published: Mapping[str, Any]) -> Iterator[str]:
    """What the authors' own runs of the suite said, where they came with this package."""
    if not published:
        return
    runs = published["runs"]
    yield ""
    yield f"Published by the authors, not made here: {runs['complete']} of {runs['planned']} runs. Verdicts:"
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
    """A value a line; a source stands where it begins to hold."""
    names = max((len(name) for name in values), default=0)
    longest = max((len(value) for value in values.values()), default=0)
    above = ""
    for name, value in values.items():
        here = source(suite.sources, name)
        yield f"  {name.ljust(names)}  {value.ljust(longest)}  {here if here != above else ''}".rstrip()
        above = here
