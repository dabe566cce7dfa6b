"""Tasks of tokens, step by step: what is shown is one-hot, and what is asked for follows from it."""

import itertools
from typing import Any

import pytest
import torch

from membench.benchmarks.protocols import Batch, Size, Task
from membench.benchmarks.tasks.associations import Associations
from membench.benchmarks.tasks.mqar import MQAR
from membench.benchmarks.tasks.selective_copy import SelectiveCopy
from membench.ntm import stream

SMALL = (range(8, 9), range(2, 3))
MANY = MQAR(vocabulary=32, train=(range(24, 25), range(4, 5)), test=())
RANDOM = MQAR(vocabulary=12, filler="random", train=(range(24, 25), range(4, 5)), test=())


def draw(task: Task, size: Size, batch: int = 200, purpose: str = "tokens") -> Batch:
    return task.sample(size, batch, stream(purpose, 1))


def symbols(vectors: torch.Tensor) -> list[list[int]]:
    """Of every sequence, (batch, steps)."""
    assert ((vectors == 0) | (vectors == 1)).all()
    return vectors.argmax(dim=-1).T.tolist()


@pytest.mark.parametrize(
    ("task", "size"),
    [(MANY, (24, 4)), (RANDOM, (24, 4)), (RANDOM, (25, 5)), (SelectiveCopy(), (64, 8)), (SelectiveCopy(), (3, 3))],
)
def test_one_symbol_a_step_and_one_answer_where_it_is_scored(task: Task, size: Size) -> None:
    inputs, targets, scored = draw(task, size, 40)
    assert inputs.shape == (task.steps(size), 40, task.inputs)
    assert inputs.sum(dim=-1).eq(1).all()
    assert targets.sum(dim=-1).equal(scored)  # one-hot there, nothing elsewhere
    assert scored.sum(dim=0).eq(size[1]).all()
    before = torch.get_rng_state()
    again, other = draw(task, size, 40), draw(task, size, 40, purpose="other")
    assert torch.get_rng_state().equal(before)
    assert all(a.equal(b) for a, b in zip((inputs, targets, scored), again, strict=True))
    assert not targets.equal(other.targets) and not targets[:, 0].equal(targets[:, 1])


@pytest.mark.parametrize("task", [MANY, RANDOM])
def test_every_key_is_asked_for_once_and_has_the_value_of_its_pair(task: MQAR) -> None:
    half = task.vocabulary // 2
    inputs, targets, scored = draw(task, (24, 4))
    for seen, said, asked in zip(symbols(inputs), symbols(targets), scored.T.tolist(), strict=True):
        keys, values = seen[0:8:2], seen[1:8:2]
        pairs = dict(zip(keys, values, strict=True))
        assert len(pairs) == 4 and all(1 <= key < half for key in keys)
        assert len(set(values)) == 4 and all(half <= value < task.vocabulary for value in values)
        queries = [step for step in range(24) if asked[step]]
        assert all(step >= 8 and step % 2 == 0 for step in queries)
        assert sorted(seen[step] for step in queries) == sorted(keys)
        assert [said[step] for step in queries] == [pairs[seen[step]] for step in queries]
        if task.filler == "zero":
            assert not any(seen[step] for step in range(8, 24) if not asked[step])


def test_queries_come_soon_after_the_pairs_by_a_power_law() -> None:
    one = MQAR(vocabulary=8, train=(range(20, 21), range(1, 2)), test=())
    for power in (0.01, 1.0):
        task = MQAR(vocabulary=8, power=power, train=one.train, test=())
        share = draw(task, (20, 1), 5000).scored[2::2].mean(dim=1)
        law = torch.tensor([(place + 1) ** (power - 1) for place in range(9)])
        law = law / law.sum()
        assert ((share - law).abs() < 5 * (law * (1 - law) / 5000).sqrt()).all()


def test_the_first_pair_is_the_likeliest_to_be_asked_for_first() -> None:
    """Places are drawn in the order of the pairs, as by the authors: of two places the first has 1 / (1 + 2^-0.99)."""
    inputs, _, _ = draw(MQAR(vocabulary=8, train=SMALL, test=()), (8, 2), 5000)
    first = inputs[4].argmax(dim=-1) == inputs[0].argmax(dim=-1)
    chance = 1 / (1 + 2**-0.99)
    assert float(first.float().mean()) == pytest.approx(chance, abs=5 * (chance * (1 - chance) / 5000) ** 0.5)


