"""The tracking store as a file: where it is, who may open it, who may read it meanwhile."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""MLflow's environment, unless the user says otherwise: nothing is reported home."""


def default_uri(results: Path) -> str:
    """The store beside the records."""
    return f"sqlite:///{(results / 'mlflow.db').resolve()}"


def local(uri: str) -> bool:
    """Whether the store is files of this machine."""
    return uri.startswith(("sqlite:", "file:"))


@contextmanager
def alone(results: Path, patience: float = 60.0) -> Iterator[None]:
    """Keep other processes of this results folder out meanwhile."""
    results.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + patience
    with (results / "mlflow.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(f"another process is opening it since {patience:g} s") from None
                time.sleep(0.1)
        yield


def write_ahead(uri: str) -> None:
    """Let readers of an SQLite store read while it is written; not on a network's file system, where that corrupts."""
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and path.is_file() and not _networked(path.resolve()):
        with closing(sqlite3.connect(path, timeout=5)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")


def _networked(path: Path) -> bool:
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return True  # not known
    kind = max((len(where), kind) for where, kind in mounts if path.is_relative_to(where))[1]
    return kind.startswith(("nfs", "cifs", "smb", "fuse", "lustre", "gpfs", "beegfs", "9p", "afs", "ceph"))
