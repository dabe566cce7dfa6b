"""What is seen of layers, stacks and tapes: how much of what each step wrote is read, which explains what is read."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from membench.baselines import matrices, mlstm
from membench.baselines.delta import DeltaNet
from membench.baselines.gru import GRU
from membench.baselines.linear_attention import LinearAttention
from membench.baselines.mlstm import MLSTM
from membench.baselines.stack import StackRNN
from membench.baselines.tape import TapeRNN
from membench.baselines.transformer import Transformer
from membench.benchmarks.training.evaluate import Watchable
from membench.ntm import stream

SMALL: dict[str, Any] = {"width": 8, "layers": 2, "heads": 2}
LAYERS: dict[str, Any] = {
    "linear attention": LinearAttention(**SMALL, keys=4, values=3),
    "retnet": LinearAttention.retnet(**SMALL, keys=4, values=3),
    "mamba2": LinearAttention.mamba2(**SMALL, keys=4, values=3),
    "deltanet": DeltaNet(**SMALL, keys=4, values=3),
    "gated": DeltaNet(**SMALL, keys=4, values=3, gated=True, negative=True),
    "mlstm": MLSTM(**SMALL),
    "transformer": Transformer(**SMALL, units=4, positions="alibi", convolution=True),
    "transformer, rope": Transformer(**SMALL, units=0, positions="rope"),
}
MACHINES: dict[str, Any] = {
    "stack": StackRNN(units=9, stacks=2, cells=5, size=3),
    "stack without recurrence": StackRNN(units=9, cells=20, size=3, recurrent=False),
    "tape": TapeRNN(units=9, cells=5, size=3),
    "tape, told": TapeRNN(units=9, cells=6, size=3, jumps=True),
}


def built(spec: Any) -> tuple[Any, Tensor]:
    """A module with weights that make it look somewhere, and inputs for it, whose last channel marks their end."""
    module = spec.build(3, 2, seed=4)
    with torch.no_grad():
        for n, part in enumerate(module.parameters()):
            part += torch.randn(part.shape, generator=stream("watching", n)) / 2
    inputs = torch.randn(70, 2, 3, generator=stream("watching", "inputs"))
    inputs[..., 2] = (torch.arange(70) >= 4)[:, None]
    return module.double(), inputs.double()


@pytest.mark.parametrize("name", [*LAYERS, *MACHINES])
def test_watching_changes_no_logit_and_no_step_sees_later_ones(name: str) -> None:
    module, x = built((LAYERS | MACHINES)[name])
    with torch.no_grad():
        logits, seen = module.watch(x)
        torch.testing.assert_close(logits, module(x))
    assert isinstance(module, Watchable) and any(what.endswith("attention") for what in seen)
    for what, part in seen.items():
        assert part.shape[:2] == (70, 2) and part.isfinite().all()
        if what.endswith("attention"):
            assert part.shape[3] == 70 and part.abs().max() > 0.05
            assert not part.permute(1, 2, 0, 3).triu(1 if name in LAYERS else 0).any()


def test_layers_are_named_and_one_that_shows_nothing_is_left_out() -> None:
    seen = built(LAYERS["transformer"])[0].watch(torch.zeros(3, 1, 3).double())[1]
    assert list(seen) == ["read layer 1 attention", "read layer 2 attention"]
    assert list(built(DeltaNet(width=8, layers=1))[0].watch(torch.zeros(3, 1, 3).double())[1]) == ["read attention"]
    assert GRU(layers=1, width=4).build(3, 2).watch(torch.zeros(3, 1, 3))[1] == {}


def read_by(mixer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Values and what is read of them, both (time, batch, heads, size)."""
    state: Any = mixer.begin(2)  # type: ignore[operator]
    if isinstance(mixer, mlstm.MLSTMMixer):
        asked, form, first = mixer.ask(x, state[0])[0], mlstm.step, (state[1], state[2].flatten())
    elif hasattr(mixer, "recall"):
        asked, form, first = mixer.ask(x, *state[:2])[0], mixer.recall, ()
    else:
        asked, form, first = mixer.ask(x, state[0])[0], matrices.replaced, ()
    y, _ = matrices.pieces(form, first, *asked)
    return tuple(part.unflatten(0, (2, -1)).permute(2, 0, 1, 3) for part in (asked[2], y))


@pytest.mark.parametrize("name", [name for name in LAYERS if "transformer" not in name])
def test_a_matrix_reads_values_by_their_attention(name: str) -> None:
    module, x = built(LAYERS[name])
    mixer, x = module.blocks[0].mixer, module.embedding(x)
    values, read = read_by(mixer, x)
    found = torch.einsum("tbhs,sbhv->tbhv", mixer.look(x)["read attention"], values)
    torch.testing.assert_close(found, read, atol=1e-9, rtol=1e-9)


def test_a_transformer_reads_values_by_its_attention() -> None:
    module, x = built(LAYERS["transformer, rope"])
    mixer, x = module.blocks[0].mixer, module.embedding(x)
    *_, v, _ = mixer.ask(x, (), 0)
    found = torch.einsum("tbhs,bhsv->tbhv", mixer.look(x)["read attention"], v)
    torch.testing.assert_close(mixer.outlet(found.flatten(2)), mixer(x, mixer.begin(2))[0], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_reads_what_was_written_by_its_attention(name: str) -> None:
    module, x = built(MACHINES[name])
    first = module.first(x)
    steps = list(module.steps(x, first))
    memories = [first[1], *(state[1] for _, state in steps[:-1])]
    read = torch.stack([module.read(memory) for memory in memories])
    attention = module.watch(x)[1]["read attention"]
    values = torch.stack([module.value(now) for now, _ in steps]).unflatten(-1, (attention.shape[2], -1))
    found = torch.einsum("tbhs,sbhv->tbhv", attention, values).flatten(2)
    torch.testing.assert_close(found, read, atol=1e-9, rtol=1e-9)


def test_a_tape_s_head_stands_where_its_moves_have_led() -> None:
    module, x = built(TapeRNN(units=4, cells=5, size=2))
    nn.init.zeros_(module.action.weight)
    module.action.bias.data[:] = torch.tensor([-50.0, 50.0, -50.0])  # left: to the cell that lay one to the right
    where = module.watch(x)[1]["write weighting"][:, :, 0].argmax(-1)
    assert where.equal((torch.arange(70) % 5)[:, None].expand(70, 2))
