r"""Audit a dataset of captioned drawings by itself, before any configuration: one HTML page, and the same as JSON.

Input   a file or folder of drawings with captions; a known format is recognised
Output  <folder>/audit.html and <folder>/audit.json: what preprocessing would reject and repair and why, duplicates and
        near-duplicates, leaks between given splits, label leakage, problems of captions, lengths, the share of the
        drawings that fits a budget of tokens, 40 random drawings and the 40 most suspicious ones with pictures

    python workflow/scripts/audit_dataset.py drawings.jsonl
    python workflow/scripts/audit_dataset.py data/unisvg --format unisvg --where '{"type": "CSVGUN_usage"}' \
        --tokenizer results/models/llama --budget 2048 --output-dir audit

The stages of the workflow do the work, with its default settings. Drawings are read and drawn in guarded processes.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from captions.prediction_files import read_argument
from core.command import InputError, format_duration, log, run_command
from core.records import Image, Rejection, Sample, read_json, stream_samples, write_json
from plan.record_faults import first_records, record_faults
from readers.folder import DATASETS, is_folder_of_drawings
from readers.known_formats import FORMATS, has_questions, recognise_source, resolve_source
from readers.unknown_layout import check_fields, explain_layout
from rendering.image_records import render_samples
from rendering.renderers import PictureStyle
from rendering.worker_pool import Limits
from report.audit_page import Shown, listed_ids, write_audit_page
from samples.audit import Audited, audit_samples, choose_shown, summarise
from samples.making import MEMORY_LIMIT_MB, SECONDS_LIMIT, Settings, process_record
from samples.preprocessing import Outputs, Rows, preprocess_dataset
from samples.reference_checks import ReferenceChecks
from samples.split_statistics import count_tokens

N_SHOWN = 40
SEED = 20
PICTURE_SIZE = 160  # px


@dataclass(frozen=True)
class Audit:
    """What was found: the audit as JSON has it, the samples with pictures that its page shows, and which these are."""

    summary: dict[str, Any]
    shown: dict[str, Shown]
    random_ids: list[str]
    suspicious_ids: list[str]


def read_source(path: Path, format: str | None, fields: str, where: str | None) -> dict[str, Any]:
    """The source as a configuration names it, its format recognised where none is given. Raises InputError."""
    source: dict[str, Any] = {"fields": read_argument("--fields", fields, dict)}
    if where is not None:
        source["where"] = read_argument("--where", where, dict)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    check_fields(source["fields"])
    format = format or recognise_source(first_records(path)[0], source["fields"])
    if format is None and not is_folder_of_drawings(path):
        raise InputError(explain_layout(path, source["fields"]))
    if format:
        source["format"] = format
    faults = list(record_faults("source", path, source))
    if faults:
        raise InputError(faults[0])
    return source


def token_counter(tokenizer: Path | None) -> tuple[Callable[[list[str]], list[int]], str]:
    """What counts the tokens of several texts, about as Llama 3 or as a model's tokenizer, and how the audit names it.

    Raises InputError where there is no such folder, or no tokenizer in it.
    """
    if tokenizer is None:
        return lambda texts: list(
            map(count_tokens, texts)
        ), "an estimate: words, signs and up to three digits each, about as Llama 3 counts"
    loaded = load_counting_tokenizer(tokenizer)
    return (
        lambda texts: list(map(len, loaded(texts, add_special_tokens=False, verbose=False)["input_ids"])),
        f"the tokenizer of {tokenizer.name}",
    )


def load_counting_tokenizer(path: Path) -> Any:
    """The tokenizer of a model's folder or GGUF file. Raises InputError where there is none."""
    inside = sorted(path.glob("*.gguf"))
    if inside and not (path / "tokenizer.json").is_file():
        raise InputError(f"--tokenizer: {path} has no tokenizer.json; give the file in it that has one: {inside[0]}")
    is_gguf = path.suffix == ".gguf" and path.is_file()
    if not is_gguf and not path.is_dir():  # transformers would take it for a name on the hub
        raise InputError(
            f"--tokenizer: {path} is no folder; give the folder of a model, with its tokenizer.json, or a .gguf file"
        )
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if is_gguf:
        from models.weight_formats import load_gguf_tokenizer

        return load_gguf_tokenizer(path)
    from models.language_models import load_tokenizer

    return load_tokenizer(path)


