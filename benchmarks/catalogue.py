"""What suites there are and what is in them, known without importing them: that takes torch, and seconds.

The first call after a change of the sources imports every suite and keeps a note of what it is, beside Python's own
compiled files; the next calls read the note. Records are read at their two ends only.
"""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import UsageError
from .git import git

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
    from .records.record import place_of

    return {
        "title": suite.title,
        "tasks": list(dict.fromkeys(e.task_name for e in suite.experiments)),
        "models": list(dict.fromkeys(e.model_name for e in suite.experiments)),
        "seeds": list(suite.seeds),
        "runs": {place_of(suite.name, run): run.digest for run in suite.runs()},
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
    """What the runs that came with membench said, by suite: the ``claims.json`` of each of its reports.

    Those that a checkout has committed, whatever a report of one's own has since written in their place. Of a source
    tree without git nobody knows which came with it: there are none.
    """
    root = Path(__file__).parent.parent
    within = root / "published"  # of the installed package
    claims = {path: path.read_bytes() for path in within.glob("*/claims.json")} if within.is_dir() else _committed(root)
    return {path.parent.name: document for path, text in claims.items() if (document := _claims(text)) is not None}


def _committed(root: Path) -> dict[Path, bytes]:
    """The ``claims.json`` of every report that is committed in a checkout."""
    try:
        archive = git(root, "archive", "--format=tar", "HEAD", "--", ":(glob)results/*/claims.json")
    except (OSError, subprocess.SubprocessError):
        return {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        files = {Path(member.name): packed.extractfile(member) for member in packed}
        return {path: file.read() for path, file in files.items() if file is not None}


def _claims(text: bytes) -> dict[str, Any] | None:
    """A ``claims.json``; None where it lacks what is told of it, being damaged or of another version."""
    try:
        document: dict[str, Any] = json.loads(text)
        numbers = [document["runs"][name] for name in ("complete", "planned")]
        words = [each[name] for each in document["verdicts"] for name in ("id", "reading", "verdict", "interim")]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    fit = all(isinstance(number, int) for number in numbers) and all(isinstance(word, str | bool) for word in words)
    return document if fit else None
