"""Named arrays in a compressed ``npz``, and a text that says what they are.

Bytes from elsewhere are data: bounded, checked, never executed.
"""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 256
"""Arrays of the largest file that is read."""


def pack(about: bytes, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Equal arrays give equal bytes."""
    file = io.BytesIO()
    ordered: dict[str, Any] = {name: np.asarray(part, order="C") for name, part in arrays.items()}
    np.savez_compressed(file, about=np.frombuffer(about, np.uint8), **ordered)
    return file.getvalue()


def unpack(content: bytes, kind: type[np.generic], largest: int) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """The text and the arrays, all of a kind; needs no pickle, and memory in proportion to what is there.

    Args:
        content: The bytes of the file.
        kind: Of the numbers.
        largest: Bytes that are read; unpacked, four times as many.

    Raises:
        Exception: It is no such file, whatever makes ``zipfile`` or NumPy say so; a ``ValueError`` if it is too large.
    """
    if len(content) > largest:
        raise ValueError(f"{len(content)} bytes, at most {largest} are read")
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST:
            raise ValueError(f"{len(entries)} arrays, at most {MOST} are read")
        if (unpacked_size := sum(entry.file_size for entry in entries)) > 4 * largest:
            raise ValueError(f"{unpacked_size} bytes when unpacked, at most {4 * largest} are read")
        for entry in entries:
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{entry.filename}: compressed in another way")
            with archive.open(entry) as file:
                unpacked = file.read(entry.file_size + 1)  # no more than it announces
            stream = io.BytesIO(unpacked)
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError(f"{entry.filename}: not an array of format 1.0")
            shape, by_column, found = np.lib.format.read_array_header_1_0(stream)
            if by_column or found != (np.uint8 if entry.filename == "about.npy" else kind):
                raise ValueError(f"{entry.filename}: an array of {found}")
            arrays[entry.filename.removesuffix(".npy")] = np.frombuffer(unpacked, found, -1, stream.tell()).reshape(
                shape
            )
    return arrays.pop("about").tobytes(), arrays
