r"""Rewrite every drawing of a dataset file as canonical xml; list what had to be rejected.

    python workflow/scripts/preprocess_svg.py drawing.svg      prints the canonical text of one file

Input: a file or folder of drawings (SVG or path records) with captions.
Output: samples as Parquet, fingerprints of their pictures as Parquet, rejected records as CSV with position and reason,
samples whose text still holds words of a reference as CSV, counts as JSON (in = kept + rejected + filtered, which are
the rows that --where leaves out).

    python workflow/scripts/preprocess_svg.py --input drawings.json --source drawings \
        --output drawings.parquet --rejected drawings.rejected.csv --counts drawings.counts.json
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from core.code_digest import code_digest
from core.command import InputError, log, run_command
from core.identity import identity_digest, job_identity
from core.json_settings import settings_from_json
from plan.identity import LIBRARIES
from plan.result_store import file_parts, keep_results, restore_results, result_key
from readers.folder import DATASETS
from rendering.worker_pool import Limits, map_killable
from samples.making import MEMORY_LIMIT_MB, SECONDS_LIMIT, Settings, process_file, process_record
from samples.preprocessing import DRAWING, Outputs, Rows, preprocess_dataset
from samples.reference_checks import ReferenceChecks
from samples.split_statistics import count_tokens
from svg.canonical import LEVELS
from svg.path_records import CANVAS as RECORD_CANVAS


def describe_file(data: bytes, settings: Settings) -> tuple[str, str]:
    """The canonical text of a file's bytes, and what is to say about it. Raises Undecodable or Unusable."""
    made = process_file(data, settings)
    text, drawing = made.text, made.drawing
    flags = ", ".join(made.flags) or "no flags"
    before, after = len(text), len(drawing.xml)
    return drawing.xml, (
        f"{before} -> {after} characters ({after / before:.0%}), about {count_tokens(text)} -> "
        f"{count_tokens(drawing.xml)} tokens\n"
        f"{drawing.n_shapes} shapes, {drawing.n_commands} commands, {drawing.n_colours} colours; {flags}\n"
    )


def print_canonical(path: Path, settings: Settings) -> None:
    """Print the canonical text of one SVG file, and its measures to stderr; made in a worker, as those of a dataset."""
    if not path.is_file():
        raise InputError(f"{path} is no file; a folder of drawings is read by --input")
    limits = Limits(1, SECONDS_LIMIT, MEMORY_LIMIT_MB)
    describe = partial(describe_file, settings=settings)
    (outcome,) = map_killable(describe, [path.read_bytes()], limits, DRAWING.encode())
    if outcome.value is None:
        kind, _, reason = outcome.reason.partition(": ")
        raise InputError(f"{path}: {reason or kind}")
    xml, measures = outcome.value
    sys.stdout.write(xml + "\n")
    sys.stderr.write(measures)


def read_object(option: str, text: str) -> dict[str, Any]:
    """The value of an option that is a JSON object. Raises InputError for anything else."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{option} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{option} must be a JSON object, not {text}")
    return value


def main(
    *,
    file: Path | None,
    input: Path | None,
    source: str,
    fields: str,
    canvas: int,
    precision: int,
    level: str,
    use: str,
    render_check: bool,
    max_difference: float,
    max_cell_difference: float,
    min_similarity: float,
    captions: str,
    max_chars: int | None,
    workers: int,
    output: Path | None,
    fingerprints: Path | None,
    rejected: Path | None,
    label_leakage: Path | None,
    counts: Path | None,
    store: Path | None,
    where: str = "{}",
    questions: bool = False,
) -> None:
    """Preprocess a dataset file, or print one drawing's canonical text."""
    if level == "path_records" and canvas != RECORD_CANVAS:
        raise InputError(f"preprocess.canvas: path records are on a canvas of {RECORD_CANVAS}, not of {canvas}")
    if not (16 <= canvas <= 4096 and 0 <= precision <= 6):
        raise InputError("preprocess.canvas is from 16 to 4096, preprocess.precision from 0 to 6")
    settings = Settings(
        canvas, precision, level, use, render_check, max_difference, max_cell_difference, min_similarity
    )
    if file:
        print_canonical(file, settings)
    elif input and output and rejected and counts:
        checks = settings_from_json(ReferenceChecks, captions, "dataset.captions")
        process = partial(process_record, source=source, settings=settings, checks=checks, max_chars=max_chars)
        beside = output.with_suffix("")
        fingerprints = fingerprints or beside.with_suffix(".fingerprints.parquet")
        label_leakage = label_leakage or beside.with_suffix(".label_leakage.csv")
        outputs = Outputs(output, fingerprints, rejected, label_leakage, counts)
        rows = Rows(read_object("--fields", fields), read_object("--where", where), questions)
        if store is None:
            preprocess_dataset(input, source, rows, process, workers, outputs)
            return
        identity = job_identity(
            inputs={},
            settings={
                "source": source,
                "rows": repr(rows),
                "settings": repr((settings, checks)),
                "max_chars": max_chars,
            },
            code=code_digest("preprocess_svg"),
            libraries=LIBRARIES["preprocess_svg"],
        )
        key = result_key(file_parts(input), identity_digest(identity))
        if restore_results(store, key, outputs.all()):
            log("preprocess_svg", f"{source}: nothing has changed in {input.name}")
        else:
            preprocess_dataset(input, source, rows, process, workers, outputs, is_shard=True)
            keep_results(store, key, outputs.all())
    else:
        raise InputError("give an SVG file, or --input with --output, --rejected and --counts")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", help="one SVG file, whose canonical text is printed")
    parser.add_argument("--input", type=Path, help=DATASETS)
    parser.add_argument("--source", default="drawings", help="name of the source")
    parser.add_argument("--fields", default="{}", help="JSON: names of the fields id, drawing, captions, split, group")
    parser.add_argument("--where", default="{}", help="JSON: field → value, or values, of the rows that take part")
    parser.add_argument("--questions", action="store_true", help="samples keep the question that their row asks")
    parser.add_argument("--canvas", type=int, default=512, help="side of the canvas in user units")
    parser.add_argument("--precision", type=int, default=0, help="decimals of coordinates on that canvas")
    parser.add_argument("--level", choices=LEVELS, default="compact")
    parser.add_argument("--use", choices=("flatten", "keep"), default="flatten", help="what becomes of `use`")
    parser.add_argument("--no-render-check", dest="render_check", action="store_false", help="do not compare pictures")
    parser.add_argument("--max-difference", type=float, default=4.0, help="of the pictures: mean absolute, of 255")
    parser.add_argument("--max-cell-difference", type=float, default=32.0, help="of a cell of 16 x 16 px, of 255")
    parser.add_argument("--min-similarity", type=float, default=0.92, help="of the pictures: structural, of 1")
    parser.add_argument("--captions", default="{}", help="JSON: the configuration's dataset.captions")
    parser.add_argument("--max-chars", type=int, help="longer texts take no part later on: do not draw them")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, help="samples as Parquet")
    parser.add_argument("--fingerprints", type=Path, help="of the pictures, as Parquet; else beside the output")
    parser.add_argument("--rejected", type=Path, help="rejected records as CSV")
    parser.add_argument(
        "--label-leakage", type=Path, help="samples whose text still holds words of a reference, as CSV"
    )
    parser.add_argument("--counts", type=Path, help="counts as JSON")
    parser.add_argument(
        "--store", type=Path, help="the input is a shard: folder of its results, taken where nothing has changed"
    )
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
