"""The GPU's kernels compile for the GPUs that are meant, and find room in their registers; no GPU is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is made for Linux alone")

LIMIT = {"registers": 255, "shared": 16384}

ONE_EACH = "NTM()"
MANY = {
    "collier2018, dot": "NTM(similarity='dot')",
    "atlas": "NTM(rows=64)",
    "graves2014, as the paper reads": "NTM(reach=3, clip_heads=None, controller=LSTMController(state=Learned()))",
    "graves2014, feedforward": "NTM(clip_heads=None, controller=FeedforwardController())",
    "graves2014, sort": "NTM(reads=8, writes=8, clip_heads=None, controller=FeedforwardController(units=512))",
    "graves2014, sort, LSTM": "NTM(reads=5, writes=5, clip_heads=None, controller=LSTMController(layers=2))",
}

CODE = """
import json
from membench.ntm import *
from membench.ntm.gpu.compiled import needs
from membench.ntm.gpu.plan import planned
print(json.dumps([need._asdict() for need in needs(planned(({spec}).build(9, 8, seed=1).cell))]))
"""


def needs(spec: str, folder: Path) -> list[dict[str, int]]:
    """What both kernels need, by a process in which Triton compiles."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(folder)
    command = [sys.executable, "-c", CODE.format(spec=spec)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: list[dict[str, int]] = json.loads(done.stdout)
    for need in found:
        print(need)
    return found


def assert_fit(found: list[dict[str, int]]) -> None:
    assert [(need["kernel"], need["architecture"]) for need in found] == [
        (kernel, architecture) for architecture in ("sm_80", "sm_90") for kernel in ("forward", "backward")
    ]
    for need in found:
        assert need["spilled"] == 0 and need["cubin"] > 0, need
        assert all(need[name] <= limit for name, limit in LIMIT.items()), need


def test_three_programs_share_a_multiprocessor(tmp_path: Path) -> None:
    """Of an H100 or H200: ten seeds of 32 sequences then all run at once. An older card's compiler needs more room."""
    found = needs(ONE_EACH, tmp_path)
    assert_fit(found)
    assert all(3 * 32 * need["warps"] * need["registers"] <= 65536 for need in found[2:])


@pytest.mark.slow
@pytest.mark.parametrize("spec", MANY.values(), ids=MANY.keys())
def test_nothing_is_spilled(spec: str, tmp_path: Path) -> None:
    assert_fit(needs(spec, tmp_path))
