"""Lists as words of a sentence."""

from __future__ import annotations


def join_words(words: list[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def join_some(words: list[str], most: int = 3) -> str:
    """All words where these are at most `most`; otherwise `a, b and 5 others`."""
    return join_words(words if len(words) <= most else [*words[: most - 1], f"{len(words) - most + 1} others"])
