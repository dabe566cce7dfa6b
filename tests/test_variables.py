"""Every option of every command may be said by an environment variable of its name."""

import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource
from click.testing import CliRunner

from membench.benchmarks.cli import main

OPTIONS = [
    (command, option)
    for command in main.commands.values()
    for option in command.params
    if isinstance(option, click.Option)
]


def variable(command: click.Command, option: click.Option) -> str:
    """As a user would guess it."""
    return f"BENCH_{command.name}_{max(option.opts, key=len)[2:]}".upper().replace("-", "_")


def sample(option: click.Option, folder: Path) -> tuple[str, Any]:
    """Something an option accepts, as text and as its value; two values where it takes several."""
    kind = option.type
    if option.is_flag:
        return "1", True
    if isinstance(kind, click.Choice):
        return kind.choices[-1], kind.choices[-1]
    if option.multiple and "--suite" in option.opts:
        return os.pathsep.join(("mini", "./a suite.py")), ("mini", "./a suite.py")
    if isinstance(kind, click.Path):
        path = folder if kind.dir_okay else folder / "page.md"
        path.touch()
        return str(path), path if kind.type is Path else str(path)
    if isinstance(kind, click.types.IntParamType):
        return ("3 4", (3, 4)) if option.multiple else ("3", 3)
    return ("a b", ("a", "b")) if option.multiple else ("a b", "a b")


def asked(command: click.Command, *but: str) -> list[str]:
    """Arguments for what a command cannot be called without."""
    return [
        word
        for parameter in command.params
        if parameter.required and parameter.opts[0] not in but
        for word in ((parameter.opts[0], "mini") if isinstance(parameter, click.Option) else ("mini",))
    ]


@pytest.mark.parametrize(
    ("command", "option"), OPTIONS, ids=[f"{command.name}-{option.opts[-1]}" for command, option in OPTIONS]
)
def test_a_variable_says_what_its_option_says(
    command: click.Command, option: click.Option, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--avx2" in option.opts:
        pytest.skip("changes the environment of this process")
    text, value = sample(option, tmp_path)
    monkeypatch.setenv(variable(command, option), text)
    with click.Context(main, info_name="bench", **main.context_settings) as parent:
        context = command.make_context(str(command.name), asked(command, *option.opts), parent)
        assert option.name is not None
        assert context.get_parameter_source(option.name) is ParameterSource.ENVIRONMENT
        assert context.params[option.name] == value


def test_the_variable_of_a_command_goes_before_one_that_others_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://everybody")
    monkeypatch.setenv("BENCH_RUN_TRACKING_URI", "bogus://mine")
    told = CliRunner().invoke(main, ["run", "--suite", "mini", "--dry-run"])
    assert told.exit_code == 2 and "bogus://mine" in told.output


def test_a_misspelt_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_RUN_MODLE", "lstm")
    monkeypatch.setenv("BENCH_OF_SOMEBODY_ELSE", "1")
    told = CliRunner().invoke(main, ["list"])
    assert told.exit_code == 0
    assert "BENCH_RUN_MODLE is no variable of bench; did you mean 'BENCH_RUN_MODEL'?\n" in told.stderr
    assert "SOMEBODY" not in told.stderr


def test_a_plan_follows_its_variables(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MODEL": "lstm", "SEED": "1 2", "JSON": "1", "SUITE": tiny, "DRY_RUN": "yes"}.items():
        monkeypatch.setenv(f"BENCH_RUN_{name}", value)
    told = CliRunner().invoke(main, ["run", "--results", str(tmp_path)])
    assert told.exit_code == 0 and told.stdout.startswith("{")
    assert told.stdout.count('"model": "lstm"') == 2 and '"ntm"' not in told.stdout
