"""Which instructions a process computes with, by a name that holds for every vendor's processors.

Numba compiles for "the host" by default: for its model, whose tuning decides how long vectors are and so in what order
sums are added up. Two processors with the same instructions then differ in the last digits. A named baseline has one
tuning. The kernels are compiled for the best one that this processor has; this is the one place where that is settled,
before Numba compiles anything.
"""

import os
from functools import cache

from llvmlite import binding
from numba.core import config
from numba.core.registry import cpu_target

OLDER = ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")

BASELINES = {
    "x86-64-v4": (*OLDER, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    "x86-64-v3": OLDER,
}
"""What a processor must have, as LLVM names it. Any other one gets ``generic``, which every one of its kind runs."""

LIBRARIES = {
    "x86-64-v4": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "x86-64-v3": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}
"""What PyTorch and its libraries read when they first compute, so that they use these instructions and no newer ones.

It is no promise for MKL, which chooses by the vendor first.
"""


@cache
def has() -> tuple[str, ...]:
    """The baselines that this processor can run, the best first."""
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know this processor
        features = {}
    found = [name for name, needed in BASELINES.items() if all(features.get(each) for each in needed)]
    return (*found, "generic")


def environment(name: str) -> dict[str, str]:
    """The variables that say all this to the processes that are started with them."""
    return {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": "", **LIBRARIES.get(name, {})}


def use(name: str) -> None:
    """Compute with a baseline that is not the best, here and in processes started from here.

    To be called before the kernels are imported and torch has computed.
    """
    os.environ.update(environment(name))
    if not compiling():
        config.CPU_NAME, config.CPU_FEATURES = name, ""


def settled() -> str:
    """What Numba compiles for: what NUMBA_CPU_NAME says, or else the best baseline, which is settled hereby.

    Where somebody else's code was compiled first, in the same process, Numba's choice is made: it is the name of the
    host's model.
    """
    if not compiling():
        name = config.CPU_NAME or has()[0]
        if name in (*BASELINES, "generic"):
            config.CPU_NAME, config.CPU_FEATURES = name, ""
    return str(config.CPU_NAME or binding.get_host_cpu_name())


def compiling() -> bool:
    """Whether Numba has compiled something: its code generator was made, for one processor."""
    return "_toplevel_target_context" in vars(cpu_target)


def limit_libraries() -> None:
    """Keep torch to the same instructions, but for what the user's environment says."""
    for name, value in LIBRARIES.get(settled(), {}).items():
        os.environ.setdefault(name, value)
