"""The table of findings is what the suites' claims say, and a command redraws it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from click.testing import CliRunner

from membench.benchmarks.catalogue import published
from membench.benchmarks.cli import main
from membench.benchmarks.suites import names
from membench.report.pages.findings import redrawn

ROOT = Path(__file__).parent.parent


def test_the_table_of_findings_is_what_the_claims_say(tmp_path: Path) -> None:
    """``bench report --findings docs/findings.md`` redraws it."""
    text = (ROOT / "docs/findings.md").read_text()
    asked = ["git", "-C", str(ROOT / "results"), "ls-files", "*claims.json"]  # not what somebody tried in this clone
    committed = subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
    for claims in committed or [f"{path.parent.name}/{path.name}" for path in (ROOT / "results").glob("*/claims.json")]:
        (tmp_path / "results" / claims).parent.mkdir(parents=True)
        shutil.copy(ROOT / "results" / claims, tmp_path / "results" / claims)
    assert redrawn(text, tmp_path / "results", tmp_path / "docs") == text


def test_a_table_of_findings_is_redrawn_where_it_stands(tmp_path: Path) -> None:
    claim = {"id": "a-C1", "text": "It is faster.", "paper": [4, 5], "primary": True, "reading": "dot", "ours": "2.00"}
    claim |= {
        "source": "told [s]; our claim [o]",
        "verdict": "agrees",
        "corrected": 0.0321,
        "interim": True,
        "seeds": 5,
        "planned": 10,
    }
    waits = {**claim, "verdict": "not run", "interim": False}
    others = [{**claim, "id": "a-C2", "primary": False}, {**waits, "reading": "cosine"}, {**waits, "id": "a-C3"}]
    for name, verdicts in (("a", [claim, *others]), ("b", [])):
        document = {"suite": name, "finding": "Asked: Why? Found: nothing.", "verdicts": verdicts}
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "claims.json").write_text(json.dumps(document))
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("before\n<!-- findings -->\nold\n<!-- /findings -->\nafter\n")
    asked = ["report", "--findings", str(page), "--results", str(tmp_path / "results")]
    assert CliRunner().invoke(main, asked, catch_exceptions=False).exit_code == 0
    lines = page.read_text().splitlines()
    link = "[a](../results/a/report.md)"
    assert lines[0] == "before" and lines[-1] == "after" and "old" not in lines
    claimed, found = "4 to 5 (our claim)", "dot: ✓ agrees, 2.00, p 0.032, interim, 5 of 10 seeds"
    assert f"| {link} | C1 (our claim): It is faster. | {claimed} | {found} |" in lines
    assert not re.search("C2|C3|cosine", page.read_text())
    assert "| [b](../results/b/report.md) | Why? | \N{EN DASH} | nothing. |" in lines
    (tmp_path / "results" / "b" / "claims.json").write_text("{}")
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 2 and "drawn again by: bench report --suite b" in result.output
    page.write_text("no place")
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 2 and "accepted is a text with one <!-- findings -->" in result.output


def test_what_has_not_run_yet_is_listed() -> None:
    """In findings, by what is published."""
    text = (ROOT / "docs/findings.md").read_text()
    said = {state: set(re.findall("`(.*?)`", row)) for state, row in re.findall(r"^\| (none|a part)(.*)", text, re.M)}
    ran = {name: entry["runs"] for name, entry in published().items()}
    assert said["none"] == set(names()) - ran.keys() - {"mini"}
    assert said["a part"] == {name for name, runs in ran.items() if runs["complete"] < runs["planned"]}


def test_the_tricks_of_the_page_on_the_ntm_have_the_figures_of_their_claims() -> None:
    verdicts = json.loads((ROOT / "results/schmidinger2019/claims.json").read_text())["verdicts"]
    found = {(v["ours"], v["verdict"]) for v in verdicts if v["id"].endswith("-added")}
    text = (ROOT / "docs/ntm.md").read_text()
    table = text[text.index("| trick |") :].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.split("|")] for row in table]
    assert {(row[3], row[5]) for row in cells} == found and len(cells) == 7
