"""The command line: ``bench run | check | list | show | report | map | compare | trace | rerun | speed | ui``.

stdout is the answer, stderr the conversation. Commands import what they need when they run, so that help comes at once.
"""

import io
import os
import sys
from typing import Any

import click

from ..errors import UsageError, meant
from . import check, look, matrix, reports, rerun, run, speed, trace, ui

SETTINGS = {
    "show_default": True,
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}


class Refused(click.ClickException):
    """What a user caused: one line, and exit code 2."""

    exit_code = 2


class Bench(click.Group):
    """Whose errors are one line each, and whose Ctrl-C is exit code 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")  # a folder's name may be no text, a terminal ASCII
        for variable in misspelt():
            click.echo(f"{variable} is no variable of bench{meant(variable, VARIABLES)}", err=True)
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise Refused(" ".join(str(error).split())) from None
        except click.UsageError as error:
            raise Refused(error.format_message()) from None
        except BrokenPipeError:
            raise  # whoever read us has gone
        except OSError as error:
            raise Refused(f"{error.filename or 'input or output'}: {error.strerror or error}") from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(130)


def name_variables(command: click.Command) -> None:
    """Every option may be said by a variable of its own name: ``--model`` of ``run`` by ``BENCH_RUN_MODEL``.

    click would name it after the function's argument, ``models``. Several values stand with spaces between them, paths
    with colons. It goes before a variable that others read too.
    """
    for option in command.params:
        if isinstance(option, click.Option):
            flag = max(option.opts, key=len).lstrip("-")
            own = f"BENCH_{command.name}_{flag}".upper().replace("-", "_")
            option.envvar = [own, option.envvar] if isinstance(option.envvar, str) else own
            VARIABLES.add(own)


VARIABLES: set[str] = set()
"""Those of all options."""


def misspelt() -> list[str]:
    """Variables that are set, look like those of a command, and are none."""
    ours = tuple(f"BENCH_{name}_".upper() for name in main.commands)
    return sorted(variable for variable in os.environ if variable.startswith(ours) and variable not in VARIABLES)


@click.group(cls=Bench, context_settings=SETTINGS)
@click.version_option(package_name="membench", prog_name="bench")
def main() -> None:
    """Compare memory architectures: which learns what, from how many seeds, and does a paper's claim hold?

    A suite is a paper's table: tasks x models x seeds. `run` trains its runs and keeps a record of each, `report`
    turns the records into claims, curves and pages, `ui` shows them in MLflow. Whatever is interrupted goes on where
    it stopped, by the same command.

    \b
    Examples:
      bench list
      bench show collier2018
      bench run collier2018 --time-limit 15m
      bench report collier2018
      bench ui

    For names that complete at TAB, in bash: eval "$(_BENCH_COMPLETE=bash_source bench)"; zsh_source and fish_source
    likewise.
    """


RUNS = (run.run, check.check, rerun.rerun, speed.speed)
VIEWS = (look.list_suites, look.show, reports.report, matrix.map_suite, reports.compare, trace.trace, ui.ui)
for command in (*RUNS, *VIEWS):
    name_variables(command)
    main.add_command(command)
