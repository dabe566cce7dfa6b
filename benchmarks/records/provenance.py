"""Where a run came from: code, versions, machine. Recorded, never hashed."""

import hashlib
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn


def provenance(module: nn.Module, device: torch.device) -> dict[str, Any]:
    """Everything that may explain a difference between two runs of one digest."""
    return {
        **commit(),
        "membench": _version("membench"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numba": _version("numba"),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "implementation": implementation(module, device),
    }


def implementation(module: nn.Module, device: torch.device) -> str:
    """``reference`` or ``fused`` where a model has both, else ``torch``."""
    which = getattr(module, "implementation_for", None)
    return str(which(device)) if callable(which) else "torch"


NOWHERE = {"commit": None, "dirty": None, "changes": None}
"""Of a package without its source tree."""


@cache
def commit() -> dict[str, Any]:
    """The commit of the source tree, and what was changed since; None where the package is installed without one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return NOWHERE

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changes = git("diff", "HEAD", "--", ".", ":!results")
        digest = hashlib.sha256(changes.encode(errors="replace")).hexdigest()[:16] if changes else None
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(changes), "changes": digest}
    except (OSError, subprocess.CalledProcessError):
        return NOWHERE


@cache
def processor() -> str:
    """The CPU's name and the instructions that decide how it rounds: ``AMD EPYC with AVX512``."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    instructions = torch.backends.cpu.get_cpu_capability()
    return f"{name} with {instructions}" if instructions in ("AVX2", "AVX512") else name


def rounding(device: str) -> str:
    """The instructions that decide how a device rounds, if its name tells: wider sums are in another order."""
    return device.rpartition(" with ")[2] if " with " in device else ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
