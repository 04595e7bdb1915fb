"""Read raw records of a dataset file, a JSON array or JSON lines, under any of the field names in use.

`read_records(path, fields)` yields one `RawRecord` for each entry, in order; what an entry lacks is None. Faults of the
whole file (missing, empty, not JSON) are InputErrors with the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import InputError

# Names under which a field is looked for, the first that is there counts.
NAMES = {
    "id": ("id", "filename", "Filename", "name"),
    "drawing": ("svg", "xml", "Svg", "SVG"),
    "captions": ("captions", "caption", "references", "reference", "description"),
}


@dataclass
class RawRecord:
    """One entry of a dataset file. `position` is its 0-based place."""

    position: int
    id: str
    drawing: str | None
    captions: list[str]
    split: str
    group: str


def read_records(path: Path, fields: dict[str, str]) -> Iterator[RawRecord]:
    """Yield the records of a file; `fields` names id, drawing and captions where they are called otherwise."""
    for position, entry in enumerate(read_entries(path)):
        if not isinstance(entry, dict):
            raise InputError(f"{path}, record {position}: not an object with fields but {type(entry).__name__}")
        yield RawRecord(
            position=position,
            id=str(find_field(entry, "id", fields) or f"{path.stem}-{position:06}"),
            drawing=find_field(entry, "drawing", fields),
            captions=as_captions(find_field(entry, "captions", fields)),
            split=entry.get("split") or "",
            group=str(entry.get("group") or ""),
        )


def find_field(entry: dict[str, Any], key: str, fields: dict[str, str]) -> Any:
    """The value of a field under its configured name, else under the first usual name that is there."""
    names = (fields[key],) if key in fields else NAMES[key]
    return next((entry[name] for name in names if entry.get(name) not in (None, "")), None)


def as_captions(value: Any) -> list[str]:
    """Captions as a list of texts with folded white space, without empty ones."""
    values = value if isinstance(value, list) else [value]
    texts = (" ".join(text.split()) for text in values if isinstance(text, str))
    return list(dict.fromkeys(text for text in texts if text))


def read_entries(path: Path) -> Iterator[Any]:
    """Yield the entries of a JSON array or of JSON lines."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it") from error
    if not text.strip():
        raise InputError(f"{path} is empty; it must hold a JSON array or JSON lines of samples")
    if text.lstrip().startswith("["):
        try:
            entries = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
        yield from entries
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: not JSON ({error.msg}); one object a line") from error
