"""How a suite comes along: a live table on a terminal, plain lines elsewhere; and how long it will take."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from .core import Run, Suite
from .events import Ended, Evaluated, Event
from .records import Record, path_of, read
from .runner import Planned

GUESS = 0.01
"""Seconds a step, where no record of the arm says better."""

EVERY = 30.0
"""Seconds between plain lines."""


class Pace:
    """Seconds a step of every arm: as its records say, then as seen."""

    def __init__(self) -> None:
        self.known: dict[str, float] = {}

    @classmethod
    def of(cls, suite: Suite, results: Path) -> "Pace":
        """From the records there are; the last one of an arm counts."""
        pace = cls()
        for run in suite.runs():
            record = read(path_of(results, suite.name, run), run.key)
            if record is not None:
                pace.learn(run, record)
        return pace

    def learn(self, run: Run, record: Record) -> None:
        """Take an arm's pace from a record."""
        last = max(record.evaluated.values(), key=lambda e: e.step, default=None)
        if last is not None and last.step:
            self.known[run.experiment.key] = last.seconds / last.step

    def seconds(self, run: Run, step: int) -> float:
        """For the steps that are left."""
        fallback = sum(self.known.values()) / len(self.known) if self.known else GUESS
        return (run.experiment.training.steps - step) * self.known.get(run.experiment.key, fallback)

    def left(self, runs: Mapping[str, tuple[Run, int]], workers: int) -> float:
        """For these runs at these steps, side by side: no less than the longest of them."""
        each = [self.seconds(run, step) for run, step in runs.values()]
        return max(sum(each) / workers, max(each)) if each else 0.0


@dataclass
class Row:
    """A run that is being trained."""

    run: Run
    step: int
    errors: float | None = None
    seconds: float = field(default_factory=time.monotonic)


class Progress:
    """A listener that shows what happens; use it as a context manager.

    Args:
        planned: The runs.
        workers: How many train at once.
        pace: What is known of their speed.
        stream: Where to; a terminal gets a live table.
    """

    def __init__(self, planned: Iterable[Planned], workers: int, pace: Pace, stream: TextIO) -> None:
        due = [each for each in planned if each.due]
        self.total = len(due)
        self.left = {each.run.key: (each.run, each.step) for each in due}
        self.workers, self.pace = workers, pace
        self.rows: dict[str, Row] = {}
        self.ended = 0
        self.spoke = time.monotonic()
        self.console = Console(file=stream, soft_wrap=not stream.isatty(), highlight=False)
        if stream.isatty() and self.console.width < 20:  # a terminal without a size
            self.console = Console(file=stream, width=80, highlight=False)
        self.live = (
            Live(console=self.console, get_renderable=self.table, refresh_per_second=2) if stream.isatty() else None
        )

    def __enter__(self) -> "Progress":
        if self.live is not None:
            self.live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, trace)

    def say(self, line: str) -> None:
        """A line of its own, above the table if there is one."""
        self.console.print(line, markup=False)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if event.key not in self.left:
            if isinstance(event, Ended):
                self.say(f"{event.key}: {event.message}")
            return
        run, step = self.left[event.key]
        if isinstance(event, Ended):
            self.end(event, run)
            return
        row = self.rows.setdefault(event.key, Row(run, step))
        if event.name in ("started", "resumed") and self.live is None:
            self.say(f"{event.key}: {event.name}" + (f" at step {step:,}" if step else ""))
        if isinstance(event, Evaluated):
            now = time.monotonic()
            if event.step > row.step and row.errors is not None:
                self.pace.known[run.experiment.key] = (now - row.seconds) / (event.step - row.step)
            row.step, row.errors, row.seconds = event.step, event.errors, now
            self.left[event.key] = (run, event.step)
            if self.live is None and now - self.spoke > EVERY:
                self.spoke = now
                active = ", ".join(f"{key} {r.step:,} ({bits(r.errors)})" for key, r in self.rows.items())
                self.say(f"{self.headline()}: {active}")

    def end(self, event: Ended, run: Run) -> None:
        """A run is over, for now or for good."""
        row = self.rows.pop(event.key, Row(run, event.step))
        how = {"done": "done", "diverged": f"diverged at step {event.step:,}"}.get(event.status, event.status)
        if event.status != "interrupted":
            self.left.pop(event.key)
            self.ended += 1
        elif event.step:
            how = f"stopped at step {event.step:,}, resumable"
        last = f", {bits(row.errors)}" if row.errors is not None else ""
        why = f": {event.message}" if event.message and event.status != "diverged" else ""
        self.say(f"{event.key}: {how}{last}{why}")

    def headline(self) -> str:
        """Runs done, and the time that is left."""
        return f"{self.ended} of {self.total} runs, {duration(self.pace.left(self.left, self.workers))} left"

    def table(self) -> Table:
        """One row a run that is being trained."""
        table = Table(title=self.headline(), title_justify="left", box=None, pad_edge=False)
        for name, justify in (("run", "left"), ("step", "right"), ("wrong bits", "right"), ("left", "right")):
            table.add_column(name, justify="right" if justify == "right" else "left")
        for key, row in self.rows.items():
            steps = row.run.experiment.training.steps
            errors = "" if row.errors is None else f"{row.errors:.2f}"
            table.add_row(key, f"{row.step:,}/{steps:,}", errors, duration(self.pace.seconds(row.run, row.step)))
        return table


def bits(errors: float | None) -> str:
    """E.g. ``3.25 wrong bits``."""
    return "not evaluated" if errors is None else f"{errors:.2f} wrong bits"


def duration(seconds: float) -> str:
    """E.g. ``1h05m``, ``12m30s``, ``9s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
