"""What each choice of a grid does, over the grid and in the paper's own arm: two tables and a sentence."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ..frames import SuiteFacts
from ..statistics.effects import Values, average, contrasts, difference, fewest, grid, matched, mean_ratio, name_of
from ..statistics.multiplicity import ALPHA, benjamini_hochberg
from ..statistics.ratio import stratum, time_ratio
from ..table import Column, Table, as_count, as_p, as_percent, framed, interval_text
from ..words import listed


def effects(outcomes: pd.DataFrame, facts: SuiteFacts) -> Table:
    """Every factor's effect on each task, then every two factors' interaction, against their first levels."""
    rows: list[dict[str, Any]] = []
    for task in facts.tasks:
        runs = grid(outcomes, facts, task)
        solved: Values = {place: float(np.isfinite(time)) for place, (time, _) in runs.items()}
        steps: Values = {place: min(time, budget) for place, (time, budget) in runs.items()}
        for changes in contrasts(facts):
            now = matched(solved, changes)
            if not now.size:
                continue
            each, change = average(now), difference(now)
            row = {
                "task": task,
                "factor": " and ".join(name_of(facts, at) for at, _, _ in changes),
                "level": ", ".join(level for _, _, level in changes),
                "base": ", ".join(base for _, base, _ in changes),
                "matches": int(np.isfinite(now[0]).sum()),
                "seeds": fewest(now),
                "solved": each[-1] if len(changes) == 1 else np.nan,
                "solved_base": each[0] if len(changes) == 1 else np.nan,
                "difference": change.value,
                "low": change.low,
                "high": change.high,
                "p": change.p,
                "corrected": np.nan,
                "difference_text": f"{100 * change.value:+.0f}"
                + bracket(100 * change.low, 100 * change.high, "{:+.0f}"),
                **dict.fromkeys(("ratio", "ratio_low", "ratio_high", "ratio_p", "ratio_corrected"), np.nan),
                "ratio_text": None,
            }
            if len(changes) == 1:
                ratio = mean_ratio(matched(steps, changes))
                row |= {f"ratio{name}": end for name, end in zip(("", "_low", "_high", "_p"), ratio, strict=True)}
                if each.any():  # else nothing is known of either
                    row["ratio_text"] = f"{ratio.value:.2f}\N{MULTIPLICATION SIGN}" + bracket(
                        ratio.low, ratio.high, "{:.2f}"
                    )
            rows.append(row)
    asked = [(row, name) for row in rows for name in ("p", "ratio_p") if not np.isnan(row[name])]
    corrected = benjamini_hochberg([row[name] for row, name in asked])
    for (row, name), p in zip(asked, corrected, strict=True):
        row[name.replace("p", "corrected")] = p
    columns = {
        "task": Column("Task"),
        "factor": Column("Factor"),
        "level": Column("Level"),
        "base": Column("Against"),
        "difference_text": Column("Difference", "of these shares, in points; in brackets its 95 % interval"),
        "corrected": Column("p", "that there is no difference, corrected for all in this table", as_p),
        "ratio_text": Column(f"Ratio of capped mean {facts.clock}", "above 1 where this level is faster, see above"),
        "ratio_corrected": Column("p", "that this ratio is 1, corrected for all in this table", as_p),
        "solved": Column("Solved", "share of the matched runs at this level", as_percent),
        "solved_base": Column("Solved against", "share of those they are matched with", as_percent),
        "matches": Column("Matches", "pairs of runs, of an interaction fours, that differ in this alone", as_count),
        "seeds": Column("Seeds", "of the combination that has fewest; an interval needs five", as_count),
    }
    note = f"""Matched runs differ in the factor alone: same task, seed and other choices. Two factors together: their
    interaction, by how much one choice changes the difference that the other makes. Mean {facts.clock} are capped: an
    unsolved run counts with its whole budget, so their ratio is drawn towards 1 where many are unsolved. Intervals are
    Student's over seeds, from five seeds on; p-values are corrected by Benjamini and Hochberg's rule."""
    return Table("effects", "What each choice does", " ".join(note.split()), framed(rows, columns), columns)


def alone(outcomes: pd.DataFrame, facts: SuiteFacts) -> Table:
    """What each choice does to the paper's own arm, all others being as they are there: no average over a grid."""
    rows: list[dict[str, Any]] = []
    own = dict(facts.factors.get(facts.own, {}))
    models = {tuple(levels.items()): model for model, levels in facts.factors.items()}
    runs = {key: part for key, part in outcomes[outcomes["complete"]].groupby(["task", "model"])}
    for task, (factor, level) in product(facts.tasks, own.items()):
        for other in dict.fromkeys(levels[factor] for levels in facts.factors.values()):
            model = models.get(tuple((own | {factor: other}).items()))
            if other == level or model is None or not {(task, model), (task, facts.own)} <= runs.keys():
                continue
            sides = stratum(runs[task, model], runs[task, facts.own])
            ratio = time_ratio([sides])
            low, high = ratio.interval or (np.nan, np.nan)
            solved, solved_own = (int(np.isfinite(times).sum()) for times in sides[:2])
            rows.append(
                {
                    "task": task,
                    "factor": factor,
                    "level": other,
                    "own": level,
                    "solved": f"{solved} of {len(sides.base)}",
                    "solved_own": f"{solved_own} of {len(sides.rival)}",
                    "ratio": ratio.estimate,
                    "low": low,
                    "high": high,
                    "interval_text": interval_text(low, high, "{:.2f}".format) if ratio.interval else None,
                    "p": ratio.p,
                }
            )
    for row, p in zip(rows, benjamini_hochberg([row["p"] for row in rows]), strict=True):
        row["corrected"] = p
    columns = {
        "task": Column("Task"),
        "factor": Column("Factor"),
        "level": Column("Level"),
        "own": Column("Instead of"),
        "ratio": Column(
            "Times as fast", "above 1 where this level is faster; 0 or inf where one is never solved", _ratio
        ),
        "interval_text": Column("95 % interval", "every ratio that the log-rank permutation test does not reject"),
        "p": Column("p", "that both are equally fast", as_p),
        "corrected": Column("corrected", "for all in this table", as_p),
        "solved": Column("Solved"),
        "solved_own": Column("Own solved"),
    }
    note = f"""{facts.own} with one choice changed, against itself: no average over others. p-values are corrected by
    Benjamini and Hochberg's rule."""
    return Table(
        "alone", "What each choice does to the paper's own arm", " ".join(note.split()), framed(rows, columns), columns
    )


