"""Faults of the fields that a configuration names in a data file: such as no record has, by its first records.

`format` names a known set of fields, `fields` single ones, and `where` those by which rows are left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name

N_RECORDS = 100
# Fields that a record may lack.
OPTIONAL_FIELDS = ("split", "group")
# Formats in which every record has all fields.
TABLES = (".csv", ".tsv", ".parquet")

Records = list[dict[str, Any]]


def record_faults(key: str, path: Path, source: Mapping[str, Any]) -> Iterator[str]:
    """Fields that no record has. A field that a record may lack is looked for only where all records were read."""
    try:
        records, complete = first_records(path)
    except (InputError, OSError) as error:  # no data, or no permission to read them
        yield f"{key}.path: {error}"
        return
    found = list(dict.fromkeys(name for record in records for name in record))
    if not found:
        return
    whose = f"record of {path}" if complete else f"record of the first {N_RECORDS} of {path}"
    if "format" in source:
        yield from _format_faults(f"{key}.format", source, found, whose)
    for field, names in source["fields"].items():
        certain = complete or path.suffix in TABLES or field not in OPTIONAL_FIELDS
        for name in names if isinstance(names, list) else [names]:
            if certain and name and name not in found:
                yield f"{key}.fields.{field}: no {whose} has a field {name!r}; {_propose(name, found)}"
    yield from _where_faults(f"{key}.where", source, records, found, whose, complete)


def _format_faults(key: str, source: Mapping[str, Any], found: list[str], whose: str) -> Iterator[str]:
    from readers.known_formats import FORMATS, missing_fields, recognise_format

    name = source["format"]
    missing = missing_fields(FORMATS[name], source["fields"], found)
    if missing:
        other = recognise_format(found)
        hint = f"; these are the fields of {other}" if other else ""
        yield (
            f"{key}: {name} needs the field {' and '.join(missing)}, which no {whose} has; there are: "
            f"{', '.join(found)}{hint}. Names of your own go under fields"
        )


def _where_faults(
    key: str, source: Mapping[str, Any], records: Records, found: list[str], whose: str, complete: bool
) -> Iterator[str]:
    """Fields of `where` that no record has, and values by which all records would be left out."""
    from readers.filters import failing_field, plain_value, plain_values
    from readers.known_formats import resolve_source

    where = resolve_source(source)[1]
    for name in where:
        if name not in found:
            yield f"{key}.{name}: no {whose} has a field {name!r}; {_propose(name, found)}"
            return
    if complete and where and all(failing_field(record, where) for record in records):
        for name, wanted in where.items():
            values = list(dict.fromkeys(plain_value(record.get(name)) for record in records))
            if not plain_values(wanted) & set(values):
                yield f"{key}.{name}: no {whose} has a value of {wanted!r}; {propose_name(wanted, values, most=20)}"
                return
        yield f"{key}: no {whose} has all of these values: {dict(where)}"


def _propose(name: str, found: list[str]) -> str:
    hint = propose_name(name, found)
    return hint if hint.startswith("there are") else f"{hint} (there are: {', '.join(found)})"


def first_records(path: Path) -> tuple[Records, bool]:
    """The first records of a file or folder, and whether these are all. Raises InputError where there are no data.

    Of a folder of drawings they are the first rows of each data file in it: a row can belong to any drawing.
    """
    from readers.entries import open_entries
    from readers.folder import files_of, is_saved_dataset, read_readable

    drawings, tables = files_of(path) if path.is_dir() and not is_saved_dataset(path) else ([], [])
    rows = [(row for _, row in read_readable(table, [])) for table in tables]
    parts = rows if drawings else [open_entries(path)]
    firsts = [list(itertools.islice(part, N_RECORDS + 1)) for part in parts]
    records = [entry for entries in firsts for entry in entries[:N_RECORDS] if isinstance(entry, dict)]
    complete = all(len(entries) <= N_RECORDS for entries in firsts)
    return [{"id": path.stem, "svg": ""} for path in drawings[:1]] + records, complete
