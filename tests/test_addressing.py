"""Addressing by content and location: what eqs 2 to 9 promise, at ordinary and at degenerate points."""

from collections.abc import Callable

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from membench.ntm import addressing, stream
from membench.ntm.addressing import content, cosine, dot, interpolate, read, sharpen, shift, write

BATCH, HEADS, ROWS, WIDTH = 2, 3, 5, 4


def normal(*shape: int, name: str = "", grad: bool = True) -> Tensor:
    drawn = torch.randn(shape, dtype=torch.float64, generator=stream("addressing", name, str(shape)))
    return drawn.requires_grad_(grad)


def weighting(*shape: int, name: str = "", sharp: float = 1.0) -> Tensor:
    return torch.softmax(sharp * normal(*(shape or (BATCH, HEADS, ROWS)), name=name, grad=False), dim=-1)


def one_hot(row: int, rows: int = ROWS) -> Tensor:
    return torch.eye(rows, dtype=torch.float64)[row].expand(BATCH, HEADS, -1)


def kernel_of(by: int, reach: int) -> Tensor:
    """All of the weight on one shift."""
    return torch.eye(2 * reach + 1, dtype=torch.float64)[by + reach].expand(BATCH, HEADS, -1)


def is_weighting(w: Tensor, atol: float = 1e-12) -> None:
    assert (w >= 0).all()
    torch.testing.assert_close(w.sum(dim=-1), torch.ones_like(w[..., 0]), rtol=0, atol=atol)


# Content


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_content_is_a_weighting_and_prefers_the_row_that_is_asked_for(similarity: addressing.Similarity) -> None:
    memory = 2 * torch.eye(ROWS, WIDTH + 1, dtype=torch.float64).expand(BATCH, -1, -1)
    rows = torch.tensor([3, 0, 2])
    key = torch.eye(WIDTH + 1, dtype=torch.float64)[rows].expand(BATCH, -1, -1)
    w = content(memory, key, torch.full((BATCH, HEADS, 1), 30.0, dtype=torch.float64), similarity)
    is_weighting(w)
    assert w.argmax(dim=-1).equal(rows.expand(BATCH, -1))
    assert w.amax(dim=-1).min() > 1 - 1e-11
    even = content(memory, key, torch.zeros(BATCH, HEADS, 1, dtype=torch.float64), similarity)
    torch.testing.assert_close(even, torch.full_like(even, 1 / ROWS))


