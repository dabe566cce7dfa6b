"""Suites: a file of this folder, or of anywhere, that leaves a ``Suite`` called ``suite``."""

import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from pathlib import Path
from typing import Any

from ..errors import UsageError


def names() -> list[str]:
    """The suites that come with membench. Imports none of them."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in modules if not name.endswith("_claims"))


def find(name_or_path: str) -> Any:
    """The suite of a name, or of a path to a Python file. A file is code: it is executed.

    Returns:
        A ``benchmarks.core.Suite``.

    Raises:
        UsageError: There is no such suite, or its file has an error.
    """
    from ..core import Suite  # torch, which listing names does not need

    if name_or_path in names():
        module = importlib.import_module(f"{__name__}.{name_or_path.replace('-', '_')}")
    else:
        path = Path(os.path.expanduser(name_or_path))
        if path.suffix != ".py" or not path.is_file():
            raise UsageError(f"no suite {name_or_path!r}; there are {', '.join(names())}, or give a path to a .py file")
        module = _load(path)
    suite = getattr(module, "suite", None)
    if not isinstance(suite, Suite):
        raise UsageError(f"{name_or_path}: defines no `suite = Suite(...)`")
    return suite


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"membench_suite_{path.stem}", path)
    assert spec is not None and spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for what their annotations mean
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}: {error.msg}") from None
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        line = f", line {frames[-1].lineno}" if frames else ""
        raise UsageError(f"{path}{line}: {type(error).__name__}: {error}") from None
    return module
