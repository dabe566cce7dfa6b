"""How runs come along: a live table on a terminal, plain lines elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...report.answers import counted_of
from ..core import Run
from ..protocols import answer_of
from ..records.events import Compiling, Ended, Evaluated, Event, Generalised, Resumed, Started, judged
from ..records.plan import Planned, ranges
from .estimate import Pace, duration

EVERY = 30.0
"""Seconds between lines that say how far it is, where there is no terminal."""


ONCE = "compiling kernels, once (about half a minute on a quiet core)"


@dataclass(frozen=True)
class Row:
    """A run that is being trained."""

    run: Run
    step: int
    end: int  # the last step it is trained for
    errors: float | None = None  # a sequence, as the task counts them
    seconds: float | None = None  # spent on it at that step
    speed: float | None = None  # steps a second
    testing: bool = False
    members: int = 1  # of a cohort that it stands for

    def after(self, event: Evaluated) -> "Row":
        """The row once an evaluation is in."""
        speed = self.speed
        if self.seconds is not None and event.step > self.step and event.seconds > self.seconds:
            speed = (event.step - self.step) / (event.seconds - self.seconds)
        return replace(self, step=event.step, errors=judged(event), seconds=event.seconds, speed=speed)


def together(rows: Sequence[Row]) -> Row:
    """One row for the runs of a cohort: where all are, the median of their errors, the steps that each takes."""
    errors = [row.errors for row in rows if row.errors is not None]
    speeds = [row.speed for row in rows if row.speed is not None]
    return replace(
        rows[0],
        step=min(row.step for row in rows),
        errors=median(errors) if errors else None,
        speed=mean(speeds) / len(rows) if speeds else None,  # a run's seconds are its share of the cohort's
        testing=any(row.testing for row in rows),
        members=len(rows),
    )


class Display(Console):
    """Where it is shown: once nobody reads any more it falls silent, where rich would end the program."""

    def on_broken_pipe(self) -> None:
        """Training goes on."""
        self.quiet = True


class Progress:
    """A listener that shows what happens; use it as a context manager.

    What it shows is replaced, never changed, so that the thread that draws needs no lock.

    Args:
        due: The runs that will be trained.
        workers: How many at once.
        pace: What is known of their speed; it learns from what is seen.
        stream: Where to.
        limit: Seconds after which training stops, if there is a limit.
        cohorts: Runs that are shown as one, since they are trained as one.
    """

    def __init__(
        self,
        due: Iterable[Planned],
        workers: int,
        pace: Pace,
        stream: TextIO,
        limit: float | None = None,
        cohorts: Iterable[Sequence[Run]] = (),
    ) -> None:
        self.left = {each.run.key: each for each in due}
        self.total, self.ended = len(self.left), 0
        self.work = self._work()
        self.workers, self.pace = workers, pace
        self.until = None if limit is None else time.monotonic() + limit
        self.rows: dict[str, Row] = {}
        self.cohort_of = {run.key: named(cohort) for cohort in cohorts for run in cohort}
        self.compiling: frozenset[str] = frozenset()  # runs that wait for their kernels
        self.console = Display(file=stream, highlight=False)
        terminal = self.console.is_terminal and not self.console.is_dumb_terminal
        self.live = (
            Live(
                console=self.console,
                get_renderable=self.table,
                refresh_per_second=2,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            if terminal
            else None
        )
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Progress":
        self.pace.left(self.left.values(), 1)  # it builds models, whose words it keeps from stdout: no thread may
        if self.live is not None:
            self.live.start()
        else:
            self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self.live is not None:
            with contextlib.suppress(OSError):
                self.live.stop()
        else:
            self._clock.join()

    def say(self, line: str) -> None:
        """A line of its own, above the table if there is one."""
        with contextlib.suppress(OSError):  # the terminal is gone
            self.console.print(Text(line), soft_wrap=True)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if event.key not in self.left:
            return
        planned = self.left[event.key]
        run = planned.run
        if isinstance(event, Compiling):
            self.compiling |= {event.key}
            return
        if isinstance(event, Evaluated | Ended):
            self.compiling -= {event.key}
        if isinstance(event, Ended):
            self._end(event, planned)
            return
        row = self.rows.get(event.key)
        if row is None:
            if isinstance(event, Resumed):  # planned was another step where a checkpoint was lost, or is older
                planned = self.moved(planned, event.step)
            row, step = Row(run, planned.step, planned.end), planned.step
            if (shown := self.shown_as(event.key)) not in map(self.shown_as, self.rows):
                self.say(f"{shown}: {'starts' if isinstance(event, Started) else f'goes on from step {step:,}'}")
        if isinstance(event, Evaluated):
            row = row.after(event)
            if row.speed is not None:
                self.pace.known[run.experiment.key] = 1 / row.speed
            self.moved(planned, event.step)
        elif isinstance(event, Generalised):
            row = replace(row, testing=True)
        self.rows = {**self.rows, event.key: row}

    def moved(self, planned: Planned, step: int) -> Planned:
        """A run is at this step."""
        planned = replace(planned, step=step)
        self.left = {**self.left, planned.run.key: planned}
        return planned

    def _end(self, event: Ended, planned: Planned) -> None:
        row = self.rows.get(event.key, Row(planned.run, event.step, planned.end))
        self.rows = {key: other for key, other in self.rows.items() if key != event.key}
        how: str = event.status
        if event.status == "interrupted":
            how = f"stopped at step {event.step:,}, resumable"
        else:
            self.left = {key: left for key, left in self.left.items() if key != event.key}
            self.ended += 1
            if event.status == "diverged":
                how = f"diverged at step {event.step:,}"
        errors = f", {counted(row)}" if row.errors is not None else ""
        took = f", {duration(event.seconds)}" if event.seconds else ""
        self.say(f"{event.key}: {how}{errors}{took}" + (f" ({event.message})" if event.message else ""))

    def shown_as(self, key: str) -> str:
        """The name of a run's cohort, which is its own where it is alone."""
        return self.cohort_of.get(key, key)

    def groups(self) -> dict[str, list[Row]]:
        """What is being trained, cohort by cohort."""
        found: dict[str, list[Row]] = {}
        for key, row in self.rows.items():
            found.setdefault(self.shown_as(key), []).append(row)
        return found

    def headline(self) -> str:
        """Runs done, and the time that is left."""
        left = f"about {duration(self.pace.left(self.left.values(), self.workers))} left"
        if self.compiling and self.compiling >= self.rows.keys():  # nothing is trained meanwhile
            left = ONCE
        if self.until is not None:
            left += f", stops in {duration(max(self.until - time.monotonic(), 0))}"
        return f"{self.ended} of {self.total} runs, {left}"

    def line(self) -> str:
        """The headline, and how far each run is."""
        rows = (
            f"{name} {row.step:,}/{row.end:,} {'compiling' if row.run.key in self.compiling else counted(row)}"
            for name, row in ((name, together(rows)) for name, rows in self.groups().items())
        )
        return "; ".join([self.headline(), *rows])

    def table(self) -> RenderableType:
        """A bar for everything, and a row for every run that is being trained."""
        done = 1 - self._work() / self.work if self.work else 1.0
        head = Table.grid(padding=(0, 1), expand=False)
        head.add_row(ProgressBar(total=1.0, completed=done, width=24), Text(f"{done:.0%}  {self.headline()}"))
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("run", overflow="fold")
        errors = counted_of([answer_of(row.run.experiment.task) for row in self.rows.values()])
        for name in ("step", errors, "steps/s", "left"):
            table.add_column(name, justify="right", overflow="fold")
        for name, rows in self.groups().items():
            row = together(rows)
            table.add_row(
                name,
                f"{row.step:,}/{row.end:,}",
                "" if row.errors is None else f"{row.errors:.2f}",
                "" if row.speed is None else f"{row.speed:.3g}",
                self._left(rows),
            )
        return Group(head, table) if self.rows else head

    def _left(self, rows: Sequence[Row]) -> str:
        if rows[0].testing or rows[0].run.key in self.compiling:
            return "testing" if rows[0].testing else "compiling"
        return duration(self.pace.left([Planned(row.run, "unfinished", row.step, row.end) for row in rows], 1))

    def _work(self) -> int:
        return sum(each.left for each in self.left.values())

    def _tick(self) -> None:
        while not self._over.wait(EVERY):
            self.say(self.line())


def counted(row: Row) -> str:
    """E.g. ``3.25 wrong bits``."""
    answer = answer_of(row.run.experiment.task)
    whose = f" (median of {row.members})" if row.members > 1 else ""
    return "not evaluated yet" if row.errors is None else f"{row.errors:.2f} {answer.counted}{whose}"


def named(cohort: Sequence[Run]) -> str:
    """E.g. ``copy/ntm/1-50``, of a run alone its key."""
    return f"{cohort[0].experiment.key}/{ranges([run.seed for run in cohort])}"