def test_random_fillers_are_any_symbol_and_overwrite_nothing() -> None:
    """As in the authors' code, where a filler may be a key that nobody asks for."""
    inputs, _, scored = draw(RANDOM, (24, 4))
    fillers = [
        seen[step]
        for seen, asked in zip(symbols(inputs), scored.T, strict=True)
        for step in range(8, 24)
        if not asked[step]
    ]
    counts = torch.bincount(torch.tensor(fillers), minlength=12).float()
    even = len(fillers) / 12
    assert (counts - even).abs().max() < 5 * even**0.5
    repeated = sum(
        any(seen[step] in seen[0:8:2] for step in range(8, 24) if not asked[step])
        for seen, asked in zip(symbols(inputs), scored.T, strict=True)
    )
    assert repeated > 100


def test_selected_symbols_are_said_in_their_order() -> None:
    task = SelectiveCopy(symbols=5)
    inputs, targets, scored = draw(task, (9, 3), 3000)
    where = torch.zeros(9)
    for seen, said in zip(symbols(inputs), symbols(targets), strict=True):
        assert [symbol for symbol in seen[:9] if symbol < 5] == said[9:]  # 5 is noise
        assert seen[9:] == [6, 6, 6] and not any(said[:9])  # 6 asks
        where += torch.tensor([float(symbol < 5) for symbol in seen[:9]])
    assert scored[9:].all() and not scored[:9].any()
    assert ((where / 3000 - 1 / 3).abs() < 5 * (2 / 9 / 3000) ** 0.5).all()  # everywhere equally often
    assert (targets[9:].mean(dim=(0, 1)) - 0.2).abs().max() < 5 * (0.16 / 9000) ** 0.5  # and each of the symbols
    assert (SelectiveCopy().inputs, SelectiveCopy().outputs) == (16, 14)


@pytest.mark.parametrize(
    ("task", "size", "accepted"),
    [
        (MANY, (16, 5), r"MQAR: size \(16, 5\), vocabulary 32: accepted are up to 4 pairs"),
        (RANDOM, (40, 6), r"MQAR: size \(40, 6\), vocabulary 12: accepted are up to 5 pairs"),
        (MANY, (3, 1), r"MQAR: size \(3, 1\): accepted is \(steps >= 4, pairs >= 1\)"),
        (SelectiveCopy(), (3, 4), r"SelectiveCopy: size \(3, 4\): accepted are up to 3 symbols in 3 steps"),
    ],
)
def test_a_size_the_task_does_not_have_is_refused(task: Task, size: Size, accepted: str) -> None:
    for call in (task.steps, lambda size: draw(task, size)):
        with pytest.raises(ValueError, match=accepted):
            call(size)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocabulary": 0}, r"MQAR\(vocabulary=0\): at least 1"),
        ({"vocabulary": 4}, r"vocabulary 4: accepted are up to 1 pairs"),
        ({"filler": "noise"}, r"MQAR\(filler='noise'\): one of 'zero', 'random'"),
        ({"power": 0.0}, r"MQAR\(power=0.0\): a number above 0"),
        ({"train": (range(8, 20), range(1, 4))}, r"size \(8, 3\), vocabulary 128: accepted are up to 2 pairs"),
    ],
)
def test_a_task_that_could_not_be_sampled_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MQAR(**fields)
    with pytest.raises(ValueError, match=r"SelectiveCopy\(symbols=0\)"):
        SelectiveCopy(symbols=0)


def test_the_sequences_of_a_size_are_many() -> None:
    """Drawn fresh, not from a list: 200 of them, no two alike."""
    shown = draw(MANY, (24, 4)).inputs
    assert not any(shown[:, a].equal(shown[:, b]) for a, b in itertools.combinations(range(40), 2))


@pytest.mark.parametrize("again", [False, True])
def test_associations_ask_for_the_last_value_of_a_key(again: bool) -> None:
    task = Associations(symbols=5, again=again, train=(range(5, 6),), test=())
    batch, returned = draw(task, (5,)), 0
    pairs, question = batch.inputs[:-1], batch.inputs[-1]
    keys, values = symbols(pairs[..., :5]), symbols(pairs[..., 5:])
    assert not question[:, 5:].any() and batch.scored.sum(0).eq(1).all() and not batch.targets[:-1].any()
    for asked, key, value, answer in zip(
        question[:, :5].argmax(-1).tolist(), keys, values, batch.targets[-1].argmax(-1).tolist(), strict=True
    ):
        assert answer == [v for k, v in zip(key, value, strict=True) if k == asked][-1]
        returned += key.count(asked) > 1
        assert again or sorted(key) == sorted(value) == list(range(5))
    assert bool(returned) == again
    assert task.floor(batch).eq(0).all()
    with pytest.raises(ValueError, match="up to 5 pairs"):
        Associations(symbols=5, train=(range(6, 7),))
