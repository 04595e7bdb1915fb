"""The records of a file of predictions, and the values of their fields, by usual names or by paths.

A file has one record a caption: JSON lines, a JSON array, CSV, TSV, Parquet. Or it holds one JSON object with a list of
records somewhere inside (`{"results": [...]}`). A path names a field of a field: `outputs.0.text`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name
from readers.fields import join_key
from readers.folder import read_data_file

Entry = Mapping[str, Any]
Fields = Mapping[str, Any]  # names or paths; of the id also a list of them, which are one key together

# Usual names of each field; the first one present is used, but for the caption (find_caption).
NAMES = {
    "id": ("id", "filename", "file_name", "image_id", "name"),
    "caption": ("generated_caption", "predicted_caption", "generated_text", "prediction", "hypothesis", "generated"),
    "references": ("reference", "references", "captions", "ground_truth", "gt"),
}
# Names under which some tools write what a model said, and others what was given to it.
UNCERTAIN_CAPTIONS = ("caption", "output")
FIELDS = ("id", "caption", "references", "records")
MOST_LISTED = 20  # fields that a message names


def read_fields(text: str) -> dict[str, Any]:
    """The argument --fields: names or paths by the keys in FIELDS. Raises InputError for anything else."""
    fields = read_argument("--fields", text, dict)
    for key, value in fields.items():
        if key not in FIELDS:
            raise InputError(f"--fields: unknown key {key!r}; {propose_name(key, FIELDS)}")
        is_key = key == "id" and isinstance(value, list) and all(isinstance(name, str) for name in value)
        if not value or not (isinstance(value, str) or is_key):
            raise InputError(
                f"--fields: the value of {key!r} must be the name or path of a field, not {json.dumps(value)}"
            )
    return fields


def read_argument(name: str, text: str, kind: type) -> Any:
    """The value of a command's argument that is JSON: an object (dict) or a list. Raises InputError for another one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON ({error}): {text}") from error
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a JSON {'object' if kind is dict else 'list'}, not {text}")
    return value


def iterate_records(path: Path, fields: Fields) -> Iterator[Entry]:
    """The records of a file in order. Raises InputError where it cannot be read, or may hold several lists of them."""
    entries = read_data_file(path)
    first = list(itertools.islice(entries, 2))
    if len(first) == 1 and ("records" in fields or not is_record(first[0], fields)):
        yield from records_inside(path, first[0], fields)
    elif "records" in fields:
        raise InputError(
            f"{path} is a list of records itself, not one object with a list at {fields['records']!r}; "
            "take out fields.records"
        )
    else:
        yield from first
        yield from entries


def is_record(entry: Entry, fields: Fields) -> bool:
    """Whether an entry has a caption under any name of it: a text, a number or null."""
    names = (fields["caption"],) if "caption" in fields else (*NAMES["caption"], *UNCERTAIN_CAPTIONS)
    return any(not isinstance(value, list | dict) for name in names for value in values_at(entry, name))


def records_inside(path: Path, entry: Entry, fields: Fields) -> Sequence[Entry]:
    """The list of records in the one object of a file; the object itself where it holds no list of objects."""
    lists = dict(lists_in(entry))
    if "records" in fields:
        if fields["records"] not in lists:
            raise InputError(
                f"{path}: fields.records: no list of records at {fields['records']!r}; "
                f"{propose_name(fields['records'], lists, most=MOST_LISTED)}"
            )
        return lists[fields["records"]]
    with_captions = {name: records for name, records in lists.items() if any(is_record(one, fields) for one in records)}
    filled = {name: records for name, records in lists.items() if records}
    if not with_captions and find_field(entry, "id", fields)[0]:
        return [entry]  # a record that lacks its caption, as the only one of its file
    likely = with_captions or filled or lists
    if len(likely) > 1:
        raise InputError(
            f"{path} holds several lists of records: {', '.join(list(likely)[:MOST_LISTED])}; "
            "name the right one under fields.records"
        )
    return next(iter(likely.values()), [entry])


