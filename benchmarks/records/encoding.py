"""The lines of a record: an event, and a checksum that a damaged disk does not keep right."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from .events import Ended, Event, from_json, to_json


def to_line(event: Event, before: int) -> bytes:
    """The line of an event.

    Args:
        event: It.
        before: CRC-32 of all lines before it.

    Raises:
        ValueError: A number is not finite.
    """
    fields = to_json(event)
    fields["sum"] = checksum(fields, before)
    return json.dumps(fields, allow_nan=False).encode() + b"\n"


def checksum(line: Mapping[str, Any], before: int) -> str:
    """CRC-32 of a line's fields; of everything before it as well where it ends a session.

    The seconds of an evaluation count only there: they are all that a resumed run's lines may differ in.
    """
    ends = line["event"] == Ended.name
    fields = {name: value for name, value in line.items() if name != "sum" and (ends or name != "seconds")}
    return f"{zlib.crc32(json.dumps(fields).encode(), before if ends else 0):08x}"


def from_line(line: bytes, key: str, before: int) -> Event:
    """The event of a line.

    Raises:
        ValueError: It is none, or its checksum is wrong.
        RecursionError: It is nested too deeply to be one.
    """
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    if "sum" in value and value["sum"] != checksum({"event": None, **value}, before):
        raise ValueError("its checksum is wrong")
    value.pop("sum", None)  # a line made by hand may have none
    if b"\\u" in line:
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text: nothing could print it
    return from_json(value, key)
