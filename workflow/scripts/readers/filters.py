"""Which rows of a dataset take part: those whose fields have the values that `where` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Wanted = str | int | float | bool | None
Where = Mapping[str, Wanted | list[Wanted]]


def failing_field(row: Mapping[str, Any], where: Where) -> str:
    """The first field of `where` whose value in a row is none of the wanted ones; empty where all are."""
    for name, wanted in where.items():
        if plain_value(row.get(name)) not in plain_values(wanted):
            return name
    return ""


def plain_values(wanted: Wanted | list[Wanted]) -> set[str]:
    """A wanted value, or several, as `plain_value` writes them."""
    return set(map(plain_value, wanted if isinstance(wanted, list) else [wanted]))


def plain_value(value: Any) -> str:
    """A value as text that is the same in JSON, Parquet and tables, which write False and 1 as text.

    An absent or empty value is empty.
    """
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value).strip()
    return text.lower() if text.lower() in ("true", "false") else text
