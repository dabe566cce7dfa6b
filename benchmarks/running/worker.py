"""The local engine's other side: a process that takes runs, performs them, and sends back what happens."""

import gc
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from .. import records
from ..errors import UsageError
from ..records.events import Event, Status
from ..suites import find
from ..training.process import prepare
from .compiling import heard
from .session import perform, why

GRACE = 30.0
"""Seconds a worker is given to finish its step and its checkpoint once it is asked to stop."""


@dataclass(frozen=True)
class Finished:
    """A worker is through with its runs."""

    statuses: Mapping[str, Status | None]
    hopeless: str = ""  # why there is no sense in going on: results cannot be written, say


def work(pipe: Connection, sources: tuple[str, ...], results: str, device: str) -> None:
    """The worker's side: take digests of runs by key, perform them, send events back."""
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to everybody; the parent decides
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    threading.Thread(target=outlive, args=(stop,), daemon=True).start()

    os.dup2(2, 1)  # what models print: stdout is the parent's answer
    prepare()
    gc.freeze()  # what is imported stays: garbage is looked for in what training makes, a few per cent of its time
    found = None

    def tell(event: Event) -> None:
        try:
            pipe.send(event)
        except OSError:  # the parent is gone; the record has the event
            stop.set()

    while not stop.is_set():
        try:
            digests, wait = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            found = found or find(*sources)
            runs = [run for run in found.runs() if run.key in digests]
            if {run.key: run.digest for run in runs} != digests:
                raise UsageError(f"{', '.join(sources)} was changed while it ran; run it again")
            places = [(run, records.path_of(Path(results), found.name, run)) for run in runs]
            with heard(list(digests), tell):
                finished = Finished(perform(places, torch.device(device), tell, stop.is_set, wait))
        except (OSError, UsageError) as error:
            finished = Finished({}, hopeless=why(error))
        try:
            pipe.send(finished)
        except OSError:
            return


def outlive(stop: threading.Event) -> None:
    """A worker whose parent is gone stops; one that hangs as well is ended."""
    parent = parent_process()
    assert parent is not None  # it is a child
    connection.wait([parent.sentinel])
    stop.set()
    time.sleep(GRACE)
    os._exit(1)
