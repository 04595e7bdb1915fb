"""Captions that were made elsewhere, read from a file: JSON, JSON lines, CSV, TSV or Parquet, also gzipped.

A record has an id and a caption under one of the usual names, or under those that `fields` gives
(captions/prediction_files.py). It may have the `finish_reason` (eos, length), and say that the caption failed:
`"success": false`, or an `error` with a text. Its ground truth serves to audit a file without a dataset; where there is
one, it is compared, so that ids of other samples are noticed. Scores always use the references of the samples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captions.health import is_marker
from captions.prediction_files import (
    Entry,
    Fields,
    find_caption,
    find_id,
    find_references,
    iterate_records,
    missing_field,
)
from core.command import InputError
from core.records import Caption
from core.visible_text import is_blank
from readers.entries import as_captions
from readers.fields import as_text

FINISH_REASONS = ("eos", "length")
NO_ERROR = ("", "none", "null", "nan", "false", "no")  # how tables write that there is no error


@dataclass(frozen=True)
class Prediction:
    """One record of a file. `position` is its 0-based place."""

    position: int
    id: str
    caption: Caption
    references: list[str]
    replaced: bool = False  # whether the caption held lone surrogates, which no file can hold; they are question marks


def read_predictions(path: Path, fields: Fields, failure_markers: Sequence[str]) -> list[Prediction]:
    """The records of a file in order. An empty caption, a failure marker and what says that it failed are failures.

    Raises InputError for a record without an id or without the caption's field, and for an id that is there twice.
    """
    predictions: dict[str, Prediction] = {}
    for position, entry in enumerate(iterate_records(path, fields)):
        where = f"{path}, record {position}"
        prediction = read_prediction(where, position, entry, fields, failure_markers)
        if prediction.id in predictions:
            raise InputError(
                f"{where}: the id {prediction.id!r} is that of record {predictions[prediction.id].position}, too; "
                "keep one"
            )
        predictions[prediction.id] = prediction
    if not predictions:
        raise InputError(f"{path} has no records")
    if "references" in fields and not any(prediction.references for prediction in predictions.values()):
        raise InputError(f"{path}: no record has a text under {fields['references']!r}, which fields.references names")
    return list(predictions.values())


def read_prediction(
    where: str, position: int, entry: Entry, fields: Fields, failure_markers: Sequence[str]
) -> Prediction:
    """One record. Raises InputError where it has no id, or no caption and no failure."""
    id_ = as_text(find_id(where, entry, fields))
    name, value = find_caption(where, entry, fields)
    failure = failure_of(entry)
    if not name and not failure:
        raise missing_field(where, entry, "caption", fields)
    text = value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    caption = make_caption(id_, text, failure, entry.get("finish_reason"), failure_markers)
    references = as_captions(find_references(entry, fields, name))
    return Prediction(position, id_, caption, references, replaced=text != value)


def make_caption(id_: str, value: Any, failure: str, finish_reason: Any, failure_markers: Sequence[str]) -> Caption:
    """The caption of a record; failed if the text is empty, a failure marker, or no text; the text is kept.

    A remark in brackets that is none of the markers is a caption, as it is where a model of ours writes it.
    """
    if failure:
        return Caption(id_, value.strip() if isinstance(value, str) else "", "failed", failure)
    if value is not None and not isinstance(value, str):
        return Caption(id_, "", "failed", f"not a text but {type(value).__name__}")
    text = (value or "").strip()
    if is_blank(text):
        return Caption(id_, "", "failed", "empty in the file")
    if is_marker(text, failure_markers):
        return Caption(id_, text, "failed", f"failure marker: {text[:60]}")
    return Caption(id_, text, finish_reason=finish_reason if finish_reason in FINISH_REASONS else "")


def failure_of(entry: Entry) -> str:
    """Why a record's tool says that it failed; empty where it does not. Tables have `success` as text."""
    success = entry.get("success")
    failed = success is False or (isinstance(success, str) and success.strip().casefold() in ("false", "no", "0"))
    return error_text(entry.get("error")) or ("the file says success: false" if failed else "")


def error_text(error: Any) -> str:
    """The message of a field `error`, without line ends. A number is a measure, not a message."""
    if isinstance(error, dict):
        error = error.get("message") or (json.dumps(error) if error else "")
    if error is True:
        return "the file says error: true"
    text = " ".join(as_text(error).split()) if isinstance(error, str) else ""
    return "" if text.casefold() in NO_ERROR or is_number(text) else text


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
