"""MLflow's pages on this machine alone, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ..errors import UsageError
from .store_file import SILENT

PATIENCE = 180.0
"""Seconds the server is given to come up: it takes ten on a quiet machine."""


def serve(uri: str, port: int, ready: Callable[[str], None]) -> int:
    """Serve a store on 127.0.0.1 until interrupted, and leave no process behind.

    Args:
        uri: MLflow's tracking URI.
        port: The port.
        ready: Told the address once it answers.

    Returns:
        0 where it was interrupted, else the server's own exit code.

    Raises:
        UsageError: The port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(f"port {port}: {error.strerror}; accepted: --port with one that is free") from None
    # -P: the folder it is called in is not searched for modules. One worker and no jobs: two processes, not sixteen.
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {**SILENT, **os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with tempfile.TemporaryFile() as said, interrupting():
        server = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{port}"
            if _answers(address, server):
                ready(address)
                if server.wait() == 0:
                    return 0
            said.seek(0)
            print(said.read().decode(errors="replace")[-4000:], file=sys.stderr)
            return server.poll() or 1
        except KeyboardInterrupt:
            return 0
        finally:
            _end(server)


def _answers(address: str, server: "subprocess.Popen[bytes]") -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < until:
        try:
            with opener.open(f"{address}/health", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End the whole group: politely, then whoever is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(5)
            until = time.monotonic() + 3
            while time.monotonic() < until:
                os.killpg(server.pid, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def interrupting() -> Iterator[None]:
    """A kill or a closed terminal interrupts as Ctrl-C does meanwhile; once, so that ending is not interrupted."""
    asked = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    told = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, interrupt) for number in told}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
