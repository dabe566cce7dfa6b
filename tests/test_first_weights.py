"""How weights begin: laws and their bounds, heads as layers of their own, and what is trained besides."""

import math
from typing import Any

import pytest
import torch

from membench.baselines.lstm import LSTM
from membench.ntm import NTM, Bounded, Constant, Glorot, LSTMController, Random, Truncated, Weights, Zeros
from membench.ntm.weights import Matrix, linear

SMALL = NTM(rows=6, width=3, controller=LSTMController(units=4))


@pytest.mark.parametrize(
    ("law", "std", "bound"),
    [
        (Glorot(1.4), 1.4 * math.sqrt(2 / 800), 1.4 * math.sqrt(6 / 800)),
        (Glorot(law="normal"), math.sqrt(2 / 800), None),
        (Bounded(0.3), 0.3 / math.sqrt(3), 0.3),
        (Truncated(), 0.880 / math.sqrt(300), 2 / math.sqrt(300)),
    ],
)
def test_a_matrix_has_the_spread_of_its_law(law: Matrix, std: float, bound: float | None) -> None:
    weight = linear(300, 500, 1, "test", weights=Weights(law)).weight
    assert weight.std().item() == pytest.approx(std, rel=0.01) and abs(weight.mean().item()) < 0.01 * std + 1e-4
    if bound is not None:
        assert 0.99 * bound < weight.abs().max().item() <= bound * (1 + 1e-6)
    else:
        assert weight.abs().max().item() > 3 * std


@pytest.mark.parametrize(("scheme", "std"), [(Random(0.01, squash=False), 0.01), (Bounded(0.2), 0.2 / math.sqrt(3))])
def test_a_bias_too(scheme: Any, std: float) -> None:
    assert linear(3, 5000, 1, "test", weights=Weights(bias=scheme)).bias.std().item() == pytest.approx(std, rel=0.05)


def test_the_part_of_a_head_begins_as_a_layer_of_its_own() -> None:
    """Zana 2017: 100 to 26 for a read head, 100 to 66 for a write head, each under its own Xavier bound."""
    spec = NTM(reads=3, writes=3, head_weights=Weights(Glorot(1.4)))
    weight = spec.build(9, 8, seed=1).cell.heads.weight
    for rows, outputs in ((weight[: 3 * 26], 26), (weight[3 * 26 :], 66)):
        bound = 1.4 * math.sqrt(6 / (100 + outputs))
        assert 0.99 * bound < rows.abs().max().item() <= bound * (1 + 1e-6)


def test_an_lstm_of_two_biases_has_them_drawn_apart_and_trained() -> None:
    weights = Weights(Bounded(0.1), Bounded(0.1))
    layer = LSTMController(units=50, forget_bias=0.0, second_bias=True, weights=weights).build(20, 1).layers[0]  # type: ignore[index]
    assert layer.second_bias.shape == layer.bias.shape and not layer.second_bias.equal(layer.bias)
    for part in (layer.weight, layer.bias, layer.second_bias):
        assert 0.09 < part.abs().max().item() <= 0.1 and part.requires_grad
    with_forget = LSTMController(units=50, forget_bias=2.0, second_bias=True, weights=weights).build(20, 1).layers[0]  # type: ignore[index]
    torch.testing.assert_close(with_forget.bias[50:100], layer.bias[50:100] + 2)
    assert with_forget.second_bias.equal(layer.second_bias)


def test_the_authors_lstm_reads_by_glorot_s_uniform() -> None:
    ours, theirs = (LSTM(output_weights=weights).build(9, 8, seed=1) for weights in (Weights(), Weights(Glorot())))
    assert ours.output.weight.std().item() == pytest.approx(0.055, rel=0.03)
    assert theirs.output.weight.std().item() == pytest.approx(0.087, rel=0.03)
    assert theirs.stack.layers[0].weight.equal(ours.stack.layers[0].weight)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("matrix", "bias"),
    [
        (Zeros(), Zeros()),
        (Bounded(1.0, trainable=True), Zeros()),
        (Glorot(), Constant(1.0)),
        (Glorot(), Random(0.1)),
        (Glorot(), Random(0.1, squash=False, trainable=True)),
    ],
)
def test_laws_that_are_none_are_refused(matrix: Any, bias: Any) -> None:
    with pytest.raises(ValueError, match=r"^Weights\(.*accepted (are|is) "):
        Weights(matrix, bias)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"squash": "sigmoid"}, r"NTM\(squash='sigmoid'\): 'tanh' or 'linear' or 'relu'"),
        ({"write_order": "apart"}, r"NTM\(write_order='apart'\)"),
        ({"write_order": "pairs", "reads": 2}, r"NTM\(write_order='pairs'\): 2 read and 1 write heads are no pairs"),
        ({"feedback": False}, r"NTM\(feedback=False, read=Learned.*accepted is one not trainable"),
        ({"read_weighting": Zeros(trainable=True)}, r"NTM\(read_weighting=.*accepted are zeros that are not trainable"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NTM(**fields)


def test_heads_that_write_one_after_another_are_left_to_the_reference(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="membench.ntm.layer")
    module = NTM(rows=5, width=3, writes=2, write_order="in turn", controller=LSTMController(units=4)).build(3, 2, 7)
    for _ in range(2):
        module(torch.rand(3, 2, 3))
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the fused NTM writes with all heads together, not 'in turn'"
    ]
    assert module.differentiation([module]) is None
    with pytest.raises(ValueError, match="accepted are heads that write together"):
        module.gradients()
    alone = NTM(rows=5, width=3, write_order="in turn", controller=LSTMController(units=4)).build(3, 2, 7)
    assert alone.implementation_for("cpu") == "fused"
