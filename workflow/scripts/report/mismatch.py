"""The report's list of captions that may belong to other drawings, with their pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import InputError
from core.records import Image, read_json


@dataclass(frozen=True)
class WorstCaption:
    """A caption, how many of `n_others` other captions fit its picture better, and the picture as a data URI."""

    id: str
    source: str
    caption: str
    n_better: int
    n_others: int
    flagged: bool
    picture: str


@dataclass(frozen=True)
class Mismatch:
    """mismatch.json with pictures. `sources` has its counts as they are."""

    n_others: int
    max_false_alarms: float
    sources: dict[str, dict[str, Any]]
    flagged: set[str]  # ids
    worst: list[WorstCaption]


def read_mismatch(path: Path, images: list[Image]) -> Mismatch:
    """Read mismatch.json. Raises InputError for another file, or one of other samples."""
    raw = read_json(path)
    pngs = {image.id: image.png for image in images if image.png is not None}
    fields = [name for name in WorstCaption.__dataclass_fields__ if name != "picture"]
    try:
        flagged = set(raw["flagged"])
        foreign = (flagged | {one["id"] for one in raw["worst"]}) - set(pngs)
        if foreign:
            raise InputError(f"{path} is of other samples, {min(foreign)!r} for one; run rank_references again")
        worst = [
            WorstCaption(**{name: one[name] for name in fields}, picture=png_uri(pngs[one["id"]]))
            for one in raw["worst"]
        ]
        return Mismatch(raw["n_others"], raw["max_false_alarms"], raw["sources"], flagged, worst)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} holds no ranks of captions ({error!r}); run rank_references again") from error


def png_uri(png: bytes) -> str:
    """A PNG as the source of an image."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
