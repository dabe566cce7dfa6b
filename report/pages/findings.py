"""What was found, from the suites' ``claims.json``: in a terminal, and as a table inside a Markdown file.

The table stands between ``<!-- findings -->`` and ``<!-- /findings -->`` and has a row a decisive claim that has run,
with what is final where something is; a suite without any has one row, what its page says first.
"""

import json
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ..claims.claim import is_ours, label_of
from ..claims.verdict import NOT_RUN, paper_text
from ..table import NONE, WIDTH, Column, Table, as_p, marked
from .render import MARKS

START, END = "<!-- findings -->", "<!-- /findings -->"


def redrawn(text: str, results: Path, folder: Path) -> str:
    """The text with its table of findings as the suites' claims say it.

    Args:
        text: Of the file.
        results: Where the suites' folders are.
        folder: Of the file, from which links lead to pages.

    Raises:
        ValueError: It has no place for one, or more than one; or claims are damaged.
    """
    parts = re.split(f"({START}|{END})", text)
    if parts[1::2] != [START, END]:
        raise ValueError(f"no place for findings: accepted is a text with one {START} and one {END} behind it")
    return "".join([parts[0], START, "\n", findings(results, folder), "\n", END, parts[4]])


def findings(results: Path, folder: Path) -> str:
    """The table over all suites whose claims lie under ``results``."""
    rows: list[tuple[str, ...]] = []
    for path in sorted(results.glob("*/claims.json")):
        link = f"[{path.parent.name}]({_link(path.with_name('report.md'), folder)})"
        try:
            rows += [(link, *row) for row in _rows(json.loads(path.read_bytes()))]
        except (KeyError, TypeError, json.JSONDecodeError):
            again = f"bench report --suite {path.parent.name}"
            raise ValueError(f"{path} is damaged, or of another version; drawn again by: {again}") from None
    lines = ["| suite | claim | paper | found |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def _link(page: Path, folder: Path) -> str:
    return Path(os.path.relpath(page, folder)).as_posix()


def _rows(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Claim, the paper's number and what was found."""
    decisive: dict[str, list[dict[str, Any]]] = {}
    ids = [verdict["id"] for verdict in document["verdicts"]]
    for verdict in document["verdicts"]:
        if verdict["primary"] and verdict["verdict"] != NOT_RUN:
            decisive.setdefault(verdict["id"], []).append(verdict)
    for verdicts in decisive.values():
        first, paper = verdicts[0], verdicts[0]["paper"]
        ours = " (our claim)" * is_ours(first["source"])
        number = NONE if paper is None else paper_text(tuple(paper) if isinstance(paper, list) else paper) + ours
        text = f"{label_of(first['id'], document['suite'], ids)}{ours}: {first['text']}"
        final = [verdict for verdict in verdicts if not verdict["interim"]] or verdicts
        yield marked(text), number, marked("; ".join(map(_found, final)))
    if not decisive:
        asked, _, found = document["finding"].partition(" Found: ")
        yield marked(asked.removeprefix("Asked: ")), NONE, marked(found)


def _found(verdict: dict[str, Any]) -> str:
    under = f"{verdict['reading']}: " if verdict["reading"] else ""
    p = verdict["corrected"]
    so_far = f"interim, {verdict['seeds']} of {verdict['planned']} seeds" if verdict["interim"] else ""
    parts = (verdict["verdict"], verdict["ours"], "" if p is None else f"p {as_p(p)}", so_far)
    return f"{under}{MARKS[verdict['verdict']]} {', '.join(part for part in parts if part)}"


def spoken(folder: Path) -> str:
    """The first line of a suite's page, and a line a verdict, for a terminal."""
    document = json.loads((folder / "claims.json").read_bytes())
    first = textwrap.fill(f"{document['suite']}: {document['finding']}", WIDTH)
    columns = {
        "claim": Column("Claim"),
        "verdict": Column("Verdict"),
        "ours": Column("Ours (95 %)"),
        "p": Column("p", says=as_p),
        "corrected": Column("corrected", says=as_p),
        "seeds": Column("Seeds"),
    }
    ids = [verdict["id"] for verdict in document["verdicts"]]
    rows = [
        {name: verdict.get(name) for name in columns}
        | {"claim": f"{label_of(verdict['id'], document['suite'], ids)} {verdict['reading']}".rstrip()}
        | {"ours": verdict["ours"] or None, "seeds": f"{verdict['seeds']}/{verdict['planned']}"}
        for verdict in document["verdicts"]
    ]
    if not rows:
        return first
    frame = pd.DataFrame(rows, columns=list(columns)).astype({"p": float, "corrected": float})
    return f"{first}\n\n{Table('verdicts', '', '', frame, columns).plain()}"
