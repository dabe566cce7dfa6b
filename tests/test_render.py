"""The pages: well-formed, escaped, without network, equal bytes for equal records, and right for every odd record."""

import csv
import io
import json
import os
import re
import runpy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from handmade import FAST, ask, records
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from membench.report import statistics
from membench.report.claims import Faster, FewerRelapses, MeanFaster, Order
from membench.report.claims.verdict import Verdict
from membench.report.figures import bits, curves, style
from membench.report.figures.axes import LINES, Plan, symlog
from membench.report.figures.forest import forest
from membench.report.frames import Frames, frames
from membench.report.pages import drawings, leftovers, render
from membench.report.pages.compare import compare_models, compare_results
from membench.report.statistics.solving import Interval
from membench.report.table import as_p
from membench.report.trace import Focus
from membench.report.watched import Course, Look

SIMULATED = runpy.run_path(str(Path(__file__).with_name("simulated.py")))
MODELS = ("ntm-constant-cosine", "ntm-constant-dot", "lstm")
HOSTILE = '<script>alert("&")</script>'


def simulate(seeds: int = 2, **others: Any) -> Frames:
    return SIMULATED["simulate"](seeds, **{"every": 2000, "tasks": ("copy",), "models": MODELS} | others)  # type: ignore[no-any-return]


