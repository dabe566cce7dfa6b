"""Which NTMs the GPU's twin covers. No Triton yet."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import torch

from ..controller import LSTMController
from ..memory import Redrawn
from .plan import block

if TYPE_CHECKING:
    from ..model import NTM

LARGEST = 8192
"""Numbers of a memory that a program's registers hold, in blocks."""

TRITON = 3, 6
"""The oldest version that was tried."""

FIELDS = {"read_first": True, "squash": "tanh", "gated": True, "feedback": True}
"""What fields must be."""


def uncovered(spec: "NTM", dtype: torch.dtype) -> str:
    """Why an NTM is left to the reference, or nothing."""
    name = "the NTM's GPU kernel"
    if dtype != torch.float32:
        return f"{name} computes in float32, not {dtype}"
    for field, covered in FIELDS.items():
        if (value := getattr(spec, field)) != covered:
            return f"{name} covers {field}={covered!r}, not {value!r}"
    if spec.one_after_another:
        return f"{name} covers write_order='together', not {spec.write_order!r}"
    if isinstance(spec.memory, Redrawn):
        return f"{name} covers a memory that is not {spec.memory}"
    if isinstance(spec.controller, LSTMController):
        for field, covered in {"inlet": None, "second_bias": False}.items():
            if (value := getattr(spec.controller, field)) != covered:
                return f"{name} covers controller.{field}={covered!r}, not {value!r}"
    if block(spec.rows) * block(spec.width) > LARGEST:
        return f"{name} has no room for rows={spec.rows}, width={spec.width}"
    if (found := triton()) < TRITON:
        has = "none" if not any(found) else ".".join(map(str, found))
        return f"{name} needs Triton {TRITON[0]}.{TRITON[1]} or newer, not {has}: pip install 'membench[gpu]'"
    return ""


def triton() -> tuple[int, int]:
    """Triton's version, without loading it; zeros where there is none."""
    try:
        major, minor, *_ = version("triton").split(".")
    except PackageNotFoundError:
        return 0, 0
    return int(major), int(minor)
