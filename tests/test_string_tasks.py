"""Duplicate, bucket sort, modular counting, read back from their tensors and solved by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from membench.benchmarks.protocols import Batch
from membench.benchmarks.tasks.bucket_sort import BucketSort
from membench.benchmarks.tasks.duplicate import Duplicate
from membench.benchmarks.tasks.modular import ModularCounting
from membench.ntm import stream


def symbols(part: Tensor) -> list[int]:
    """Of one-hot vectors (time, channels)."""
    assert (part.sum(-1) == 1).all()
    return [int(symbol) for symbol in part.argmax(-1)]


def each(batch: Batch) -> list[Batch]:
    return [Batch(*(part[:, n] for part in batch)) for n in range(batch.inputs.shape[1])]


def test_a_duplicate_is_what_was_shown_twice() -> None:
    task = Duplicate(bits=3)
    for length in (1, 4):
        inputs, targets, scored = task.sample((length,), 5, stream("duplicate"))
        shown, end, silence = inputs[:length], inputs[length], inputs[length + 1 :]
        assert len(inputs) == len(scored) == task.steps((length,)) == 3 * length + 1
        assert end[:, 3].eq(1).all() and not end[:, :3].any() and not silence.any() and not shown[..., 3].any()
        assert targets[length + 1 :].equal(torch.cat([shown, shown])[..., :3]) and not targets[: length + 1].any()
        assert scored[length + 1 :].all() and not scored[: length + 1].any()
    assert 0.2 < task.sample((40,), 40, stream("duplicate")).inputs[:40, :, :3].mean() < 0.8


def test_a_bucket_sort_is_the_sorted_string() -> None:
    task = BucketSort(symbols=4)
    for one in each(task.sample((30,), 4, stream("sort"))):
        shown, said = symbols(one.inputs[:30, :4]), symbols(one.targets[31:])
        assert said == sorted(shown) and set(shown) == {0, 1, 2, 3}
        assert one.inputs[30].tolist() == [0, 0, 0, 0, 1] and not one.inputs[31:].any()
        assert one.scored.tolist() == [0] * 31 + [1] * 30 and not one.targets[:31].any()


@pytest.mark.parametrize("modulus", [2, 3, 5])
def test_ones_are_counted_modulo(modulus: int) -> None:
    answers = []
    for one in each(ModularCounting(modulus).sample((12,), 40, stream("count"))):
        assert one.inputs[:, 1].tolist() == one.scored.tolist() == [0] * 12 + [1]
        answers += symbols(one.targets[12:])
        assert answers[-1] == int(one.inputs[:12, 0].sum()) % modulus and not one.targets[:12].any()
    assert set(answers) == set(range(modulus))


@pytest.mark.parametrize(
    "wrong, said",
    [
        (lambda: Duplicate(bits=0), r"Duplicate\(bits=0\): at least 1"),
        (lambda: BucketSort(symbols=0), r"BucketSort\(symbols=0\): at least 1"),
        (lambda: BucketSort().steps((2, 3)), r"BucketSort: size \(2, 3\): accepted is \(length >= 1\)"),
        (lambda: ModularCounting(test=((0,),)), r"ModularCounting: size \(0,\): accepted is \(length >= 1\)"),
        (lambda: ModularCounting(modulus=0), r"ModularCounting\(modulus=0\): at least 1"),
    ],
)
def test_what_cannot_be_sampled_is_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()
