"""The parts that layers share, against plain loops over numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from membench.baselines.blocks import Block, Network, ShortConvolution, counts, network, norm
from membench.ntm import stream


class Adding(nn.Module):
    """A running sum: the least mixer with a state."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("first", torch.zeros(3, dtype=torch.float64), persistent=False)

    def begin(self, batch: int) -> Tensor:
        return self.get_buffer("first").expand(batch, 3)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        sums = x.cumsum(0) + state
        return sums, sums[-1]


def inputs(steps: int, batch: int, size: int) -> Tensor:
    return torch.randn(steps, batch, size, generator=stream("x"), dtype=torch.float64)


def built(convolution: bool = True) -> Network:
    return network(4, 2, 3, [Adding(), Adding()], seed=1, convolution=convolution).double()


def test_a_short_convolution_equals_a_loop_and_torch_s() -> None:
    layer, x = ShortConvolution(3, 1, "name").double(), inputs(6, 2, 3)
    y, last = layer(x, layer.begin(2))
    expected = torch.zeros_like(x)
    for t in range(6):
        for k in range(4):
            if t - 3 + k >= 0:
                expected[t] += layer.weight[k] * x[t - 3 + k]
    torch.testing.assert_close(y, expected * torch.sigmoid(expected))
    theirs = torch.conv1d(x.permute(1, 2, 0), layer.weight.T[:, None], padding=3, groups=3)[..., :6]
    torch.testing.assert_close(y, nn.functional.silu(theirs.permute(2, 0, 1)))
    torch.testing.assert_close(last, x[3:].transpose(0, 1))


def test_a_block_adds_what_its_mixer_makes_of_the_normed_input() -> None:
    block, x = Block(Adding(), 3).double(), inputs(5, 2, 3)
    normed = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norm(3).double()(x), normed)
    y, (past, _) = block(x, block.begin(2))
    torch.testing.assert_close(y, x + normed.cumsum(0))
    assert past == ()


@pytest.mark.parametrize("convolution", [False, True])
def test_pieces_of_a_sequence_give_what_the_whole_gives(convolution: bool) -> None:
    module, x = built(convolution), inputs(7, 2, 4)
    state, pieces = module.begin(2), []
    for piece in (x[:1], x[1:2], x[2:6], x[6:]):
        y, state = module(piece, state)
        pieces.append(y)
    whole = module(x)
    torch.testing.assert_close(torch.cat(pieces), whole)
    named = list(module.parameters())
    for one, other in zip(
        *(torch.autograd.grad(y.sin().sum(), named) for y in (torch.cat(pieces), whole)), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_members_of_a_cohort_are_mapped_over(mapped_over: Callable[..., None]) -> None:
    mapped_over([network(4, 2, 3, [Adding()], seed, True).double() for seed in (1, 2)], inputs(5, 2, 4))


def test_what_is_no_count_is_refused() -> None:
    class Spec:
        layers = 0

    with pytest.raises(ValueError, match=r"Spec\(layers=0\): at least 1"):
        counts(Spec(), "layers")
