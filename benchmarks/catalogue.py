"""What suites there are and what is in them, known without importing them: that takes torch, and seconds.

The first call after a change of the sources imports every suite and keeps a note of what it is, beside Python's own
compiled files; the next calls read the note. Records are read at their two ends only.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import UsageError

NOTE = Path(__file__).parent / "__pycache__" / "catalogue.json"
"""Where the note is; where it cannot be written, every call imports the suites."""

SOURCES = ("ntm", "baselines", "benchmarks", "report")
"""The packages on which suites depend."""

LONGEST = 1 << 20
"""Bytes that are read at each end of a record."""


def catalogue() -> dict[str, dict[str, Any]]:
    """Of every suite that comes with membench its ``title``, ``tasks``, ``models``, ``seeds`` and ``runs``.

    ``runs`` are, by the path of their record within the results folder, the digests.
    """
    state = _state()
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        note = json.loads(NOTE.read_text())
        if note["sources"] == state:
            return dict(note["suites"])
    from .suites import find, names

    suites = {name: entry(find(name)) for name in names()}
    with contextlib.suppress(OSError):
        from ..report.files import write

        write(NOTE, json.dumps({"sources": state, "suites": suites}).encode())
    return suites


def entry(suite: Any) -> dict[str, Any]:
    """What the catalogue says of a suite."""
    return {
        "title": suite.title,
        "tasks": list(dict.fromkeys(e.task_name for e in suite.experiments)),
        "models": list(dict.fromkeys(e.model_name for e in suite.experiments)),
        "seeds": list(suite.seeds),
        "runs": {f"{run.experiment.home or suite.name}/{run.key}.jsonl": run.digest for run in suite.runs()},
    }


def _state() -> str:
    """Another one whenever a source has changed."""
    root = Path(__file__).parent.parent
    files = sorted(path for name in SOURCES for path in (root / name).rglob("*.py"))
    stats = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    return hashlib.sha256(json.dumps(stats).encode(errors="surrogateescape")).hexdigest()


def finished(results: Path, runs: Mapping[str, str]) -> int:
    """How many of these runs have a record that says so: its first line has the digest, its last the end.

    Raises:
        UsageError: A file is no record, at one of its ends.
    """
    return sum(_finished(results / path, digest) for path, digest in runs.items())


def _finished(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST)
            file.seek(max(os.fstat(file.fileno()).st_size - LONGEST, 0))
            last = file.read(LONGEST)
    except OSError:
        return False
    if not first.endswith(b"\n") or not last.endswith(b"\n"):
        return False  # a kill left it within a line
    try:
        started, ended = json.loads(first), json.loads(last.splitlines()[-1])
        return bool(started["digest"] == digest) and ended.get("status") in ("done", "diverged")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(f"{path}: damaged at one of its ends; move the file away") from None


def published() -> dict[str, dict[str, Any]]:
    """What the authors' own runs said, by suite: the ``claims.json`` of each report that came with this package."""
    root = Path(__file__).parent.parent  # the installed package, or a checkout
    pages = (root / "published" if (root / "published").is_dir() else root / "results").glob("*/claims.json")
    # In a checkout `mini` is whoever's tried it last: what the repository ignores is not published.
    return {page.parent.name: json.loads(page.read_text()) for page in pages if page.parent.name != "mini"}
