"""Where results go, and what the names of folders may hold."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from membench.benchmarks.cli import main
from membench.benchmarks.errors import UsageError
from membench.benchmarks.running.local import short_names
from membench.benchmarks.tracking.store_file import public, store_uri

BENCH = [sys.executable, "-P", "-c", "from membench.benchmarks.cli import main; main()"]


def bench(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="bench")
    assert result.exit_code == code, result.output + str(result.exc_info)
    return result


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file in it, neither below a home nor a temporary one as far as anybody knows."""
    for name in ("home", "temporary", "place"):
        (tmp_path / name).mkdir()
    (tmp_path / "place/file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


@pytest.mark.parametrize("command", [["run", "--suite", "TINY"], ["ui"]], ids=lambda c: c[0])
@pytest.mark.parametrize("where", ["elsewhere", "home", "/"])
def test_results_are_not_made_where_nobody_expects_them(
    place: Path, tiny: str, monkeypatch: pytest.MonkeyPatch, command: list[str], where: str
) -> None:
    folder = {"elsewhere": place, "home": place.parent / "home"}.get(where, Path("/"))
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    said = bench(*(tiny if word == "TINY" else word for word in command), code=2)
    assert said.stderr == (
        f"Error: results would go to {folder / 'results'}; if they are to, say so: --results results\n"
    )
    assert said.stdout == "" and sorted(folder.iterdir()) == before


@pytest.mark.parametrize("why", ["named", "by a variable", "there", "empty", "project", "below", "home", "temporary"])
def test_results_are_made_in_a_place_for_them(
    place: Path, tiny: str, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    named = ["--results", "results"] if why == "named" else []
    match why:
        case "by a variable":
            monkeypatch.setenv("BENCH_RUN_RESULTS", "results")
        case "there":
            (place / "results").mkdir()
        case "empty":
            (place / "file").unlink()
        case "project":
            (place / "pyproject.toml").touch()
        case "below":
            (place / ".git").mkdir()
            (place / "deep/er").mkdir(parents=True)
            (place / "deep/er/file").touch()
            monkeypatch.chdir(place / "deep/er")
        case "home" | "temporary":
            (place.parent / why / "mine").mkdir()
            (place.parent / why / "mine/file").touch()
            monkeypatch.chdir(place.parent / why / "mine")
    monkeypatch.setattr("membench.benchmarks.running.runner.execute", stopped)
    bench("run", "--suite", tiny, "--no-tracking", *named, code=2)
    assert Path("results").is_dir()


def stopped(*_: object, **__: object) -> None:
    raise UsageError("far enough")


def test_a_plan_alone_may_be_asked_for_anywhere(place: Path, tiny: str) -> None:
    bench("run", "--suite", tiny, "--dry-run")
    assert [path.name for path in place.iterdir()] == ["file"]


def test_a_home_that_no_shell_has_put_in_is(place: Path, tiny: str) -> None:
    """As in ``--results=~/mine``, or in a variable."""
    (place.parent / "home/mine").mkdir()
    assert bench("list", "--results", "~/mine").stdout
    told = bench("list", "--results", "~nobody-of-this-name/x", code=2).stderr
    assert told.count("\n") == 1 and "~nobody-of-this-name/x" in told and "without ~" in told
    assert store_uri("sqlite:///~/x.db", place) == f"sqlite:///{place.parent}/home/x.db"
    told = bench("compare", "~/mine", "~/mine", "--suite", tiny, "--results", "~/mine", code=2).stderr
    assert "no seed of tiny is finished" in told
    assert [path.name for path in place.iterdir()] == ["file"]


def test_a_suite_s_file_may_be_in_a_home(place: Path, tiny: str) -> None:
    (place.parent / "home/mine.py").write_text(Path(tiny).read_text())
    assert bench("run", "--suite", "~/mine.py", "--dry-run").stdout.count("copy/") == 4


@pytest.mark.parametrize("length", [10, 80, 200])
def test_a_long_tmpdir_leaves_a_socket_a_short_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    folder = tmp_path / ("t" * length)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with short_names():
        assert len(tempfile.gettempdir()) + len("/pymp-12345678/listener-12345678") <= 103
    assert tempfile.gettempdir() == str(folder)
    monkeypatch.setattr("membench.benchmarks.running.local.SOCKET", 20)
    with pytest.raises(UsageError, match=r"TMPDIR .*ttt: too long"), short_names():
        pass


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        (b"a%20b?c#d e", {"TMPDIR": "t" * 80, "HOME": None, "PYTHONIOENCODING": "utf-8:strict"}),
        pytest.param(b"caf\xe9", {"HOME": "/nowhere", "PYTHONIOENCODING": "utf-8:strict"}, marks=pytest.mark.slow),
        pytest.param(b"plain", {"PYTHONIOENCODING": "ascii:strict"}, marks=pytest.mark.slow),
    ],
    ids=["signs, a long TMPDIR, no HOME", "not UTF-8, no such HOME", "ASCII"],
)
def test_a_run_and_its_report_work_in_odd_places(
    tmp_path: Path, tiny: str, name: bytes, variables: dict[str, str | None]
) -> None:
    folder = tmp_path / os.fsdecode(name)
    (tmp_path / ("t" * 80)).mkdir()
    folder.mkdir()
    environment = dict(os.environ)
    for variable, value in variables.items():
        if value is None:
            environment.pop(variable)
        else:
            environment[variable] = str(tmp_path / value) if variable == "TMPDIR" else value
    asked = ["--suite", tiny, "--results", str(folder / "results")]

    def go(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
        done = subprocess.run([*BENCH, *arguments], cwd=folder, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done

    done = go("run", *asked, "--model", "lstm", "--seeds", "1", "--workers", "1")
    assert b"cannot be used" not in done.stderr and b"1 done of 1 runs" in done.stdout
    done = go("report", *asked)
    assert (folder / "results/tiny/report.html").exists() and b"report.html" in done.stdout
    if name == b"caf\xe9":
        assert done.stderr.count(b"\n") == 1 and b"not UTF-8" in done.stderr
    else:
        assert done.stderr == b"tiny: drawing 1 of 4 runs ...\n" and list(
            folder.glob("results/mlartifacts/tiny/*/artifacts/report.html")
        )
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, "t" * 80}
    assert [path.name for path in folder.iterdir()] == ["results"]
    assert list((tmp_path / ("t" * 80)).iterdir()) == []


def test_who_has_no_home_is_told_what_mlflow_lacks() -> None:
    """As a user of a container that has no name."""
    code = "import pwd; pwd.getpwuid = {}.__getitem__; import membench.benchmarks.tracking.store"
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "ImportError: set HOME for the package mlflow, which does not import" in done.stderr


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("postgresql://me:s3cr@t@host/db", "postgresql://me:***@host/db"),
        ("mysql+pymysql://me:s3cret@host:3306/db", "mysql+pymysql://me:***@host:3306/db"),
        ("https://host:5000/a@b", "https://host:5000/a@b"),
        ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
    ],
)
def test_a_password_is_not_told(uri: str, told: str) -> None:
    assert public(uri) == told
