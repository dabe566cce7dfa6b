"""What README and docs show works as it stands there: snippets, commands, links."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from membench.benchmarks.cli import main
from membench.benchmarks.records.events import Evaluated, Started
from membench.benchmarks.records.record import Recorder, path_of
from membench.benchmarks.suites import find, names

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text() for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
}
README = PAGES["README.md"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


def commands(page: str) -> Iterator[list[str]]:
    """The words of every line that calls bench."""
    for block in [*blocks(page, "sh"), *blocks(page, "bash")]:
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("bench "):
                yield shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_snippets_run_one_after_the_other(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    here: dict[str, Any] = {}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), here)
    if page == "README.md":
        assert here["logits"].shape == (41, 32, 8)
        assert here["arms"]["gru"].build(9, 8, 1)(torch.zeros(3, 2, 9)).shape == (3, 2, 8)
    assert not [path for path in tmp_path.iterdir() if path.name != "results" and path.suffix != ".png"]


@pytest.mark.parametrize("page", PAGES)
def test_commands_can_be_called(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (
        *("results", "/shared/results", "mine/results"),
        *(word for words in commands(page) for flag, word in pairwise(words) if flag == "--results"),
    ):
        (tmp_path / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for words in commands(page):
        said = [word.replace("/shared", "shared") for word in words]
        main.commands[said[0]].make_context(said[0], said[1:])  # which reads every argument and calls nothing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader of the README has it: a file of the README's, and some records."""
    here = tmp_path_factory.mktemp("reader")
    (block,) = [block for block in blocks("README.md", "python") if "arms = " in block]
    (here / "gru.py").write_text(block)
    for part in ("copy/ntm-constant-cosine", "copy/lstm", "weights/copy"):
        shutil.copytree(
            ROOT / "results/collier2018" / part,
            here / "results/collier2018" / part,
            ignore=shutil.ignore_patterns("*.pt"),
        )
    for run in find("mini", str(here / "gru.py")).runs():
        if run.key in ("copy/lstm/1", "copy/gru/1"):  # as if it had been stopped soon
            with Recorder(path_of(here / "results", "mini", run), run.key) as record:
                record.write(Started(run.key, run.digest, run.params, 723, 39, {}))
                record.write(Evaluated(run.key, 0, 0, 2.5, 8.0, None, None, 0.0))
    return here


@pytest.mark.parametrize("words", list(commands("README.md")), ids=" ".join)
def test_the_readme_is_followed_word_for_word(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its order, in one folder; what trains is planned only."""
    from membench.benchmarks.tracking import listener, serve

    monkeypatch.chdir(folder)
    monkeypatch.setattr(serve, "serve", lambda uri, port, ready: ready("http://127.0.0.1") or 0)
    monkeypatch.setattr(listener, "replay", lambda *_: 0)
    monkeypatch.setattr(listener, "pages", lambda *_: {"mini": "/#/experiments/1/runs"})
    planned = ["--dry-run"] if words[0] == "run" else []
    result = CliRunner().invoke(main, [*words, *planned], prog_name="bench")
    assert result.exit_code == 0, result.output + str(result.exc_info)


def test_the_targets_that_make_is_called_with_exist() -> None:
    called = {
        word for text in PAGES.values() for word in re.findall(r"(?:^make|`make) (\w+)(?=`|\s+#)", text, re.MULTILINE)
    }
    for target in called:
        told = subprocess.run(["make", "-n", "-C", str(ROOT), target], capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
    assert {"mini", "run"} <= called


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "results/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)):
        path, _, anchor = link.partition("#")
        if link.startswith("http"):
            continue
        there = (ROOT / page).parent / path if path else ROOT / page
        assert os.path.exists(there), link
        if anchor:
            assert anchor in anchors(there.read_text()), link


def anchors(text: str) -> set[str]:
    """What a page's headings are called in a link."""
    said = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in said}


def test_the_readme_is_short_and_names_every_suite() -> None:
    assert len(README.splitlines()) <= 150
    rows = README.partition("| suites | ask |")[2].partition("## ")[0]
    assert set(re.findall(r"`([\w-]+)`", "".join(row.split("|")[1] for row in rows.splitlines()[2:-1]))) == set(names())


def test_the_pictures_are_drawn_by_the_package(tmp_path: Path) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs/pictures.py")
    assert spec is not None and spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    table = PAGES["docs/ntm.md"].partition("| trick |")[2].partition("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in table] == list(pictures.TRICKS.values())[1:]  # behind the basic cell
    pictures.main(tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (ROOT / "docs/images").iterdir()}
    assert drawn == {Path(found).name for text in PAGES.values() for found in re.findall(r"images/[\w-]+\.png", text)}


def test_examples_are_arms(tmp_path: Path) -> None:
    for path in sorted((ROOT / "docs/examples").glob("*.py")):
        assert any(e.added for e in find("mini", str(path)).experiments), path


def test_every_page_is_in_the_site_and_every_reference_is_a_module() -> None:
    import importlib.util

    nav = re.findall(r"^  - .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert {f"docs/{page}" for page in nav} == PAGES.keys() - {"README.md"}
    named = re.findall(r"^::: (\S+)$", PAGES["docs/reference.md"], re.MULTILINE)
    assert named and all(importlib.util.find_spec(name) for name in named)
