"""What the kernels need of a GPU, by Triton's compiler, on any machine: registers, spills and shared memory."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from .plan import Plan, options
from .unroll import backward, forward


class Need(NamedTuple):
    """A kernel's."""

    kernel: str
    architecture: str  # as sm_90
    warps: int
    registers: int  # of a thread
    spilled: int  # bytes of a thread that do not fit its registers
    shared: int  # bytes of a program
    cubin: int  # bytes


def needs(plan: Plan, capabilities: tuple[int, ...] = (80, 90)) -> list[Need]:
    """What both kernels need for an NTM, on GPUs of these capabilities."""
    return [need(kernel, plan, capability) for capability in capabilities for kernel in (forward, backward)]


def need(kernel: Any, plan: Plan, capability: int) -> Need:
    """What a kernel needs, in float32."""
    types = {name: "constexpr" if name == "plan" else "*fp32" for name in kernel.arg_names}
    types |= {"steps": "i32", "batch": "i32"}
    aligned = [["tt.divisibility", 16]]  # as torch's tensors are
    places = {(n,): aligned for n, name in enumerate(kernel.arg_names) if name not in ("steps", "plan")}
    source = ASTSource(kernel, types, {"plan": plan}, places)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options(plan, capability))
    architecture = f"sm_{capability}a" if capability >= 90 else f"sm_{capability}"
    said = assembled(made.asm["ptx"], architecture)
    registers = int(re.search(r"Used (\d+) registers", said)[1])  # type: ignore[index]
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill (?:stores|loads)", said)))
    shared, cubin = made.metadata.shared, len(made.asm["cubin"])
    return Need(kernel.__name__, f"sm_{capability}", plan.warps, registers, spilled, shared, cubin)


def assembled(ptx: str, architecture: str) -> str:
    """What Triton's assembler says of a program."""
    assembler = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [str(assembler), "-v", "--gpu-name", architecture, file.name, "-o", "/dev/null"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stderr
