"""Read raw records of a dataset, whatever its format, under any of the field names in use.

`read_records(entries, fields, name)` makes one `RawRecord` of each entry; what an entry lacks is None or empty.
`open_entries` gives the entries of a file, a folder or a dataset of the hub. Each format has one reader, a function
that yields mappings (readers/formats.py, readers/folder.py). Faults of the whole file are InputErrors.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.command import InputError
from readers.fields import NAMES, Fields, as_text, find_field, find_id
from readers.filters import Where, failing_field
from readers.folder import DrawingFile, OtherRow, read_entries, read_folder
from readers.formats import SPLIT_NAMES, BrokenEntry, open_dataset_text
from readers.questions import read_asked
from svg.bytes import Undecodable, decode_drawing

# A list of texts as Python writes it, or as numpy does, without commas.
_STRING = r"""'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+\""""
_PYTHON_LIST = re.compile(rf"\[\s*+(?:(?:{_STRING})[\s,]*+)++\]")


@dataclass
class RawRecord:
    """One entry of a dataset. `position` is its 0-based place; `flags` are remarks of the reader.

    Of an entry that `where` leaves out there is only the field that it fails by, in `left_out`.
    """

    position: int
    id: str
    drawing: str | None
    captions: list[str]
    split: str
    group: str
    flags: list[str] = field(default_factory=list)
    fault: str = ""  # why the drawing could not be read at all
    question: str = ""  # what the entry asks about its drawing
    left_out: str = ""


def open_entries(path: Path) -> Iterator[Any]:
    """The entries of a file or folder; of a file of records that shard_source wrote, these."""
    if path.is_dir():
        return read_folder(path)
    return read_shard(path) if is_shard(path) else read_entries(path)


def read_records(entries: Iterable[Any], fields: Fields, name: str, where: Where | None = None) -> Iterator[RawRecord]:
    """The records of a dataset called `name`; `fields` names fields where they are called otherwise.

    `where` says which rows take part; of the others there are records that say so.
    """
    position = 0
    for entry in entries:
        if isinstance(entry, RawRecord):
            yield entry
        elif failing := failing_entry(entry, where or {}):
            yield RawRecord(position, default_id(name, position), None, [], "", "", left_out=failing)
        elif isinstance(entry, OtherRow) and not as_captions(find_field(entry.fields, "captions", fields)):
            continue  # a row of a list of files, which loses nothing
        else:
            yield read_record(entry, fields, position, name)
        position += 1


def failing_entry(entry: Any, where: Where) -> str:
    """The field by which `where` leaves an entry out; empty where it takes part. A broken entry has no fields.

    A drawing of a folder takes part where one of its rows does.
    """
    if isinstance(entry, DrawingFile):
        failing = [failing_field(row, where) for row in entry.rows or [entry.fields]]
        return min(failing) if all(failing) else ""
    fields = entry.fields if isinstance(entry, OtherRow) else entry
    return failing_field(fields, where) if isinstance(fields, dict) else ""


def default_id(name: str, position: int) -> str:
    """The id of a record that has none."""
    return f"{Path(name).stem}-{position:06}"


def read_record(
    entry: dict[str, Any] | DrawingFile | BrokenEntry | OtherRow, fields: Fields, position: int, name: str
) -> RawRecord:
    """The record of one entry."""
    id_ = default_id(name, position)
    if isinstance(entry, DrawingFile):
        return record_of_file(entry, fields, position, id_)
    if isinstance(entry, dict):
        return record_of_fields(entry, [entry], fields, position, id_)
    return RawRecord(position, id_, None, [], "", "", fault=entry.fault)


def record_of_file(file: DrawingFile, fields: Fields, position: int, default_id: str) -> RawRecord:
    """The record of a drawing of a folder."""
    record = record_of_fields(file.fields, file.rows or [file.fields], fields, position, default_id)
    if not record.captions:
        record.captions, record.flags = as_captions(file.captions), [*file.flags, *record.flags]
        record.fault = record.fault or file.fault
    return record


