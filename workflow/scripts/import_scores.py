r"""Import per-sample scores that another tool gave, and make them a metric of the comparison.

Input   a file of scores, each with id, system and value, and the captions of all systems
Output  <scores-dir>/<system>/<metric>.json and .parquet of each system, in the form of every other metric

    python import_scores.py --metric pac_s --file pac_s.jsonl --systems blip test3 --captions-dir captions \
        --entry '{"label": "PAC-S", "range": [0, 1]}' --scores-dir scores

A failed caption gets the worst value of the range, whatever the file says: no failure ranks above a caption that was
written. A file whose samples or systems are not exactly those of the comparison is refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from core.command import log, run_command
from core.records import read_captions
from readers.folder import DATA_FILES
from scoring.imported import (
    ImportedMetric,
    ImportedTexts,
    check_same_samples,
    describe_info,
    make_info,
    read_imported,
)
from scoring.scores import collect_scores, write_scores


def main(*, metric: str, file: Path, systems: list[str], captions_dir: Path, entry: str, scores_dir: Path) -> None:
    """Read the file, check it against the captions, write the scores of each system."""
    options = json.loads(entry)
    captions = {system: read_captions(captions_dir / f"{system}.jsonl") for system in systems}
    check_same_samples(captions)
    found = read_imported(file, captions, options.get("range"))
    is_checked = all(score.caption is not None for score in found.values())
    scorer = ImportedMetric(metric, make_info(metric, options, (score.value for score in found.values()), is_checked))
    signature = scorer.signature(
        file=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest()[:12],
        range="stated" if "range" in options else "found",
        captions="checked" if is_checked else "unchecked",
    )
    for system, records in captions.items():
        values = np.array([found[system, record.id].value for record in records])
        columns = scorer.score_samples(ImportedTexts(records, values))
        scores = collect_scores(scorer, system, records, columns, signature)
        folder = scores_dir / system
        write_scores(folder / f"{metric}.json", folder / f"{metric}.parquet", scorer, scores, describe_info(scorer))
    log("import_scores", f"{metric}: {len(found)} values of {len(systems)} systems from {file.name}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", required=True, help="name of the metric, an entry of scores_from")
    parser.add_argument("--file", type=Path, required=True, help=f"records of id, system and value: {DATA_FILES}")
    parser.add_argument("--systems", nargs="+", required=True, help="all systems of the comparison")
    parser.add_argument("--captions-dir", type=Path, required=True, help="folder of <system>.jsonl")
    parser.add_argument("--entry", default="{}", help="JSON: label, range, higher_is_better and note of scores_from")
    parser.add_argument("--scores-dir", type=Path, required=True, help="folder for <system>/<metric>.json and .parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
