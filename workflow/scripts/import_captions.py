r"""Import captions that were made elsewhere: match them with the samples by id, and list what does not match.

Input   a file of predictions (captions/predictions.py says which formats and fields) and samples
Output  captions/<system>.jsonl, one record a sample: a sample that the file lacks has a failed caption
        imports/<system>.json: how many records matched, the ids that are missing, and those of no sample

    python import_captions.py --predictions mine.csv --samples data/test.parquet --fields '{"id": "file"}' \
        --output captions/mine.jsonl --record imports/mine.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

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


def main(*, predictions: Path, samples: Path, fields: str, failure_markers: str, output: Path, record: Path) -> None:
    """Write the captions and the record of the import. Raises InputError where no id matches."""
    found = read_predictions(predictions, json.loads(fields), json.loads(failure_markers))
    sample_list = read_samples(samples)
    captions, missing, foreign = match_captions(found, sample_list)
    if len(missing) == len(sample_list):
        raise InputError(
            f"{predictions}: none of its {len(found)} ids is that of a test sample; it has ids like "
            f"{found[0].id!r}, the samples {sample_list[0].id!r}. Name the right field under fields.id"
        )
    write_captions(output, captions)
    replaced = [prediction.id for prediction in found if prediction.replaced]
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
        },
    )
    log(
        "import_captions",
        f"{predictions.name}: {len(sample_list) - len(missing)} of {len(sample_list)} samples matched, "
        f"{n_failed} captions failed, {len(foreign)} records of no test sample"
        + (f", {len(replaced)} captions with lone surrogates, which are now question marks" if replaced else ""),
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Match captions that were made elsewhere with the samples.")
    parser.add_argument("--predictions", type=Path, required=True, help="JSON array, JSON lines, CSV, TSV or Parquet")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--fields", default="{}", help="JSON: names of the fields id and caption, where not usual")
    parser.add_argument("--failure-markers", default="[]", help="JSON: texts that stand for a failure")
    parser.add_argument("--output", type=Path, required=True, help="captions/<system>.jsonl")
    parser.add_argument("--record", type=Path, required=True, help="imports/<system>.json")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
