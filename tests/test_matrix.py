"""The map: which architecture learns which task, how soon, how far, at what cost."""

import re
import runpy
from ast import literal_eval
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from membench.benchmarks.cli.matrix import choices_text
from membench.report import statistics
from membench.report.figures import matrix as figure
from membench.report.figures import style
from membench.report.frames import Frames
from membench.report.pages import drawings
from membench.report.pages.matrix import leads, table
from membench.report.pages.render import report
from membench.report.statistics.matrix import CELL, best, chosen, longest, matrix
from membench.report.table import NONE

SIMULATED = runpy.run_path(str(Path(__file__).with_name("simulated.py")))
simulate, facts, arms = (SIMULATED[name] for name in ("simulate", "facts", "arms"))

FACTS = facts(5)
FRAMES: Frames = simulate(5, every=1000)
OUTCOMES = statistics.outcomes(FRAMES, FACTS.solved, FACTS.relapse)
CELLS = matrix(FRAMES, FACTS, OUTCOMES)


def test_a_cell_counts_the_runs_of_its_arm() -> None:
    assert list(CELLS[["task", "model"]].itertuples(index=False, name=None)) == [(a.task, a.model) for a in FACTS.arms]
    for cell in CELLS.to_dict("records"):
        runs = OUTCOMES[(OUTCOMES["task"] == cell["task"]) & (OUTCOMES["model"] == cell["model"])]
        solved = runs[np.isfinite(runs["time"])]
        assert (cell["runs"], cell["solved"]) == (5, len(solved))
        times = sorted(32 * solved["time"]) + [np.inf] * (5 - len(solved))
        assert cell["sequences"] == times[2]
        assert cell["mean"] == np.mean([min(time, 32 * 31_250) for time in times])
    assert set(CELLS["solved"]) > {0, 5} and (CELLS["longest"] != "").any()


def test_runs_without_their_full_budget_do_not_count() -> None:
    partial = simulate(5, partial=True, every=1000)
    outcomes = statistics.outcomes(partial, FACTS.solved, FACTS.relapse)
    cells = matrix(partial, FACTS, outcomes)
    assert cells["runs"].sum() == partial.runs["status"].isin(["done", "diverged"]).sum() < len(partial.runs)


def points(**errors: tuple[float, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"steps": int(size[1:]), "size": size[1:], "errors": each} for size, runs in errors.items() for each in runs]
    )


def test_the_longest_size_is_the_last_before_the_first_that_fails() -> None:
    assert longest(points(n10=(0, 0, 9, 9), n20=(0, 9, 0, 9), n40=(0, 0, 0, 9)), 0.1, 4) == "40"
    assert longest(points(n10=(0, 0, 9, 9), n20=(0, 9, 9, 9), n40=(0, 0, 0, 9)), 0.1, 4) == "10"
    assert longest(points(n10=(0, 0)), 0.1, 5) == "", "runs that were not tested did not solve it"
    assert longest(points(n9=(0,), n10=(9,)), 0.1, 1) == "9"


def cell(reading: str, solved: int, mean: float, area: float) -> dict[str, object]:
    zero = {name: 0 if kind != "str" else "" for name, kind in CELL.items()}
    said = {"task": "copy", "arm": "gru", "model": f"gru-{reading}", "reading": reading}
    return {**zero, **said, "runs": 2, "solved": solved, "mean": mean, "area": area}


def test_the_best_reading_is_that_of_most_solved_then_soonest_then_fewest_errors() -> None:
    tried = [cell("3e-4", 1, 5, 1), cell("1e-3", 2, 9, 7), cell("3e-3", 2, 8, 9), cell("1e-2", 2, 8, 6)]
    for expected in ("1e-2", "3e-3", "1e-3", "3e-4"):
        frame = pd.DataFrame(tried).astype(CELL)
        assert best(frame)["reading"].tolist() == [expected]
        tried = [each for each in tried if each["reading"] != expected]


def test_only_a_task_with_all_its_runs_has_chosen_readings() -> None:
    cells, facts = best(CELLS), FACTS
    assert set(chosen(cells, FRAMES)) == set(facts.tasks)
    runs = FRAMES.runs.copy()
    runs.loc[runs["task"] == "copy", "status"] = ["new", *runs.loc[runs["task"] == "copy", "status"][1:]]
    found = chosen(cells, FRAMES._replace(runs=runs))
    assert found and set(found) == set(facts.tasks) - {"copy"}
    for cell in cells[cells["task"] != "copy"].to_dict("records"):
        assert found[cell["task"]][cell["arm"]] == cell["reading"]
    assert literal_eval(choices_text(found).partition("\n")[2]) == found
    assert choices_text({}).endswith("none yet.")


