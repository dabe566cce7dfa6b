"""Tasks against drawings made by hand, and what must hold at every size."""

import itertools
from statistics import fmean, pvariance

import pytest
import torch

from membench.benchmarks.protocols import Batch, Size, Task
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.tasks.parity import Parity
from membench.benchmarks.tasks.recall import Recall
from membench.benchmarks.tasks.repeat_copy import RepeatCopy
from membench.benchmarks.tasks.reverse import Reverse
from membench.benchmarks.tasks.sort import Sort
from membench.ntm import stream

# Time runs to the right. "." is 0, a letter a random bit: the same one wherever the letter stands.
DRAWINGS: list[tuple[Task, Size, str]] = [
    (
        Copy(bits=2),
        (3,),
        """
        inputs   a c e 1 . . .
        inputs   b d f 1 . . .
        inputs   . . . 1 . . .
        targets  . . . . a c e
        targets  . . . . b d f
        scored   . . . . 1 1 1
        """,
    ),
    (
        Copy(bits=2, encoding="graves"),
        (3,),
        """
        inputs   a c e . . . .
        inputs   b d f . . . .
        inputs   . . . 1 . . .
        targets  . . . . a c e
        targets  . . . . b d f
        scored   . . . . 1 1 1
        """,
    ),
    (
        Copy(bits=2, encoding="flags"),
        (3,),
        """
        inputs   . a c e . . . . .
        inputs   . b d f . . . . .
        inputs   1 . . . . . . . .
        inputs   . . . . 1 . . . .
        targets  . . . . . a c e .
        targets  . . . . . b d f .
        targets  . . . . . . . . 1
        scored   . . . . . 1 1 1 1
        """,
    ),
    (
        Reverse(bits=2),
        (3,),
        """
        inputs   a c e . . . .
        inputs   b d f . . . .
        inputs   . . . 1 . . .
        targets  . . . . e c a
        targets  . . . . f d b
        scored   . . . . 1 1 1
        """,
    ),
    (
        Parity(),
        (1,),
        """
        inputs   a .
        inputs   . 1
        targets  . a
        scored   . 1
        """,
    ),
    (
        RepeatCopy(bits=2),
        (2, 3),
        """
        inputs   . a c .   . . . . . .
        inputs   . b d .   . . . . . .
        inputs   1 . . .   . . . . . .
        inputs   . . . 0.3 . . . . . .
        targets  . . . .   a c a c a c
        targets  . . . .   b d b d b d
        scored   . . . .   1 1 1 1 1 1
        """,
    ),
    (
        RepeatCopy(bits=2, encoding="graves", train=(range(1, 11), range(2, 5))),
        (2, 4),
        """
        inputs   a c .          . . . . . . . . .
        inputs   b d .          . . . . . . . . .
        inputs   . . 1          . . . . . . . . .
        inputs   . . 1.22474487 . . . . . . . . .
        targets  . . .          a c a c a c a c .
        targets  . . .          b d b d b d b d .
        targets  . . .          . . . . . . . . 1
        scored   . . .          1 1 1 1 1 1 1 1 1
        """,
    ),
    (
        RepeatCopy(bits=2, encoding="deepmind", train=(range(1, 3), range(1, 3))),
        (1, 2),
        """
        inputs   . a .   . . .
        inputs   . b .   . . .
        inputs   1 . .   . . .
        inputs   . . 0.2 . . .
        targets  . . .   a a .
        targets  . . .   b b .
        targets  . . .   . . 1
        scored   . . .   1 1 1
        """,
    ),
    (
        RepeatCopy(bits=2, encoding="zana", train=(range(1, 11), range(2, 5))),
        (2, 4),
        """
        inputs   a c . .          . . . . . . . . .
        inputs   b d . .          . . . . . . . . .
        inputs   . . 1 .          . . . . . . . . .
        inputs   . . . 1.22474487 . . . . . . . . .
        targets  . . . .          a c a c a c a c .
        targets  . . . .          b d b d b d b d .
        targets  . . . .          . . . . . . . . 1
        scored   . . . .          1 1 1 1 1 1 1 1 1
        """,
    ),
    (
        Recall(bits=2, vectors=2),  # of two items only the first can be asked for
        (2,),
        """
        inputs   a c e g 1 a c 1 . .
        inputs   b d f h 1 b d 1 . .
        inputs   . . . . 1 . . 1 . .
        targets  . . . . . . . . e g
        targets  . . . . . . . . f h
        scored   . . . . . . . . 1 1
        """,
    ),
    (
        Recall(bits=2, vectors=2, encoding="graves"),
        (2,),
        """
        inputs   . a c . e g . a c . . .
        inputs   . b d . f h . b d . . .
        inputs   1 . . 1 . . . . . . . .
        inputs   . . . . . . 1 . . 1 . .
        targets  . . . . . . . . . . e g
        targets  . . . . . . . . . . f h
        scored   . . . . . . . . . . 1 1
        """,
    ),
]

