"""How lists and sizes are said."""

from collections.abc import Iterable, Sequence


def listed(parts: Sequence[str]) -> str:
    """Parts in a sentence: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def size_text(size: Iterable[int]) -> str:
    """40, or 10x20."""
    return "x".join(map(str, size))
