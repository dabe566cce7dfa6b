"""An end to every wait on a store: a server may take a request and never answer, or answer a byte a minute."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

PATIENCE = 60.0
"""Seconds a call to a store may last. MLflow's own limits end most calls in a third of it, but not all."""

Answer = TypeVar("Answer")


class Patient:
    """A client whose every call ends, by its answer or by ``TimeoutError``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **kwargs: within(PATIENCE, lambda: method(*args, **kwargs))


def within(seconds: float, do: Callable[[], Answer]) -> Answer:
    """What a function gives, in a thread of its own, which is left to itself where it takes too long.

    Raises:
        TimeoutError: It took longer.
    """
    given: list[Answer] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            given.append(do())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)  # the end of the program does not wait for it either
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return given[0]
