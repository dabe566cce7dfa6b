"""Batches made ahead are those that are made when they are asked for."""

import threading

import pytest

from membench.benchmarks.training.ahead import ahead


def make(step: int) -> list[int]:
    """Up to three steps, of ten; the sixth cannot be made by anyone."""
    made = list(range(step, min(step + 3, 10)))
    if 6 in made:
        raise ValueError("there is no sixth")
    return made


@pytest.mark.parametrize("aside", [False, True])
def test_whoever_makes_them_they_are_the_same(aside: bool) -> None:
    with ahead(make, aside) as data:
        assert [data(step) for step in (0, 3, 7, 10, 1)] == [[0, 1, 2], [3, 4, 5], [7, 8, 9], [], [1, 2, 3]]
        assert data.waited > 0
        with pytest.raises(ValueError, match="there is no sixth"):
            data(4)


def test_what_comes_next_is_made_meanwhile_by_another_thread_which_then_ends() -> None:
    made, threads = threading.Event(), set()

    def noted(step: int) -> list[int]:
        threads.add(threading.current_thread().name)
        if step == 3:
            made.set()
        return [step] * 3

    with ahead(noted, True) as data:
        data(0)
        assert made.wait(5.0)
    assert threads == {"batches_0"} and "batches_0" not in {thread.name for thread in threading.enumerate()}
