"""What the answers of a task are, by which bars its runs are judged, and how a page says so."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple, get_args

Bar = float | Mapping[str, float]
"""A bar of every task, or one of each by name."""


def bar_of(bar: Bar, task: str) -> float:
    """The bar of one task."""
    return bar[task] if isinstance(bar, Mapping) else bar


Clock = Literal["steps", "sequences"]
"""What times and budgets are counted in: steps of training, or sequences trained on."""

CLOCKS: tuple[Clock, ...] = get_args(Clock)


class Answer(NamedTuple):
    """What a task asks for, and what is counted of what a model says."""

    noun: str = "bit"  # what one answer is called
    counted: str = "wrong bits"  # what bars are set for; with a floor: "nats above the optimum"
    chance: float = 0.5  # the share of it when guessing


def noun_of(answers: Iterable[Answer]) -> str:
    """What the answers of several tasks are called: ``bit``, or ``answer`` where they differ."""
    nouns = {answer.noun for answer in answers}
    return nouns.pop() if len(nouns) == 1 else "answer"


def counted_of(answers: Collection[Answer]) -> str:
    """What is counted in several tasks: ``wrong bits``, ``wrong answers``, or ``errors`` where some count nats."""
    counted = {answer.counted for answer in answers}
    if len(counted) == 1:
        return counted.pop()
    return "wrong answers" if all(each.startswith("wrong") for each in counted) else "errors"


def guessing(answers: Mapping[str, Answer]) -> str:
    """What guessing comes to: ``50 % is guessing``."""
    said = {task: f"{100 * answer.chance:.3g} %" for task, answer in answers.items()}
    return f"{_alike(said)} is guessing"


def bar_said(bar: Bar, answers: Mapping[str, Answer]) -> str:
    """``0.1 wrong bits``; ``one wrong bit``."""
    return _alike({task: _bar(bar_of(bar, task), answer) for task, answer in answers.items()})


def _bar(bar: float, answer: Answer) -> str:
    if bar == 1 and answer.counted.startswith("wrong"):
        return f"one wrong {answer.noun}"
    return f"{bar:g} {answer.counted}"


def _alike(said: Mapping[str, str]) -> str:
    """What is said of all tasks, or of each."""
    by_text: dict[str, list[str]] = {}
    for task, text in said.items():
        by_text.setdefault(text, []).append(task)
    if len(by_text) == 1:
        return next(iter(by_text))
    return " or ".join(f"{text} ({', '.join(tasks)})" for text, tasks in by_text.items())
