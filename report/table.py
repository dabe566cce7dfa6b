"""A table: raw numbers for CSV, the same numbers as people say them for pages, LaTeX and the terminal."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

WIDTH = 80
"""Of a terminal."""
GAP = 2
"""Between its columns."""
NONE = "\N{EN DASH}"
"""What stands where there is no number."""


def as_count(value: float) -> str:
    return f"{value:,.0f}"


def as_bits(value: float) -> str:
    return f"{value:.2f}" if value < 99.995 else f"{value:,.0f}"


def as_short(value: float) -> str:
    """Two or three digits: 640, 5.9k, 65k, 1.3M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if round(value) >= unit:
            return f"{value / unit:.1f}{name}" if value < 9.95 * unit else f"{value / unit:.0f}{name}"
    return f"{value:.0f}"


def as_percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def as_p(value: float) -> str:
    """A p-value: 0.66, 0.048, 0.0048, <0.001."""
    return "<0.001" if value < 0.001 else f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def as_duration(value: float) -> str:
    """Seconds as 45 s, 12.3 min or 5.2 h."""
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def as_steps(value: float) -> str:
    return "unsolved" if np.isinf(value) else as_count(value)


class Column(NamedTuple):
    """A column: its heading, what it means, and how its numbers, or its words, are said (None: text as it is)."""

    heading: str
    meaning: str = ""
    says: Callable[[Any], str] | None = None
    words: bool = False

    @property
    def right(self) -> bool:
        """Whether it is aligned to the right, as numbers are."""
        return self.says is not None and not self.words

    def text(self, value: Any) -> str:
        """A cell as text."""
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return NONE
        return str(value) if self.says is None else self.says(value)


@dataclass(frozen=True)
class Table:
    """A table: ``frame`` has the raw numbers, ``columns`` says which of them are shown, and how."""

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    columns: Mapping[str, Column]

    def rows(self) -> list[list[tuple[str, Any]]]:
        """For each row the shown cells: their text, and the raw value that sorts them."""
        return [
            [(column.text(row[name]), row[name]) for name, column in self.columns.items()]
            for row in self.frame.to_dict("records")
        ]

    def narrowed(self) -> "Table":
        """The table for a page: what is the same in each of three rows or more is said once, in its note."""
        rows = [[text for text, _ in row] for row in self.rows()]
        if len(rows) < 3:
            return self
        same = {name: cells[0] for name, *cells in zip(self.columns, *rows, strict=True) if len(set(cells)) == 1}
        said = [f"{self.columns[name].heading} {text}" for name, text in same.items() if text not in ("", NONE)]
        note = " ".join([self.note, f"In every row: {'; '.join(said)}."] if said else [self.note]).strip()
        kept = {name: column for name, column in self.columns.items() if name not in same}
        return replace(self, note=note, columns=kept) if kept else self

    def csv(self) -> str:
        """All columns, raw; unsolved times are ``inf``."""
        return str(self.frame.to_csv(index=False, lineterminator="\n", float_format="%.6g"))

    def latex(self) -> str:
        """The shown columns, for ``\\input`` in a paper that loads booktabs."""
        align = "".join("r" if column.right else "l" for column in self.columns.values())
        lines = [
            f"\\begin{{tabular}}{{{align}}}",
            "\\toprule",
            " & ".join(_escaped(column.heading) for column in self.columns.values()) + r" \\",
            "\\midrule",
            *(" & ".join(_escaped(text) for text, _ in row) + r" \\" for row in self.rows()),
            "\\bottomrule",
            "\\end{tabular}",
        ]
        return "\n".join(lines) + "\n"

    def plain(self, width: int = WIDTH) -> str:
        """The shown columns, aligned, for a terminal; what is too wide goes on below, behind what tells rows apart."""
        cells = [[column.heading for column in self.columns.values()], *([t for t, _ in row] for row in self.rows())]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        right = [column.right for column in self.columns.values()]
        first = next((n for n in range(1, len(widths)) if len({tuple(row[:n]) for row in cells}) == len(cells)), 1)
        blocks = [[*range(first)]]
        for place in range(first, len(widths)):
            together = [*blocks[-1], place]
            if sum(widths[at] + GAP for at in together) - GAP > width and len(blocks[-1]) > first:
                blocks.append([*range(first)])
            blocks[-1].append(place)

        def line(row: Sequence[str], places: Sequence[int]) -> str:
            each = (row[at].rjust(widths[at]) if right[at] else row[at].ljust(widths[at]) for at in places)
            return (" " * GAP).join(each).rstrip()

        return "\n\n".join("\n".join(line(row, places) for row in cells) for places in blocks)

    def legend(self, width: int = WIDTH) -> str:
        """What the columns mean, for a terminal."""
        said = (f"{column.heading}: {column.meaning}" for column in self.columns.values() if column.meaning)
        return textwrap.fill("; ".join(said) + ".", width)

    def markdown(self) -> str:
        """The shown columns, as GitHub draws them."""

        def line(cells: Sequence[str]) -> str:
            return "| " + " | ".join(map(marked, cells)) + " |"

        rule = ["---:" if column.right else "---" for column in self.columns.values()]
        head = [column.heading for column in self.columns.values()]
        return "\n".join([line(head), line(rule), *(line([text for text, _ in row]) for row in self.rows())])


def framed(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Column]) -> pd.DataFrame:
    """Rows as a frame; where there are none, an empty one of the columns that are shown."""
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else list(columns))


def marked(text: str) -> str:
    """Text inside Markdown: it stays in its cell, and is no tag."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    NONE: "--",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{MINUS SIGN}": "$-$",
}


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def interval_text(low: float, high: float, says: Callable[[float], str]) -> str:
    """Two ends as text; an open end as "or more"."""
    if np.isinf(high) and low == 0:
        return "unbounded"
    return f"{says(low)} or more" if np.isinf(high) else f"{says(low)} to {says(high)}"
