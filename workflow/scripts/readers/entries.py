"""Read raw records of a dataset, whatever its format, under any of the field names in use.

`read_records(entries, fields, name)` makes one `RawRecord` of each entry; what an entry lacks is None or empty.
`open_entries` gives the entries of a file, a folder or a dataset of the hub. Each format has one reader, a function
that yields mappings (readers/formats.py, readers/folder.py). Faults of the whole file are InputErrors.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.command import InputError
from readers.folder import read_entries, read_folder
from readers.formats import SPLIT_NAMES, BrokenLine
from svg.bytes import Undecodable, decode_drawing

# Usual names of each field; the first one present is used.
NAMES = {
    "id": ("id", "filename", "Filename", "file_name", "name"),
    "drawing": ("svg", "xml", "Svg", "SVG", "svg_code"),
    "captions": ("captions", "caption", "references", "reference", "description", "Caption"),
    "split": ("split",),
    "group": ("group",),
}

Fields = Mapping[str, str | list[str]]

# A list of texts as Python writes it, or as numpy does, without commas.
_STRING = r"""'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+\""""
_PYTHON_LIST = re.compile(rf"\[\s*+(?:(?:{_STRING})[\s,]*+)++\]")


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
    return read_folder(path) if path.is_dir() else read_entries(path)


def read_records(entries: Iterable[Any], fields: Fields, name: str) -> Iterator[RawRecord]:
    """The records of a dataset called `name`; `fields` names fields where they are called otherwise."""
    for position, entry in enumerate(entries):
        yield read_record(entry if isinstance(entry, dict) else faulty_entry(entry), fields, position, name)


def faulty_entry(entry: Any) -> dict[str, Any]:
    """The entry of a value that cannot be read, with the fault for which its record is rejected."""
    fault = entry.fault if isinstance(entry, BrokenLine) else f"not an object with fields but {type(entry).__name__}"
    return {"record_fault": fault}


def read_record(entry: dict[str, Any], fields: Fields, position: int, name: str) -> RawRecord:
    """The record of one entry."""
    drawing, flags, fault = read_drawing(find_field(entry, "drawing", fields))
    rows = entry.get("record_rows") or [entry]
    captions = list(dict.fromkeys(text for row in rows for text in as_captions(find_field(row, "captions", fields))))
    if not captions and "record_else" in entry:
        captions = as_captions(entry["record_else"]["captions"])
        flags = [*entry["record_else"]["record_flags"], *flags]
    splits, groups = (list_values(rows, key, fields) for key in ("split", "group"))
    for several in (splits, groups):
        if len(several) > 1:
            fault = f"its rows disagree: {' and '.join(several)}"
    id_ = find_field(entry, "id", fields)
    return RawRecord(
        position=entry.get("record_position", position),
        id=as_text(f"{Path(name).stem}-{position:06}" if id_ is None else id_),
        drawing=drawing,
        captions=captions,
        split=splits[0],
        group=groups[0],
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


def list_values(rows: list[dict[str, Any]], key: str, fields: Fields) -> list[str]:
    """The different values of a field in the rows of a record; an empty text where no row has any."""
    values = [as_text(value) for row in rows if (value := find_field(row, key, fields))]
    return list(dict.fromkeys(SPLIT_NAMES.get(value.lower(), value) for value in values)) or [""]


def read_drawing(value: Any) -> tuple[str | None, list[str], str]:
    """A drawing as text, the flags of decoding it, and the fault that left no text."""
    if isinstance(value, dict):  # a file, as `datasets` writes it: {bytes, path}
        value = value.get("bytes")
    if isinstance(value, bytes):
        try:
            return *decode_drawing(value), ""
        except Undecodable as reason:
            return None, [], str(reason)
    return (value if isinstance(value, str) else None), [], ""


def as_text(value: Any) -> str:
    """An id, split or group as text that any file can hold: a lone surrogate is spelt out, so that two stay two."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def as_captions(value: Any) -> list[str]:
    """Captions as a list of texts with folded white space, without empty ones and repetitions."""
    given = value if isinstance(value, list) else [value]
    captions = [caption_of(one) for cell in given for one in unpack_list(cell)]
    # A lone surrogate, legal in JSON, is no text that any file can hold.
    cleaned = [caption.encode("utf-8", "replace").decode() for caption in captions if isinstance(caption, str)]
    texts = (" ".join(text.split()) for text in cleaned)
    return list(dict.fromkeys(text for text in texts if text))


def caption_of(value: Any) -> Any:
    """The caption of an object that has it in a field, as {"caption": "a cat"}; anything else is as it is."""
    if not isinstance(value, dict):
        return value
    return next((value[name] for name in NAMES["captions"] if value.get(name)), None)


def unpack_list(value: Any) -> list[Any]:
    """What a cell holds: a list, or one that a table has as text, or else the value alone."""
    if isinstance(value, str) and value.strip()[:1] == "[":
        return parse_list(value.strip())
    return value if isinstance(value, list) else [value]


def parse_list(text: str) -> list[Any]:
    """The captions of a list in the notation of JSON or Python; the text alone where it is no list of captions."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return parse_python_list(text)
    return found if not found or any(isinstance(one, str | dict) for one in found) else [text]


def parse_python_list(text: str) -> list[str]:
    """The texts of a list as Python or numpy write it; the text alone where it is none."""
    if not _PYTHON_LIST.fullmatch(text):
        return [text]
    try:
        return [ast.literal_eval(string) for string in re.findall(_STRING, text)]
    except (SyntaxError, ValueError):  # an escape that Python does not know
        return [text]


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
    """The records of a dataset; a copy of an earlier one has that as its fault.

    Raises InputError for two different records of one id.
    """
    known: dict[str, tuple[int, int]] = {}
    for record in records:
        content = hash((record.drawing or "", *record.captions, record.split, record.group))
        if record.id not in known:
            known[record.id] = record.position, content
        elif known[record.id][1] == content:
            record.fault = f"a copy of record {known[record.id][0]}"
        else:
            raise InputError(
                f"{name}: records {known[record.id][0]} and {record.position} have one id {record.id!r}; "
                "give each its own, or name the field that is unique under dataset.sources.<source>.fields.id"
            )
        yield record
