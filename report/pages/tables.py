"""The tables of a report, each a function of frames."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import statistics
from ..answers import bar_said, counted_of, guessing, noun_of
from ..claims.verdict import NOT_RUN, Verdict, claimed
from ..frames import COMPLETE, Frames, SuiteFacts, distinct
from ..statistics import survival
from ..statistics.solving import Estimate
from ..table import Column, Table, as_bits, as_count, as_duration, as_p, as_percent, as_steps, framed, interval_text

CUT = " Arms that another suite trains beyond this one's budget are left out: their weights come from later steps."


def claims(verdicts: Sequence[Verdict]) -> Table:
    """Every claim under every reading."""
    rows = []
    for v in verdicts:
        low, high = v.interval or (np.nan, np.nan)
        rows.append(
            {
                "id": v.claim.id,
                "claim": v.claim.text,
                "source": v.claim.source,
                "primary": v.claim.primary,
                "paper": claimed(v.claim),
                "reading": v.reading,
                "against": v.against,
                "estimate": v.estimate,
                "low": low,
                "high": high,
                "ours": v.ours,
                "p": v.p,
                "corrected": v.corrected,
                "ratio_of_medians": v.beside.get("ratio of medians"),
                "ratio_of_restricted_means": v.beside.get("ratio of restricted means"),
                "seeds": v.seeds,
                "planned": v.planned,
                "solved": v.counts,
                "verdict": v.verdict,
                "interim": v.interim,
                "verdict_text": f"{v.verdict}, {v.so_far}" if v.interim else v.verdict,
            }
        )
    names = """id claim source primary paper reading against estimate low high ours p corrected ratio_of_medians
    ratio_of_restricted_means seeds planned solved verdict interim verdict_text"""
    columns = {
        "id": Column("Claim"),
        "claim": Column("What is said"),
        "paper": Column("Paper"),
        "reading": Column("Reading"),
        "ours": Column("Ours (95 % interval)"),
        "p": Column("p", "that there is no effect", as_p),
        "corrected": Column("corrected", "the same, corrected for the number of claims; it decides", as_p),
        "seeds": Column("Seeds", says=as_count),
        "solved": Column("Runs solved"),
        "verdict_text": Column("Verdict", "interim: not all planned seeds are there yet"),
    }
    numbers = ["estimate", "p", "corrected", "ratio_of_medians", "ratio_of_restricted_means"]
    frame = pd.DataFrame(rows, columns=names.split()).astype(dict.fromkeys(numbers, float))
    return Table("claims", "Claims", "", frame, columns)


def otherwise(verdicts: Sequence[Verdict], facts: SuiteFacts) -> Table:
    """Decisive claims judged otherwise: what hangs on the bar, on how long it is held, and on the clock."""
    ways = list(dict.fromkeys(way for v in verdicts for way in v.judged_otherwise))
    rows: list[dict[str, Any]] = []
    for v in verdicts:
        if not v.judged_otherwise or v.verdict == NOT_RUN:
            continue
        row: dict[str, Any] = {"id": v.label, "reading": v.reading, "as_is": _judged(v)}
        for way, other in v.judged_otherwise.items():
            row |= {way: _judged(other), f"{way}: estimate": other.estimate, f"{way}: corrected": other.corrected}
        rows.append(row | {"median_curves": v.median_curves or None})
    columns = {
        "id": Column("Claim"),
        "reading": Column("Reading"),
        "as_is": Column("As judged"),
        **{way: Column(way[0].upper() + way[1:]) for way in ways},
        "median_curves": Column(
            "Median curves", f"ratio of the {facts.clock} at which the medians of all curves cross the bar"
        ),
    }
    note = f"""The decisive claims by a tenth of the bar; by nine evaluations that hold it instead of three; by seconds
    of the machines they were trained on instead of {facts.clock}; each with the p-value that all of them, judged so,
    are corrected to. Median curves: as the paper's figures are read, without an interval."""
    title = "Decisive claims under other definitions of solved"
    return Table("otherwise", title, " ".join(note.split()), framed(rows, columns), columns)


def _judged(v: Verdict) -> str:
    """The number, the corrected p-value and the verdict."""
    p = "" if np.isnan(v.corrected) else f"p {as_p(v.corrected)}"
    return ", ".join(part for part in (v.ours, p, v.verdict) if part)


