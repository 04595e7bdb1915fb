"""Why drawings and captions of a dataset are not found by the names of its fields, and what to write instead.

`explain_layout` looks at the first entries and gives one line: the file, what is there, and the fix.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name
from readers.entries import open_entries
from readers.fields import NAMES, find_field
from readers.folder import DATA_FILES, READERS, data_suffix

N_ENTRIES = 100
KINDS = {"drawing": "drawings", "captions": "captions"}
MAX_NAMES = 12  # that are listed


def check_fields(fields: Mapping[str, Any]) -> None:
    """Raises InputError for a kind of field that there is none of, or a name that is no text or list of texts."""
    for key, value in fields.items():
        if key not in NAMES:
            raise InputError(f"--fields: no field is called {key!r} here; {propose_name(key, NAMES)}")
        if not all(isinstance(name, str) for name in (value if isinstance(value, list) else [value])):
            raise InputError(f"--fields: {key} must be the name of a field, or a list of names, not {value!r}")


def explain_layout(path: Path, fields: Mapping[str, Any]) -> str:
    """Why drawings or captions of a file or folder are not found, in one line that ends with the fix."""
    entries = list(itertools.islice(open_entries(path), N_ENTRIES))
    rows = [entry for entry in entries if isinstance(entry, dict) and entry]
    if not rows:
        return explain_no_rows(path, entries)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if any("<svg" in name for name in names):
        return f"{path}: its first line is a record; it must be the names of the columns, such as id,svg,caption"
    return explain_nesting(path, rows) or explain_names(path, rows, names, fields)


def explain_no_rows(path: Path, entries: list[Any]) -> str:
    """The same for a file without any record that can be read."""
    if data_suffix(path) in (".svg", ".svgz"):
        return f"{path} is one drawing; give the folder that holds your drawings"
    faults = [entry.fault for entry in entries if hasattr(entry, "fault")]
    if faults:
        known = "" if data_suffix(path) in READERS else f"; the file must hold {DATA_FILES}"
        return f"{path}, {faults[0]}, and no other of the first {len(entries)} records can be read{known}"
    return f"{path} holds no records; it must have one for each drawing, with the fields id, svg and caption"


def explain_nesting(path: Path, rows: list[dict[str, Any]]) -> str:
    """The same for a file that is one object with all records inside; empty for any other."""
    if len(rows) > 1 or not all(isinstance(value, list | dict) for value in rows[0].values()):
        return ""
    for name, value in rows[0].items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return f"{path}: its records are a list in the field {name!r}; write this list as a file of its own"
    if all(isinstance(value, dict) for value in rows[0].values()):
        return f"{path}: its records are the values of {list_names(list(rows[0]))}; write them as a list of objects"
    return ""


def explain_names(path: Path, rows: list[dict[str, Any]], names: list[str], fields: Mapping[str, Any]) -> str:
    """The same for records whose fields have other names, or are empty."""
    missing = [
        key for key in KINDS if key not in fields and not any(find_field(row, key, {}) is not None for row in rows)
    ]
    guesses = {"drawing": guess_drawing(rows, names), "captions": guess_captions(rows, names)}
    for key in missing:
        empty = [name for name in NAMES[key] if name in names]
        if empty:
            return f"{path}: the field {empty[0]!r} is empty in its first records; fill it with {KINDS[key]}"
        if not guesses[key]:
            sought = "holds SVG" if key == "drawing" else "holds texts of several words"
            name = NAMES[key][0] if key == "drawing" else "caption"
            return (
                f"{path}: no field has a usual name of {KINDS[key]}, and none {sought}; the records have "
                f"{list_names(names)}. Add a field {name!r} to each"
            )
    lacking = " and ".join(f"{KINDS[key]} (usually {NAMES[key][0]})" for key in missing)
    guessed = json.dumps({**fields, **{key: guesses[key] for key in missing}}, ensure_ascii=False)
    return (
        f"{path}: no field has a usual name of {lacking}; the records have {list_names(names)}. "
        f"If these are right, add --fields '{guessed}' (make new: FIELDS='{guessed}')"
    )


def guess_drawing(rows: list[dict[str, Any]], names: list[str]) -> str:
    """The first field that holds SVG; empty where none does."""
    return next((name for name in names if any(holds_drawing(row.get(name)) for row in rows)), "")


def guess_captions(rows: list[dict[str, Any]], names: list[str]) -> str:
    """The field whose texts have most words and are no drawings; empty where none has any of several words."""

    def count_words(name: str) -> int:
        values = [row[name] for row in rows if isinstance(row.get(name), str)]
        return 0 if any(map(holds_drawing, values)) else max((len(value.split()) for value in values), default=0)

    best = max(names, key=count_words)
    return best if count_words(best) > 1 else ""


def holds_drawing(value: Any) -> bool:
    return isinstance(value, str | bytes) and ("<svg" in value if isinstance(value, str) else b"<svg" in value)


def list_names(names: list[str]) -> str:
    """The names of fields, of many only the first."""
    return ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