def test_the_table_fits_a_terminal_and_says_every_cell() -> None:
    text = table(CELLS, FACTS).plain()
    assert max(map(len, text.splitlines())) <= 80
    assert all(model in text for model in FACTS.models) and all(task in text for task in FACTS.tasks)
    by_arm = table(best(CELLS), FACTS, "arm")
    assert [row[0][0] for row in by_arm.rows()] == list(dict.fromkeys(arm.name for arm in FACTS.arms))
    assert "cosine: " in by_arm.plain()


def test_what_a_cell_does_not_know_is_a_dash() -> None:
    said = {"reading": "", "solved": 1, "runs": 2}
    for soon, far, text in (
        (141_000, "", f"141k, {NONE}"),
        (np.inf, "10", f"{NONE}, to 10"),
        (np.inf, "", NONE),
        (9, "2", "9, to 2"),
    ):
        assert figure.words({**said, "sequences": soon, "longest": far}, "model") == f"1/2\n{text}"


def test_the_picture_has_every_cell_and_every_cost() -> None:
    with style.drawing():
        drawn = figure.picture(CELLS, FACTS)
        assert drawn is not None and figure.picture(CELLS[:0], FACTS) is None
        svg, png = style.saved(drawn)
    assert png.startswith(b"\x89PNG")
    for each in CELLS.to_dict("records"):
        assert f"{each['solved']}/{each['runs']}" in svg
    assert "1.3M" in svg and "62k" in svg


def test_a_page_of_many_tasks_begins_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = ("ntm-constant-dot", "lstm")
    four = arms(("copy", "recall", "sort", "parity"), models)
    assert drawings.mapped(facts(arms=four)) and not drawings.mapped(facts(arms=four[1:]))
    assert not drawings.mapped(FACTS)
    monkeypatch.setattr(drawings, "MAPPED", 1)
    few = simulate(2, every=5000, tasks=("copy",), models=models)
    report(few, facts(2, claims=(), arms=arms(("copy",), models)), tmp_path)
    assert "figures/map.png" in (tmp_path / "report.md").read_text()
    page = (tmp_path / "report.html").read_text()
    assert drawings.first(["claims", "map", "solved-copy"]) == ["map"] and page.index("figure-map") < page.index("<h2>")
    curves, records = '<a href="#figure-convergence-copy">', '<a class="more" href="copy/lstm/">records</a>'
    assert re.search(rf'data-v="1" style="background: color-mix[^"]*">{curves}[12]/2', page) and records in page
    assert 'id="figure-convergence-copy"' in page


def test_a_cell_leads_to_its_curves_trace_and_records() -> None:
    found = leads(CELLS, FACTS, FRAMES, ("convergence-copy", "trace-copy-dnc", "trace-recall-lstm"))
    place = found["dnc", "copy"]
    assert (place.curves, place.trace, place.records) == ("convergence-copy", "trace-copy-dnc", "copy/dnc/")
    assert (found["lstm", "copy"].trace, found["dnc", "recall"].curves) == ("", "")
    copies = CELLS[CELLS["task"] == "copy"]
    assert sorted(found[model, "copy"].rank for model in FACTS.models) == list(range(1, len(copies) + 1))
    first = min(FACTS.models, key=lambda model: found[model, "copy"].rank)
    assert found[first, "copy"].share == (copies["solved"] / copies["runs"]).max()


def test_cells_without_runs_say_so_and_provisional_tasks_are_marked() -> None:
    marked = replace(FACTS, provisional=("copy",), added=("dnc",))
    some = CELLS[(CELLS["task"] != "recall") & (CELLS["model"] != "lstm")]
    text = table(some, marked).plain()
    assert "copy *" in text and "recall *" not in text and "dnc (added)" in text
    assert re.search(r"^lstm +no run +no run\b", text, re.MULTILINE) and "recall" not in text
    assert table(some, marked).note.endswith("* Settings of this task are provisional. Not run yet: recall.")
    assert table(CELLS[:0], marked).plain().count("no run") == len(FACTS.models) * len(FACTS.tasks)
    with style.drawing():
        svg = style.saved(figure.picture(some, marked))[0]
    assert svg.count("no run") == len(FACTS.tasks) - 1 and "provisional" in svg and "Not run yet: recall" in svg
    begun = FRAMES._replace(runs=FRAMES.runs[FRAMES.runs["model"] != "lstm"])
    place = leads(some, marked, begun, ("convergence-copy",))["lstm", "copy"]
    assert (place.rank, place.curves, place.records) == (None, "", "")
