"""The values of an entry's fields, by the names that the configuration gives, else by the usual ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

# Usual names of each field; the first one present is used. A question is read only where its field is named.
NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "filename", "Filename", "file_name", "name"),
    "drawing": ("svg", "xml", "Svg", "SVG", "svg_code"),
    "captions": ("captions", "caption", "references", "reference", "description", "Caption"),
    "split": ("split",),
    "group": ("group",),
    "question": (),
    "turns": (),
}

Fields = Mapping[str, str | list[str]]


def find_field(entry: dict[str, Any], key: str, fields: Fields) -> Any:
    """The value of a field under its configured name, else under the first usual name that is there.

    Where several names are configured (captions in several columns), the list of what is there under them. An empty
    name stands for no field.
    """
    configured = fields.get(key)
    if isinstance(configured, list):
        return [entry[name] for name in configured if entry.get(name) not in (None, "")]
    names = NAMES[key] if configured is None else (configured,)
    return next((entry[name] for name in names if entry.get(name) not in (None, "", [])), None)


def find_id(entry: dict[str, Any], fields: Fields) -> Any:
    """The id of an entry, None where it has none. Of several fields that are one key, it is made by `join_key`."""
    found = find_field(entry, "id", fields)
    if not isinstance(fields.get("id"), list):
        return found
    values = [entry.get(name) for name in fields["id"]]
    return join_key(values) if any(value not in (None, "") for value in values) else None


def join_key(values: list[Any]) -> str:
    """The id that several values are together: the first one, and a digest of all, which may be long texts."""
    texts = ["" if value is None else as_text(value) for value in values]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
    return f"{texts[0]}-{digest}".removeprefix("-")


def as_text(value: Any) -> str:
    """An id, split or group as text that any file can hold: a lone surrogate is spelt out, so that two stay two."""
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value).encode("utf-8", "backslashreplace").decode()