def test_cosine_knows_directions_only_and_dot_knows_lengths() -> None:
    memory, key = normal(BATCH, ROWS, WIDTH, name="m"), normal(BATCH, HEADS, WIDTH, name="k")
    torch.testing.assert_close(cosine(7 * memory, 0.1 * key), cosine(memory, key), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(dot(7 * memory, 0.1 * key), 0.7 * dot(memory, key))
    torch.testing.assert_close(cosine(memory, memory).diagonal(dim1=-2, dim2=-1), torch.ones(BATCH, ROWS).double())
    expected = torch.nn.functional.cosine_similarity(memory[:, None], key[:, :, None], dim=-1)
    torch.testing.assert_close(cosine(memory, key), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cosine_with_a_zero_row_or_key_is_zero_and_so_are_undefined_gradients_finite(dtype: torch.dtype) -> None:
    memory = torch.zeros(BATCH, ROWS, WIDTH, dtype=dtype, requires_grad=True)
    for key in (torch.zeros(BATCH, HEADS, WIDTH, dtype=dtype), torch.ones(BATCH, HEADS, WIDTH, dtype=dtype)):
        key.requires_grad_()
        similarity = cosine(memory, key)
        assert (similarity == 0).all()
        for gradient in torch.autograd.grad(similarity.sum(), [memory, key]):
            assert gradient.isfinite().all()


# Interpolation


def test_the_gate_chooses_between_content_and_the_previous_weighting() -> None:
    by_content, previous = weighting(name="c"), weighting(name="p")
    gate = torch.zeros(BATCH, HEADS, 1, dtype=torch.float64)
    assert interpolate(by_content, previous, gate).equal(previous)
    assert interpolate(by_content, previous, 1 + gate).equal(by_content)
    is_weighting(interpolate(by_content, previous, 0.3 + gate))


# Shift


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_shift_moves_the_focus_by_the_kernel_s_place(reach: int) -> None:
    for by in range(-reach, reach + 1):
        for row in range(ROWS):
            assert shift(one_hot(row), kernel_of(by, reach)).equal(one_hot((row + by) % ROWS))


@pytest.mark.parametrize("by", [-2, -1, 0, 1, 2])
def test_there_and_back_is_where_it_was(by: int) -> None:
    w = weighting()
    assert shift(shift(w, kernel_of(by, 2)), kernel_of(-by, 2)).equal(w)


def test_shift_is_the_circular_convolution_of_equation_8() -> None:
    w, kernel = weighting(), weighting(BATCH, HEADS, 5, name="kernel")
    moved = shift(w, kernel)
    for i in range(ROWS):
        expected = sum(w[..., j] * kernel[..., (i - j + 2) % ROWS] for j in range(ROWS))  # 5 shifts of 5 rows: all
        torch.testing.assert_close(moved[..., i], expected)
    is_weighting(moved)
    is_weighting(shift(w, weighting(BATCH, HEADS, 3)))


# Sharpening


def test_sharpening_is_equation_9() -> None:
    w = weighting()
    sharpness = torch.tensor([1.0, 2.0, 5.5], dtype=torch.float64)[:, None].expand(BATCH, -1, -1)
    expected = w**sharpness / (w**sharpness).sum(dim=-1, keepdim=True)
    torch.testing.assert_close(sharpen(w, sharpness), expected, rtol=1e-13, atol=0)
    torch.testing.assert_close(sharpen(w, torch.ones_like(sharpness)), w, rtol=1e-13, atol=0)


def test_sharpening_a_near_uniform_weighting_of_128_rows_by_21_in_single_precision() -> None:
    """(1/128)^21 is below the least float32: written as in eq. 9 this is 0/0."""
    w = torch.softmax(1e-3 * torch.randn(2, 1, 128, generator=stream("near uniform")), dim=-1)
    assert ((w**21).sum(dim=-1) < torch.finfo(torch.float32).tiny).all()
    results = []
    for dtype in (torch.float32, torch.float64):
        given_w = w.to(dtype).requires_grad_()
        sharpness = torch.full((2, 1, 1), 21.0, dtype=dtype, requires_grad=True)
        sharp = sharpen(given_w, sharpness)
        loss = (sharp * torch.linspace(-1, 1, 128, dtype=dtype)).sum()
        results.append((sharp.detach(), *torch.autograd.grad(loss, [given_w, sharpness])))
        is_weighting(results[-1][0], atol=1e-6)
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4 * float(double.abs().max()))


def test_sharpening_leaves_nothing_undefined_where_weights_are_zero() -> None:
    for sharpness in (1.0, 1.5, 21.0):
        gamma = torch.full((BATCH, HEADS, 1), sharpness, dtype=torch.float64, requires_grad=True)
        w = one_hot(1).clone().requires_grad_()
        sharp = sharpen(w, gamma)
        assert sharp.equal(one_hot(1))
        for gradient in torch.autograd.grad((sharp * normal(BATCH, HEADS, ROWS)).sum(), [w, gamma]):
            assert gradient.isfinite().all()


def test_sharpening_drives_a_uniform_weighting_apart_sharpness_fold_a_step() -> None:
    """Its Jacobian there is sharpness * (1 - mean): an unstable point, where gradients over time explode by nature."""
    w = torch.full((1, 1, ROWS), 1 / ROWS, dtype=torch.float64, requires_grad=True)
    moved = w
    for _ in range(10):
        moved = sharpen(moved, torch.full((1, 1, 1), 21.0, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(moved[0, 0, 0], w)
    expected = torch.eye(ROWS, dtype=torch.float64)[0] - 1 / ROWS
    torch.testing.assert_close(gradient[0, 0], 21.0**10 * expected, rtol=1e-6, atol=0)


# Reading and writing


def test_a_one_hot_head_reads_what_it_wrote_and_touches_no_other_row() -> None:
    memory = normal(BATCH, ROWS, WIDTH, name="m", grad=False)
    add, erase = normal(BATCH, 1, WIDTH, name="a", grad=False), torch.ones(BATCH, 1, WIDTH, dtype=torch.float64)
    head = one_hot(3)[:, :1]
    after = write(memory, head, erase, add)
    assert read(after, head).equal(add)
    others = [0, 1, 2, 4]
    assert after[:, others].equal(memory[:, others])
    assert write(memory, head, torch.zeros_like(erase), torch.zeros_like(add)).equal(memory)
    assert read(memory, one_hot(4)[:, :1])[:, 0].equal(memory[:, 4])


def test_all_heads_erase_before_any_adds_so_their_order_does_not_matter() -> None:
    memory, w = normal(BATCH, ROWS, WIDTH, name="m"), weighting()
    erase, add = torch.sigmoid(normal(BATCH, HEADS, WIDTH, name="e")), normal(BATCH, HEADS, WIDTH, name="a")
    order = [2, 0, 1]
    torch.testing.assert_close(
        write(memory, w, erase, add), write(memory, w[:, order], erase[:, order], add[:, order]), rtol=1e-13, atol=1e-13
    )
    head = one_hot(0)[:, :2]  # the second head erases everything in row 0; what the first added stays
    after = write(memory, head, torch.ones(BATCH, 2, WIDTH).double(), add[:, :2])
    torch.testing.assert_close(after[:, 0], add[:, :2].sum(dim=1))


# Gradients

POINTS: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "cosine": (cosine, (normal(BATCH, ROWS, WIDTH), normal(BATCH, HEADS, WIDTH))),
    "dot of a zero memory": (dot, (torch.zeros(BATCH, ROWS, WIDTH).double(), normal(BATCH, HEADS, WIDTH))),
    "content, equal rows": (
        lambda row, key, strength: content(row.expand(BATCH, ROWS, WIDTH), key, strength),
        (normal(1, 1, WIDTH), normal(BATCH, HEADS, WIDTH), normal(BATCH, HEADS, 1)),
    ),
    "content, strength 20": (
        lambda memory, key: content(memory, key, torch.full((BATCH, HEADS, 1), 20.0).double()),
        (normal(BATCH, ROWS, WIDTH), normal(BATCH, HEADS, WIDTH)),
    ),
    "interpolate, gate 0": (
        interpolate,
        (weighting(name="c"), weighting(name="p"), torch.zeros(BATCH, HEADS, 1).double()),
    ),
    "interpolate, gate 1, from one-hot": (
        interpolate,
        (weighting(name="c"), one_hot(2), torch.ones(BATCH, HEADS, 1).double()),
    ),
    "shift": (shift, (weighting(), weighting(BATCH, HEADS, 3))),
    "shift by 5 of 5, from one-hot": (shift, (one_hot(2), weighting(BATCH, HEADS, 5))),
    "sharpen": (sharpen, (weighting(), 1 + normal(BATCH, HEADS, 1, grad=False).abs())),
    "sharpen by 21, uniform": (
        sharpen,
        (torch.full((BATCH, HEADS, ROWS), 1 / ROWS).double(), torch.full((BATCH, HEADS, 1), 21.0).double()),
    ),
    "sharpen by 21, near one-hot": (sharpen, (weighting(sharp=3.0), torch.full((BATCH, HEADS, 1), 21.0).double())),
    "read": (read, (normal(BATCH, ROWS, WIDTH), weighting())),
    "write, one-hot, erase all": (
        write,
        (normal(BATCH, ROWS, WIDTH), one_hot(0), torch.ones(BATCH, HEADS, WIDTH).double(), normal(BATCH, HEADS, WIDTH)),
    ),
}


@pytest.mark.parametrize(("function", "at"), POINTS.values(), ids=POINTS)
def test_gradients(function: Callable[..., Tensor], at: tuple[Tensor, ...]) -> None:
    # Weightings are clamped at zero nowhere, so a small step out of the simplex is harmless.
    assert torch.autograd.gradcheck(function, [part.detach().clone().requires_grad_() for part in at])


def test_the_gradient_of_the_cosine_at_a_zero_memory_is_the_key_over_epsilon() -> None:
    """Difference quotients of 1e-15, since the slope changes within 1e-8."""
    key = normal(1, 1, WIDTH, grad=False)
    memory = torch.zeros(1, 1, WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: cosine(m, key), [memory], eps=1e-15, rtol=1e-5)
    (gradient,) = torch.autograd.grad(cosine(memory, key).sum(), [memory])
    torch.testing.assert_close(gradient, key / addressing.EPSILON)


# Whatever is asked


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.floats(0, 40),
    st.floats(0, 1),
    st.floats(1, 41),
    st.integers(0, 3),
    st.floats(0, 60),
    st.sampled_from([0, 1e-6, 1, 1e4]),
)
def test_a_weighting_stays_a_weighting(
    strength: float, gate: float, sharpness: float, reach: int, sharp: float, size: float
) -> None:
    """In single precision, through all four steps, whatever the head's parameters and the memory's scale."""
    generator = stream("stays", str((strength, gate, sharpness, reach, sharp, size)))
    memory = size * torch.randn(2, 8, 3, generator=generator)
    key = torch.randn(2, 1, 3, generator=generator)
    kernel = torch.softmax(sharp * torch.randn(2, 1, 2 * reach + 1, generator=generator), dim=-1)
    previous = torch.softmax(sharp * torch.randn(2, 1, 8, generator=generator), dim=-1)
    scalars = [torch.full((2, 1, 1), value) for value in (strength, gate, sharpness)]
    w = content(memory, key, scalars[0])
    for step in (w, w := interpolate(w, previous, scalars[1]), w := shift(w, kernel), w := sharpen(w, scalars[2])):
        assert step.isfinite().all()
        is_weighting(step, atol=1e-5)