TASKS: list[Task] = [
    *(Copy(encoding=encoding) for encoding in ("collier", "graves", "flags")),
    *(RepeatCopy(encoding=encoding) for encoding in ("collier", "graves", "deepmind", "zana")),
    *(Recall(encoding=encoding) for encoding in ("collier", "graves")),
    Reverse(),
    Sort(train=(range(5, 8), range(2, 5))),
]


def name(task: Task) -> str:
    return f"{type(task).__name__}-{getattr(task, 'encoding', '')}".rstrip("-")


def sizes(task: Task) -> list[Size]:
    return [*itertools.product(*task.train), *task.test]


def draw(task: Task, size: Size, batch: int = 5, purpose: str = "test") -> Batch:
    return task.sample(size, batch, stream(purpose, 1))


@pytest.mark.parametrize(("task", "size", "drawing"), DRAWINGS, ids=[name(task) for task, _, _ in DRAWINGS])
def test_a_sequence_is_the_one_drawn_by_hand(task: Task, size: Size, drawing: str) -> None:
    batch = draw(task, size)
    drawn: dict[str, list[list[str]]] = {"inputs": [], "targets": [], "scored": []}
    for line in drawing.strip().splitlines():
        part, *cells = line.split()
        drawn[part].append(cells)
    assert batch.inputs.shape == (task.steps(size), 5, task.inputs)
    for element in range(5):
        bits: dict[str, float] = {}
        for part, rows in drawn.items():
            values = getattr(batch, part)[:, element].reshape(task.steps(size), -1).T.tolist()
            assert len(values) == len(rows)
            for seen, cells in zip(values, rows, strict=True):
                assert len(seen) == len(cells)
                for value, cell in zip(seen, cells, strict=True):
                    if cell.isalpha():
                        assert value in (0, 1)
                        assert value == bits.setdefault(cell, value)
                    else:
                        assert value == pytest.approx(0.0 if cell == "." else float(cell))


@pytest.mark.parametrize("task", TASKS, ids=name)
def test_every_size_has_the_shape_it_announces(task: Task) -> None:
    assert isinstance(task, Task)
    for size in sizes(task):
        batch = draw(task, size, 2)
        steps = task.steps(size)
        assert batch.inputs.shape == (steps, 2, task.inputs)
        assert batch.targets.shape == (steps, 2, task.outputs)
        assert batch.scored.shape == (steps, 2)
        assert batch.targets.unique().tolist() in ([0.0, 1.0], [0.0], [1.0])
        assert not (batch.targets * (1 - batch.scored)[..., None]).any()  # nothing is asked outside the answer
        answering = batch.scored.bool()[..., None].expand_as(batch.inputs)
        assert not batch.inputs[answering].any()  # and nothing is shown inside it


@pytest.mark.parametrize(("length", "repeats", "items"), [(1, 1, 2), (5, 3, 4), (20, 10, 6), (120, 20, 20)])
def test_lengths(length: int, repeats: int, items: int) -> None:
    assert Copy().steps((length,)) == 2 * length + 1
    assert RepeatCopy().steps((length, repeats)) == length + 2 + length * repeats
    assert RepeatCopy(encoding="graves").steps((length, repeats)) == length + 1 + length * repeats + 1
    assert RepeatCopy(encoding="deepmind").steps((length, repeats)) == length * (repeats + 1) + 3
    assert Recall().steps((items,)) == 3 * items + 1 + 3 + 1 + 3
    assert Recall(encoding="graves").steps((items,)) == 4 * items + 1 + 3 + 1 + 3


