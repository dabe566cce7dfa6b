"""The one error a user can cause, and errors of others in a line."""


class UsageError(Exception):
    """Something asked for cannot be: the message names the value and what would have been accepted (exit code 2)."""


def reason(error: BaseException) -> str:
    """The first line of what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()[:300]
