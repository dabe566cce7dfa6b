"""Traces in words and numbers, and which of them a report shows."""

from collections.abc import Sequence

import pandas as pd

from ..answers import noun_of
from ..frames import SuiteFacts
from ..table import NONE, Column, Table, as_count, as_percent
from ..trace import LAGS, Focus, Numbers, Trace

SIDES = {"write": "while writing, before the answer", "read": "while reading, in the answer"}


def sentence(trace: Trace, noun: str) -> str:
    """What a figure shows, in words and numbers; an answer is called by its noun."""
    origin, moment = trace.origin, trace.origin.moment
    numbers = moment.numbers
    parts = [
        f"Seed {origin.seed}, size {origin.size}, {origin.weights} weights (step {moment.step:,}): {numbers.wrong} "
        f"of {numbers.bits} {noun}s wrong."
    ]
    if numbers.found is not None:
        late = f", after {numbers.lag} step{'s' * (numbers.lag != 1)} in the controller" if numbers.lag else ""
        parts.append(f"{as_percent(numbers.found)} of what was written to the rows read is what is asked for{late}.")
    for side in SIDES:
        focus = of(numbers, side)
        if focus is not None:
            often = "mostly" if focus.steady is not None and focus.steady > 0.5 else "most often"
            parts.append(
                f"{side.title()} heads {often} move by {moves(focus)}, with {as_percent(focus.largest)} of their "
                f"attention on one row; entropy in bits: {entropies(trace, side)}."
            )
    return " ".join(parts)


def of(numbers: Numbers, side: str) -> Focus | None:
    """How the write or the read heads look."""
    return numbers.writing if side == "write" else numbers.reading


def moves(focus: Focus | None) -> str:
    """The commonest move and its share of all: ``+1 (95.0 %)``."""
    if focus is None or focus.usual is None or focus.steady is None:
        return NONE
    return f"{focus.usual:+d} ({as_percent(focus.steady)})".replace("+0", "0")


def entropies(trace: Trace, side: str) -> str:
    """Mean entropy in bits over the training, from the weights that are kept: ``7.00 first, 0.02 best, 0.02 final``."""
    focuses = [(moment.weights, of(moment.numbers, side)) for moment in trace.origin.moments]
    said = [f"{NONE if focus is None else f'{focus.entropy:.2f}'} {weights}" for weights, focus in focuses]
    return ", ".join(said) if any(focus for _, focus in focuses) else NONE


def table(traces: Sequence[Trace], facts: SuiteFacts) -> Table:
    """The numbers of traces, a row each."""
    rows = []
    for trace in traces:
        origin, moment = trace.origin, trace.origin.moment
        numbers = moment.numbers
        row = {
            "task": origin.task,
            "model": origin.model,
            "seed": origin.seed,
            "size": origin.size,
            "weights": origin.weights,
            "step": moment.step,
            "wrong": numbers.wrong,
            "bits": numbers.bits,
            "found": numbers.found,
            "lag": numbers.lag,
        }
        for side in SIDES:
            focus = of(numbers, side)
            row |= {f"{side}_{name}": getattr(focus, name, None) for name in ("move", "usual", "steady", "largest")}
            for each in origin.moments:
                row[f"{side}_entropy_{each.weights}"] = getattr(of(each.numbers, side), "entropy", None)
            row |= {f"{side}_moves": moves(focus), f"{side}_entropies": entropies(trace, side)}
        rows.append(row)
    columns = {
        "task": Column("Task"),
        "model": Column("Model", words=True),
        "seed": Column("Seed", says=as_count),
        "size": Column("Size"),
        "wrong": Column(f"Wrong {noun_of(facts.every.values())}s", "Of this one sequence.", as_count),
        "found": Column(
            "Read where written",
            "Of what was written to the rows that are read, the share that is what the answer needs; 1 / vectors for "
            f"heads that never move. A vector may have been in the controller for {LAGS[0]} to {LAGS[-1]} steps, "
            "whatever fits best.",
            as_percent,
        ),
    }
    for side, when in SIDES.items():
        columns |= {
            f"{side}_moves": Column(f"{side.title()} moves", f"Commonest move of the row most attended to, {when}."),
            f"{side}_largest": Column(f"{side.title()} focus", "Mean largest share of attention.", as_percent),
            f"{side}_entropies": Column(
                f"{side.title()} entropy", "Mean, in bits, before training and with the weights that are kept."
            ),
        }
    names = [*dict.fromkeys([name for row in rows[:1] for name in row] + list(columns))]
    frame = pd.DataFrame(rows, columns=names)
    note = "One sequence for every model; the median run of each arm (of two the better), with its best weights."
    return Table("traces", "Inside the memory", note, frame, columns)


def medians(outcomes: pd.DataFrame) -> dict[tuple[str, str], int]:
    """The median seed of every (task, model) that has complete runs: by time to solve, unsolved ones by last error."""
    ordered = outcomes[outcomes["complete"]].sort_values(["time", "last", "seed"], kind="stable")
    return {
        (str(task), str(model)): int(runs["seed"].iloc[(len(runs) - 1) // 2])
        for (task, model), runs in ordered.groupby(["task", "model"], sort=False)
    }