def test_channels() -> None:
    collier = (Copy(), RepeatCopy(), Recall())
    assert [(task.inputs, task.outputs) for task in collier] == [(9, 8), (10, 8), (7, 6)]
    graves = (Copy(encoding="graves"), RepeatCopy(encoding="graves"), Recall(encoding="graves"))
    assert [(task.inputs, task.outputs) for task in graves] == [(9, 8), (10, 9), (8, 6)]
    counted = (Copy(encoding="flags"), RepeatCopy(bits=6, encoding="graves"), Recall(encoding="graves"), Sort())
    assert [(task.inputs, task.outputs) for task in counted] == [(10, 9), (8, 7), (8, 6), (10, 8)]  # by the counts
    deepmind = RepeatCopy(bits=4, encoding="deepmind")
    assert (deepmind.inputs, deepmind.outputs) == (6, 5)


@pytest.mark.parametrize(
    ("task", "trained_on", "bits"),
    [
        (Copy(), None, 84),
        (RepeatCopy(), None, 242),
        (RepeatCopy(), [(n, n) for n in range(1, 11)], 308),  # the authors' evaluation set: L = R
        (Recall(), None, 18),
    ],
    ids=["copy", "repeat copy", "repeat copy, diagonal", "recall"],
)
def test_chance_levels(task: Task, trained_on: list[Size] | None, bits: int) -> None:
    each = trained_on or list(itertools.product(*task.train))
    batches = [draw(task, size, 64, purpose=str(size)) for size in each]
    asked = [float(batch.scored.sum() * task.outputs) / 64 for batch in batches]
    wrong = [float((batch.targets * batch.scored[..., None]).sum()) / 64 for batch in batches]
    assert fmean(asked) == bits
    # What a model that always says 0 gets wrong: half the bits, up to five standard deviations of a mean of coins.
    assert fmean(wrong) == pytest.approx(bits / 2, abs=5 * 0.5 * (bits / 64 / len(each)) ** 0.5)


def test_the_count_has_mean_zero_and_variance_one_over_the_training_range() -> None:
    task = RepeatCopy(encoding="graves")
    counts = [float(draw(task, (1, repeats)).inputs[1, 0, 9]) for repeats in task.train[1]]
    assert fmean(counts) == pytest.approx(0, abs=1e-6)
    assert pvariance(counts) == pytest.approx(1)
    assert RepeatCopy(encoding="graves", train=(range(1, 3), range(4, 5))).count(4) == 0


def test_the_count_goes_on_beyond_the_training_range() -> None:
    assert RepeatCopy().count(20) == 2
    assert RepeatCopy(train=(range(1, 4), range(1, 6))).count(5) == 1
    assert RepeatCopy(encoding="deepmind", train=(range(1, 3), range(1, 3))).count(2) == 0.2


@pytest.mark.parametrize("encoding", ["collier", "graves"])
def test_recall_answers_with_the_item_after_the_one_asked_for(encoding: str) -> None:
    task, items, batch = Recall(encoding=encoding), 5, 2000
    inputs, targets, _ = draw(task, (items,), batch)
    apart = 3 if encoding == "collier" else 4
    asked = torch.zeros(items)
    for element in range(batch):
        shown = [inputs[start + apart - 3 : start + apart, element, :6] for start in range(0, items * apart, apart)]
        query = inputs[items * apart + 1 : items * apart + 4, element, :6]
        places = [place for place, item in enumerate(shown) if item.equal(query)]
        assert any(place + 1 < items and shown[place + 1].equal(targets[-3:, element]) for place in places)
        if len(places) == 1:  # two of 5 items are equal once in 26,000
            asked[places[0]] += 1
    assert asked[-1] == 0  # nothing follows the last item
    # The others are asked for equally often: 500 each, up to five binomial standard deviations (19.4).
    assert (asked[:-1] - batch / 4).abs().max() < 97


@pytest.mark.parametrize("task", TASKS, ids=name)
def test_a_batch_is_a_function_of_the_generator_alone(task: Task) -> None:
    size = tuple(numbers[-1] for numbers in task.train)
    before = torch.get_rng_state()
    first, again, other = draw(task, size), draw(task, size), draw(task, size, purpose="other")
    assert torch.get_rng_state().equal(before)
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert not first.targets.equal(other.targets)
    assert not first.targets[:, 0].equal(first.targets[:, 1])  # each sequence of a batch has bits of its own