def record_of_fields(
    entry: dict[str, Any], rows: list[dict[str, Any]], fields: Fields, position: int, default_id: str
) -> RawRecord:
    """The record of the fields of an entry, with the captions, splits and groups of all its rows."""
    asked = read_asked(entry, fields)
    drawing, flags, fault = read_drawing(
        find_field(entry, "drawing", fields) if asked.drawing is None else asked.drawing
    )
    fault = fault or asked.fault
    given = [find_field(row, "captions", fields) for row in rows] if asked.caption is None else [asked.caption]
    captions = list(dict.fromkeys(text for one in given for text in as_captions(one)))
    if any(map(has_other_values, given)):
        flags.append("caption:not_text")
    id_ = find_id(entry, fields)
    splits, groups = (list_values(rows, key, fields) for key in ("split", "group"))
    for key, values in (("id", [id_]), ("split", splits), ("group", groups)):
        if any(isinstance(value, list | dict) for value in values):
            fault = f"its {key} is a list or an object, not a text"
        elif len(values) > 1:
            fault = f"its rows disagree: {' and '.join(map(as_text, values))}"
    return RawRecord(
        position=position,
        id=default_id if id_ is None or isinstance(id_, list | dict) else as_text(id_),
        drawing=drawing,
        captions=captions,
        split="" if fault else as_text(splits[0]),
        group="" if fault else as_text(groups[0]),
        flags=flags,
        fault=fault,
        question=asked.question.encode("utf-8", "replace").decode(),
    )


def list_values(rows: list[dict[str, Any]], key: str, fields: Fields) -> list[Any]:
    """The different values of a field in the rows of a record; an empty text where no row has any."""
    values = [value for row in rows if (value := find_field(row, key, fields)) not in (None, [])]  # 0 is a value
    if any(isinstance(value, list | dict) for value in values):
        return values
    texts = map(as_text, values)
    return list(dict.fromkeys(SPLIT_NAMES.get(text.lower(), text) for text in texts)) or [""]


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


def as_captions(value: Any) -> list[str]:
    """Captions as a list of texts with folded white space, without empty ones and repetitions."""
    given = value if isinstance(value, list) else [value]
    captions = [caption_of(one) for cell in given for one in unpack_list(cell)]
    # A lone surrogate, legal in JSON, is no text that any file can hold.
    cleaned = [caption.encode("utf-8", "replace").decode() for caption in captions if isinstance(caption, str)]
    texts = (" ".join(text.split()) for text in cleaned)
    return list(dict.fromkeys(text for text in texts if text))


def has_other_values(value: Any) -> bool:
    """Whether a cell of captions holds, beside nothing, what is no text and has none under a usual name."""
    given = value if isinstance(value, list) else [value]
    found = [one for cell in given for one in unpack_list(cell) if one is not None]
    return not all(isinstance(caption_of(one), str) for one in found)


def caption_of(value: Any) -> Any:
    """The caption of an object that has it in a field, as {"caption": "a cat"}; anything else is as it is.

    Parquet files without types of text hold bytes.
    """
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
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


# The first line of a file of records: foreign data have no such line, whatever the names of their fields.
SHARD_MARK = '{"records of": "shard_source"}\n'


def write_record(record: RawRecord) -> str:
    """A record as a line of JSON, which `read_shard` reads back as the same record: what shards hold."""
    return json.dumps(dataclasses.asdict(record)) + "\n"


def is_shard(path: Path) -> bool:
    """Whether a file holds records that shard_source wrote."""
    if not path.is_file() or path.suffix != ".jsonl":
        return False
    with open(path, "rb") as file:
        return file.readline(len(SHARD_MARK)) == SHARD_MARK.encode()


def read_shard(path: Path) -> Iterator[RawRecord]:
    """The records of a file that begins with SHARD_MARK. Raises InputError for a damaged one."""
    with open_dataset_text(path) as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                continue
            try:
                yield RawRecord(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number}: no record of shard_source ({error}); make it again"
                ) from error


def iterate_unique(records: Iterable[RawRecord], name: str) -> Iterator[RawRecord]:
    """The records of a dataset; a copy of an earlier one has that as its fault.

    Raises InputError for two different records of one id.
    """
    known: dict[str, tuple[int, int]] = {}
    for record in records:
        if record.left_out:
            yield record
            continue
        content = hash((record.drawing or "", *record.captions, record.split, record.group, record.question))
        if record.id not in known:
            known[record.id] = record.position, content
        elif known[record.id][1] == content:
            record.fault = f"a copy of record {known[record.id][0]}"
        else:
            raise InputError(
                f"{name}: records {known[record.id][0]} and {record.position} have one id {record.id!r}; "
                "give each its own, or name the field that is unique under dataset.sources.<source>.fields.id "
                "(audit_dataset and make new: --fields); an empty name numbers the records"
            )
        yield record
