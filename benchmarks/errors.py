"""The one error a user can cause, and errors of others in a line."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(Exception):
    """Something asked for cannot be: the message names the value and what would have been accepted (exit code 2)."""


def reason(error: BaseException) -> str:
    """The first line of what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()[:300]


def meant(asked: object, there: Iterable[object]) -> str:
    """``; did you mean 'copy'?`` where one of the names that there are is close to what was asked for, or nothing."""
    close = get_close_matches(str(asked), [str(name) for name in there], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
