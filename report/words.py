"""How lists and numbers are said in a sentence."""

from collections.abc import Sequence


def listed(parts: Sequence[str]) -> str:
    """Parts in a sentence: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
