"""Which store, and the store as a file: where it is, who may open it, who may read it meanwhile."""

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from ..errors import UsageError
from ..records.locks import lock

SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""MLflow's environment, unless the user says otherwise: nothing is reported home."""

STORES = r"sqlite:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|https?://[^/?#\s]+\S*|databricks(-uc)?(://.+)?|uc:.+"
"""The tracking URIs of MLflow."""

PLAIN = r"[\w./+,@ -]+"
"""Paths that stand in a URI as they are, whoever reads it."""


def store_uri(asked: str | None, results: Path) -> str:
    """The store that is asked for, or the one beside the records.

    Raises:
        UsageError: MLflow has no store of such a URI.
    """
    if not asked:
        return default_uri(results)
    if asked.startswith("sqlite:///~"):  # which no shell replaces there
        asked = "sqlite:///" + os.path.expanduser(asked.removeprefix("sqlite:///"))
    stores = STORES + ("|file:.+" if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1") else "")
    plugins = {each.name for each in entry_points(group="mlflow.tracking_store")}
    if re.fullmatch(stores, asked) or asked.partition(":")[0] in plugins:
        return asked
    raise UsageError(
        f"tracking URI {public(asked)!r}: accepted are sqlite:///FILE, http://SERVER, https://SERVER, databricks, and "
        "postgresql://, mysql:// or mssql:// with a database"
    )


def default_uri(results: Path) -> str:
    """The store beside the records."""
    return f"sqlite:///{plain(results.resolve()) / 'mlflow.db'}"


@cache
def plain(folder: Path) -> Path:
    """A folder by a name that stands in a URI as it is: its own, or for as long as this process lives that of a link.

    SQLAlchemy and MLflow do not agree on how a URI is quoted: what one of them quotes names another file to the other.
    """
    if re.fullmatch(PLAIN, str(folder), re.ASCII):
        return folder
    short = tempfile.gettempdir()
    holder = tempfile.TemporaryDirectory(prefix="membench-", dir=short if re.fullmatch(PLAIN, short) else "/tmp")
    _HOLDERS.append(holder)
    link = Path(holder.name, "results")
    link.symlink_to(folder)
    return link


_HOLDERS: list["tempfile.TemporaryDirectory[str]"] = []


def public(uri: str) -> str:
    """A store's URI without its password, for a terminal or a log."""
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", uri)


def file_of(uri: str) -> Path | None:
    """The file of an SQLite store, if it is there."""
    path = Path(uri.removeprefix("sqlite:///"))
    return path.resolve() if uri.startswith("sqlite:///") and path.is_file() else None


def local(uri: str) -> bool:
    """Whether the store is files of this machine."""
    return uri.startswith(("sqlite:", "file:"))


@contextmanager
def alone(results: Path, patience: float = 60.0) -> Iterator[None]:
    """Keep other processes of this results folder out meanwhile."""
    results.mkdir(parents=True, exist_ok=True)
    with (results / "mlflow.lock").open("w") as file:
        if not lock(file, patience):
            raise TimeoutError(f"another process is opening it since {patience:g} s")
        yield


def write_ahead(path: Path) -> None:
    """Let readers of an SQLite store read while it is written; not on a network's file system, where that corrupts."""
    if not _networked(path):
        with closing(sqlite3.connect(path, timeout=5)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")


def artifacts(folder: Path, suite: str) -> str:
    """Where the artifacts of a suite lie, if its store is in this folder."""
    return (folder / "mlartifacts" / suite).as_uri()


def rehome(path: Path) -> None:
    """Tell an SQLite store that was copied or moved where it is: MLflow would write artifacts to where it was made."""
    with closing(sqlite3.connect(path, timeout=5)) as connection, connection as store:
        for number, suite, old in store.execute(
            "select experiment_id, name, artifact_location from experiments"
        ).fetchall():
            new, was = artifacts(path.parent, suite), Path(url2pathname(urlparse(old).path)).parent.parent
            if old == new or not was.is_absolute() or artifacts(was, suite) != old:  # or made by somebody else
                continue
            store.execute("update experiments set artifact_location = ? where experiment_id = ?", [new, number])
            store.execute(
                "update runs set artifact_uri = ? || substr(artifact_uri, ?) "
                "where experiment_id = ? and substr(artifact_uri, 1, ?) = ?",
                [new, len(old) + 1, number, len(old), old],
            )
            store.execute(
                "update tags set value = ? where key = 'results' and value = ? "
                "and run_uuid in (select run_uuid from runs where experiment_id = ?)",
                [shown(path.parent), shown(was), number],
            )


def shown(path: Path) -> str:
    """A path as text that every program can write, whatever bytes it is made of."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _networked(path: Path) -> bool:
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return True  # not known
    kind = max((len(where), kind) for where, kind in mounts if path.is_relative_to(where))[1]
    return kind.startswith(("nfs", "cifs", "smb", "fuse", "lustre", "gpfs", "beegfs", "9p", "afs", "ceph"))
