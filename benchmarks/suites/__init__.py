"""Suites: a file of this folder, or of anywhere, that leaves a ``Suite`` called ``suite``."""

import importlib
import os
import pkgutil
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UsageError, meant


def names() -> list[str]:
    """The suites that come with membench. Imports none of them."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in modules if not name.endswith("_claims"))


def find(name_or_path: str, *added: str) -> Any:
    """The suite of a name, or of a path to a Python file. A file is code: it is executed.

    Args:
        name_or_path: A name of ``names()``, or a file that leaves a ``Suite`` called ``suite``.
        added: Files with ``arms``, which are set beside the suite's own.

    Returns:
        A ``benchmarks.core.Suite``.

    Raises:
        UsageError: There is no such suite, or a file has an error.
    """
    from .. import outside  # torch, which listing names does not need
    from ..core import Suite

    if name_or_path in names():
        module = importlib.import_module(f"{__name__}.{name_or_path.replace('-', '_')}")
    else:
        path = Path(os.path.expanduser(name_or_path))
        if path.suffix != ".py":
            hint = meant(name_or_path, names())
            raise UsageError(
                f"no suite {name_or_path!r}{hint or ';'} there are {', '.join(names())}, or give a path to a .py file"
            )
        if not path.is_file():
            raise UsageError(f"no file {name_or_path!r}; accepted is a suite's name or a Python file that is there")
        module = outside.load(path)
    suite = getattr(module, "suite", None)
    if not isinstance(suite, Suite):
        meant_arms = isinstance(getattr(module, "arms", None), dict)
        hint = f", but `arms`; did you mean: bench run mini --with {shlex.quote(name_or_path)}?" if meant_arms else ""
        raise UsageError(f"{name_or_path}: defines no `suite = Suite(...)`{hint}")
    options = " ".join(f"--with {shlex.quote(path)}" for path in added)
    found = f"{shlex.quote(name_or_path)} {options}".rstrip()
    return replace(outside.joined(suite, added), found=found)
