"""Where a run came from: code, versions, machine. Recorded, never hashed."""

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..git import git


def provenance(module: nn.Module, device: torch.device) -> dict[str, Any]:
    """Everything that may explain a difference between two runs of one digest."""
    return {
        "at": datetime.now(UTC).isoformat(),  # so that no two records begin with the same line
        **commit(),
        "membench": _version("membench"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numba": _version("numba"),
        "platform": platform.platform(),
        "kernels": kernels(),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "implementation": implementation(module, device),
    }


def device_name(device: torch.device | str) -> str:
    """What a record calls a device: the name of the GPU, or of the processor; empty of a GPU that is not here."""
    if torch.device(device).type != "cuda":
        return processor()
    return torch.cuda.get_device_name(device) if torch.cuda.is_available() else ""


def implementation(module: nn.Module, device: torch.device) -> str:
    """``reference`` or ``fused`` where a model has both, else ``torch``."""
    which = getattr(module, "implementation_for", None)
    return str(which(device)) if callable(which) else "torch"


NOWHERE = {"commit": None, "dirty": None, "changes": None}
"""Of a package without its source tree."""

OWN = ("ntm", "baselines", "benchmarks", "report")
"""The folders of the package, in its source tree."""


@cache
def commit() -> dict[str, Any]:
    """The commit of the source tree, and what was changed since; None where the package is installed without one.

    A new Python file of the package counts as a change before git knows it. ``changes`` is a hash of the changed files'
    content.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return NOWHERE
    try:
        head = git(root, "rev-parse", "HEAD").decode().strip()
        changed = git(root, "diff", "--name-only", "--no-renames", "-z", "HEAD", "--", ".", ":!results")
        new = git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *(f"{each}/*.py" for each in OWN))
    except (OSError, subprocess.SubprocessError):
        return NOWHERE
    digest = hashlib.sha256()
    names = sorted(name for name in (changed + new).split(b"\0") if name)
    for name in names:
        path = root / os.fsdecode(name)
        digest.update(hashlib.sha256(name).digest())
        digest.update(hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"-")
    return {"commit": head, "dirty": bool(names), "changes": digest.hexdigest()[:16] if names else None}


@cache
def kernels() -> str | None:
    """The instructions that our own loops are compiled for: ``x86-64-v4``; None where nothing can be compiled."""
    try:
        from ...ntm.kernels.baseline import settled
    except Exception:  # a numba that does not import says so in many ways
        return None
    return settled()


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
