"""Component values of CSS as tinycss2 parses them: without white space, and split at commas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tinycss2


def significant(value: str | Iterable[Any]) -> list[Any]:
    """The tokens of a value (text or tokens) without white space and comments."""
    tokens: Iterable[Any] = tinycss2.parse_component_value_list(value) if isinstance(value, str) else value
    return [token for token in tokens if token.type not in ("whitespace", "comment")]


def split_at_commas(tokens: Iterable[Any]) -> list[list[Any]]:
    """The tokens between the commas of a list; always at least one part, which may be empty."""
    parts: list[list[Any]] = [[]]
    for token in tokens:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
