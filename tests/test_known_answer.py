"""An NTM whose weights were set by hand, and never trained, copies perfectly.

How it works. One LSTM unit latches on the marker and stays on: it answers from then on. One unit a bit holds the
present input as +1 or -1 until then, and 0 afterwards. The write head adds these units to its row and moves on by one
row in every step. The read head stays on the row before the first until the latch is on, and then moves on like the
write head did. Both look by location only: their gates are closed.
"""

import pytest
import torch
from torch import Tensor

from membench.benchmarks.protocols import Batch
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.training.evaluate import evaluate
from membench.ntm import NTM, LSTMController, NTMModule, OneHot, Zeros, stream

BITS, ROWS = 3, 16
LATCH = BITS  # the unit that knows whether it is time to answer; units 0 to BITS - 1 hold the bits
MARKER = BITS  # the channel of the marker; channels 0 to BITS - 1 hold the bits
SURE = 20.0  # saturates every squash

SPEC = NTM(
    rows=ROWS,
    width=BITS,
    memory=Zeros(),
    read=Zeros(),
    read_weighting=OneHot(ROWS - 1),
    write_weighting=OneHot(0),
    controller=LSTMController(units=BITS + 1, forget_bias=0.0),
)


def set_controller(weight: Tensor, bias: Tensor) -> None:
    """(4 * units, inputs + reads + units) and (4 * units): gates in the order input, forget, candidate, output."""
    units = BITS + 1
    i, _, g, _ = weight.view(4, units, -1)
    bias_i, bias_f, bias_g, bias_o = bias.view(4, units)
    latch_before = (BITS + 1) + BITS + LATCH  # after the inputs and what was read
    bias_o.fill_(SURE)
    for bit in range(BITS):
        bias_i[bit], bias_f[bit] = SURE, -SURE  # take the input, forget the last one
        i[bit, MARKER] = -2 * SURE  # but not the marker's step, under either encoding,
        i[bit, latch_before] = -4 * SURE  # nor anything after it
        g[bit, bit], bias_g[bit] = 2 * SURE, -SURE
    bias_i[LATCH], bias_f[LATCH], bias_g[LATCH] = -SURE, SURE, SURE  # keep what is there
    i[LATCH, MARKER] = 2 * SURE  # and become 1 at the marker


def set_heads(weight: Tensor, bias: Tensor) -> None:
    """One read head, then one write head: key, strength, gate, shifts of -1, 0, +1, sharpness; then erase, then add."""
    length = BITS + 1 + 1 + 3 + 1
    for head in (0, length):
        bias[head + BITS + 1] = -SURE  # g: by location only
        bias[head + length - 1] = SURE  # γ: as sharp as it gets
    stay, on = BITS + 3, BITS + 4
    bias[stay], weight[on, LATCH] = SURE / 2, 2 * SURE  # the read head stays, or moves on while answering
    bias[length + on] = SURE  # the write head moves on
    erase, add = slice(2 * length, 2 * length + BITS), slice(2 * length + BITS, None)
    bias[erase] = -SURE
    weight[add, :BITS] = SURE * torch.eye(BITS)


def copier(read_first: bool = True) -> NTMModule:
    """The module with every weight zero but those set above, and logits of +/-10."""
    module = NTM(**{**vars(SPEC), "read_first": read_first}).build(BITS + 1, BITS)
    cell = module.cell
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        set_controller(cell.get_parameter("controller.layers.0.weight"), cell.get_parameter("controller.layers.0.bias"))
        set_heads(cell.heads.weight, cell.heads.bias)
        cell.output.weight[:, BITS + 1 :] = 10 * torch.eye(BITS)  # say what was read
    return module


def sequences(length: int, encoding: str) -> Batch:
    task = Copy(bits=BITS, train=(range(1, 21),), encoding=encoding)  # type: ignore[arg-type]
    return task.sample((length,), 8, stream("known answer", length))


@pytest.mark.parametrize("implementation", ["reference", "fused"])
@pytest.mark.parametrize("read_first", [True, False])
@pytest.mark.parametrize("encoding", ["collier", "graves"])
def test_it_copies_whatever_fits_into_its_memory(encoding: str, read_first: bool, implementation: str) -> None:
    module = copier(read_first)
    module.implementation = implementation  # type: ignore[assignment]
    for length in (1, 2, 5, ROWS - 1, ROWS):
        score = evaluate(module, [sequences(length, encoding)], Copy())
        assert (score.errors, score.perfect) == (0.0, 1.0)
        assert score.loss < 1e-3 * length


def test_what_does_not_fit_is_written_over() -> None:
    """Graves et al. 2014, section 4.1: the memory wraps round, and the limit is the number of rows."""
    score = evaluate(copier(), [sequences(ROWS + 4, "collier")], Copy())
    assert score.errors > 1 and score.perfect == 0


def test_its_heads_go_where_they_were_told() -> None:
    length = 5
    cell, batch = copier().cell, sequences(length, "collier")
    state, reading, writing = cell.begin(8), [], []
    for x in batch.inputs:
        _, state = cell(x, state)
        assert state.weightings.detach().amax(dim=-1).min() > 1 - 1e-6  # sharp in every step
        rows = state.weightings.argmax(dim=-1)
        assert (rows == rows[0]).all()  # whatever the bits are
        reading.append(int(rows[0, 0]))
        writing.append(int(rows[0, 1]))
    assert writing[:length] == reading[length + 1 :] == [1, 2, 3, 4, 5]
    assert reading[: length + 1] == [ROWS - 1] * length + [0]
    written = state.memory[:, 1 : length + 1].transpose(0, 1)
    torch.testing.assert_close(written, 2 * batch.targets[length + 1 :] - 1)
