"""Whether kernels are compiled: minutes on a busy machine, in which nothing else can be said of a run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..records.events import Compiling, Event


@contextmanager
def heard(keys: Sequence[str], tell: Callable[[Event], None]) -> Iterator[None]:
    """Tell of these runs, once, that kernels are compiled meanwhile; those that are read from the disk are not."""
    try:
        from numba.core import event
    except Exception:  # without it nothing is compiled
        yield
        return

    class First(event.Listener):  # type: ignore[misc]
        told = False

        def on_start(self, event: Any) -> None:
            if not self.told:
                self.told = True
                for key in keys:
                    tell(Compiling(key))

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", First()):
        yield