def _ratio(value: float) -> str:
    return f"{value:.2f}" if 0 < value < np.inf else "at an end"


def deciding(choices: Table, own: Table) -> str:
    """A sentence: which choices change how soon each task is solved (corrected p below 5 %), the strongest first.

    First over the grid, then of the paper's own arm; empty where no interval is known.

    Args:
        choices: As ``effects`` gives it.
        own: As ``alone`` gives it.
    """
    parts, there = [], {}
    single = choices.frame[choices.frame["ratio_low"].notna()] if len(choices.frame) else choices.frame
    for task, mine in single.groupby("task", sort=False):
        changes = mine[mine["ratio_corrected"] < ALPHA]
        strongest = changes.sort_values("ratio", key=lambda ratio: -np.abs(np.log(ratio))).to_dict("records")
        there[task] = list(dict.fromkeys(row["factor"] for row in strongest))
        said = [
            f"{row['factor']} ({row['level']} against {row['base']}: {100 * row['difference']:+.0f} points solved, "
            f"{row['ratio']:.2f}\N{MULTIPLICATION SIGN} as fast, corrected p {as_p(row['ratio_corrected'])})"
            for row in strongest
        ]
        parts.append(f"on {task} {listed(said) or 'no choice'}")
    if not parts:
        return ""
    averaged = f"averaged over all combinations of the other choices, what decides is {', and '.join(parts)}."
    each = [_alone(str(task), mine, there.get(task, [])) for task, mine in own.frame.groupby("task", sort=False)]
    return f"{averaged} In the paper's own arm, one choice changed alone, {'; '.join(each)}." if each else averaged


def _alone(task: str, rows: pd.DataFrame, deciding: list[str]) -> str:
    """Which choices matter in the paper's own arm, and which of those that decide over the grid do not."""
    shown = [f"{row['factor']} ({row['level']})" for row in rows[rows["corrected"] < ALPHA].to_dict("records")]
    matter = set(rows.loc[rows["corrected"] < ALPHA, "factor"])
    open_ = listed([factor for factor in deciding if factor not in matter])
    if not shown:
        return f"on {task} none is shown to matter"
    return f"on {task} {listed(shown)} {'is' if len(shown) == 1 else 'are'} shown to matter" + (
        f", and {open_} not" if open_ else ""
    )


def bracket(low: float, high: float, says: str) -> str:
    """An interval behind a number, if there is one."""
    return "" if np.isnan(low) else f" [{says.format(low)}, {says.format(high)}]"
