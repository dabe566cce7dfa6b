"""The pages: well-formed, escaped, without network, equal bytes for equal records, and right for every odd record."""

import csv
import io
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from copies import MODELS, facts, simulate
from handmade import FAST, ask, records

from membench.report.claims import Faster, FewerRelapses
from membench.report.figures import style
from membench.report.frames import Frames, frames
from membench.report.pages import drawings, leftovers, render
from membench.report.pages.compare import compare_models, compare_results
from membench.report.table import as_p
from membench.report.trace import Focus
from membench.report.watched import Course, Look

HOSTILE = '<script>alert("&")</script>'


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
