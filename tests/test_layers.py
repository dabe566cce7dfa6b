"""The memories as layers of anyone's network: states, lengths, batch first, copies, other types and places."""

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.utils.checkpoint
from torch import Tensor
from torch.nn.utils import rnn

from membench.baselines import lstm
from membench.baselines.dnc import DNC
from membench.baselines.dnc import model as dnc
from membench.baselines.lstm import LSTM
from membench.ntm import NTM, FeedforwardController, LSTMController, Random, model, stream

INPUTS, OUTPUTS = 3, 2
SPECS: dict[str, Any] = {
    "NTM": NTM(rows=6, width=4, memory=Random(), controller=LSTMController(units=5)),
    "NTM, feedforward": NTM(
        rows=6, width=4, reads=2, memory=Random(), controller=FeedforwardController(units=5), read_first=False
    ),
    "DNC": DNC(rows=5, width=4, units=5, reads=2),
    "DNC, tanh, no links": DNC.deepmind(rows=5, width=4, units=5, recurrent=False, links=False),
    "LSTM": LSTM(units=5, layers=2),
    "LSTM, skips": LSTM(units=5, layers=3, skips=True),
}
every = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
CLOSE = {"atol": 2e-6, "rtol": 2e-5}


def build(spec: Any, **options: Any) -> Any:
    return spec.build(INPUTS, OUTPUTS, seed=1, **options)


def drawn(steps: int, batch: int, name: str = "layers") -> Tensor:
    return torch.randn(steps, batch, INPUTS, generator=stream(name, steps, batch))


def gradients(layer: Any, logits: Tensor, *more: Tensor) -> list[Tensor]:
    """Of a loss that weighs every logit differently."""
    towards = torch.randn(logits.shape, generator=stream("towards")).to(logits.dtype)
    watched = [*more, *layer.parameters()]
    return list(torch.autograd.grad((logits * towards).sum(), watched, materialize_grads=True))


def tensors(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else [tensor for part in state for tensor in tensors(part)]


@every
class TestState:
    @pytest.mark.parametrize("pieces", [[9], [4, 5], [1, 3, 0, 5]])
    def test_pieces_give_what_the_whole_gives(self, spec: Any, pieces: list[int]) -> None:
        """Logits, and gradients through the states between them, of the inputs too."""
        layer, x = build(spec), drawn(9, 3).requires_grad_()
        whole = layer(x)
        state, parts = layer.begin(3), []
        for piece in x.split(pieces):
            logits, state = layer(piece, state)
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts), whole, **CLOSE)
        for ours, theirs in zip(gradients(layer, torch.cat(parts), x), gradients(layer, whole, x), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-3)

    def test_a_detached_state_ends_back_propagation(self, spec: Any) -> None:
        layer, x = build(spec), drawn(6, 2)
        early, late = x[:3].clone().requires_grad_(), x[3:].clone().requires_grad_()
        _, state = layer(early, layer.begin(2))
        assert any(tensor.requires_grad for tensor in tensors(state))
        ended = state.detach()
        assert type(ended) is type(state) and not any(tensor.requires_grad for tensor in tensors(ended))
        assert all(a.equal(b) for a, b in zip(tensors(state), tensors(ended), strict=True))
        logits, _ = layer(late, ended)
        found = torch.autograd.grad(logits.sum(), [early, late], allow_unused=True)
        assert found[0] is None and found[1] is not None

    def test_a_state_of_another_kind_is_refused(self, spec: Any) -> None:
        layer, x = build(spec), drawn(4, 3)
        with pytest.raises(ValueError, match=r"state\S* of \(2, .*float32 on cpu: accepted is \(3, "):
            layer(x, layer.begin(2))
        with pytest.raises(ValueError, match=r"float64 on cpu: accepted is .*float32 on cpu"):
            layer(x, build(spec).double().begin(3))
        for other in (x, (x, x), [], "state", True):
            with pytest.raises(ValueError, match=r"a state of type \w+: accepted is what begin\(\)"):
                layer(x, other)


def test_a_state_of_another_layer_is_refused() -> None:
    layers = [build(spec) for spec in SPECS.values()]
    for layer in layers:
        for other in layers:
            if layer is not other and type(layer) is not type(other):
                with pytest.raises(ValueError, match="accepted is"):
                    layer(drawn(2, 3), other.begin(3))
    with pytest.raises(ValueError, match=r"state.memory of \(3, 7, 4\)"):
        build(DNC(rows=5, width=4))(drawn(2, 3), build(DNC(rows=7, width=4)).begin(3))


