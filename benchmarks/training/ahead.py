"""The data of the next steps, made while a GPU is busy with those before."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

Made = TypeVar("Made", bound=Sequence[object])
"""The data of some steps, one item a step."""


class Ahead(Generic[Made]):
    """Data by the step that it begins with: made when it is asked for or, by a thread, before that.

    What is made depends on the step alone, so it is the same either way.

    Args:
        make: The data from a step on, of as many steps as it likes.
        threads: Where the data that follows is made meanwhile; None to make all when it is asked for.

    Attributes:
        waited: Seconds that somebody waited for data.
    """

    def __init__(self, make: Callable[[int], Made], threads: ThreadPoolExecutor | None) -> None:
        self.make, self.threads = make, threads
        self.waited = 0.0
        self.coming: tuple[int, Future[Made]] | None = None

    def __call__(self, step: int) -> Made:
        """The data from this step on."""
        began = time.perf_counter()
        if self.threads is None:
            made = self.make(step)
        else:
            if self.coming is None or self.coming[0] != step:
                self.coming = step, self.threads.submit(self.make, step)
            made = self.coming[1].result()
            following = step + len(made)
            self.coming = following, self.threads.submit(self.make, following)
        self.waited += time.perf_counter() - began
        return made


@contextmanager
def ahead(make: Callable[[int], Made], aside: bool) -> Iterator[Ahead[Made]]:
    """Data that a thread makes, where that is wanted; afterwards it is gone."""
    if not aside:
        yield Ahead(make, None)
        return
    threads = ThreadPoolExecutor(1, "batches")
    try:
        yield Ahead(make, threads)
    finally:
        threads.shutdown(cancel_futures=True)
