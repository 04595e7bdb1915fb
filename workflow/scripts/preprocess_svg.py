"""Rewrite every drawing of a dataset file as canonical xml; list what had to be rejected.

Input: a file or folder of drawings (SVG or path records) with captions, in any format of readers.py. Output: samples as
Parquet, rejected records as CSV with position and reason, counts as JSON (in = kept + rejected).

    python workflow/scripts/preprocess_svg.py --input drawings.json --source drawings \
        --output drawings.parquet --rejected drawings.rejected.csv --counts drawings.counts.json
    python workflow/scripts/preprocess_svg.py drawing.svg      prints the canonical text of one file
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from command import InputError, Progress, run_command, say
from readers import RawRecord, open_entries, read_records
from records import SPLITS, Rejection, Sample, write_json, write_rejections, write_samples
from svg_bytes import Undecodable, decode_drawing
from svg_canonical import Unusable, canonicalise
from worker_pool import Limits, map_killable

SECONDS_LIMIT = 10  # for one drawing; an icon takes milliseconds
MEMORY_LIMIT_MB = 768


@dataclass(frozen=True)
class Settings:
    """How drawings are rewritten; the keys of `preprocess` in the configuration."""

    canvas: int
    precision: int
    level: str


def process_record(record: RawRecord, source: str, settings: Settings) -> Sample | Rejection:
    """The sample of a raw record, or why there is none."""
    try:
        return make_sample(record, source, settings)
    except Unusable as reason:
        return Rejection(source, record.id, record.position, str(reason))
    except (ArithmeticError, RecursionError, MemoryError) as error:
        # Numbers out of all bounds in hostile drawings; the record is listed with the reason.
        return Rejection(source, record.id, record.position, f"cannot be computed ({type(error).__name__}: {error})")


def make_sample(record: RawRecord, source: str, settings: Settings) -> Sample:
    """The sample of a raw record. Raises Unusable with the reason."""
    if record.fault or not (record.drawing or "").strip():
        raise Unusable(record.fault or "no drawing")
    if not record.captions:
        raise Unusable("no caption")
    if record.split and record.split not in SPLITS:
        raise Unusable(f"unknown split {record.split!r}; it is one of {', '.join(SPLITS)}")
    drawing = canonicalise(record.drawing or "", settings.canvas, settings.precision, settings.level)
    return Sample(
        id=record.id,
        source=source,
        split=record.split,
        group=record.group or record.id,
        xml=drawing.xml,
        references=record.captions,
        flags=sorted({*record.flags, *drawing.flags}),
        n_chars=len(drawing.xml),
        n_shapes=drawing.n_shapes,
        n_commands=drawing.n_commands,
        n_colours=drawing.n_colours,
    )


def read_unique(path: Path, fields: dict[str, str]) -> list[RawRecord]:
    """The records of a file. Raises InputError for two of one id."""
    records = list(read_records(open_entries(path), fields, str(path)))
    positions: dict[str, int] = {}
    for record in records:
        if record.id in positions:
            raise InputError(
                f"{path}: records {positions[record.id]} and {record.position} have one id {record.id!r}; "
                "give each its own, or name the field that is unique under dataset.sources.<source>.fields.id"
            )
        positions[record.id] = record.position
    return records


def process_records(records: list[RawRecord], source: str, settings: Settings, workers: int) -> list:
    """Samples and rejections in the order of the records, made by `workers` processes that can be killed."""
    process = partial(process_record, source=source, settings=settings)
    limits = Limits(workers, SECONDS_LIMIT, MEMORY_LIMIT_MB)
    results: list[Sample | Rejection] = []
    with Progress(f"preprocess_svg {source}", len(records), "drawing") as progress:
        for record, outcome in zip(records, map_killable(process, records, limits, WARM_UP), strict=True):
            results.append(outcome.value or Rejection(source, record.id, record.position, outcome.reason))
            progress.advance()
    return results


WARM_UP = RawRecord(0, "", '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9v9z"/></svg>', ["x"], "", "")


def count_flags(samples: Iterable[Sample]) -> dict[str, int]:
    """How many samples have each flag, the frequent first."""
    return dict(Counter(flag for sample in samples for flag in sample.flags).most_common())


def preprocess_dataset(
    input: Path, source: str, fields: str, settings: Settings, workers: int, output: Path, rejected: Path, counts: Path
) -> None:
    """Write samples, rejections and counts of a dataset file. Raises InputError where nothing is left."""
    records = read_unique(input, json.loads(fields))
    results = process_records(records, source, settings, workers)
    samples = [result for result in results if isinstance(result, Sample)]
    rejections = [result for result in results if isinstance(result, Rejection)]
    reasons = Counter(rejection.reason for rejection in rejections).most_common(3)
    shown = "; ".join(f"{number} x {reason}" for reason, number in reasons)
    if not samples:
        raise InputError(f"{input}: none of {len(records)} records became a sample: {shown}")
    write_samples(output, samples)
    write_rejections(rejected, rejections)
    write_json(
        counts,
        {
            "source": source,
            "in": len(records),
            "rejected": len(rejections),
            "kept": len(samples),
            "flags": count_flags(samples),
        },
    )
    say("preprocess_svg", f"{source}: {len(records)} in, {len(samples)} kept, {len(rejections)} rejected {shown}")


def print_canonical(path: Path, settings: Settings) -> None:
    """Print the canonical text of one SVG file, and its measures to stderr."""
    try:
        text, _ = decode_drawing(path.read_bytes())
        drawing = canonicalise(text, settings.canvas, settings.precision, settings.level)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (Undecodable, Unusable) as reason:
        raise InputError(f"{path}: {reason}") from reason
    sys.stdout.write(drawing.xml + "\n")
    flags = ", ".join(drawing.flags) or "no flags"
    measures = f"{len(drawing.xml)} characters, {drawing.n_shapes} shapes, {drawing.n_commands} commands"
    sys.stderr.write(f"{measures}, {drawing.n_colours} colours; {flags}\n")


def main(
    *,
    file: Path | None,
    input: Path | None,
    source: str,
    fields: str,
    canvas: int,
    precision: int,
    level: str,
    workers: int,
    output: Path | None,
    rejected: Path | None,
    counts: Path | None,
) -> None:
    """Preprocess a dataset file, or print one drawing's canonical text."""
    settings = Settings(canvas, precision, level)
    if file:
        print_canonical(file, settings)
    elif input and output and rejected and counts:
        preprocess_dataset(input, source, fields, settings, workers, output, rejected, counts)
    else:
        raise InputError("give an SVG file, or --input with --output, --rejected and --counts")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Rewrite drawings as canonical xml.")
    parser.add_argument("file", type=Path, nargs="?", help="one SVG file, whose canonical text is printed")
    parser.add_argument("--input", type=Path, help="dataset: a file or folder in any format of readers.py")
    parser.add_argument("--source", default="drawings", help="name of the source")
    parser.add_argument("--fields", default="{}", help="JSON: names of the fields id, drawing, captions")
    parser.add_argument("--canvas", type=int, default=512, help="side of the canvas in user units")
    parser.add_argument("--precision", type=int, default=0, help="decimals of coordinates on that canvas")
    parser.add_argument("--level", choices=["none", "safe", "compact"], default="compact")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, help="samples as Parquet")
    parser.add_argument("--rejected", type=Path, help="rejected records as CSV")
    parser.add_argument("--counts", type=Path, help="counts as JSON")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
