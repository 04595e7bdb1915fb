r"""Rank the references of a split for their own pictures by CLIP, to find captions that belong to other drawings.

Input   samples, and the CLIP features of their images and references
Output  mismatch.json: counts by source, the ids flagged `caption:mismatch`, the worst captions (docs/design.md);
        mismatch.csv: the rank of every caption, the worst first

    python workflow/scripts/rank_references.py --samples data/test.parquet --features clip_features/test.parquet \
        --reference-features clip_features/references.parquet --seed 7 --output mismatch.json --table mismatch.csv

The method is in samples/mismatch.py. Nothing is dropped: the lists are for the data's owner.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from pathlib import Path
from typing import Any

from core.command import log, run_command, write_whole
from core.records import check_ids, read_samples, write_json
from models.clip_features import read_features, read_reference_features
from samples.mismatch import MAX_FALSE_ALARMS, N_OTHERS, Rank, SourceRanks, rank_captions

N_WORST = 50


def main(*, samples: Path, features: Path, reference_features: Path, seed: int, output: Path, table: Path) -> None:
    """Rank all references, write both files. Raises InputError where the features are those of other samples."""
    records = read_samples(samples)
    images, references = read_features(features), read_reference_features(reference_features)
    for path, found in ((features, images), (reference_features, references)):
        check_ids(path, list(found), [sample.id for sample in records])
    ranked = rank_captions(records, images, references, seed)
    texts = {sample.id: sample.references for sample in records}
    ranks = sorted(itertools.chain(*(one.ranks for one in ranked.values())), key=lambda rank: (-rank.share, rank.id))
    flagged = list(dict.fromkeys(rank.id for rank in ranks if rank.share > ranked[rank.source].threshold))
    write_json(
        output,
        {
            "n_others": N_OTHERS,
            "max_false_alarms": MAX_FALSE_ALARMS,
            "sources": {source: describe_source(one) for source, one in ranked.items()},
            "flagged": flagged,
            "worst": [
                describe_rank(rank, ranked) | {"caption": texts[rank.id][rank.reference]} for rank in ranks[:N_WORST]
            ],
        },
    )
    write_table(table, [describe_rank(rank, ranked) for rank in ranks])
    log("rank_references", f"{len(ranks)} captions ranked, {len(flagged)} samples flagged caption:mismatch")


def describe_source(ranked: SourceRanks) -> dict[str, Any]:
    """The counts of a source. `found` is the share of random swaps that its threshold would flag."""
    return {
        "captions": ranked.n_captions,
        "ranked": len(ranked.ranks),
        "flagged": len(ranked.flagged),
        "threshold": ranked.threshold if ranked.ranks else None,
        "found": 1 - ranked.threshold if ranked.ranks else None,
        "most_mismatched": ranked.most_mismatched if ranked.ranks else None,
    }


def describe_rank(rank: Rank, ranked: dict[str, SourceRanks]) -> dict[str, Any]:
    """A caption's rank as both files have it."""
    return {
        "id": rank.id,
        "source": rank.source,
        "reference": rank.reference,
        "n_better": rank.n_better,
        "n_others": rank.n_others,
        "flagged": rank.share > ranked[rank.source].threshold,
    }


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the ranks as CSV."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "source", "reference", "n_better", "n_others", "flagged"])
        writer.writeheader()
        writer.writerows(rows)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--features", type=Path, required=True, help="clip_features/test.parquet")
    parser.add_argument("--reference-features", type=Path, required=True, help="clip_features/references.parquet")
    parser.add_argument("--seed", type=int, required=True, help="for the other captions of each")
    parser.add_argument("--output", type=Path, required=True, help="mismatch.json")
    parser.add_argument("--table", type=Path, required=True, help="mismatch.csv")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
