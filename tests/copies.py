"""Simulated records of copying alone, by three arms; see ``simulated``."""

import runpy
from pathlib import Path
from typing import Any

from membench.report.frames import Frames

SIMULATED = runpy.run_path(str(Path(__file__).with_name("simulated.py")))
MODELS = ("ntm-constant-cosine", "ntm-constant-dot", "lstm")


def simulate(seeds: int = 2, **others: Any) -> Frames:
    return SIMULATED["simulate"](seeds, **{"every": 2000, "tasks": ("copy",), "models": MODELS} | others)  # type: ignore[no-any-return]


def facts(seeds: int = 2, **others: Any) -> Any:
    chosen = {name: others.pop(name) for name in ("tasks", "models") if name in others}
    return SIMULATED["facts"](
        seeds, arms=SIMULATED["arms"](**{"tasks": ("copy",), "models": MODELS} | chosen), **others
    )
