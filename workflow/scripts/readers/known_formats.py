"""Datasets whose fields are known: a format is a named set of fields and of rows that take part.

The fields were read from the cards of the datasets and from the code of their authors in November 2026. What a source
gives under `fields` comes before those of its format, and its `where` takes the place of the format's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from readers.fields import find_field
from readers.filters import Where


@dataclass(frozen=True)
class Format:
    """A known dataset or layout: what it is, the fields of its rows, and which rows take part."""

    about: str
    fields: dict[str, str | list[str]]
    where: Where = field(default_factory=dict)


FORMATS = {
    "unisvg": Format(
        "UniSVG (lili24/UniSVG): questions that hold the code of their drawing. Of its kinds of rows, `where` takes "
        "the descriptions; those of ISVGUN refer to a picture and hold no code. A row is known by question and picture",
        {
            "id": ["image_path", "q_text"],
            "drawing": "q_text",
            "captions": "a_text",
            "group": "image_path",
            "question": "q_text",
        },
        {"type": "CSVGUN_description"},
    ),
    "vectorgym": Format(
        "VectorGym (ServiceNow/VectorGym), its captions. Rows that repeat a drawing for another edit are copies; "
        "`where: {is_chart: false}` leaves the charts out",
        {"id": "svg_id", "drawing": "original_svg", "captions": "text_caption"},
    ),
    "mmsvg": Format(
        "MMSVG-Icon and MMSVG-Illustration (OmniSVG)", {"id": "id", "drawing": "svg", "captions": "description"}
    ),
    "svgx": Format(
        "SVGX-Core-250k (xingxm). Names repeat, so that the records are numbered. SVGX-SFT is `alpaca` or `sharegpt`",
        {"id": "", "drawing": "svg_code", "captions": ["blip_caption", "name"]},
    ),
    "svg_stack": Format(
        "text2svg-stack (starvector): captions of three models",
        {"id": "Filename", "drawing": "Svg", "captions": ["caption_blip2", "caption_cogvlm", "caption_llava"]},
    ),
    "alpaca": Format(
        "Instruction, input and output: the drawing is the input, or stands in the instruction. Records are numbered",
        {"id": "", "drawing": "input", "captions": "output", "question": "instruction"},
    ),
    "sharegpt": Format(
        "Conversations (`from`/`value` or `role`/`content`): the first drawing, the next answer that is none, and what "
        "was asked for it",
        {"turns": ["conversations", "messages"]},
    ),
    "path_records": Format(
        "Lists of styled paths, as published models of this field were trained on",
        {"id": "filename", "drawing": "xml", "captions": "caption"},
    ),
}
# Fields of a format that are given as several names of which a dataset needs one.
ALTERNATIVES = ("captions", "turns")


def resolve_source(source: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a source and which of its rows take part, with those of its format where it names one."""
    known = FORMATS[source["format"]] if "format" in source else Format("", {})
    return {**known.fields, **source.get("fields", {})}, dict(source.get("where", known.where))


def has_questions(fields: Mapping[str, Any]) -> bool:
    """Whether these fields of a source give questions."""
    return "question" in fields or "turns" in fields


def missing_fields(known: Format, overridden: Mapping[str, Any], found: list[str]) -> list[str]:
    """The fields that rows of a format need and that none of the found ones has; of alternatives all, joined by or."""
    missing = []
    for key, names in known.fields.items():
        wanted = [name for name in ([names] if isinstance(names, str) else names) if name]
        if key in overridden or not wanted:
            continue
        lacking = [name for name in wanted if name not in found]
        if key in ALTERNATIVES:
            missing += [" or ".join(lacking)] if len(lacking) == len(wanted) else []
        else:
            missing += lacking
    return list(dict.fromkeys(missing))


def recognise_format(found: list[str]) -> str:
    """The format whose fields are all among the found ones; of several the one with most. Empty where there is none."""
    fitting = {name: len(known.fields) for name, known in FORMATS.items() if not missing_fields(known, {}, found)}
    return max(fitting, key=fitting.__getitem__, default="")


def recognise_source(records: list[dict[str, Any]], fields: Mapping[str, Any]) -> str | None:
    """The format of a file by its first records; None where none of them fits.

    It is empty where `fields` or the usual names find drawings and captions.
    """

    def is_found(key: str) -> bool:
        return key in fields or any(find_field(record, key, {}) for record in records)

    if is_found("drawing") and is_found("captions"):
        return ""
    return recognise_format(list(dict.fromkeys(name for record in records for name in record))) or None