def test_the_lstm_takes_its_state_to_torch_s_kernel() -> None:
    layer, x = build(SPECS["LSTM"]), drawn(7, 3)
    layer.implementation = "fused"
    logits, state = layer(x, layer.begin(3))
    layer.implementation = "reference"
    expected, after = layer(x, layer.begin(3))
    for ours, theirs in zip((logits, *tensors(state)), (expected, *tensors(after)), strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


@every
class TestLengths:
    def test_what_is_padding_changes_nothing(self, spec: Any) -> None:
        """Whatever stands there; beyond its length a sequence's logits are zero and its state stays."""
        layer, x, lengths = build(spec), drawn(6, 4), torch.tensor([6, 2, 0, 5])
        for t, length in enumerate(lengths):
            x[length:, t] = torch.nan
        first = layer.begin(4)
        logits, (streamed, after) = layer(x, lengths=lengths), layer(x, first, lengths)
        found = gradients(layer, logits)
        assert all(bool(part.isfinite().all()) for part in found)
        torch.testing.assert_close(streamed, logits, **CLOSE)
        total = [torch.zeros_like(part) for part in found]
        for n, length in enumerate(lengths.tolist()):
            alone, last = layer(x[:length, n : n + 1], layer.begin(1))
            assert not logits[length:, n].any()
            torch.testing.assert_close(logits[:length, n : n + 1], alone, **CLOSE)
            for ours, theirs in zip(tensors(after), tensors(last), strict=True):
                torch.testing.assert_close(ours[n : n + 1], theirs, **CLOSE)
            towards = torch.randn(logits.shape, generator=stream("towards"))[:length, n : n + 1]
            parts = torch.autograd.grad((alone * towards).sum(), list(layer.parameters()), materialize_grads=True)
            total = [one + other for one, other in zip(total, parts, strict=True)]
        for ours, theirs in zip(found, total, strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-3)

    @pytest.mark.parametrize(
        ("lengths", "said"),
        [
            (torch.tensor([1, 2]), r"lengths of \(2,\), int64 on cpu: accepted are whole numbers \(3,\)"),
            (torch.tensor([[1, 2, 3]]), r"lengths of \(1, 3\)"),
            (torch.tensor([1.0, 2, 3]), "float32 on cpu: accepted are whole"),
            (torch.tensor([True, False, True]), "bool on cpu: accepted are whole"),
            (torch.tensor([1, 2, 6]), "lengths from 1 to 6: accepted are 0 to 5"),
            (torch.tensor([-1, 2, 3]), "lengths from -1 to 3: accepted are 0 to 5"),
        ],
    )
    def test_others_are_refused(self, spec: Any, lengths: Tensor, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            build(spec)(drawn(5, 3), lengths=lengths)

    def test_a_packed_sequence_is_refused_with_what_to_do(self, spec: Any) -> None:
        packed = rnn.pack_padded_sequence(drawn(5, 3), torch.tensor([5, 4, 1]))
        layer = build(spec)
        with pytest.raises(
            ValueError, match="PackedSequence: accepted is a padded tensor, with its lengths: "
        ) as error:
            layer(packed)
        said = str(error.value).partition("lengths: ")[2]
        scope = {"torch": torch, "packed": packed, "layer": layer}
        exec(said.replace("layer(", "y = layer("), scope)
        assert scope["y"].shape == (5, 3, OUTPUTS)


@every
class TestAnyNetwork:
    def test_batch_first(self, spec: Any) -> None:
        layer, other, x = build(spec), build(spec, batch_first=True), drawn(4, 3)
        assert other.batch_first and not layer.batch_first
        logits, state = other(x.transpose(0, 1), other.begin(3))
        expected, after = layer(x, layer.begin(3))
        assert logits.equal(expected.transpose(0, 1)) and other(x.transpose(0, 1)).equal(layer(x).transpose(0, 1))
        assert all(a.equal(b) for a, b in zip(tensors(state), tensors(after), strict=True))
        lengths = torch.tensor([1, 4, 2])
        assert other(x.transpose(0, 1), lengths=lengths).equal(layer(x, lengths=lengths).transpose(0, 1))
        with pytest.raises(ValueError, match=r"inputs of \(4, 3, 7\), .* accepted is \(batch, time, 3\)"):
            other(torch.zeros(4, 3, 7))

    def test_copies_pickles_and_state_dicts_give_the_same(self, spec: Any) -> None:
        layer, x = build(spec, batch_first=True), drawn(4, 3)
        layer(x)
        assert layer._look is not None and copy.copy(layer)._look is copy.deepcopy(layer)._look is None
        layer.implementation = "reference"
        loaded = spec.build(INPUTS, OUTPUTS, seed=2, batch_first=True)
        loaded.load_state_dict(layer.state_dict())
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
            assert other(x).equal(layer(x)) or other is loaded
            torch.testing.assert_close(other(x), layer(x), **CLOSE)
            assert other.uncovered(x.device, x.dtype) == ""
        kept = pickle.loads(pickle.dumps(layer))
        assert kept.implementation == "reference" and kept.seed == 1 and kept.batch_first
        _, state = layer(x, layer.begin(4))
        for again in (copy.deepcopy(state.detach()), pickle.loads(pickle.dumps(state.detach()))):
            assert layer(x, again)[0].equal(layer(x, state)[0])

    def test_in_double_precision(self, spec: Any) -> None:
        layer, x = build(spec).double(), drawn(4, 3)
        logits, state = layer(x.double(), layer.begin(3))
        assert {part.dtype for part in (logits, *tensors(state))} == {torch.float64}
        torch.testing.assert_close(layer(x.double()), logits)
        torch.testing.assert_close(logits.float(), build(spec)(x), **CLOSE)
        torch.testing.assert_close(layer(x), logits, atol=0, rtol=0)  # the type holds that of the inputs

    def test_in_half_precision(self, spec: Any) -> None:
        layer, x = build(spec).bfloat16(), drawn(3, 2)
        logits, _ = layer(x.bfloat16(), layer.begin(2))
        assert logits.dtype == torch.bfloat16 and bool(logits.isfinite().all())
        with pytest.raises(ValueError, match=r"inputs of .*, float32 on cpu: accepted is .*, bfloat16 on cpu"):
            layer(x)

    def test_in_float16_or_not_at_all(self, spec: Any) -> None:
        layer, x = build(spec).half(), drawn(3, 2).half()
        try:
            assert bool(layer(x).isfinite().all())
        except ValueError as refused:
            assert "accepted are float32, float64 and bfloat16" in str(refused)

    def test_under_autocast_as_without(self, spec: Any) -> None:
        layer, x = build(spec), drawn(4, 3)
        expected, again = layer(x), layer(x.bfloat16())
        with torch.autocast("cpu", torch.bfloat16):
            for which in ("auto", "reference"):
                layer.implementation = which
                logits, _ = layer(x, layer.begin(3))
                assert logits.dtype == torch.float32 and layer(x).dtype == torch.float32
                torch.testing.assert_close(logits, expected, **CLOSE)
                torch.testing.assert_close(layer(x), expected, **CLOSE)
                mixed = layer(torch.nn.functional.linear(x, torch.eye(INPUTS)))  # in bfloat16
                torch.testing.assert_close(mixed, again, **CLOSE)
            assert torch.is_autocast_enabled("cpu")

    def test_inside_a_network(self, spec: Any) -> None:
        network = torch.nn.Sequential(
            torch.nn.Linear(4, INPUTS), build(spec), torch.nn.ReLU(inplace=True), torch.nn.Linear(OUTPUTS, 1)
        )
        x = torch.randn(5, 3, 4, generator=stream("network"))
        network(x).sum().backward()
        assert all(bool(parameter.grad.isfinite().all()) for parameter in network.parameters())

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_behind_a_checkpoint(self, spec: Any, reentrant: bool) -> None:
        layer, x = build(spec), drawn(5, 3).requires_grad_()
        logits = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=reentrant)
        logits.square().sum().backward()
        found = [x.grad, *(parameter.grad for parameter in layer.parameters())]
        expected = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()], materialize_grads=True)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(torch.zeros_like(theirs) if ours is None else ours, theirs, **CLOSE)


