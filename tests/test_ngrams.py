"""Dynamic n-grams: the source, and the best possible predictor of it."""

import math
from collections import defaultdict

import pytest
import torch

from membench.benchmarks.protocols import Batch, pad
from membench.benchmarks.tasks.ngrams import NGrams
from membench.benchmarks.training.evaluate import evaluate
from membench.ntm import stream


def draw(task: NGrams, steps: int, batch: int) -> Batch:
    return task.sample((steps,), batch, stream("ngrams", steps))


def plainly(bits: list[int], context: int) -> float:
    """Nats of a sequence by the estimator of Krichevsky and Trofimov for contexts of so many bits."""
    ones: dict[tuple[int, ...], int] = defaultdict(int)
    seen: dict[tuple[int, ...], int] = defaultdict(int)
    nats = 0.0
    for step, bit in enumerate(bits):
        if step < context:
            nats += math.log(2)
            continue
        before = tuple(bits[step - context : step])
        one = (ones[before] + 0.5) / (seen[before] + 1)  # equation 10
        nats -= math.log(one if bit else 1 - one)
        ones[before] += bit
        seen[before] += 1
    return nats


def test_the_input_is_the_bit_before_and_every_step_is_scored() -> None:
    inputs, targets, scored = draw(NGrams(), 200, 3)
    assert inputs.shape == targets.shape == (200, 3, 1)
    assert inputs[1:].equal(targets[:-1]) and not inputs[0].any() and scored.all()


@pytest.mark.parametrize(("context", "steps"), [(5, 200), (1, 30), (3, 2)])
def test_the_floor_is_that_of_a_plain_loop(context: int, steps: int) -> None:
    task = NGrams(context=context)
    batch = draw(task, steps, 8)
    bits = batch.targets[..., 0].T.int().tolist()
    assert task.floor(batch).tolist() == pytest.approx([plainly(each, context) for each in bits], rel=1e-5)


def test_padding_leaves_the_floor_alone() -> None:
    task, parts = NGrams(context=2), [draw(NGrams(context=2), steps, 4) for steps in (9, 30)]
    torch.testing.assert_close(task.floor(pad(parts)), torch.cat([task.floor(part) for part in parts]))


def test_contexts_of_five_bits_are_the_best_predictor() -> None:
    """It needs 133.2 bits for 200 steps: 100,000 sequences, standard error 0.1; of 4,000 it is 0.6. On the same ones,
    counters of contexts one bit shorter need 19.0 bits more (of 4,000: 0.23), one bit longer 6.2 (0.05)."""
    batch = draw(NGrams(), 200, 4000)
    bits = {context: float(NGrams(context=context).floor(batch).mean()) / math.log(2) for context in (4, 5, 6)}
    assert bits[5] == pytest.approx(133.2, abs=3 * 0.6)
    assert bits[4] - bits[5] == pytest.approx(19.0, abs=4 * 0.23)
    assert bits[6] - bits[5] == pytest.approx(6.2, abs=4 * 0.05)


def test_what_is_drawn_follows_the_context_and_is_another_source_in_every_sequence() -> None:
    """Of Beta(1/2, 1/2): mean 1/2, variance 1/8; the first bits are fair coins."""
    batch = draw(NGrams(context=1), 400, 3000)
    bits = batch.targets[..., 0]
    after_one = (bits[1:] * bits[:-1]).sum(dim=0) / bits[:-1].sum(dim=0).clamp_min(1)
    enough = after_one[bits[:-1].sum(dim=0) > 50]
    assert enough.std() > 0.3 and enough.min() < 0.05 and enough.max() > 0.95
    assert bits[0].mean() == pytest.approx(0.5, abs=5 * 0.5 / 3000**0.5)
    pairs = (bits[2] == bits[1]) & (bits[3] == bits[2]) & (bits[1] == bits[0])  # the same context four times
    other = float((bits[4] == bits[3])[pairs].float().mean())
    assert other > 0.75  # after three alike a fourth is likely: (3 + 1/2) / 4, were they drawn of one context


def test_an_evaluation_knows_the_floor() -> None:
    task = NGrams(context=2)
    batches = [draw(task, steps, 8) for steps in (20, 40)]
    score = evaluate(lambda inputs: torch.zeros_like(inputs), batches, task)
    floors = torch.cat([task.floor(batch) for batch in batches])
    assert score.floor == pytest.approx(float(floors.mean()), rel=1e-6)
    assert score.loss == pytest.approx(30 * math.log(2))  # a coin, every time
