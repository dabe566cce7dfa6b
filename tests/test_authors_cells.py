"""The NTMs of Zana 2017 and Ha 2017 against their authors' own code, with the same weights: outputs and all gradients.

The numbers of ``oracles/zana2017.json`` and ``oracles/ha2017.json`` were made by the released modules, unchanged, in
float64; see the README there.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from membench.benchmarks.suites.ha2017 import RELEASED
from membench.benchmarks.suites.zana2017 import ntm
from membench.ntm import NTM, LSTMController, addressing
from membench.ntm.unroll import run

ORACLES = Path(__file__).parent / "oracles"
ROWS, WIDTH, UNITS, INPUTS, OUTPUTS, STEPS, BATCH = 6, 4, 5, 3, 2, 6, 2


def filled(name: str, *shape: int) -> Tensor:
    """Numbers that differ by name and place, from a formula."""
    at = torch.arange(math.prod(shape), dtype=torch.float64)
    return (0.7 * torch.sin(1.3 * at * at + sum(name.encode()))).reshape(shape)


def small(spec: NTM, heads: int) -> NTM:
    """The suite's model, of the oracle's size."""
    assert isinstance(spec.controller, LSTMController)
    return replace(
        spec, rows=ROWS, width=WIDTH, reads=heads, writes=heads, controller=replace(spec.controller, units=UNITS)
    )


SPECS = {"zana": ntm(INPUTS), "ha": RELEASED}


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("whose", SPECS)
def test_outputs_and_gradients_are_the_authors(whose: str, heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the 1e-8 that ours adds to the denominator of eq. 6, where torch's cosine bounds it from below."""
    monkeypatch.setattr(addressing, "EPSILON", 0.0)
    oracles = json.loads((ORACLES / f"{whose}2017.json").read_text())
    oracle: Mapping[str, list[float]] = oracles["1 pair" if heads == 1 else "2 pairs"]["gradients"]
    module = small(SPECS[whose], heads).build(INPUTS, OUTPUTS, seed=1).double()
    parameters = {name.removeprefix("cell."): parameter for name, parameter in module.named_parameters()}
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(filled(name, *parameter.shape))
        if whose == "zana":
            module.cell.memory.raw.copy_(filled("memory.raw", ROWS * WIDTH))
            module.cell.reads.raw.copy_(filled("reads.raw", heads, WIDTH))
    state = module.begin(BATCH)
    if whose == "ha":  # which every sequence draws anew
        state = state._replace(memory=filled("banks", BATCH, ROWS, WIDTH))
    inputs = filled("inputs", STEPS, BATCH, INPUTS).requires_grad_()
    outputs = torch.sigmoid(run(module.cell, inputs, state)[0])
    matters = filled("matters", STEPS, BATCH, OUTPUTS)
    found = torch.autograd.grad((outputs * matters).sum(), [*parameters.values(), inputs])
    expected = oracles["1 pair" if heads == 1 else "2 pairs"]["outputs"]
    torch.testing.assert_close(outputs.flatten(), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9)
    assert oracle.keys() == {*parameters, "inputs"}
    for name, gradient in zip([*parameters, "inputs"], found, strict=True):
        wanted = torch.tensor(oracle[name], dtype=torch.float64)
        torch.testing.assert_close(gradient.flatten(), wanted, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


def test_the_counts_of_their_parameters() -> None:
    """Of the released modules: Zana's copy and repeat copy (both trained biases among them)."""
    sizes = {"copy": (9, 8), "repeat-copy": (10, 9)}
    built = {name: ntm(inputs).build(inputs, outputs, seed=1) for name, (inputs, outputs) in sizes.items()}
    counts = {name: sum(parameter.numel() for parameter in module.parameters()) for name, module in built.items()}
    assert counts == {"copy": 62_860, "repeat-copy": 63_381}
