"""Frames of runs made by hand, and what is said of one claim by them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from membench.report.claims import (
    Arm,
    Claim,
    Faster,
)
from membench.report.claims.judge import judge
from membench.report.claims.verdict import VERDICTS, Verdict
from membench.report.frames import Frames, SuiteFacts, frames

BUDGET = 10_000
NEVER = 0
Times = Mapping[tuple[str, str], Sequence[int]]
SAID = ("suite-C1", "Something is said.", "somewhere [p]")


def arm_of(task: str, model: str, *sizes: tuple[int, ...]) -> Arm:
    """An arm of these tests, which ends in its reading where it has one."""
    for reading in ("cosine", "dot"):
        if model.endswith(f"-{reading}"):
            return Arm(task, model, model.removesuffix(f"-{reading}"), reading, sizes)
    return Arm(task, model, model, "", sizes)


def records(
    times: Times, status: Mapping[str, str] | None = None, relapsing: Mapping[str, int] | None = None
) -> Frames:
    """Runs of seeds 1, 2, ... that drop from 9 wrong bits to none at the given steps (``NEVER``: not at all)."""
    runs, evaluations, points = [], [], []
    for (task, model), solved in times.items():
        for seed, time in enumerate(solved, 1):
            key = f"{task}/{model}/{seed}"
            arm = {"task": task, "model": model, "reading": arm_of(task, model).reading, "seed": seed}
            state = (status or {}).get(key, "done")
            text = dict.fromkeys(("digest", "message", "device", "implementation", "commit"), "")
            text |= {"cut": False}
            numbers = {"step": BUDGET, "steps": BUDGET, "seconds": 1.0, "parameters": 1, "state_size": 1}
            runs.append({"key": key, **arm, "status": state, **numbers, **text})
            if state in ("new", "stale"):
                continue
            steps = np.arange(0, BUDGET + 1, 200)
            errors = np.where((steps >= time) & (time != NEVER), 0.0, 9.0)
            for spell in range((relapsing or {}).get(model, 0)):
                errors[-2 - 3 * spell] = 5.0
            for step, error in zip(steps, errors, strict=True):
                zeros = dict.fromkeys(("loss", "train_loss", "gradient_norm"), 0.0) | {"seconds": step / 100}
                evaluations.append({**arm, "step": int(step), "sequences": 0, "errors": float(error), **zeros})
            for size, wrong in (("40", 3.0), ("12", 0.0)):
                point = {"weights": "best", "step": BUDGET, "size": size, "steps": 81, "trained": False}
                points.append({**arm, **point, "sequences": 192, "errors": wrong, "bits": 320, "perfect": 0.0})
    return frames(runs, evaluations, points)


def facts(tables: Frames, *asked: Claim) -> SuiteFacts:
    runs = tables.runs
    seeds = tuple(sorted({int(seed) for seed in runs["seed"]}))
    cells = runs[["task", "model"]].drop_duplicates()
    arms = tuple(arm_of(task, model) for task, model in zip(cells["task"], cells["model"], strict=True))
    return SuiteFacts("suite", "A suite", "", 0.1, asked, arms, seeds)


def ask(tables: Frames, asked: Claim) -> Verdict:
    (verdict,) = judge(tables, facts(tables, asked))
    assert verdict.verdict in VERDICTS
    return verdict


def speed(base: Sequence[int], rival: Sequence[int], paper: Any, **others: Any) -> Verdict:
    tables = records({("copy", "a"): base, ("copy", "b"): rival}, **others)
    return ask(tables, Faster(*SAID, task="copy", base="a", rival="b", paper=paper))


FAST = [1000, 1000, 1200, 1200, 1000, 1200]
TWICE = [2 * time for time in FAST]
WILD = [400, 8000, 600, 9000, 1200, 9800]
UNSOLVED = [NEVER] * 6