@every
class TestFirstValues:
    def test_are_the_same_whatever_torch_s_defaults_are(self, spec: Any) -> None:
        expected = build(spec).state_dict()
        for kind in (torch.float64, torch.float16, torch.bfloat16):
            torch.set_default_dtype(kind)
            try:
                layer = build(spec)
                found = layer(drawn(3, 2).float())
            finally:
                torch.set_default_dtype(torch.float32)
            assert all(value.equal(expected[name]) for name, value in layer.state_dict().items()), kind
            torch.testing.assert_close(found, build(spec)(drawn(3, 2)), atol=1.0, rtol=0)
            assert found.dtype == torch.float32

    def test_and_so_are_later_ones(self, spec: Any) -> None:
        """What a twin makes room for is float32 on the CPU, wherever torch would make it."""
        layer, x = build(spec), drawn(5, 3)

        def found() -> list[Tensor]:
            logits = layer(x)
            with torch.no_grad():
                quiet = layer(x)
            return [quiet, logits, *torch.autograd.grad(logits.sum(), list(layer.parameters()), materialize_grads=True)]

        expected = found()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.device("meta"):
                again = found()
        finally:
            torch.set_default_dtype(torch.float32)
        assert all(a.equal(b) for a, b in zip(again, expected, strict=True))

    def test_lie_on_torch_s_default_device(self, spec: Any) -> None:
        with torch.device("meta"):
            layer = build(spec)
        assert {value.device.type for value in layer.state_dict().values()} == {"meta"}
        assert layer(torch.zeros(4, 3, INPUTS, device="meta")).shape == (4, 3, OUTPUTS)
        with pytest.raises(ValueError, match=r"float32 on cpu: accepted is .*float32 on meta"):
            layer(drawn(4, 3))
        layer.load_state_dict(build(spec).state_dict(), assign=True)
        assert layer(drawn(4, 3)).equal(build(spec)(drawn(4, 3)))
        assert layer.uncovered(torch.device("cpu"), torch.float32) == ""

    def test_are_drawn_on_the_cpu(self, spec: Any) -> None:
        """And then moved, so that a seed means the same numbers anywhere."""
        expected = build(spec).cell.state_dict()
        torch.set_default_device("meta")
        try:
            with pytest.MonkeyPatch.context() as patched:
                for family in (model, dnc, lstm):
                    patched.setattr(family, "placed", lambda layer: layer)
                layer = build(spec)
        finally:
            torch.set_default_device(None)
        assert all(value.equal(expected[name]) for name, value in layer.cell.state_dict().items())

    def test_differ_where_no_seed_is_given_and_the_seed_is_known(self, spec: Any) -> None:
        torch.manual_seed(5)
        one, other = (spec.build(INPUTS, OUTPUTS) for _ in range(2))
        assert one.seed != other.seed and not one(drawn(4, 3)).equal(other(drawn(4, 3)))
        torch.manual_seed(5)
        assert spec.build(INPUTS, OUTPUTS).seed == one.seed
        again = spec.build(INPUTS, OUTPUTS, one.seed)
        assert all(value.equal(one.state_dict()[name]) for name, value in again.state_dict().items())
        before = torch.get_rng_state()
        assert build(spec).seed == 1 and torch.get_rng_state().equal(before)