def lists_in(entry: Entry, above: str = "") -> Iterator[tuple[str, list[Entry]]]:
    """The lists of objects inside an object by their paths; lists inside of records do not count."""
    for name, value in entry.items():
        path = f"{above}{name}"
        if isinstance(value, dict):
            yield from lists_in(value, f"{path}.")
        elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
            yield path, value


def values_at(entry: Entry, path: str) -> list[Any]:
    """The value of a field by its name, or by a path of names and places in lists; no value where there is no field."""
    if path in entry:
        return [entry[path]]
    value: Any = entry
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return []
    return [value]


def find_id(where: str, entry: Entry, fields: Fields) -> Any:
    """The id of a record; of several fields that are one key, as samples have it (readers/fields.py).

    Raises InputError where there is none, or no text or number.
    """
    if isinstance(fields.get("id"), list):
        values = [next(iter(values_at(entry, name)), None) for name in fields["id"]]
        if all(value in (None, "") for value in values):
            raise missing_field(where, entry, "id", fields)
        return join_key(values)
    name, value = find_field(entry, "id", fields)
    if value in (None, ""):
        raise missing_field(where, entry, "id", fields)
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        raise InputError(f"{where}: the id in {name} is {kind}, not a text; name the field under fields.id")
    return value


def find_caption(where: str, entry: Entry, fields: Fields) -> tuple[str, Any]:
    """The name and the value of a record's caption, which may be null; no name where there is no such field.

    `caption` beside a name that only a model's output has is the ground truth. Raises InputError where several names
    may be the caption's.
    """
    if "caption" in fields:
        return find_field(entry, "caption", fields)
    certain = [one for one in NAMES["caption"] if one in entry]
    likely = certain or [one for one in UNCERTAIN_CAPTIONS if one in entry]
    if len(likely) > 1:
        raise InputError(
            f"{where}: {' and '.join(likely)} may each be the caption; name the right one under fields.caption"
        )
    return (likely[0], entry[likely[0]]) if likely else ("", None)


def find_references(entry: Entry, fields: Fields, caption_name: str) -> Any:
    """The ground truth of a record, None where there is none: also `caption`, where a model's output is elsewhere."""
    name, value = find_field(entry, "references", fields)
    beside = "caption" in entry and caption_name != "caption"
    return entry["caption"] if not name and beside and "references" not in fields else value


def find_field(entry: Entry, key: str, fields: Fields) -> tuple[str, Any]:
    """The name and value of a field under its configured name, else under the first usual name that is there."""
    names = configured_names(fields, key) or NAMES[key]
    return next(((name, value) for name in names for value in values_at(entry, name)), ("", None))


def configured_names(fields: Fields, key: str) -> tuple[str, ...]:
    """The names that are given for a field; none where they are the usual ones."""
    given = fields.get(key, ())
    return (given,) if isinstance(given, str) else tuple(given)


def missing_field(where: str, entry: Entry, key: str, fields: Fields) -> InputError:
    """What to say where a record lacks a field."""
    usual = NAMES[key] if key == "id" else (*UNCERTAIN_CAPTIONS, *NAMES[key])
    names = configured_names(fields, key) or usual
    there = list(itertools.islice(paths_in(entry), MOST_LISTED))
    return InputError(
        f"{where}: no field {' or '.join(names)}; there are {', '.join(there) or 'none'}. "
        f"Name the field of the {key} under fields.{key}"
    )


def paths_in(value: Any, above: str = "") -> Iterator[str]:
    """The paths of the fields of a record that hold no others; of lists those of the first item."""
    inside = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value[:1]))
    if not inside:
        yield above
        return
    for name, one in value.items() if isinstance(value, dict) else enumerate(value[:1]):
        yield from paths_in(one, f"{above}.{name}" if above else str(name))