def facts(seeds: int = 2, **others: Any) -> Any:
    chosen = {name: others.pop(name) for name in ("tasks", "models") if name in others}
    return SIMULATED["facts"](
        seeds, arms=SIMULATED["arms"](**{"tasks": ("copy",), "models": MODELS} | chosen), **others
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of records and a suite that try to break out of the page."""
    tables = simulate(partial=True)
    tables = tables._replace(runs=tables.runs.assign(message=HOSTILE, device=HOSTILE))
    folder = tmp_path_factory.mktemp("results") / "hostile"
    render.report(tables, facts(title=HOSTILE, paper=HOSTILE, notes=HOSTILE), folder)
    return folder


def parsed(page: str) -> ElementTree.Element:
    """The page as XML, which it is as well: every tag closed, every attribute quoted, every & escaped."""
    return ElementTree.fromstring(page)


def test_the_page_is_well_formed_and_its_ids_are_unique(hostile: Path) -> None:
    root = parsed((hostile / "report.html").read_text())
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    targets = [e.attrib["href"] for e in root.iter("a") if e.attrib["href"].startswith("#")]
    assert {target[1:] for target in targets} <= set(ids)


def test_what_records_and_suites_say_is_escaped(hostile: Path) -> None:
    page = (hostile / "report.html").read_text()
    assert "alert(" in page and HOSTILE not in page
    root = parsed(page)
    assert len(list(root.iter("script"))) == 1
    assert next(root.iter("h1")).text == HOSTILE


def test_the_page_asks_nothing_of_the_network(hostile: Path) -> None:
    page = (hostile / "report.html").read_text()
    for element in parsed(page).iter():
        for name, value in element.attrib.items():
            if name.rpartition("}")[2] in ("href", "src", "srcset", "action", "data"):
                assert re.match(r"#|data:|tables/|figures/|claims\.json$|\.\./index\.html$", value), value
    (policy,) = (m.attrib["content"] for m in parsed(page).iter("meta") if "http-equiv" in m.attrib)
    inlined = "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    assert policy == f"default-src 'none'; {inlined}; img-src 'self' file: data:"
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|<link(?! rel=\"icon\")", page)


def test_links_lead_to_files(hostile: Path) -> None:
    for link in re.findall(r'href="((?:tables|figures)/[^"]+|claims\.json)"', (hostile / "report.html").read_text()):
        assert (hostile / link).is_file(), link


def test_equal_records_give_equal_bytes(hostile: Path, tmp_path: Path) -> None:
    tables = simulate(partial=True)
    tables = tables._replace(runs=tables.runs.assign(message=HOSTILE, device=HOSTILE))
    render.report(tables, facts(title=HOSTILE, paper=HOSTILE, notes=HOSTILE), tmp_path / "hostile")
    written = {path.relative_to(hostile) for path in hostile.rglob("*") if path.is_file()}
    assert written == {
        path.relative_to(tmp_path / "hostile") for path in (tmp_path / "hostile").rglob("*") if path.is_file()
    }
    for path in written:
        assert (hostile / path).read_bytes() == (tmp_path / "hostile" / path).read_bytes(), path


def test_a_partial_report_says_so_in_its_first_line(hostile: Path) -> None:
    assert (hostile / "report.md").read_text().splitlines()[0].startswith("**Partial report: ")
    body = parsed((hostile / "report.html").read_text()).find("body")
    assert body is not None and (body[0].text or "").startswith("Partial report: ")
    assert json.loads((hostile / "claims.json").read_text())["partial"] is True


def test_claims_json_has_no_number_that_json_lacks(hostile: Path) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    document = json.loads((hostile / "claims.json").read_text(), parse_constant=refuse)
    assert {v["id"] for v in document["verdicts"]} == {claim.id for claim in facts().claims}
    assert all(v["sentence"] for v in document["verdicts"])


def test_tables_are_csv_and_latex(hostile: Path) -> None:
    for path in (hostile / "tables").glob("*.csv"):
        head, *rows = csv.reader(io.StringIO(path.read_text()))
        assert all(len(row) == len(head) for row in rows), path
    text = (hostile / "tables" / "solving.tex").read_text()
    assert text.startswith("\\begin{tabular}") and re.sub(r"\\.", "", text).count("{") == re.sub(
        r"\\.", "", text
    ).count("}")
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in lines}) == 1 and " %" not in re.sub(r"\\%", "", text)


def nothing(tables: Frames) -> Frames:
    return frames()._replace(runs=tables.runs)


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ("empty", ["Partial report: none of 0 runs", "No run has a record yet", "not run"]),
        (
            "new",
            [
                "Partial report: none of 3 runs",
                "Nothing is found yet.",
                "3 not started",
                "No run has had its full budget yet",
            ],
        ),
        ("stale", ["Partial report: none of 3 runs", "Nothing is found yet.", "3 stale", "copy/lstm/1"]),
        (
            "interrupted",
            [
                "Partial report: none of 3 runs",
                "Nothing is found yet.",
                "3 interrupted",
                "No run has had its full budget",
            ],
        ),
        ("diverged", ["3 diverged", "0 of 1", "unsolved"]),
        ("unsolved", ["0 of 1", "unsolved", "undecided", "All runs are done"]),
        ("one seed", ["n = 1 seed an arm", "undecided"]),
    ],
)
def test_odd_records_give_a_right_page(odd: str, expected: list[str], tmp_path: Path) -> None:
    tables = simulate(1, models=MODELS)
    match odd:
        case "empty":
            tables = frames()
        case "new" | "stale":
            tables = nothing(tables._replace(runs=tables.runs.assign(status=odd, step=0)))
        case "interrupted":
            half = tables.evaluations[tables.evaluations["step"] < 9000]
            tables = nothing(tables._replace(runs=tables.runs.assign(status=odd, step=8000)))._replace(evaluations=half)
        case "diverged":
            early = tables.evaluations[tables.evaluations["step"] < 3000]
            tables = nothing(tables._replace(runs=tables.runs.assign(status=odd, step=2500)))._replace(
                evaluations=early
            )
        case "unsolved":
            tables = tables._replace(evaluations=tables.evaluations.assign(errors=9.0))
    page = render.report(tables, facts(1), tmp_path).read_text()
    words = " ".join("".join(parsed(page).itertext()).split())
    for text in expected:
        assert text in words, text
    for text in ("nan", "inf", "None"):
        assert not re.search(
            rf"(?<![\w.-]){text}(?![\w-])", re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.S)
        ), text
    if odd in ("diverged", "unsolved", "one seed"):
        assert "Partial" not in words


def test_an_axis_of_one_decade_has_ticks_between() -> None:
    for bar, top, expected in (
        (0.05, 0.5, ["0", "0.05", "0.1", "0.2", "0.5"]),
        (0.1, 40.0, ["0", "0.1", "1", "10"]),
    ):
        ax = Figure().subplots()
        ax.set_ylim(0, top)
        symlog(ax, bar)
        assert [ax.yaxis.get_major_formatter()(tick) for tick in ax.get_yticks()] == expected


def test_a_suite_without_claims_or_readings_has_a_page_and_no_empty_section(tmp_path: Path) -> None:
    page = render.report(simulate(1, models=("lstm",)), facts(1, models=("lstm",), claims=()), tmp_path).read_text()
    assert 'id="claims"' not in page and "#claims" not in page
    assert "reading" not in re.sub("<dl.*?</dl>", "", page.split("<main>")[1].split("<script>")[0], flags=re.S)
    text = (tmp_path / "report.md").read_text()
    assert "## Claims" not in text and "Found: copy is solved by every run of lstm." in text.splitlines()[2]


def test_the_first_line_is_what_was_found_and_not_the_claim_alone(tmp_path: Path) -> None:
    render.report(simulate(6), facts(6), tmp_path / "some")
    document = json.loads((tmp_path / "some" / "claims.json").read_text())
    first = (tmp_path / "some" / "report.md").read_text().splitlines()[2]
    assert first == document["finding"] and re.match(r"Claim: .+\. Found: .+\.$", first)
    assert first in " ".join(parsed((tmp_path / "some" / "report.html").read_text()).itertext())
    assert "Nothing is found yet." in render.report(frames(), facts(6), tmp_path / "none").read_text()
    none = json.loads((tmp_path / "none" / "claims.json").read_text())
    assert none["finding"] == "Nothing is found yet." and none["summary"] == ""


def test_a_page_says_how_it_is_read_before_it_is_needed_and_leads_back(hostile: Path) -> None:
    page = (hostile / "report.html").read_text()
    order = ['class="lead', "<nav", 'id="method"', "<figure", 'class="claims"', 'id="learning"']
    assert [page.index(each) for each in order] == sorted(page.index(each) for each in order)
    (nav,) = parsed(page).iter("nav")
    links = [link.attrib["href"] for link in nav.iter("a")]
    assert links[0] == "../index.html" and {"#method", "#claims", "#learning", "#runs"} <= set(links)
    assert re.search(r"^nav \{ position: sticky; top: 0;", page, flags=re.M)


def test_a_claim_a_section_and_a_figure_can_be_linked_to(hostile: Path) -> None:
    root = parsed((hostile / "report.html").read_text())
    links = {a.attrib["href"] for a in root.iter("a") if a.attrib.get("class") == "anchor"}
    assert {f"#claim-{claim.id}" for claim in facts().claims} <= links
    assert {"#claims", "#learning", "#figure-claims", "#figure-convergence-copy"} <= links


@pytest.mark.parametrize("name", ["report.html", "../index.html"])
def test_every_colour_has_a_light_and_a_dark_one_and_a_switch(hostile: Path, name: str) -> None:
    render.front(hostile.parent)
    page = (hostile / name).read_text()
    named = dict(re.findall(r"(--[\w-]+): (light-dark\(#\w+, #\w+\))", page.split("@media print")[0]))
    assert set(re.findall(r"var\((--[\w-]+)\)", page)) - {"--sans"} <= named.keys()
    assert set(style.COLOURS.values()) <= set(re.findall(r"#\w{6}(?=\))", " ".join(named.values())))
    choices = [e for e in parsed(page).iter("input") if e.attrib.get("name") == "theme"]
    assert [(e.attrib["id"], "checked" in e.attrib) for e in choices] == [
        ("system", True),
        ("light", False),
        ("dark", False),
    ]
    for choice in ("light", "dark"):
        assert f":root:has(#{choice}:checked) {{ color-scheme: {choice}; }}" in page


def test_wide_tables_keep_their_first_column_and_the_arm(hostile: Path) -> None:
    page = (hostile / "report.html").read_text()
    (rule,) = re.findall(r"(\.data th:first-child[^{]*)\{ position: sticky; left: 0; background: var\(--page\)", page)
    assert {each.strip() for each in rule.split(",")} == {".data th:first-child", ".data td:first-child", ".data .arm"}
    arms = [e.text for e in parsed(page).iter("td") if e.attrib.get("class") == "arm"]
    assert {*MODELS, "copy/lstm/1"} <= set(arms)


def test_a_phone_loses_nothing_but_what_stands_beside_each_cell(hostile: Path) -> None:
    page = (hostile / "report.html").read_text()
    narrow = page.split("@media (max-width: 46rem) {")[1].split("\n}")[0]
    gone = re.findall(r"^ *(.*?) \{[^}]*display: none", narrow, flags=re.M)
    assert gone == [".claims thead", '.claims td[data-label=""]::before, .claims td.absent']
    assert all("data-label" in e.attrib for e in next(parsed(page).iter("table")).iter("td"))
    wide = [e for e in parsed(page).iter("div") if "scroll" in e.attrib.get("class", "")]
    around = [child.tag.rpartition("}")[2] for e in wide for child in e]
    assert around.count("table") == page.count('<table class="data">') and {"svg", "table"} <= set(around)


def test_a_heavy_figure_is_a_file_that_is_loaded_when_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "HEAVY", 10_000)
    root = parsed(render.report(simulate(6), facts(6), tmp_path).read_text())
    drawn = {e.attrib["id"].removeprefix("figure-"): e for e in root.iter("figure")}
    apart = {name: image for name, figure in drawn.items() for image in figure.iter("img")}
    assert "convergence-copy" in apart and apart.keys() < drawn.keys()
    for name, image in apart.items():
        file = tmp_path / image.attrib["src"]
        assert file.name == f"{name}.svg" and len(text := file.read_text()) > 10_000 and "sans-serif" in text
        assert image.attrib["loading"] == "lazy"
        assert re.fullmatch(r"min-width: \d+px; max-width: \d+px; aspect-ratio: [\d.]+ / [\d.]+", image.attrib["style"])
    assert all(len((tmp_path / f"figures/{name}.svg").read_text()) <= 10_000 for name in drawn.keys() - apart.keys())


def test_a_page_prints_both_p_values_and_primary_claims_judged_otherwise(tmp_path: Path) -> None:
    models = ("ntm-constant-cosine", "ntm-learned-cosine")
    claim = Faster("suite-C2", "It is faster.", "[o]", "copy", "ntm-constant", "ntm-learned", 2.0, primary=True)
    page = render.report(simulate(6, models=models), facts(6, models=models, claims=(claim,)), tmp_path).read_text()
    (verdict,) = json.loads((tmp_path / "claims.json").read_text())["verdicts"]
    assert verdict["p"] is not None and verdict["corrected"] == verdict["p"]
    both = f"p {as_p(verdict['p'])}, corrected {as_p(verdict['corrected'])}"
    for text in (page, (tmp_path / "report.md").read_text()):
        assert all(said in text for said in (both, "Decisive claims under other definitions", verdict["median_curves"]))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables" / "otherwise.csv").read_text())))
    assert len(rows) == 1 and {"bar 0.01", "held for 9", "in seconds", "median_curves"} <= rows[0].keys()


def test_a_suite_that_counts_in_sequences_says_so_and_shows_bits(tmp_path: Path) -> None:
    claim = Faster("suite-C1", "It is faster.", "somewhere [p]", "copy", "ntm-constant", "lstm")
    render.report(simulate(), facts(clock="sequences", claims=(claim,)), tmp_path / "counted")
    page = (tmp_path / "counted" / "report.md").read_text()
    assert "figures/bits-copy.png" in page and "Median sequences to solve" in page and "mean sequences" in page
    assert not re.search(r"(?i)(median|mean|10,000) steps", page)
    drawn = (tmp_path / "counted" / "figures" / "bits-copy.svg").read_text()
    assert "training sequences (thousands)" in drawn and "bits a sequence" in drawn


def test_no_number_of_a_suite_that_counts_in_sequences_is_said_to_be_of_steps(tmp_path: Path) -> None:
    models = ("ntm-constant-cosine", "ntm-constant-dot", "ntm-learned-cosine", "ntm-learned-dot")
    factors = {m: dict(zip(("memory", "similarity"), m.split("-")[1:], strict=True)) for m in models}
    claims = (
        FewerRelapses("suite-C1", "It is lost less often.", "[a]", "copy", "ntm-constant", ("ntm-learned",)),
        Faster("suite-C2", "It is faster.", "[p]", "copy", "ntm-constant", "ntm-learned", primary=True),
    )
    known = facts(6, models=models, claims=claims, factors=factors, own=models[0], clock="sequences")
    looks = (Look(2000, 0, None, Focus(0.5, 2.0, None, None, None), Focus(0.5, 0.1, None, None, None)),)
    course = Course("copy", models[1], 1, "", "2", 0.5, looks)
    tables = simulate(6, models=models)
    page = parsed(render.report(tables, known, tmp_path, courses=[course]).read_text())
    said = " ".join(" ".join(page.itertext()).split()) + (tmp_path / "report.md").read_text()
    said += compare_models(tables, known, *models[:2]).legend() + compare_models(tables, known, *models[:2]).plain()
    for other in ("carried from step to step", "after the last step", "from step to"):  # of a sequence; weights
        said = said.replace(other, "")
    assert "per 10,000 sequences after solving" in said and "Ratio of capped mean sequences" in said
    assert [said[max(0, m.start() - 60) : m.end()] for m in re.finditer(r"(?i)\bsteps?\b", said)] == []


def test_plus_is_said_of_the_first_named_that_relapses_less() -> None:
    tables = records({("copy", "a"): FAST, ("copy", "b"): FAST}, relapsing={"b": 2})
    for base, rival, sign in (("a", "b", "+"), ("b", "a", "\N{MINUS SIGN}")):
        verdict = ask(tables, FewerRelapses("suite-C1", "It is steadier.", "[a]", "copy", base, (rival,)))
        assert verdict.ours.startswith(sign)
    less, more = render.legend({"difference"}, "steps").split("; ")
    assert less == "+: the first named relapses less often, by so many per 10,000 steps after solving"
    assert more == "\N{MINUS SIGN}: more often."


def test_nothing_of_an_earlier_report_is_left_and_everything_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "MAPPED", 1)
    models = ("ntm-constant-dot", "ntm-learned-dot")
    factors = {m: dict(zip(("memory", "similarity"), m.split("-")[1:], strict=True)) for m in models}
    looks = (Look(2000, 0, None, Focus(0.5, 2.0, None, None, None), Focus(0.5, 0.1, None, None, None)),)
    courses = [Course("copy", models[0], 1, "", "2", 0.5, looks)]
    full = facts(models=models, factors=factors, clock="sequences", claims=facts().claims[1:2])
    render.report(simulate(6, models=models), full, tmp_path, courses=courses)
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    kinds = {name.partition(".")[0].partition("-")[0] for name in figures}
    assert kinds == {*leftovers.FIGURES, *leftovers.FIGURES_OF_TASKS}, "all that a report draws besides traces"
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == set(leftovers.TABLES)
    mine = ["figures/solved-by-hand.png", "figures/map.pdf", "figures/trace-mine.png", "tables/mine.csv", "map.png"]
    for name in (*mine, "figures/trace-copy-gru.png"):
        (tmp_path / name).touch()
    monkeypatch.setattr(drawings, "MAPPED", 9)
    render.report(nothing(simulate(models=("lstm",))), facts(tasks=("copy", "recall"), claims=()), tmp_path)
    assert not (tmp_path / "figures/trace-copy-gru.png").exists() and not (tmp_path / "tables/map.csv").exists()
    assert all((tmp_path / name).exists() for name in mine)
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert left == {Path(name).name for name in mine if name.startswith("figures/")}


def test_the_front_page_lists_every_suite(hostile: Path) -> None:
    page = render.front(hostile.parent).read_text()
    root = parsed(page)
    assert "hostile/report.html" in [a.attrib["href"] for a in root.iter("a")]
    assert HOSTILE not in page and "Partial report" in page
    (picture,) = (image.attrib["src"] for image in root.iter("img"))
    assert picture == "hostile/figures/claims.png" and (hostile.parent / picture).is_file()
    finding = json.loads((hostile / "claims.json").read_text())["finding"]
    assert [e.text for e in root.iter("p") if e.attrib.get("class") == "finding"] == [finding]
    assert "No suite has a report yet" in render.front(hostile / "figures").read_text()


@pytest.mark.parametrize("content", ["", '{"suite": "x", "title"', '{"suite": "x", "verdicts": []}', "[]"])
def test_the_front_page_leaves_out_what_is_damaged_and_says_so(tmp_path: Path, content: str) -> None:
    render.report(
        simulate(2, tasks=["copy"], models=["lstm"]), facts(2, tasks=("copy",), models=("lstm",)), tmp_path / "good"
    )
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "claims.json").write_text(content)
    page = render.front(tmp_path).read_text()
    assert "bench report --suite bad" in page and "good/report.html" in page


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = render.front(tmp_path)
    before = page.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        render.front(tmp_path)
    assert page.read_bytes() == before and list(tmp_path.iterdir()) == [page]


def test_figures_leave_matplotlib_as_it_was() -> None:
    import matplotlib as mpl

    mpl.use("agg")
    before = mpl.rcParams.copy()
    tables = simulate(1)
    with style.drawing():
        curves.solved_by(tables, facts(1), "copy", statistics.outcomes(tables, 0.1))
    assert mpl.rcParams == before


def test_readings_stand_side_by_side_where_there_are_several() -> None:
    models = ("ntm-constant-cosine", "ntm-constant-dot", "ntm-learned-dot", "lstm", "dnc", "ntm-learned-cosine")
    plan = Plan(simulate(1, models=models), facts(1, models=models))
    both = [["ntm-constant-cosine", "ntm-constant-dot"], [None, "ntm-learned-dot"], ["lstm", None]]
    assert plan.grid([model for row in both for model in row if model]) == both
    one = [["ntm-constant-cosine", "lstm"], ["dnc", "ntm-learned-cosine"]]  # no column stays empty
    assert plan.grid([model for row in one for model in row]) == one
    assert plan.grid(["dnc"]) == [["dnc"]]
    assert plan.among(["lstm", "ntm-learned-dot"]) == ["dot"] and plan.among(["dnc"]) == ["cosine", "dot"]


@pytest.mark.parametrize("which", ["lengths", "bits"])
def test_a_reading_without_a_run_has_no_panel(which: str) -> None:
    models = ("ntm-constant-cosine", "ntm-constant-dot", "lstm")
    tables, known = simulate(1, models=models), facts(1, models=models)
    draw = {"lengths": curves.lengths, "bits": bits.costs}[which]
    there = tables._replace(
        evaluations=tables.evaluations[tables.evaluations["model"] != "ntm-constant-dot"],
        generalisation=tables.generalisation[tables.generalisation["model"] != "ntm-constant-dot"],
    )
    with style.drawing():
        panels = [[ax.get_title(loc="left") for ax in draw(frames, known, "copy").axes] for frames in (tables, there)]
    assert [title for title in panels[0] if "dot" not in title] == panels[1] and len(panels[0]) == 2 * len(panels[1])


@pytest.mark.parametrize("which", ["convergence", "solved_by", "lengths", "cost"])
def test_every_point_lies_inside_its_panel(which: str) -> None:
    models = ("ntm-constant-cosine", "ntm-random-cosine", "lstm", "dnc")
    tables = simulate(1, tasks=("copy", "recall"), models=models)
    worse = tables.generalisation["errors"].where(tables.generalisation["weights"] == "best", 10_000.0)
    tables = tables._replace(generalisation=tables.generalisation.assign(errors=worse))
    known, found = facts(1, tasks=("copy", "recall"), models=models), statistics.outcomes(tables, 0.1)
    with style.drawing():
        figure = {
            "convergence": lambda: curves.convergence(tables, known, "copy", found),
            "solved_by": lambda: curves.solved_by(tables, known, "copy", found),
            "lengths": lambda: curves.lengths(tables, known, "copy"),
            "cost": lambda: curves.cost(tables, known, found),
        }[which]()
    assert figure is not None
    for ax in figure.axes:
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        for line in ax.lines:
            if line.get_transform() == ax.transData:
                x, y = np.asarray(line.get_xydata(), dtype=float).T
                assert left <= x.min() and x.max() <= right and bottom <= y.min() and y.max() <= top


def crowd(seeds: int, arms: int) -> tuple[Frames, Any]:
    """Records of as many arms on copy, and what is known of them."""
    tables = simulate(seeds, models=("lstm",))
    names = tuple(f"arm-{i}" for i in range(arms))
    each = (pd.concat([t.assign(model=t["model"].where(t["model"] != "lstm", n)) for n in names]) for t in tables)
    tables = Frames(*each)
    return tables, facts(seeds, models=names)


@pytest.mark.parametrize("which", ["solved_by", "lengths", "bits"])
def test_more_arms_than_eyes_can_follow_have_a_panel_each(which: str) -> None:
    for arms in (8, 9):
        tables, known = crowd(1, arms)
        with style.drawing():
            figure = (
                curves.solved_by(tables, known, "copy", statistics.outcomes(tables, 0.1))
                if which == "solved_by"
                else {"lengths": curves.lengths, "bits": bits.costs}[which](tables, known, "copy")
            )
        assert figure is not None
        coloured = [{line.get_color() for line in ax.lines} - {style.MUTED, style.INK} for ax in figure.axes]
        if arms > LINES:
            pens = Plan(tables, known).pens
            assert coloured == [{pen.colour} for pen in pens.values()]
            assert [ax.get_title(loc="left") for ax in figure.axes] == list(pens) and figure.get_suptitle() == "copy"
            grey = [sum(line.get_color() == style.MUTED for line in ax.lines) for ax in figure.axes]
            assert min(grey) >= arms - 1
        else:
            assert len(figure.axes) == (2 if which == "lengths" else 1) and figure.get_suptitle() == ""


def test_of_many_arms_few_are_named_and_those_without_a_solved_run_lie_above_the_budget() -> None:
    for arms in (12, 13):
        tables, known = crowd(2, arms)
        found = statistics.outcomes(tables, 0.1)
        found["seconds"] = [60.0 + 20 * int(model.removeprefix("arm-")) for model in found["model"]]
        found["time"] = np.where(found["model"] == "arm-0", np.inf, 9000.0)
        found.loc[found["model"] == "arm-5", "time"] = 2000.0
        with style.drawing():
            figure = curves.cost(tables, known, found)
            assert figure is not None
            style.saved(figure)
        (ax,) = figure.axes
        at = {line.get_gid().removeprefix("tip: ").partition(":")[0]: line for line in ax.lines if line.get_gid()}
        (named,) = ([text.get_text() for text in legend.get_texts()] for legend in figure.legends)
        assert len(at) == arms and named == (list(at) if arms == 12 else ["arm-1", "arm-5"]), "cheapest, and soonest"
        assert {m for m, line in at.items() if line.get_color() == style.MUTED} == set(at) - set(named)
        budget = found["budget"].max()
        assert [m for m, line in at.items() if line.get_ydata()[0] > budget] == ["arm-0"]
        assert [text.get_text() for text in ax.get_yticklabels()][-1] == "unsolved"
        assert "no run solved" in at["arm-0"].get_gid() and "2,000 steps to solve" in at["arm-5"].get_gid()


def test_no_arm_is_grey_as_those_behind_it_are() -> None:
    for colour in style.COLOURS:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        assert max(red, green, blue) - min(red, green, blue) > 50, colour


def test_names_at_the_side_lie_inside_the_picture() -> None:
    tables, known = crowd(1, 9)
    name = "ntm-constant-fixed-one-hot-outputs-unclipped-and-seen-cosine"
    tables = Frames(*(t.assign(model=t["model"].replace("arm-3", name)) for t in tables))
    with style.drawing():
        figure = curves.heat(tables, facts(1, models=(name, *(arm.model for arm in known.arms))))
        assert figure is not None
        style.saved(figure)
        figure.dpi = style.DPI
        assert min(text.get_window_extent().x0 for text in figure.axes[0].get_yticklabels()) >= 0


def test_grey_medians_have_all_their_points_and_no_words_lie_under_a_curve() -> None:
    tables, known = crowd(1, 9)
    with style.drawing():
        figure = curves.convergence(tables, known, "copy", statistics.outcomes(tables, 0.1))
        style.saved(figure)  # laid out
    steps = tables.evaluations["step"].nunique()
    for ax in figure.axes:
        grey = [line for line in ax.lines if line.get_alpha() == 0.2]
        assert len(grey) == 8 and all(len(line.get_xdata()) == steps and line.get_rasterized() for line in grey)
        assert ax.texts and all(text.get_window_extent().y0 >= ax.bbox.y1 for text in ax.texts)


def test_colours_are_of_arms_and_readings_differ_in_marks() -> None:
    said = Faster("suite-C2", "Something is said.", "somewhere [p]", "copy", "ntm-constant", "ntm-learned", 2.0)
    nothing = ("undecided", "")
    found = [
        Verdict(said, r, lambda p: nothing, "", 5, 10, estimate=2.0, interval=Interval(1, 3)) for r in ("dot", "cosine")
    ]
    with style.drawing():
        figure = forest(found)
        assert figure is not None
    assert not {line.get_color() for line in figure.axes[0].lines} & style.COLOURS.keys()
    assert {line.get_marker() for line in figure.axes[0].lines if line.get_gid()} == {"o", "s"}
    apart = [replace(v, reading=reading) for v, reading in zip([*found, found[0]], ("dot", "cosine", ""), strict=True)]
    with style.drawing():
        third = forest(apart)
        assert third is not None
    assert len({line.get_color() for line in third.axes[0].lines if line.get_gid()}) == 3


def test_values_are_told_when_pointing_at_a_line(tmp_path: Path) -> None:
    tables = simulate(6)
    page = render.report(tables, facts(6), tmp_path).read_text()
    told = {e.attrib["id"]: [t.text for t in e.iter() if t.tag.endswith("}title")] for e in parsed(page).iter("figure")}
    share = csv.DictReader(io.StringIO((tmp_path / "tables" / "solving.csv").read_text()))
    solved = {row["model"]: f"{row['model']}: {row['solved']} of {row['runs']} solved" for row in share}
    lines = told["figure-solved-copy"]
    assert len(lines) > 1 and all(any(line.startswith(text) for line in lines) for text in solved.values())
    (median,) = (
        row["median"]
        for row in csv.DictReader(io.StringIO((tmp_path / "tables" / "lengths.csv").read_text()))
        if (row["model"], row["size"], row["weights"]) == ("lstm", "120", "best")
    )
    (line,) = {text for text in told["figure-lengths-copy"] if text.startswith("lstm, best weights")}  # in each reading
    assert f"120: {float(median):.2f}" in line
    assert any("lstm: " in text and "minutes a run" in text for text in told["figure-cost"])
    with style.drawing():
        figure, ((ax,),) = style.canvas(1, 1, 2, 2)
        ax.plot([0, 1], gid=style.tip(HOSTILE))
        svg, _ = style.saved(figure)
    assert HOSTILE not in svg
    assert HOSTILE in [e.text for e in parsed(style.inline(svg, "figure", "")).iter() if e.tag.endswith("}title")]


def test_the_best_figure_comes_first(tmp_path: Path) -> None:
    known = ["claims", "convergence-copy", "factorial-copy", "factorial-recall", "solved-copy"]
    assert drawings.first(known) == ["factorial-copy", "factorial-recall"]
    assert drawings.first([n for n in known if not n.startswith("factorial")]) == ["claims"]
    assert drawings.first(["heat", "solved-copy"]) == ["solved-copy"] and drawings.first([]) == []
    page = render.report(simulate(2), facts(2, claims=()), tmp_path).read_text()
    text = (tmp_path / "report.md").read_text()
    for drawn in (re.findall('id="figure-([^"]+)"', page), re.findall(r"\(figures/(.*)\.png\)", text)):
        assert drawn[0] == "solved-copy" and len(drawn) == len(set(drawn))


def test_titles_of_the_heat_map_leave_room_for_each_other() -> None:
    tables = simulate(1, tasks=("copy", "recall"))
    points = tables.generalisation[tables.generalisation["size"].isin(["10", "2"])]  # one size a task
    names = {"copy": "a-task-with-a-name-that-takes-a-whole-line", "recall": "recall"}
    tables = tables._replace(generalisation=points.assign(task=points["task"].map(names)))
    with style.drawing():
        figure = curves.heat(tables, facts(1, tasks=tuple(names.values())))
        assert figure is not None
        style.saved(figure)  # laid out
        texts = [text for ax in figure.axes for text in ax.findobj(Text) if text.get_text() in names.values()]
        first, second = (text.get_window_extent() for text in texts)
    assert first.x1 < second.x0


@pytest.mark.parametrize("paper", [3.5, (0.01, 0.02)])
def test_the_papers_number_lies_inside_its_figure(paper: Any) -> None:
    said = Faster("suite-C2", "Something is said.", "somewhere [p]", "copy", "ntm-constant", "ntm-learned", paper)
    undecided = ("undecided", "")
    verdict = Verdict(said, "cosine", lambda p: undecided, "", 5, 10, estimate=0.45, interval=Interval(0.09, 1.55))
    with style.drawing():
        figure = forest([verdict])
    assert figure is not None
    left, right = figure.axes[0].get_xlim()
    assert all(left < number < right for number in (paper if isinstance(paper, tuple) else (paper,)))
    assert "copy: ntm-constant / ntm-learned" in [text.get_text() for text in figure.axes[0].texts]
    (named,) = (legend.get_texts() for legend in figure.legends)
    assert "the paper's number" in [text.get_text() for text in named]


def test_a_claim_about_times_says_what_it_compares() -> None:
    several = Order("C9", "", "", "copy", first=("ntm", "dnc"), last="lstm")
    mean = MeanFaster("C1", "", "", ("copy", "recall"), base="a", rivals=("b", "c"))
    assert (several.sides, mean.sides) == ("copy: ntm, dnc / lstm", "copy, recall: a / the harder of b, c")


def test_a_png_of_few_colours_looks_like_the_one_of_all() -> None:
    tables = simulate(3)
    with style.drawing():
        figure = curves.convergence(tables, facts(3), "copy", statistics.outcomes(tables, 0.1))
        assert figure is not None
        _, small = style.saved(figure)
        every = io.BytesIO()
        figure.savefig(every, format="png", dpi=style.DPI, facecolor="white")
    ours, whole = (Image.open(io.BytesIO(data)) for data in (small, every.getvalue()))
    off = np.abs(np.subtract(*(np.asarray(each.convert("RGB"), dtype=float) for each in (ours, whole)))).max(axis=2)
    assert ours.size == whole.size and np.isclose(ours.info["dpi"][0], style.DPI, atol=0.1)
    assert (off > 16).mean() < 0.01 and (off > 96).mean() < 0.001
    assert len(small) < len(every.getvalue()) / 2


def test_a_long_line_is_written_shorter_and_goes_where_it_went() -> None:
    x = np.linspace(0, 1, 60)
    with style.drawing():
        figure, ((ax,),) = style.canvas(1, 1, 4, 2)
        (line,) = ax.plot(x, np.random.default_rng(0).random(60), gid="line")
        text, _ = style.saved(figure)
        corner = [0, figure.bbox.height]
        there = np.abs(corner - line.get_transform().transform(line.get_xydata())) * 72 / figure.dpi
    path = re.search(r'id="line">\s*<path d="M([^"]*)"', text)
    assert path is not None
    points = np.array(path[1].split(), dtype=float).reshape(-1, 2)
    assert points.shape == (60, 2) and np.abs(points - there).max() < 0.11 and len(path[1]) < 60 * 13


def test_an_arm_keeps_its_pen_and_neighbours_differ_without_colour() -> None:
    pens = style.pens([f"arm {i}" for i in range(40)])
    assert len(set(pens.values())) == 40
    looks = [(str(pen.dashes), pen.marker) for pen in pens.values()]
    assert all(a != b for a, b in pairwise(looks))


def test_a_factorial_says_solved_and_steps_for_every_combination() -> None:
    models = ("ntm-constant-cosine", "ntm-constant-dot", "ntm-learned-cosine", "ntm-learned-dot")
    tables = simulate(2, models=models)
    factors = {m: dict(zip(("memory", "similarity"), m.split("-")[1:], strict=True)) for m in models}
    with style.drawing():
        figure = curves.factorial(facts(2, models=models, factors=factors), "copy", statistics.outcomes(tables, 0.1))
        assert figure is not None
        text, _ = style.saved(figure)
    assert len(re.findall(r">\d/2<", text)) == 4 and ">constant<" in text and ">dot<" in text


def test_comparing_models_and_folders() -> None:
    tables = simulate(6)
    table = compare_models(tables, facts(6), "ntm-constant-dot", "lstm")
    (row,) = table.frame.to_dict("records")
    assert row["seeds"] == 6 and row["decided"] == "A is faster" and row["ratio_low"] > 1
    back = compare_models(tables, facts(6), "lstm", "ntm-constant-dot").frame.to_dict("records")[0]
    assert back["decided"] == "B is faster" and np.isclose(back["ratio_high"] * row["ratio_low"], 1)
    assert compare_results(tables, simulate(1), facts(6)).frame["logrank"].isna().all()
    same = compare_results(tables, simulate(3), facts(6)).frame
    assert set(same["seeds"]) == {3} and set(same["decided"]) == {"undecided: fewer than 5 seeds"}
    assert "A is faster" in table.plain(200).splitlines()[1]
    lines = table.plain().splitlines()
    assert max(map(len, lines)) <= 80 and "A is faster" in table.plain()
    assert [line.split()[0] for line in lines if line] == ["Task", "copy"] * table.plain().count("Task")
    assert max(map(len, table.legend().splitlines())) <= 80 and "B over A: ratio of times, above 1" in " ".join(
        table.legend().split()
    )
    with pytest.raises(ValueError, match="no model 'gru' in simulated; there are ntm-constant-cosine"):
        compare_models(tables, facts(6), "gru", "lstm")
    assert compare_results(frames(), frames(), facts(6)).frame.empty


def test_a_style_that_a_page_says_once_is_what_the_figure_s_file_says_each_time(tmp_path: Path) -> None:
    page = render.report(simulate(2), facts(2), tmp_path).read_text()
    rules = dict(re.findall(r"^\.(s\d+) \{ (.*) \}$", page, flags=re.MULTILINE))
    drawn = [e for e in parsed(page).iter() if e.tag.endswith("}svg")]
    names = re.findall(r'id="figure-([^"]+)"', page)
    assert len(rules) > 10 and len(drawn) == len(names) > 3
    for figure, name in zip(drawn, names, strict=True):
        file = ElementTree.parse(tmp_path / "figures" / f"{name}.svg").getroot()
        for ours, its in zip(styled(figure), styled(file), strict=True):
            style_of_file = its.attrib["style"]
            for colour, variable in style.variables().items():
                style_of_file = style_of_file.replace(colour, f"var({variable})")
            assert (rules[ours.attrib["class"]] if "class" in ours.attrib else ours.attrib["style"]) == style_of_file


def styled(figure: ElementTree.Element) -> list[ElementTree.Element]:
    return [e for e in figure.iter() if {"class", "style"} & e.attrib.keys() and not e.tag.endswith(("}svg", "}style"))]
