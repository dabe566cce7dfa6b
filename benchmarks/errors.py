"""The one error a user can cause."""


class UsageError(Exception):
    """Something asked for cannot be: the message names the value and what would have been accepted (exit code 2)."""
