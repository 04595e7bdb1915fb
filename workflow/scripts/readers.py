"""Read raw records of a dataset, whatever its format, under any of the field names in use.

`read_records(entries, fields, name)` makes one `RawRecord` of each entry; what an entry lacks is None or empty.
`open_entries` gives the entries of a file, a folder or a dataset of the hub. Each format has one reader, a function
that yields mappings (reader_formats.py, reader_folder.py). Faults of the whole file are InputErrors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command import InputError
from reader_folder import read_data_file, read_folder
from reader_formats import SPLIT_NAMES
from svg_bytes import Undecodable, decode_drawing

# Names under which a field is looked for, the first that is there counts.
NAMES = {
    "id": ("id", "filename", "Filename", "file_name", "name"),
    "drawing": ("svg", "xml", "Svg", "SVG", "svg_code"),
    "captions": ("captions", "caption", "references", "reference", "description", "Caption"),
    "split": ("split",),
    "group": ("group",),
}

Fields = Mapping[str, str | list[str]]


@dataclass
class RawRecord:
    """One entry of a dataset. `position` is its 0-based place; `flags` are remarks of the reader."""

    position: int
    id: str
    drawing: str | None
    captions: list[str]
    split: str
    group: str
    flags: list[str] = field(default_factory=list)
    fault: str = ""  # why the drawing could not be read at all


def open_entries(path: Path) -> Iterator[Any]:
    """The entries of a file or folder."""
    return read_folder(path) if path.is_dir() else read_data_file(path)


def read_records(entries: Iterable[Any], fields: Fields, name: str) -> Iterator[RawRecord]:
    """The records of a dataset called `name`; `fields` names fields where they are called otherwise."""
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f"{name}, record {position}: not an object with fields but {type(entry).__name__}")
        drawing, flags, fault = read_drawing(find_field(entry, "drawing", fields))
        split = str(find_field(entry, "split", fields) or "")
        id_ = find_field(entry, "id", fields)
        yield RawRecord(
            position=entry.get("record_position", position),
            id=f"{Path(name).stem}-{position:06}" if id_ is None else str(id_),
            drawing=drawing,
            captions=as_captions(find_field(entry, "captions", fields)),
            split=SPLIT_NAMES.get(split.lower(), split),
            group=str(find_field(entry, "group", fields) or ""),
            flags=[*entry.get("record_flags", []), *flags],
            fault=entry.get("record_fault", fault),
        )


def find_field(entry: dict[str, Any], key: str, fields: Fields) -> Any:
    """The value of a field under its configured name, else under the first usual name that is there.

    Where several names are configured (captions in several columns), the list of what is there under them.
    """
    configured = fields.get(key)
    if isinstance(configured, list):
        return [entry[name] for name in configured if entry.get(name) not in (None, "")]
    names = (configured,) if configured else NAMES[key]
    return next((entry[name] for name in names if entry.get(name) not in (None, "", [])), None)


def read_drawing(value: Any) -> tuple[str | None, list[str], str]:
    """A drawing as text, the flags of decoding it, and the fault that left no text."""
    if isinstance(value, bytes):
        try:
            return *decode_drawing(value), ""
        except Undecodable as reason:
            return None, [], str(reason)
    return (value if isinstance(value, str) else None), [], ""


def as_captions(value: Any) -> list[str]:
    """Captions as a list of texts with folded white space, without empty ones and repetitions."""
    if isinstance(value, str) and value.lstrip().startswith('["'):
        value = parse_list(value)  # a list in a cell of a table
    values = value if isinstance(value, list) else [value]
    # A lone surrogate, legal in JSON, is no text that any file can hold.
    values = [value.encode("utf-8", "replace").decode() for value in values if isinstance(value, str)]
    texts = (" ".join(text.split()) for text in values)
    return list(dict.fromkeys(text for text in texts if text))


def parse_list(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def write_record(record: RawRecord) -> str:
    """A record as a line of JSON, which `read_records` reads back as the same record: what shards hold."""
    fields = {
        "id": record.id,
        "svg": record.drawing,
        "captions": record.captions,
        "split": record.split,
        "group": record.group,
        "record_position": record.position,
        "record_flags": record.flags,
        "record_fault": record.fault,
    }
    return json.dumps({key: value for key, value in fields.items() if value not in ("", [], None)}) + "\n"


def iterate_unique(records: Iterable[RawRecord], name: str) -> Iterator[RawRecord]:
    """The records of a dataset. Raises InputError at the second one of an id."""
    positions: dict[str, int] = {}
    for record in records:
        if record.id in positions:
            raise InputError(
                f"{name}: records {positions[record.id]} and {record.position} have one id {record.id!r}; "
                "give each its own, or name the field that is unique under dataset.sources.<source>.fields.id"
            )
        positions[record.id] = record.position
        yield record
