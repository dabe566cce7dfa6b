"""What an answer is, against loops over single numbers in double precision, and the loss that training makes of it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from membench.benchmarks.core import Training
from membench.benchmarks.objectives import Bits, Objective, Squares, Tokens
from membench.benchmarks.protocols import Batch, Task, answer_of, floor_of, objective_of, pad
from membench.benchmarks.tasks.copy import Copy
from membench.benchmarks.tasks.mqar import MQAR
from membench.benchmarks.tasks.ngrams import NGrams
from membench.benchmarks.training.evaluate import evaluate, nats
from membench.benchmarks.training.learner import objective, slope
from membench.ntm import stream

SHAPE = (5, 3, 4)
BOTH = [Bits(), Tokens()]
TRAINING = Training(steps=1, eval_sizes=((1,),))
MANY = MQAR(vocabulary=8, train=(range(8, 9), range(2, 3)), test=())


def drawn(answers: Objective) -> tuple[Tensor, Tensor]:
    """Logits and targets, (5, 3, 4), in double precision."""
    logits = 3 * torch.randn(SHAPE, generator=stream("logits"), dtype=torch.float64)
    if isinstance(answers, Bits):
        return logits, torch.randint(2, SHAPE, generator=stream("targets")).double()
    symbols = torch.randint(SHAPE[-1], SHAPE[:-1], generator=stream("targets"))
    return logits, torch.eye(SHAPE[-1], dtype=torch.float64)[symbols]


def plainly(answers: Objective, logits: list[float], targets: list[float]) -> tuple[list[float], list[bool]]:
    """Nats of the answers of one step, and whether they are wrong."""
    if isinstance(answers, Bits):
        likely = [1 / (1 + math.exp(-z)) for z in logits]
        cost = [-math.log(p if t else 1 - p) for p, t in zip(likely, targets, strict=True)]
        return cost, [(p > 0.5) != bool(t) for p, t in zip(likely, targets, strict=True)]
    meant = targets.index(1.0)
    whole = sum(math.exp(z) for z in logits)
    return [-math.log(math.exp(logits[meant]) / whole)], [max(logits) != logits[meant]]


@pytest.mark.parametrize("answers", BOTH, ids=lambda one: one.noun)
def test_nats_and_wrong_answers_are_those_of_a_plain_loop(answers: Objective) -> None:
    logits, targets = drawn(answers)
    cost, wrong = answers.nats(logits, targets), answers.wrong(logits, targets)
    assert cost.shape == wrong.shape == (5, 3, answers.answers(4))
    seen = set()
    for step in range(5):
        for element in range(3):
            expected, errors = plainly(answers, logits[step, element].tolist(), targets[step, element].tolist())
            assert cost[step, element].tolist() == pytest.approx(expected)
            assert wrong[step, element].tolist() == errors
            seen |= set(errors)
    assert seen == {True, False}


@pytest.mark.parametrize("answers", [*BOTH, Squares()], ids=lambda one: one.noun)
def test_the_slope_is_the_gradient_of_the_summed_nats(answers: Objective) -> None:
    logits, targets = drawn(answers)
    (gradient,) = torch.autograd.grad(answers.nats(logits.requires_grad_(), targets).sum(), logits)
    for scale in (1.0, 30.0):  # where it is all but certain, too
        at = (scale * logits).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(answers.nats(at, targets).sum(), at)
        torch.testing.assert_close(answers.slope(at.detach(), targets), gradient)
    given = logits.detach().clone()
    answers.slope(given, targets)
    assert given.equal(logits)  # is left alone


@pytest.mark.parametrize("answers", BOTH, ids=lambda one: one.noun)
def test_guessing(answers: Objective) -> None:
    """All logits alike: what it costs, and over many targets how often the first symbol, or a coin, is wrong."""
    _, targets = drawn(answers)
    cost = answers.nats(torch.zeros(SHAPE), targets.float())
    torch.testing.assert_close(cost, torch.full_like(cost, answers.guess(4)))
    symbols = torch.randint(4, (4000,), generator=stream("many"))
    many = torch.eye(4)[symbols] if isinstance(answers, Tokens) else torch.randint(2, (4000, 4), generator=stream("m"))
    share = answers.wrong(torch.tensor([2.0, -1.0, -1.0, -1.0]).expand(4000, 4), many.float()).float().mean()
    assert float(share) == pytest.approx(answers.chance(4), abs=5 * 0.5 / 4000**0.5)
    assert answers.probabilities(torch.zeros(SHAPE)).unique().item() == (0.25 if isinstance(answers, Tokens) else 0.5)


def test_a_task_asks_for_bits_unless_it_says_otherwise() -> None:
    assert (objective_of(Copy()), objective_of(MQAR())) == (Bits(), Tokens())
    assert answer_of(Copy()) == ("bit", "wrong bits", 0.5)
    assert answer_of(MANY) == ("token", "wrong tokens", 0.875)
    assert answer_of(NGrams()) == ("bit", "nats above the optimum", 1.0)
    assert floor_of(Copy(), Copy().sample((1,), 1, stream("floor"))) is None


def of(task: Task, size: tuple[int, ...]) -> tuple[Batch, Tensor]:
    batch = task.sample(size, 32, stream("batch"))
    return batch, 4 * torch.randn(batch.targets.shape, generator=stream("said"))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_of_bits_is_as_it_always_was_to_the_last_bit(reduction: str) -> None:
    """In value and gradient: every record was trained on it."""
    task, training = Copy(), replace(TRAINING, reduction=reduction)
    for length in (1, 7, 20):
        batch, logits = of(task, (length,))
        whole = 32 if reduction == "sum" else batch.scored.sum() * task.outputs
        at = logits.requires_grad_()
        was = binary_cross_entropy_with_logits(at, batch.targets, batch.scored[..., None], reduction="sum") / whole
        now = objective(task, training, at, batch)
        assert now.equal(was)
        assert torch.autograd.grad(now, at)[0].equal(torch.autograd.grad(was, at)[0])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_of_tokens_counts_scored_symbols_alone(reduction: str) -> None:
    training = replace(TRAINING, reduction=reduction)
    parts = [MANY.sample((steps, 2), 16, stream("part", steps)) for steps in (8, 12)]
    batch = pad(parts)
    logits = (4 * torch.randn(batch.targets.shape, generator=stream("said"))).requires_grad_()
    scored = batch.scored.bool()
    each = torch.nn.functional.cross_entropy(logits[scored], batch.targets[scored].argmax(dim=-1), reduction="sum")
    loss = objective(MANY, training, logits, batch)
    torch.testing.assert_close(loss, each / (32 if reduction == "sum" else 64))
    (gradient,) = torch.autograd.grad(loss, logits)
    for samples in (slice(0, 4), slice(28, 32)):
        part = logits.detach()[:, samples].contiguous()
        torch.testing.assert_close(slope(MANY, training, batch)(part, samples), gradient[:, samples])
    assert not gradient[~scored].any()


def test_evaluation_counts_wrong_tokens() -> None:
    batch, logits = of(MANY, (12, 2))
    scored = batch.scored.bool()
    score = evaluate(lambda _: logits, [batch], MANY)
    wrong = (logits.argmax(dim=-1) != batch.targets.argmax(dim=-1)) & scored
    assert 0 < score.errors == pytest.approx(float(wrong.sum()) / 32)
    assert (score.answers, score.floor) == (2, None)
    assert score.perfect == pytest.approx(float((wrong.sum(dim=0) == 0).float().mean()))
    assert score.loss == pytest.approx(float(nats(Tokens(), logits, batch).mean()))
    certain = evaluate(lambda _: 40 * batch.targets, [batch], MANY)
    assert certain.errors == 0 and certain.loss < 1e-6 and certain.perfect == 1


def test_squares_are_distances_to_the_vector_that_is_meant() -> None:
    said = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.2, 0.9]])
    meant = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    squares = Squares()
    torch.testing.assert_close(squares.nats(said, meant), torch.tensor([[0.25], [0.73]]))
    assert squares.wrong(said, meant).tolist() == [[False], [True]]
    middle = torch.full((3, 3), 1 / 3)
    torch.testing.assert_close(squares.nats(middle, torch.eye(3)).mean(), torch.tensor(squares.guess(3)))
    assert squares.chance(4) == 0.75 and squares.answers(9) == 1