@every
@pytest.mark.parametrize("which", ["auto", "reference", "fused"])
@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0)])
def test_no_steps_or_no_sequences_give_none(spec: Any, which: str, shape: tuple[int, int]) -> None:
    layer, x = build(spec), torch.zeros(*shape, INPUTS, requires_grad=True)
    layer.implementation = which
    logits = layer(x)
    assert logits.shape == (*shape, OUTPUTS) and logits.dtype == torch.float32
    assert not any(part.any() for part in gradients(layer, logits, x))
    with torch.no_grad():
        assert layer(x).shape == (*shape, OUTPUTS)
    layer.implementation = "auto"
    first = layer.begin(shape[1])
    logits, last = layer(x, first)
    assert logits.shape == (*shape, OUTPUTS)
    if not shape[0]:
        assert all(a.equal(b) for a, b in zip(tensors(first), tensors(last), strict=True))


def test_a_dnc_may_be_given_other_rows_than_it_was_trained_with() -> None:
    few, many = (DNC(rows=rows, width=4, units=5).build(INPUTS, OUTPUTS, seed) for seed, rows in enumerate((4, 9)))
    many.load_state_dict(few.state_dict())
    assert many.begin(2).memory.shape == (2, 9, 4)
    x = drawn(6, 2)
    many.implementation = "reference"
    expected = many(x)
    many.implementation = "fused"
    torch.testing.assert_close(many(x), expected, **CLOSE)
    with pytest.raises(RuntimeError, match="size mismatch"):
        many.load_state_dict(DNC(rows=9, width=5, units=5).build(INPUTS, OUTPUTS, 1).state_dict())


@pytest.mark.parametrize("spec", list(SPECS.values())[::2])
@pytest.mark.parametrize("which", ["nonsense", "", None, "Fused", 1])
def test_an_implementation_that_there_is_not_is_refused(spec: Any, which: Any) -> None:
    layer = build(spec)
    with pytest.raises(ValueError, match="accepted are 'auto', 'reference' and 'fused'"):
        layer.implementation = which
    assert layer.implementation == "auto"
