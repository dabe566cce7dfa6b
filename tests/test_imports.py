"""Who may import whom, read from the source: what stands alone stays alone, and what is heavy loads when needed."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

FOLDERS = {"ntm": set(), "report": set(), "baselines": {"ntm"}, "benchmarks": {"ntm", "baselines", "report"}}
"""The packages, and which others each may import."""

ONLY = {
    "torch": [
        "ntm.*",
        "baselines.*",
        *(f"benchmarks.{name}" for name in ("core", "optimizers", "tasks.*", "train", "evaluate", "checkpoints")),
        *(f"benchmarks.{name}" for name in ("provenance", "perform", "engines.*", "learner", "cohort", "member")),
        *(f"benchmarks.{name}" for name in ("traces", "weights", "rerun", "speed")),
    ],
    "mlflow": ["benchmarks.tracking"],
    "seaborn": ["report.figures"],
    "click": ["benchmarks.cli.*"],
    "ray": ["benchmarks.engines.ray"],
}
"""The modules that may import a library."""

LAYERS = [
    [{"core"}, {"tasks"}, {"suites"}],
    [{"core", "events"}, {"train", "records"}, {"tracking"}, {"runner"}, {"cli"}],
]
"""Inside benchmarks: nothing imports what stands to its right."""


def folder(package: str) -> Path:
    spec = importlib.util.find_spec(f"membench.{package}")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def imports(path: Path, module: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(level, dotted name) of everything a file imports, lazily or not; relative names are resolved from its module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = module[: len(module) - node.level]
            assert base or node.module, f"{path}: imports from outside the package"
            named = (*base, node.module) if node.module else base
            for alias in node.names:
                yield node.level, ".".join((*named, alias.name))
        elif isinstance(node, ast.ImportFrom):
            yield 0, str(node.module)


SOURCES = [
    (".".join((package, *path.relative_to(folder(package)).with_suffix("").parts)), path)
    for package in FOLDERS
    for path in sorted(folder(package).rglob("*.py"))
]
"""(``benchmarks.tasks.copy``, its file) of every module; a package is ``benchmarks.tasks.__init__``."""

everything = pytest.mark.parametrize(("module", "path"), SOURCES, ids=[module for module, _ in SOURCES])


@everything
def test_packages_import_only_those_they_may(module: str, path: Path) -> None:
    package = module.split(".")[0]
    for level, name in imports(path, tuple(module.split("."))):
        top = name.split(".")[0]
        if level:
            assert top in {package, *FOLDERS[package]}, f"{module} imports {name}"
        else:
            assert top != "membench", f"{module} imports {name}: imports inside the package are relative"
            assert top not in FOLDERS, f"{module} imports {name}: a bare name, which is not installed"


@everything
def test_libraries_are_imported_where_they_belong(module: str, path: Path) -> None:
    for level, name in imports(path, tuple(module.split("."))):
        if not level and (allowed := ONLY.get(name.split(".")[0])):
            assert any(fnmatch(module, pattern) for pattern in allowed), f"{module} imports {name}"


@everything
def test_no_module_of_the_benchmark_imports_one_that_builds_on_it(module: str, path: Path) -> None:
    part = module.split(".")[1]
    used = {name.split(".")[1] for level, name in imports(path, tuple(module.split("."))) if level and "." in name}
    for layers in LAYERS if module.startswith("benchmarks.") else ():
        for place, layer in enumerate(layers):
            if part in layer:
                assert not used & set().union(*layers[place + 1 :]), module


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_tests_import_the_package_as_installed(path: Path) -> None:
    for level, name in imports(path, ()):
        assert level == 0 and name.split(".")[0] not in FOLDERS, f"{path.name} imports {name}"


@pytest.mark.skipif(importlib.util.find_spec("membench.benchmarks.cli") is None, reason="there is no command line yet")
def test_help_is_there_before_torch_and_mlflow_are() -> None:
    code = """
import sys
from membench.benchmarks.cli import main
sys.argv = ["bench", "--help"]
try:
    main()
finally:
    print("loaded:", *sorted({"torch", "mlflow"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run" in done.stdout
    assert done.stdout.splitlines()[-1].strip() == "loaded:"
