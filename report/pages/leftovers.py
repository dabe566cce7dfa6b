"""What an earlier report of a suite drew and a later one does not: of an arm that was added then, of another claim."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

FIGURES = ("claims", "map", "heat", "cost")
FIGURES_OF_TASKS = ("convergence", "bits", "solved", "lengths", "factorial", "attention")
FIGURES_OF_RUNS = ("trace",)
TABLES = (
    *("map", "claims", "otherwise", "solving", "effects", "alone"),
    *("beyond", "lengths", "traces", "attention", "cost", "runs"),
)


def drawn(folder: Path, tasks: Iterable[str]) -> Iterator[Path]:
    """Files in a suite's folder that have the names of figures and tables of reports, and so are no reader's own.

    Args:
        folder: The suite's.
        tasks: Those of the suite; tasks of which there are records there count, too.
    """
    there = (re.escape(path.name) for path in folder.iterdir() if path.is_dir())
    task = f"({'|'.join([*map(re.escape, tasks), *there])})"
    figure = "|".join([*FIGURES, *(f"{kind}-{task}" for kind in FIGURES_OF_TASKS)])
    figure += "".join(f"|{kind}-{task}-.+" for kind in FIGURES_OF_RUNS)
    names = {"figures": rf"({figure})\.(svg|png)", "tables": rf"({'|'.join(TABLES)})\.(csv|tex)"}
    for name, known in names.items():
        for path in sorted((folder / name).glob("*")):
            if re.fullmatch(known, path.name) and path.is_file():
                yield path
