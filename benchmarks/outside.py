"""Files of a user's own: a suite, or architectures to be set beside one. A file is code: it is executed.

The folder of a file is searched for the modules that it imports, after all others: a file that happens to be called
``random.py`` is not taken for Python's.
"""

import contextlib
import hashlib
import importlib.util
import os
import sys
import tempfile
import traceback
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TextIO

import torch

from ..report.files import write
from .core import Experiment, Suite
from .errors import UsageError, reason

FOLDERS: list[Path] = []
"""Those of the files that were loaded."""


class Packed(NamedTuple):
    """Files that are sent to another machine."""

    names: tuple[str, ...]  # of suites, or of files below
    texts: tuple[tuple[str, str], ...]  # every file's, by its name


def overheard() -> "contextlib.redirect_stdout[TextIO]":
    """What a user's code prints meanwhile goes to stderr, since stdout is the answer."""
    return contextlib.redirect_stdout(sys.stderr)


def load(path: Path) -> ModuleType:
    """Execute a file.

    Raises:
        UsageError: It has an error, ends the process, changes torch's default type, or imports what another file's
            folder has under the same name.
    """
    whole = path.resolve()
    _search(whole.parent)
    name = f"membench_file_{path.stem}_{zlib.crc32(str(whole).encode(errors='replace')):08x}"
    spec = importlib.util.spec_from_file_location(name, whole)
    assert spec is not None and spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for what their annotations mean
    before = torch.get_default_dtype()
    try:
        with overheard():
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{error.filename or path}, line {error.lineno}: {error.msg}") from None
    except SystemExit as error:
        raise UsageError(
            f"{path}{_line(error, whole)}: ends the process (exit {error.code}); accepted is one that can be imported"
        ) from None
    except Exception as error:
        raise UsageError(f"{path}{_line(error, whole)}: {type(error).__name__}: {error}") from None
    finally:
        now = torch.get_default_dtype()
        torch.set_default_dtype(before)
    if now != before:
        raise UsageError(f"{path}: sets torch's default type to {now}; accepted is {before}, in which all is trained")
    return module


def _line(error: BaseException, path: Path) -> str:
    """Where in the file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {frames[-1].lineno}" if frames else ""


def _search(folder: Path) -> None:
    """Let modules of a folder be found, where no other has their name."""
    for other in FOLDERS:
        for name in neighbours(other) if other != folder else ():
            if any((folder / mine).is_file() for mine in (f"{name}.py", f"{name}/__init__.py")):
                raise UsageError(f"{folder} and {other} both have a module {name}; accepted are two names")
    if folder not in FOLDERS:
        FOLDERS.append(folder)
        sys.path.append(str(folder))


def neighbours(folder: Path) -> dict[str, Path]:
    """The modules that were imported from a folder: their names, and their files within it."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None))
        if file.startswith(f"{folder}{os.sep}") and file.endswith(".py"):  # thousands of modules: no Path of each
            within = Path(file).relative_to(folder)
            if within.with_suffix("").parts[0] == name.partition(".")[0]:
                found[name] = within
    return found


def packed(sources: Sequence[str]) -> Packed:
    """What another machine needs of what ``suites.find`` takes, once it was found here."""
    folders = list(dict.fromkeys(_folder(source) for source in sources if source.endswith(".py")))
    texts: dict[str, str] = {}
    for at, folder in enumerate(folders):
        texts |= {f"{at}/{within}": (folder / within).read_text() for within in neighbours(folder).values()}
    names = []
    for source in sources:
        names.append(f"{folders.index(_folder(source))}/{Path(source).name}" if source.endswith(".py") else source)
        if source.endswith(".py"):
            texts[names[-1]] = (_folder(source) / Path(source).name).read_text()
    return Packed(tuple(names), tuple(texts.items()))


def unpacked(sent: Packed) -> list[str]:
    """The same as ``suites.find`` takes it here: files are in a folder of their own, the same whenever they are sent.

    Raises:
        UsageError: Another user made that folder.
    """
    content = hashlib.sha256(repr(sent.texts).encode(errors="replace")).hexdigest()
    root = Path(tempfile.gettempdir()) / f"membench-{os.getuid()}-{content[:16]}"
    if sent.texts:
        root.mkdir(mode=0o700, exist_ok=True)
        if root.is_symlink() or root.stat().st_uid != os.getuid():  # a file is code
            raise UsageError(f"{root}: another user's; accepted is a TMPDIR that is one's own")
    for within, text in sent.texts:
        path, wanted = root / within, text.encode()
        if not path.is_file() or path.read_bytes() != wanted:
            write(path, wanted)  # whole: another process may be reading it
    files = {within for within, _ in sent.texts}
    return [str(root / name) if name in files else name for name in sent.names]


def _folder(source: str) -> Path:
    return Path(os.path.expanduser(source)).resolve().parent


def arms(path: str) -> Mapping[str, Any]:
    """The architectures of a file, by name: its ``arms = {"gru": GRU(units=128)}``.

    Raises:
        UsageError: There is no such file, it has an error, or no such ``arms``.
    """
    file = Path(os.path.expanduser(path))
    if file.suffix != ".py" or not file.is_file():
        raise UsageError(f'no file {path!r}; accepted is a Python file with `arms = {{"gru": GRU(units=128)}}`')
    found = getattr(load(file), "arms", None)
    if not isinstance(found, dict) or not found:
        came = (
            "defines no `arms`"
            if found is None
            else f"its `arms` is {'empty' if found == {} else type(found).__name__}"
        )
        raise UsageError(f'{path}: {came}; accepted is a dict of names, such as `arms = {{"gru": GRU(units=128)}}`')
    return found


def joined(suite: Suite, paths: Sequence[str]) -> Suite:
    """The suite, with every arm of these files added to each of its tasks.

    An arm is trained as the task's first arm is, for as long as the suite's arms are compared.

    Raises:
        UsageError: A file cannot be used, or an arm of it: its name is taken, or it is no dataclass with ``build``.
    """
    firsts = {e.task_name: e for e in reversed(suite.experiments)}
    tasks = dict.fromkeys(e.task_name for e in suite.experiments)
    taken = dict.fromkeys((name for arm in suite.arms for name in (arm.model, arm.name)), suite.name)
    experiments = list(suite.experiments)
    for path in paths:
        for name, model in arms(path).items():
            if name in taken:
                raise UsageError(f"{path}: arms[{name!r}]: {taken[name]} has an arm of that name; accepted is another")
            taken[name] = path
            try:
                experiments += [_added(name, model, firsts[task], suite.counts(firsts[task])) for task in tasks]
            except (TypeError, ValueError) as error:
                raise UsageError(f"{path}: arms[{name!r}]: {reason(error)}") from None
    return replace(suite, experiments=tuple(experiments)) if paths else suite


def _added(name: str, model: Any, first: Experiment, steps: int) -> Experiment:
    """An arm, trained as another is, for so many steps."""
    training = replace(first.training, steps=steps)
    return Experiment(first.task_name, first.task, name, model, training, added=first.model_name)