def draw_samples(path: Path, wanted: set[str], audited: Audited, workers: int) -> dict[str, Shown]:
    """The samples of a file that are wanted, by id, with their pictures."""
    found: dict[str, Sample] = {one.id: one for one in stream_samples(path) if one.id in wanted}
    limits = Limits(workers, SECONDS_LIMIT, MEMORY_LIMIT_MB)
    pictures: dict[str, Image] = {
        image.id: image for image in render_samples(found.values(), PictureStyle(size=PICTURE_SIZE), limits)
    }
    return {id_: Shown(sample, pictures[id_], audited.reasons.get(id_, [])) for id_, sample in found.items()}


def read_rejected(path: Path) -> list[Rejection]:
    """The records that preprocessing rejected."""
    with open(path, encoding="utf-8", newline="") as file:
        return [
            Rejection(row["source"], row["id"], int(row["position"]), row["reason"]) for row in csv.DictReader(file)
        ]


def read_leaked_words(path: Path) -> dict[str, str]:
    """The words of their captions that samples contain, by id."""
    with open(path, encoding="utf-8", newline="") as file:
        return {row["id"]: row["words"] for row in csv.DictReader(file)}


def audit(path: Path, rows: Rows, tokenizer: Path | None, budget: int, workers: int) -> Audit:
    """The audit of a dataset. Raises InputError where no record is a sample."""
    count, counted_by = token_counter(tokenizer)
    process = partial(process_record, source=path.stem, settings=Settings(), checks=ReferenceChecks(), max_chars=None)
    with tempfile.TemporaryDirectory() as folder:
        names = ("samples.parquet", "fingerprints.parquet", "rejected.csv", "leakage.csv", "counts.json")
        outputs = Outputs(*(Path(folder) / name for name in names))
        preprocess_dataset(path, path.stem, rows, process, workers, outputs)
        log("audit_dataset", "comparing the drawings")
        audited = audit_samples(outputs.samples, outputs.fingerprints, count, budget)
        summary = summarise(
            audited,
            read_json(outputs.counts),
            read_rejected(outputs.rejected),
            read_leaked_words(outputs.label_leakage),
            budget,
            counted_by,
        )
        drawn, worst = choose_shown(audited, N_SHOWN, SEED)
        wanted = {*drawn, *worst, *listed_ids(summary)}
        return Audit(summary, draw_samples(outputs.samples, wanted, audited, workers), drawn, worst)


def main(
    *,
    file: Path,
    format: str | None,
    fields: str,
    where: str | None,
    tokenizer: Path | None,
    budget: int,
    most: int | None,
    workers: int,
    output_dir: Path,
) -> None:
    """Write the audit of a dataset."""
    start = time.monotonic()
    source = read_source(file, format, fields, where)
    names, filters = resolve_source(source)
    found = audit(file, Rows(names, filters, has_questions(names), most), tokenizer, budget, workers)
    summary = found.summary
    seconds = time.monotonic() - start
    head = {"file": str(file), "format": source.get("format"), "fields": names, "where": filters, "most": most}
    rate = {"seconds": round(seconds, 1), "drawings_per_second": round(summary["counts"]["in"] / seconds, 1)}
    summary = {**head, **summary, **rate}
    write_json(output_dir / "audit.json", summary)
    write_audit_page(output_dir / "audit.html", summary, found.shown, found.random_ids, found.suspicious_ids)
    counts = summary["counts"]
    log(
        "audit_dataset",
        f"{counts['in']} records, {counts['kept']} kept, {counts['rejected']} rejected, in {format_duration(seconds)} "
        f"({rate['drawings_per_second']:g} a second); see {output_dir / 'audit.html'}",
    )


def whole_number(text: str) -> int:
    """An argument of 1 or more. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help=DATASETS)
    parser.add_argument("--format", choices=FORMATS, help="known format; recognised by the fields where absent")
    parser.add_argument("--fields", default="{}", help="JSON: names of fields, as in dataset.sources.<name>.fields")
    parser.add_argument("--where", help="JSON: field → value, or values, of the rows that take part")
    parser.add_argument("--tokenizer", type=Path, help="model folder or .gguf file; about as Llama 3 counts else")
    parser.add_argument(
        "--budget", type=whole_number, default=4096, help="tokens of a drawing that a prompt has room for"
    )
    parser.add_argument("--most", type=whole_number, help="records that are read from the beginning; all where absent")
    parser.add_argument("--workers", type=whole_number, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--output-dir", type=Path, default=Path("audit"), help="folder of audit.html and audit.json")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
