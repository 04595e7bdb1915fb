"""Captions that were made elsewhere, read from a file: JSON array, JSON lines, CSV, TSV or Parquet, also gzipped.

A record has an id and a caption under one of the usual names, or under those that `fields` gives. It may have the
`finish_reason` (eos, length) and, to be audited without a dataset, its reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captions.health import is_failure_marker
from core.command import InputError
from core.records import Caption
from readers.entries import as_captions, as_text
from readers.folder import read_data_file

# Usual names of each field; the first one present is used.
NAMES = {
    "id": ("id", "filename", "image_id", "name"),
    "caption": ("caption", "prediction", "generated", "output"),
    "references": ("reference", "references", "captions"),
}
FINISH_REASONS = ("eos", "length")


@dataclass(frozen=True)
class Prediction:
    """One record of a file. `position` is its 0-based place."""

    position: int
    id: str
    caption: Caption
    references: list[str]
    replaced: bool = False  # whether the caption held lone surrogates, which no file can hold; they are question marks


def read_predictions(path: Path, fields: dict[str, str], failure_markers: list[str]) -> list[Prediction]:
    """The records of a file in order. An empty caption and a failure marker are failed captions.

    Raises InputError for a record without an id or without the caption's field, and for an id that is there twice.
    """
    predictions: dict[str, Prediction] = {}
    for position, entry in enumerate(read_data_file(path)):
        where = f"{path}, record {position}"
        id_ = as_text(take_field(where, entry, "id", fields))
        if id_ in predictions:
            raise InputError(f"{where}: the id {id_!r} is that of record {predictions[id_].position}, too; keep one")
        value = take_field(where, entry, "caption", fields)
        text = value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        caption = make_caption(id_, text, entry, failure_markers)
        references = next((as_captions(entry[name]) for name in NAMES["references"] if name in entry), [])
        predictions[id_] = Prediction(position, id_, caption, references, replaced=text != value)
    if not predictions:
        raise InputError(f"{path} has no records")
    return list(predictions.values())


def take_field(where: str, entry: dict[str, Any], key: str, fields: dict[str, str]) -> Any:
    """The value of a field under its configured name, else under the first usual name that is there."""
    names = (fields[key],) if key in fields else NAMES[key]
    name = next((name for name in names if name in entry), None)
    if name is None or (key == "id" and entry[name] in (None, "")):
        raise InputError(
            f"{where}: no field {' or '.join(names)}; there are {', '.join(map(str, entry)) or 'none'}. "
            f"Name the field of the {key} under fields.{key}"
        )
    return entry[name]


def make_caption(id_: str, value: Any, entry: dict[str, Any], failure_markers: list[str]) -> Caption:
    """The caption of a record; failed if the text is empty, a failure marker, or no text; the text is kept."""
    if value is not None and not isinstance(value, str):
        return Caption(id_, "", "failed", f"not a text but {type(value).__name__}")
    text = (value or "").strip()
    if not text:
        return Caption(id_, "", "failed", "empty in the file")
    if is_failure_marker(text, failure_markers):
        return Caption(id_, text, "failed", f"failure marker: {text[:60]}")
    reason = entry.get("finish_reason")
    return Caption(id_, text, finish_reason=reason if reason in FINISH_REASONS else "")
