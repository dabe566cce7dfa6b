"""MLflow's pages end with the command that serves them, however that is ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from socket import socket

import pytest

SERVER = """#!{python}
import http.server, os, signal, sys, time

class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

def end(number, frame):
    time.sleep(1)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Healthy).serve_forever()
"""
"""Stands for MLflow's: up at once, and a second in ending."""

COMMAND = """
import signal, sys
from membench.benchmarks.tracking import serve

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in its background without
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup starts all without
for number in sys.argv[3:]:
    signal.signal(int(number), signal.SIG_IGN)
popen = serve.subprocess.Popen

def noted(*arguments, **options):
    noted.server = popen(*arguments, **options)
    return noted.server

serve.subprocess.Popen = noted
sys.executable = sys.argv[1]
sys.exit(serve.serve("sqlite:///none.db", int(sys.argv[2]), lambda address: print(noted.server.pid, flush=True)))
"""


class Served:
    """A process that serves, and the one it started for that."""

    def __init__(self, folder: Path, *ignored: signal.Signals) -> None:
        server = folder / "server"
        server.write_text(SERVER.format(python=sys.executable))
        server.chmod(0o755)
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-c", COMMAND, str(server), str(port), *(str(int(number)) for number in ignored)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.server = int(self.process.stdout.readline())

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        if self.runs():
            os.kill(self.server, signal.SIGKILL)

    def runs(self) -> bool:
        """Whether the server is there."""
        try:
            os.kill(self.server, 0)
        except ProcessLookupError:
            return False
        return True


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_no_server_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    """A terminal that is closed may say so twice, and a user asks again where the first time seems to do nothing."""
    with Served(tmp_path) as served:
        served.process.send_signal(number)
        time.sleep(0.3)
        served.process.send_signal(number)
        assert served.process.wait(30) == 0 and not served.runs()


def test_what_is_to_outlive_its_terminal_does(tmp_path: Path) -> None:
    """As under ``nohup``."""
    with Served(tmp_path, signal.SIGHUP) as served:
        served.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert served.process.poll() is None and served.runs()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0 and not served.runs()


def test_nothing_is_reported_home_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the server too: it is another process, and may be started before anything else of MLflow."""
    for set_by_user, seen in ((None, b"true"), ("false", b"false")):
        monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
        if set_by_user is not None:
            monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", set_by_user)
        with Served(tmp_path) as served:
            environment = Path(f"/proc/{served.server}/environ").read_bytes().split(b"\0")
            assert b"MLFLOW_DISABLE_TELEMETRY=" + seen in environment
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(30) == 0