def solving(frames: Frames, facts: SuiteFacts, outcomes: pd.DataFrame) -> Table:
    """How fast and how often each arm solves each task, over runs that had their full budget."""
    rows = []
    for task, model, runs in _cells(facts, outcomes[outcomes["complete"]]):
        times, reached = survival.reached(runs)
        solved, count = int(np.isfinite(times).sum()), len(times)
        low, high = statistics.clopper_pearson(solved, count)
        early, late = np.quantile(times, [0.25, 0.75], method="inverted_cdf")
        own = frames.evaluations[(frames.evaluations["task"] == task) & (frames.evaluations["model"] == model)]
        diverged = runs.loc[runs["status"] == "diverged", "seed"]
        curve = statistics.median_curve(own[own["seed"].isin(runs["seed"])], diverged)
        rows.append(
            {
                "task": task,
                "model": model,
                "runs": count,
                "solved": solved,
                "solved_low": low,
                "solved_high": high,
                "solved_text": f"{solved} of {count}",
                "fraction_text": interval_text(low, high, lambda value: f"{100 * value:.0f} %"),
                "median": float(statistics.medians(times, float(runs["budget"].max()))[1]),
                "early": float(early),
                "late": float(late),
                "first": float(np.sort(runs["first"])[[(count - 1) // 2, count // 2]].mean()),
                "median_curve": statistics.crossing(curve, facts.bar(task)),
                "restricted_mean": survival.restricted_mean(times, reached, float(runs["budget"].max())),
                "area": runs["area"].mean(),
                "relapses": runs["relapses"].mean(),
                "relapsed": runs["relapsed"].mean(),
            }
        )
    every = facts.every
    relapse = bar_said(facts.relapse, every)
    columns = {
        "task": Column("Task"),
        "model": Column("Model", says=facts.label, words=True),
        "solved_text": Column("Solved", "runs solved, of those that had their full budget"),
        "fraction_text": Column("95 % interval", "exact (Clopper-Pearson) interval of the solved fraction"),
        "median": Column(f"Median {facts.clock}", "to solve; unsolved runs count as slower than all others", as_steps),
        "early": Column("Quarter by", f"{facts.clock} by which a quarter of the seeds had solved it", as_steps),
        "late": Column(
            "Three quarters by", f"{facts.clock} by which three quarters of the seeds had solved it", as_steps
        ),
        "first": Column("First below", "median of the first evaluation below the bar, held or not", as_steps),
        "median_curve": Column(
            "Median curve", f"{facts.clock} at which the median of all curves is below the bar", as_steps
        ),
        "restricted_mean": Column(
            f"Mean {facts.clock}", "to solve, an unsolved run counting with its whole budget", as_count
        ),
        "area": Column(f"Mean {counted_of(every.values())}", "a sequence, averaged over training", as_bits),
        "relapses": Column(
            "Relapses", f"mean number of times a solved run rose above {relapse} again, or diverged", as_bits
        ),
        "relapsed": Column("Time relapsed", f"share of the evaluations after solving above {relapse}", as_percent),
    }
    bar = bar_said(facts.solved, every)
    note = f"A run is solved at the first evaluation below {bar} a sequence that holds for the next three."
    return Table("solving", "Time to solve", note, framed(rows, columns), columns)


def lengths(frames: Frames, facts: SuiteFacts) -> Table:
    """Errors of trained runs on every test size."""
    rows = []
    for task, model, points in _cells(facts, frames.generalisation):
        for (steps, size, weights), part in points.groupby(["steps", "size", "weights"], sort=True):
            low, middle, high = np.quantile(part["errors"], [0.25, 0.5, 0.75])
            rows.append(
                {
                    "task": task,
                    "model": model,
                    "size": size,
                    "steps": steps,
                    "weights": weights,
                    "trained": "inside" if part["trained"].all() else "longer",
                    "runs": len(part),
                    "median": middle,
                    "low": low,
                    "high": high,
                    "share": (part["errors"] / part["bits"]).median(),
                    "perfect": part["perfect"].mean(),
                }
            )
    counted, noun = counted_of(facts.every.values()), noun_of(facts.every.values())
    share = f"{counted} of all {noun}s, median over seeds; {guessing(facts.every)}"
    columns = {
        "task": Column("Task"),
        "model": Column("Model", says=facts.label, words=True),
        "size": Column("Size"),
        "trained": Column("Training range"),
        "weights": Column("Weights", "best: of the lowest evaluation error; final: after the last step"),
        "runs": Column("Runs", says=as_count),
        "median": Column(counted.capitalize(), "a sequence, median over seeds", as_bits),
        "low": Column("Lower quartile", says=as_bits),
        "high": Column("Upper quartile", says=as_bits),
        "share": Column("Share wrong", share, as_percent),
        "perfect": Column("Perfect", f"sequences without a wrong {noun}, mean over seeds", as_percent),
    }
    note = CUT.strip() if frames.runs["cut"].any() else ""
    return Table("lengths", "Longer sequences", note, framed(rows, columns), columns)


def beyond(frames: Frames, facts: SuiteFacts) -> Table:
    """One number an arm: the share of errors on sizes longer than trained, over all its seeds."""
    table = frames.generalisation[~frames.generalisation["trained"]]
    rows = []
    for task, model, points in _cells(facts, table):
        for weights, mine in points.groupby("weights", sort=True):
            shares = (mine["errors"] / mine["bits"]).groupby(mine["seed"]).mean().to_numpy(float)
            chance = zlib.crc32(f"{task} {model} {weights}".encode())  # its own: an arm more moves no other's interval
            estimate: Estimate = statistics.iqm_estimate([shares], chance)
            low, high = estimate.interval or (np.nan, np.nan)
            rows.append(
                {
                    "task": task,
                    "model": model,
                    "weights": weights,
                    "runs": len(shares),
                    "iqm": estimate.low,
                    "low": low,
                    "high": high,
                    "interval_text": interval_text(low, high, as_percent) if estimate.interval else None,
                }
            )
    columns = {
        "task": Column("Task"),
        "model": Column("Model", says=facts.label, words=True),
        "weights": Column("Weights", "best: of the lowest evaluation error; final: after the last step"),
        "runs": Column("Runs", says=as_count),
        "iqm": Column("Share wrong", "mean of the middle half of these runs (interquartile mean)", as_percent),
        "interval_text": Column("95 % interval", "bootstrap over seeds, from five on"),
    }
    note = "Sizes longer than any trained on, averaged for each run that was tested; "
    note += f"{guessing(facts.every)}."
    note += CUT if frames.runs["cut"].any() else ""
    return Table("beyond", "Beyond the training range", note, framed(rows, columns), columns)


def cost(frames: Frames, facts: SuiteFacts) -> Table:
    """What an arm costs, over the runs that had their full budget."""
    last = frames.evaluations.groupby(["task", "model", "seed"])["sequences"].max().rename("sequences")
    runs = frames.runs[frames.runs["status"].isin(COMPLETE)]
    runs = runs.merge(last, how="left", left_on=["task", "model", "seed"], right_index=True)
    rows = []
    for task, model, mine in _cells(facts, runs):
        rows.append(
            {
                "task": task,
                "model": model,
                "parameters": mine["parameters"].max(),
                "state_size": mine["state_size"].max(),
                "runs": len(mine),
                "seconds": mine["seconds"].median(),
                "rate": (mine["sequences"] / mine["seconds"].where(mine["seconds"] > 0)).median(),
                "device": "; ".join(distinct(mine["device"])),
                "implementation": "; ".join(distinct(mine["implementation"])),
            }
        )
    columns = {
        "task": Column("Task"),
        "model": Column("Model", says=facts.label, words=True),
        "parameters": Column("Parameters", "trainable numbers", as_count),
        "state_size": Column("State", "numbers carried from step to step", as_count),
        "runs": Column("Runs", says=as_count),
        "seconds": Column("Time a run", "median, training and evaluation", as_duration),
        "rate": Column("Sequences a second", "median, trained on", as_count),
        "device": Column("Device"),
        "implementation": Column("Implementation"),
    }
    note = "Times were taken while other runs shared the machine, and compare arms only where the device is the same."
    return Table("cost", "Cost", note, framed(rows, columns), columns)


def runs(frames: Frames, facts: SuiteFacts, outcomes: pd.DataFrame) -> Table:
    """Every planned run."""
    found = outcomes[["task", "model", "seed", "time", "relapses", "last"]]
    frame = frames.runs.merge(found, how="left", on=["task", "model", "seed"], validate="one_to_one")
    frame["status"] = frame["status"].replace({"new": "not started"})
    relapse = bar_said(facts.relapse, facts.every)
    columns = {
        "key": Column("Run", words=True),
        "status": Column("Status"),
        "step": Column("Reached", facts.clock, as_count),
        "steps": Column("Budget", facts.clock, as_count),
        "time": Column("Solved at", facts.clock, as_steps),
        "relapses": Column("Relapses", f"times it rose above {relapse} after it was solved, or diverged", as_count),
        "last": Column(counted_of(facts.every.values()).capitalize(), "a sequence, at the last evaluation", as_bits),
        "seconds": Column("Time", says=as_duration),
        "device": Column("Device"),
        "implementation": Column("Implementation"),
        "commit": Column("Code", "commits it was trained at; +: changed since"),
        "message": Column("Message"),
    }
    return Table("runs", "Runs", "", frame, columns)


def _cells(facts: SuiteFacts, table: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """The rows of each task and model that has any, in the suite's order."""
    parts = dict(list(table.groupby(["task", "model"])))
    return [(t, m, parts[t, m]) for t in facts.tasks for m in facts.models if (t, m) in parts]
