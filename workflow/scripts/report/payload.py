"""The data inside the report: what its JavaScript reads, in JSON that can't break out of its element.

Three kinds of elements: one summary (table, charts, training curves), one compressed table of samples with captions
and scores, and the drawings in compressed parts, of which the page opens only those it shows.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comparison.cover import describe_cover
from comparison.data_use import INPUT_WORDS, TRAINED_WORDS, use_codes
from comparison.grouping import number_groups
from comparison.slices import SEVERAL_REFERENCES
from core.records import Image
from report.comparison import FAMILY_LABELS, Comparison, Value
from report.data import MEASURES
from report.inputs import ReportInputs, Training
from report.page import decimals_of
from report.style import OKABE_ITO, SCALINGS, Style, make_axes
from report.votes import describe_voting
from samples.mismatch import FLAG as MISMATCH
from scoring.ballots import VERSION, captions_digest, drawings_digest
from svg.path_records import displayed_drawing
from training.history import EVALUATED, scored_metric

DRAWINGS_A_PART = 50
ESTIMATED_BY = 100  # images that show how large all will be
MOST_DRAWING_BYTES = 10_000_000
MOST_PAGE_BYTES = 14_000_000  # of samples and drawings together; the rest of a page is small
# Characters that end a script element or a line of JavaScript.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
_SVG_ROOT = re.compile(r"<svg\b[^>]*>", re.DOTALL)


@dataclass(frozen=True)
class Packing:
    """How images are stored in the page: the same pixels (`quality` None), or smaller, said in `words`."""

    words: str
    quality: int | None = None
    most_pixels: int = 0  # longest side


PACKINGS = (
    Packing(""),
    Packing("compressed with losses (WebP, quality 70), to keep this page small", 70, 224),
    Packing("reduced to 112 px (WebP, quality 60), to keep this page small", 60, 112),
)


@dataclass(frozen=True)
class PackedDrawings:
    """Drawings and images in base64 of deflated JSON, `DRAWINGS_A_PART` samples each: [svg, image, width, height]."""

    parts: list[str]
    reduced: str  # how the images differ from the PNG; "" where the pixels are the same


def embed_json(value: Any) -> str:
    """JSON for a script element: nothing in it ends the element, and nan is refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def pack_json(value: Any) -> str:
    """JSON in base64 of deflated text: a fourth of the size, and nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def ballot_payload(inputs: ReportInputs) -> dict[str, Any]:
    """What the blind comparison needs: digests that go with its votes, and how many votes it takes.

    `report` names drawings and captions together: by it a browser finds the votes that it keeps. Scores are no part.
    """
    drawings = drawings_digest(inputs.samples)
    captions = {system.name: captions_digest(inputs.captions[system.name]) for system in inputs.comparison.systems}
    report = hashlib.sha256(json.dumps([drawings, captions]).encode()).hexdigest()[:12]
    return {
        "version": VERSION,
        "report": report,
        "drawings": drawings,
        "captions": captions,
        "voting": describe_voting(inputs.comparison.n_groups),
    }


def summary_payload(
    inputs: ReportInputs, radar_values: list[Value], style: Style, *, images_reduced: str
) -> dict[str, Any]:
    """Systems, values, slices, cells, pairs, axes of the radar chart, training curves."""
    comparison = inputs.comparison
    return {
        "experiment": comparison.experiment,
        "ballot": ballot_payload(inputs),
        "images_reduced": images_reduced,
        "confidence": comparison.confidence,
        "cover": describe_cover(comparison.n_trainings, "they cover"),
        "systems": [
            {
                "name": s.name,
                "label": s.label,
                "family": FAMILY_LABELS.get(s.family, s.family),
                "use": s.use,
                "shares_model": s.shares_model,
                "seeds": list(s.trainings),
            }
            | use_codes(s.trained, s.input)
            for s in comparison.systems
        ],
        "uses": {"trained": TRAINED_WORDS, "input": INPUT_WORDS},
        "values": [
            {
                "name": value.name,
                "label": value.label,
                "decimals": decimals_of(value),
                "metric": value.metric,
                "range": value.range,
                "higher": value.higher_is_better,
                "corpus": value.corpus,
                "share": value.share,
                "note": value.note,
                "signature": value.signature,
            }
            for value in comparison.values
        ],
        "health": {
            flag["name"]: flag["label"] for health in inputs.health.values() for flag in health.summary["flags"]
        },
        "slices": [
            {"name": name, "label": slice_label(name), "n": size.n, "groups": size.n_groups}
            for name, size in comparison.slices.items()
        ],
        "cells": {
            f"{cell.system}|{cell.value}|{cell.slice}": [
                _short(cell.score), _short(cell.low), _short(cell.high), cell.n, cell.n_failed, cell.n_groups,
                _short(cell.sample_mean), _short(cell.seed_sd), [_short(score) for score in cell.by_training],
            ]
            for cell in comparison.cells.values()
        },
        "pairs": [
            [pair.value, pair.a, pair.b, _short(pair.difference), _short(pair.low), _short(pair.high), pair.p_holm]
            for pair in comparison.pairs
        ],
        "human": {
            name: [_short(record.score), _short(record.low), _short(record.high), record.n, record.n_groups]
            for name, record in comparison.human.items()
        },
        "published": [
            {"label": row.label, "source": row.source, "slice": row.slice, "scores": row.scores}
            for row in comparison.published
        ],
        "best": {
            name: {"system": best.system, "ties": best.ties, "testable": best.testable}
            for name, best in comparison.best.items()
        },
        "radar": [value.name for value in radar_values],
        "main": [value.name for value in comparison.main_values(radar_values)],
        "uninformative": [
            f"{value.name}|{name}"
            for value in comparison.values
            for name in comparison.slices
            if not comparison.is_informative(value, name)
        ],
        "several_references": SEVERAL_REFERENCES,
        "scaling": style.scaling,
        "colours": None if style.colours == OKABE_ITO else style.colours,
        "axes": {scaling: _axes_of_slices(comparison, radar_values, style, scaling) for scaling in SCALINGS},
        "statistics": {
            "labels": MEASURES,
            "measures": {
                name: {
                    "edges": table["edges"],
                    "splits": {
                        split: {"n": numbers["n"], "median": numbers["median"], "histogram": numbers["histogram"]}
                        for split, numbers in table["splits"].items()
                    },
                }
                for name, table in inputs.statistics["measures"].items()
            },
        },
        "trainings": [training_curves(training, labels_of(comparison)) for training in inputs.trainings],
    }  # fmt: skip


def samples_payload(inputs: ReportInputs) -> dict[str, Any]:
    """Columns over all samples: what the explorer filters, sorts and shows, but for the drawings."""
    comparison = inputs.comparison
    return {
        "id": [sample.id for sample in inputs.samples],
        "source": [sample.source for sample in inputs.samples],
        "groups": number_groups(inputs.samples).tolist(),
        "references": [sample.references for sample in inputs.samples],
        "flags": [
            [
                *sample.flags,
                *image.flags,
                *(["leaked"] if place in inputs.leaked else []),
                *([MISMATCH] if inputs.mismatch and sample.id in inputs.mismatch.flagged else []),
            ]
            for place, (sample, image) in enumerate(zip(inputs.samples, inputs.images, strict=True))
        ],
        "measures": [[s.n_chars, s.n_shapes, s.n_commands, s.n_colours] for s in inputs.samples],
        "undrawn": {
            index: image.reason for index, image in enumerate(inputs.images) if image.status == "failed"
        },
        "systems": {
            system.name: {
                "captions": [caption.caption for caption in inputs.captions[system.name]],
                "failed": {
                    index: caption.reason
                    for index, caption in enumerate(inputs.captions[system.name])
                    if caption.status == "failed"
                },
                "flags": {
                    index: [flag for flag in flags if flag != "empty"]
                    for index, flags in enumerate(inputs.health[system.name].flags)
                    if set(flags) - {"empty"}
                },
                "scores": {
                    value.name: [_short(float(score)) for score in inputs.scores[system.name][value.name]]
                    for value in comparison.values
                },
            }
            for system in comparison.systems
        },
    }  # fmt: skip


def pack_drawings(inputs: ReportInputs, most_bytes: int = MOST_DRAWING_BYTES) -> PackedDrawings:
    """Drawings as SVG text, images as WebP: the pixels of the PNG, or fewer where all would exceed `most_bytes`."""
    svgs = [displayable_svg(sample.xml) for sample in inputs.samples]
    packing = choose_packing(svgs, inputs.images, most_bytes)
    rows = [
        [svg, image.png and base64.b64encode(pack_image(image.png, packing)).decode(), image.width, image.height]
        for svg, image in zip(svgs, inputs.images, strict=True)
    ]
    parts = (rows[start : start + DRAWINGS_A_PART] for start in range(0, len(rows), DRAWINGS_A_PART))
    return PackedDrawings(
        parts=[pack_json(part) for part in parts],
        reduced=packing.words,
    )


def choose_packing(svgs: list[str], images: list[Image], most_bytes: int) -> Packing:
    """The first packing with which all drawings fit, by `ESTIMATED_BY` of the images; else the last one."""
    # In the page all is in base64, of which deflate takes back what the base64 inside of the parts puts on.
    drawings = sum(len(zlib.compress(svg.encode())) for svg in svgs)
    pngs = [image.png for image in images if image.png is not None]
    some = pngs[:: math.ceil(len(pngs) / ESTIMATED_BY)] if pngs else []
    for packing in PACKINGS:
        pictures = sum(len(pack_image(png, packing)) for png in some) * len(pngs) / max(1, len(some))
        if 4 / 3 * (drawings + pictures) <= most_bytes:
            return packing
    return PACKINGS[-1]


def displayable_svg(xml: str) -> str:
    """The drawing with the namespace that browsers want before they show an SVG file as an image."""
    xml = displayed_drawing(xml)
    root = _SVG_ROOT.search(xml)
    if root is None or re.search(r"\sxmlns\s*=", root.group()):
        return xml
    return f'{xml[: root.start()]}<svg xmlns="http://www.w3.org/2000/svg"{xml[root.start() + 4 :]}'


def pack_image(png: bytes, packing: Packing) -> bytes:
    """An image as WebP; without a quality the same pixels, in a third of the bytes of the PNG."""
    from PIL import Image as Pillow

    image: Any = Pillow.open(io.BytesIO(png))
    image = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    packed = io.BytesIO()
    if packing.quality is None:
        image.save(packed, "WEBP", lossless=True, exact=True, method=2)
    else:
        image.thumbnail((packing.most_pixels, packing.most_pixels))
        image.save(packed, "WEBP", quality=packing.quality, method=4)
    return packed.getvalue()


def labels_of(comparison: Comparison) -> dict[str, str]:
    """Labels of the values by their names."""
    return {value.name: value.label for value in comparison.values}


def training_curves(training: Training, labels: Mapping[str, str]) -> dict[str, Any]:
    """Points [step, value] of losses and of the captions' score; records without the number are no points."""
    metric = scored_metric(training.history)
    return {
        "model": training.model,
        "train": _curve(training.history, "loss"),
        "validation": _curve(training.history, "eval_loss"),
        "metric": labels.get(str(metric), metric),
        "scores": _curve(training.history, f"{EVALUATED}{metric}"),
        "best_step": training.facts.get("best_step"),
        "last_step": training.facts.get("steps"),
        "planned_steps": training.facts.get("planned_steps"),
    }


def slice_label(name: str) -> str:
    """`source=scenes` as a person reads it."""
    slicing, _, label = name.partition("=")
    return "all samples" if name == "all" else f"{slicing}: {label}"


def _axes_of_slices(
    comparison: Comparison, values: list[Value], style: Style, scaling: str
) -> dict[str, list[list[float]]]:
    return {
        name: [[axis.inner, axis.outer] for axis in make_axes(comparison, values, name, style.ranges, scaling)]
        for name in comparison.slices
    }


def _curve(history: list[dict[str, Any]], key: str) -> list[list[float]]:
    return [
        [record["step"], record[key]]
        for record in history
        if "step" in record and isinstance(record.get(key), int | float) and math.isfinite(record[key])
    ]


def _short(number: float | None) -> float | None:
    """Five decimals are enough to read and to sort by; nan becomes null."""
    return None if number is None or math.isnan(number) else round(number, 5)
