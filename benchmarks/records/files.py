"""Small files beside the records: written, and read as what may come from elsewhere."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ...report.files import write
from ..errors import UsageError


def put(files: Mapping[Path, bytes]) -> None:
    """Write some files.

    Raises:
        UsageError: One cannot be written.
    """
    for path, written in files.items():
        try:
            write(path, written)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror})") from None


Content = TypeVar("Content")


def taken(path: Path, largest: int, unpacked: Callable[[bytes], Content], maker: str) -> Content | None:
    """What is in a file of at most so many bytes, or None where there is none.

    Raises:
        UsageError: The file is damaged; says what makes it again.
    """
    try:
        if not path.is_file():
            return None
        if (size := path.stat().st_size) > largest:
            raise ValueError(f"{size} bytes, at most {largest} are read")
        return unpacked(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}; remove it, or make it again with {maker}") from None
