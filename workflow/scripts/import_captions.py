r"""Import captions that were made elsewhere: match them with the samples by id, and list what does not match.

Input   a file of predictions, each with id (or filename) and caption, and samples
Output  captions/<system>.jsonl, one record a sample: a sample that the file lacks has a failed caption
        imports/<system>.json: how many records matched, the ids that are missing, those of no sample, and those whose
        ground truth is none of the sample's references

    python import_captions.py --predictions mine.csv --samples data/test.parquet --fields '{"id": "file"}' \
        --output captions/mine.jsonl --record imports/mine.json

--fields names fields where they are not usual, also by a path: {"caption": "outputs.0.text", "records": "run.results"}.
Its keys are id, caption, references (the ground truth) and records (the list of records in a JSON object).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from captions.health import words_of
from captions.prediction_files import read_argument, read_fields
from captions.predictions import Prediction, read_predictions
from core.command import InputError, log, run_command
from core.records import Caption, Sample, read_samples, write_captions, write_json


def match_captions(predictions: list[Prediction], samples: list[Sample]) -> tuple[list[Caption], list[str], list[str]]:
    """A caption for each sample in order, the ids that the file lacks, and the file's ids of no sample."""
    by_id = {prediction.id: prediction.caption for prediction in predictions}
    captions = [by_id.get(sample.id) or Caption(sample.id, "", "failed", "not in the file") for sample in samples]
    missing = [sample.id for sample in samples if sample.id not in by_id]
    known = {sample.id for sample in samples}
    return captions, missing, [id_ for id_ in by_id if id_ not in known]


def other_references(predictions: list[Prediction], samples: list[Sample]) -> list[str]:
    """The ids of samples that have none of the references which their records have: perhaps not the same samples."""
    known = {sample.id: [words_of(text) for text in sample.references] for sample in samples}
    return [
        one.id
        for one in predictions
        if one.references and one.id in known and not any(words_of(text) in known[one.id] for text in one.references)
    ]


def main(*, predictions: Path, samples: Path, fields: str, failure_markers: str, output: Path, record: Path) -> None:
    """Write the captions and the record of the import. Raises InputError where no id matches."""
    found = read_predictions(
        predictions, read_fields(fields), read_argument("--failure-markers", failure_markers, list)
    )
    sample_list = read_samples(samples)
    captions, missing, foreign = match_captions(found, sample_list)
    if len(missing) == len(sample_list):
        raise InputError(
            f"{predictions}: none of its {len(found)} ids is that of a test sample; it has ids like "
            f"{found[0].id!r}, the samples {sample_list[0].id!r}. Name the right field under fields.id"
        )
    write_captions(output, captions)
    replaced = [prediction.id for prediction in found if prediction.replaced]
    others = other_references(found, sample_list)
    n_failed = sum(caption.status == "failed" for caption in captions)
    write_json(
        record,
        {
            "file": predictions.name,
            "n_records": len(found),
            "n_matched": len(sample_list) - len(missing),
            "n_failed": n_failed,
            "missing": missing,
            "foreign": foreign,
            "replaced": replaced,
            "other_references": others,
        },
    )
    log(
        "import_captions",
        f"{predictions.name}: {len(sample_list) - len(missing)} of {len(sample_list)} samples matched, "
        f"{n_failed} captions failed, {len(foreign)} records of no test sample"
        + (f", {len(replaced)} captions with lone surrogates, which are now question marks" if replaced else ""),
    )
    if others:
        log(
            "import_captions",
            f"WARNING: the ground truth in {len(others)} records of {predictions.name} is none of their samples' "
            f"references, {others[0]!r} for one: check that its ids are those of the same samples",
        )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True, help="JSON, JSON lines, CSV, TSV or Parquet")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--fields", default="{}", help="JSON: names or paths of fields, where not usual (above)")
    parser.add_argument("--failure-markers", default="[]", help="JSON: texts that stand for a failure")
    parser.add_argument("--output", type=Path, required=True, help="captions/<system>.jsonl")
    parser.add_argument("--record", type=Path, required=True, help="imports/<system>.json")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
