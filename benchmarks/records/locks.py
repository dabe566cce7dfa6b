"""Locks on open files, so that one process at a time writes."""

import fcntl
import time
from typing import IO, Any


def lock(file: IO[Any], wait: float = 0.0, shared: bool = False) -> bool:
    """Lock an open file until it is closed, or its process dies; False where another holds it for so many seconds.

    Args:
        file: The file.
        wait: Seconds to wait for another process to let go of it.
        shared: Others may have such a lock as well.
    """
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        else:
            return True
