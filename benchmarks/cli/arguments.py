"""What is written on the command line, read: durations, seeds, shards and sizes."""

import re

from ..errors import UsageError


def seconds(text: str) -> float:
    """90s, 20m, 1h30m, 2d: a duration, in seconds.

    Raises:
        UsageError: It is none, or nothing.
    """
    found = re.fullmatch(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", text.strip(), re.ASCII)
    parts = [int(part or 0) for part in found.groups()] if found else []
    total = sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=True)) if parts else 0
    if not total:
        raise UsageError(f"duration {text!r}: accepted are numbers with units, such as 90s, 20m or 1h30m")
    return float(total)


def seeds(text: str) -> list[int]:
    """3, 1-3 or 1-3,7: seeds.

    Raises:
        UsageError: They are none.
    """
    chosen: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part.strip(), re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < first + 100_000:
            raise UsageError(f"seeds {text!r}: accepted are numbers and ranges, such as 3, 1-5 or 1-3,7")
        chosen += range(first, last + 1)
    return chosen


def shard(text: str) -> tuple[int, int]:
    """2/8: the second of eight parts.

    Raises:
        UsageError: It is none.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"shard {text!r}: accepted is one of so many parts, 1/8 to 8/8 for eight")
    return part, parts


def size(text: str) -> tuple[int, ...]:
    """40 or 10x20: a size of a task.

    Raises:
        UsageError: It is none.
    """
    if not re.fullmatch(r"\d{1,6}(x\d{1,6}){0,9}", text.strip(), re.ASCII):
        raise UsageError(f"size {text!r}: accepted are numbers, one for each of the task's dimensions: 40, or 10x20")
    return tuple(int(number) for number in text.strip().split("x"))
