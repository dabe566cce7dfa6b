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
        *(
            f"benchmarks.{name}"
            for name in (
                "protocols",
                "values",
                "inspections",
                "outside",
                "optimizers",
                "objectives",
                "tasks.*",
                "suites.defects",
                "training.*",
                "inspecting.*",
            )
        ),
        *(f"benchmarks.records.{name}" for name in ("checkpoints", "provenance")),
        *(f"benchmarks.running.{name}" for name in ("session", "local", "worker", "cluster", "cluster_task")),
    ],
    "triton": ["ntm.gpu.*"],
    "mlflow": ["benchmarks.tracking.store"],
    "seaborn": ["report.figures.*"],
    "click": ["benchmarks.cli.*"],
    "ray": ["benchmarks.running.cluster"],
}
"""The modules that may import a library."""

FLOORS = {
    "ntm": [
        *("streams", "twins", "addressing", "memory", "weights", "controller", "unroll", "layer"),
        *("kernels", "cell", "fused gpu", "model"),
    ],
    "baselines.dnc": ["memory", "controller", "cell", "fused", "model"],
    "benchmarks": [
        "errors git one_pass",
        "optimizers learning_rates curriculum objectives",
        "protocols values",
        "core",
        "tasks inspections",
        "outside",
        "suites",
        "records catalogue",
        "training",
        "running",
        "inspecting tracking",
        "cli",
    ],
    "report": [
        "words answers files",
        "npz table frames",
        "trace",
        "watched",
        "statistics",
        "claims",
        "figures",
        "pages",
    ],
}
"""The floors of each package, the ground first: a module imports from its own floor and from those below it."""


def folder(package: str) -> Path:
    spec = importlib.util.find_spec(f"membench.{package}")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def imports(tree: ast.Module, module: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(level, dotted name) of everything a file imports, lazily or not; relative names are resolved from its module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = module[: len(module) - node.level]
            assert base or node.module, f"{module}: imports from outside the package"
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


def needed(module: str, path: Path) -> set[str]:
    """The modules of ours that a file imports, lazily or not, but for those that only its types need."""
    tree = ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    for node in typing:
        node.body = [ast.Pass()]
    known = {name.removesuffix(".__init__") for name, _ in SOURCES}
    found = set()
    for level, name in imports(tree, tuple(module.split("."))):
        if level:
            found.add(name if name in known else name.rpartition(".")[0])
    return (found & known) - {module.removesuffix(".__init__")}


GRAPH = {module.removesuffix(".__init__"): needed(module, path) for module, path in SOURCES}

everything = pytest.mark.parametrize(("module", "path"), SOURCES, ids=[module for module, _ in SOURCES])


@everything
def test_packages_import_only_those_they_may(module: str, path: Path) -> None:
    package = module.split(".")[0]
    for level, name in imports(ast.parse(path.read_text()), tuple(module.split("."))):
        top = name.split(".")[0]
        if level:
            assert top in {package, *FOLDERS[package]}, f"{module} imports {name}"
        else:
            assert top != "membench", f"{module} imports {name}: imports inside the package are relative"
            assert top not in FOLDERS, f"{module} imports {name}: a bare name, which is not installed"


@everything
def test_libraries_are_imported_where_they_belong(module: str, path: Path) -> None:
    for level, name in imports(ast.parse(path.read_text()), tuple(module.split("."))):
        if not level and (allowed := ONLY.get(name.split(".")[0])):
            assert any(fnmatch(module, pattern) for pattern in allowed), f"{module} imports {name}"


@pytest.mark.parametrize("package", FLOORS)
def test_every_module_stands_on_a_floor(package: str) -> None:
    parts = {name[len(package) + 1 :].split(".")[0] for name in GRAPH if name.startswith(f"{package}.")}
    floors = " ".join(FLOORS[package]).split()
    assert len(floors) == len(set(floors)) and set(floors) == parts


@everything
def test_no_module_imports_one_that_builds_on_it(module: str, path: Path) -> None:
    for package, floors in FLOORS.items():
        height = {part: at for at, floor in enumerate(floors) for part in floor.split()}
        mine = module.removeprefix(f"{package}.").split(".")[0]
        if not module.startswith(f"{package}.") or mine not in height:
            continue
        for name in GRAPH[module.removesuffix(".__init__")]:
            other = name.removeprefix(f"{package}.").split(".")[0]
            if name.startswith(f"{package}.") and other in height:
                assert height[other] <= height[mine], f"{module} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = dict(GRAPH)
    while free := [name for name, used in left.items() if not used & left.keys()]:
        for name in free:
            del left[name]
    assert not left


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_tests_import_the_package_as_installed(path: Path) -> None:
    for level, name in imports(ast.parse(path.read_text()), ()):
        assert level == 0 and name.split(".")[0] not in FOLDERS, f"{path.name} imports {name}"


def test_a_suite_and_its_claims_are_read_without_what_measures_them() -> None:
    """Every worker reads its suite, and needs no statistics."""
    code = "import sys, membench.benchmarks.suites.collier2018; print(*{'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


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