def test_parity_is_that_of_the_ones() -> None:
    inputs, targets, scored = draw(Parity(), (9,), 200)
    assert inputs.shape == (10, 200, 2) and targets.shape == (10, 200, 1)
    for element in range(200):
        odd = False
        for bit in inputs[:9, element, 0].tolist():
            odd ^= bit == 1
        assert targets[:, element, 0].tolist() == [*[0.0] * 9, float(odd)]
    assert inputs[:, :, 1].equal(scored) and scored.sum(dim=0).eq(1).all() and scored[-1].all()
    assert float(targets[-1].mean()) == pytest.approx(0.5, abs=5 * 0.5 / 200**0.5)
    assert Parity().steps((40,)) == 41


def test_sort_says_whole_vectors_in_the_order_of_their_priorities() -> None:
    task = Sort()
    assert (task.inputs, task.outputs, task.steps((20, 16))) == (10, 8, 37)  # Graves et al. 2014: ten in, eight out
    inputs, targets, scored = draw(task, (20, 16), 50)
    for element in range(50):
        shown = [(row[8], row[:8]) for row in inputs[:20, element].tolist()]
        ordered = sorted(shown, key=lambda pair: -pair[0])
        assert targets[21:, element].tolist() == [vector for _, vector in ordered[:16]]
    assert not targets[:21].any() and not inputs[21:].any() and not inputs[:20, :, 9].any()
    assert inputs[20].equal(torch.eye(10)[9].expand(50, 10)) and scored.equal(
        (torch.arange(37) > 20).float()[:, None].expand(37, 50)
    )
    priorities = inputs[:20, :, 8]  # uniform in [-1, 1]: variance 1/3
    assert priorities.abs().max() <= 1 and priorities.min() < -0.95 and priorities.max() > 0.95
    assert priorities.mean() == pytest.approx(0, abs=5 * (1 / 3 / 1000) ** 0.5)
    assert priorities.square().mean() == pytest.approx(1 / 3, abs=5 * (4 / 45 / 1000) ** 0.5)


def test_bits_are_fair_coins() -> None:
    bits = draw(Copy(), (20,), 500).inputs[:20, :, :8]  # 80,000
    assert bits.mean() == pytest.approx(0.5, abs=5 * 0.5 / 80_000**0.5)
    assert (bits.mean(dim=(0, 1)) - 0.5).abs().max() < 5 * 0.5 / 10_000**0.5  # in every channel


@pytest.mark.parametrize(
    ("task", "size", "accepted"),
    [
        (Copy(), (0,), r"Copy: size \(0,\): accepted is \(length >= 1\)"),
        (Copy(), (3, 4), r"Copy: size \(3, 4\)"),
        (Copy(), (2.5,), r"Copy: size \(2.5,\)"),
        (RepeatCopy(), (3,), r"\(length >= 1, repeats >= 1\)"),
        (RepeatCopy(), (3, 0), r"\(length >= 1, repeats >= 1\)"),
        (Recall(), (1,), r"Recall: size \(1,\): accepted is \(items >= 2\)"),
        (Reverse(), (0,), r"Copy: size \(0,\): accepted is \(length >= 1\)"),
        (Parity(), (0,), r"Parity: size \(0,\): accepted is \(length >= 1\)"),
        (Sort(), (3, 4), r"Sort: size \(3, 4\): accepted are up to 3 answers of 3 vectors"),
        (Sort(), (3,), r"Sort: size \(3,\): accepted is \(vectors >= 1, answers >= 1\)"),
    ],
)
def test_a_size_the_task_does_not_have_is_refused(task: Task, size: Size, accepted: str) -> None:
    with pytest.raises(ValueError, match=accepted):
        task.steps(size)
    with pytest.raises(ValueError, match=accepted):
        draw(task, size)


def test_a_task_that_could_not_be_sampled_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Copy\(bits=0\): at least 1"):
        Copy(bits=0)
    with pytest.raises(ValueError, match=r"Copy\(encoding='zana'\): one of 'collier', 'graves', 'flags'"):
        Copy(encoding="zana")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a range without a size"):
        Copy(train=(range(5, 5),))
    with pytest.raises(ValueError, match=r"Recall: size \(1,\)"):
        Recall(train=(range(1, 6),))
    with pytest.raises(ValueError, match=r"RepeatCopy: size \(10,\)"):
        RepeatCopy(test=((10,),))
    with pytest.raises(ValueError, match=r"Recall\(vectors=0\): at least 1"):
        Recall(vectors=0)
    with pytest.raises(ValueError, match=r"Sort: size \(2, 3\)"):  # drawn from both ranges
        Sort(train=(range(2, 9), range(3, 4)))
