"""Simulated records: plausible curves of many arms, for trying the report without training anything.

``python tests/simulated.py FOLDER [SEEDS]`` writes the report of 24 arms under FOLDER. None of its numbers means
anything.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from membench.benchmarks.suites.collier2018_claims import CLAIMS
from membench.report.claims import Arm
from membench.report.frames import Frames, SuiteFacts, TrainedOn, frames

STEPS = 31_250
EVERY = 200

CHANCE = {"copy": 42.0, "repeat-copy": 121.0, "recall": 9.0}
TRAINED = {
    "copy": TrainedOn("1-20", (3, 41)),
    "repeat-copy": TrainedOn("1-10 x 1-10", (4, 112)),
    "recall": TrainedOn("2-6", (14, 26)),
}
# (size, time steps, scored bits, inside the training range)
SIZES = {
    "copy": [("10", 21, 80, True), ("20", 41, 160, True)]
    + [(str(n), 2 * n + 1, 8 * n, False) for n in range(40, 121, 20)],
    "repeat-copy": [("10x10", 112, 800, True), ("10x20", 212, 1600, False), ("20x10", 222, 1600, False)],
    "recall": [(str(n), 3 * n + 8, 18, n <= 6) for n in (2, 4, 6, 7, 8, 9, 10, 11, 12)],
}
# Arm: parameters, state, and for each task the median step at which it escapes chance and the odds that it does.
ARMS: dict[str, tuple[int, int, dict[str, tuple[float, float]]]] = {
    "ntm-constant-cosine": (65_096, 3136, {"copy": (9000, 0.6), "repeat-copy": (7000, 0.9), "recall": (2800, 1)}),
    "ntm-learned-cosine": (65_096, 3136, {"copy": (16000, 0.4), "repeat-copy": (10000, 0.8), "recall": (6000, 0.95)}),
    "ntm-random-cosine": (65_096, 3136, {"copy": (20000, 0.05), "repeat-copy": (9000, 0.8), "recall": (14000, 0.6)}),
    "ntm-constant-dot": (65_096, 3136, {"copy": (5500, 1), "repeat-copy": (6000, 1), "recall": (3000, 1)}),
    "ntm-learned-dot": (65_096, 3136, {"copy": (18000, 0.6), "repeat-copy": (9000, 0.9), "recall": (5000, 1)}),
    "ntm-random-dot": (65_096, 3136, {"copy": (20000, 0.0), "repeat-copy": (8000, 0.9), "recall": (9000, 0.6)}),
    "lstm": (1_326_600, 1536, {"copy": (24000, 0.9), "repeat-copy": (20000, 0.7), "recall": (20000, 0.0)}),
    "dnc": (61_856, 19_500, {"copy": (4500, 1), "repeat-copy": (5500, 1), "recall": (3100, 1)}),
}


def reading_of(model: str) -> str:
    return model.rpartition("-")[2] if model.endswith(("-cosine", "-dot")) else ""


def arms(tasks: Sequence[str] = tuple(CHANCE), models: Sequence[str] = tuple(ARMS)) -> tuple[Arm, ...]:
    """The cells of the table."""
    names = {model: model.removesuffix(f"-{reading_of(model)}") for model in models}
    return tuple(Arm(task, model, names[model], reading_of(model)) for task in tasks for model in models)


def facts(seeds: int = 10, **others: Any) -> SuiteFacts:
    """What is known of the simulated suite."""
    values: dict[str, Any] = {
        "name": "simulated",
        "title": "Simulated records: nothing here was trained",
        "paper": "Collier & Beel 2018, Implementing Neural Turing Machines, ICANN, arXiv:1807.08518",
        "solved": 0.1,
        "claims": CLAIMS,
        "arms": arms(),
        "seeds": tuple(range(1, seeds + 1)),
        "trained": TRAINED,
        "notes": "These curves were drawn from a random generator, to look at the pages.",
    }
    return SuiteFacts(**values | others)


def simulate(
    seeds: int = 10,
    partial: bool = False,
    every: int = EVERY,
    tasks: Sequence[str] = tuple(CHANCE),
    models: Sequence[str] = tuple(ARMS),
) -> Frames:
    """Records of these arms: with ``partial``, some runs are missing, interrupted, failed, diverged or stale."""
    runs, evaluations, generalisation = [], [], []
    for seed in range(1, seeds + 1):
        for task in tasks:
            for model in models:
                parameters, state, odds = ARMS[model]
                generator = np.random.default_rng([seed, sorted(CHANCE).index(task), list(ARMS).index(model)])
                status, last = _status(generator, partial and seed > seeds // 2)
                arm = {"task": task, "model": model, "reading": reading_of(model), "seed": seed}
                runs.append(
                    {
                        "key": f"{task}/{model}/{seed}",
                        **arm,
                        "status": status,
                        "step": last,
                        "steps": STEPS,
                        "seconds": None if status == "new" else last * (0.11 if model == "lstm" else 0.0135),
                        "parameters": None if status == "new" else parameters,
                        "state_size": None if status == "new" else state,
                        "digest": "0" * 16,
                        "message": "loss is not finite at step 12,345" if status == "diverged" else "",
                        "device": "" if status == "new" else "cpu",
                        "implementation": "" if status == "new" else "reference",
                        "commit": "" if status == "new" else "0123456789",
                        "cut": False,
                    }
                )
                if status in ("new", "stale"):
                    continue
                steps = np.arange(0, last + 1, every)
                errors, solved = _curve(generator, steps, CHANCE[task], *odds[task])
                evaluations += [
                    {
                        **arm,
                        "step": int(step),
                        "sequences": int(step) * 32,
                        "loss": float(error),
                        "errors": float(error),
                        "train_loss": float(error) if step else None,
                        "gradient_norm": 1.0 if step else None,
                        "seconds": float(step) * 0.0135,
                    }
                    for step, error in zip(steps, errors, strict=True)
                ]
                if status == "done":
                    generalisation += [
                        {**arm, **point} for point in _points(generator, task, bool(solved), float(errors[-1]), model)
                    ]
    return frames(runs, evaluations, generalisation)


def _status(generator: np.random.Generator, partial: bool) -> tuple[str, int]:
    status = generator.choice(["done", "diverged", "interrupted", "failed", "stale", "new"]) if partial else "done"
    if not partial and generator.random() < 0.01:
        status = "diverged"
    return str(status), {"done": STEPS, "new": 0}.get(str(status), int(generator.integers(20, 150)) * EVERY)


def _curve(generator: np.random.Generator, steps: Any, chance: float, median: float, odds: float) -> tuple[Any, bool]:
    escape = median * np.exp(generator.normal(0, 0.35)) if generator.random() < odds else np.inf
    slow = chance * (0.25 + 0.75 * np.exp(-steps / 4000)) * np.exp(generator.normal(0, 0.06, len(steps)))
    fall = np.exp(-np.clip(steps - 0.75 * escape, 0, None) / (0.05 * median)) if np.isfinite(escape) else 1.0
    errors = slow * fall
    for step in generator.choice(steps, size=generator.poisson(1.2)):
        errors = errors + (steps >= step) * chance * 0.5 * np.exp(-(steps - step).clip(0) / 300.0)
    return np.where(errors < 0.01, 0.0, np.round(errors, 4)), bool(errors[-1] < 0.1)


def _points(generator: np.random.Generator, task: str, solved: bool, last: float, model: str) -> list[dict[str, Any]]:
    longest = TRAINED[task].steps[1]
    points = []
    for weights in ("best", "final"):
        for size, steps, bits, trained in SIZES[task]:
            beyond = max(0.0, np.log2(steps / longest)) * (0.06 if "ntm" in model or model == "dnc" else 0.3)
            share = min(0.5, beyond * np.exp(generator.normal(0, 0.8)) * (not trained) + (0 if solved else 0.1))
            points.append(
                {
                    "weights": weights,
                    "step": STEPS if weights == "final" else STEPS - 1000,
                    "size": size,
                    "steps": steps,
                    "trained": trained,
                    "sequences": 192,
                    "errors": round(float(share * bits + (last if weights == "final" else 0)), 4),
                    "bits": bits,
                    "perfect": float(share == 0),
                }
            )
    return points


if __name__ == "__main__":
    from membench.report.pages.render import report

    folder, seeds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    report(simulate(seeds), facts(seeds), folder)
