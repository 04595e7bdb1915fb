r"""Analyse the votes of the report's blind comparison: which captions people prefer, and which metric agrees with them.

Input   files of votes (scoring/ballots.py says what is in them), samples, captions and scores of all systems,
        comparison.json for the metrics' values
Output  votes.json (the format is in docs/design.md)

    python analyse_votes.py --votes ada.json ben.json --samples data/test.parquet --captions-dir captions \
        --scores-dir scores --comparison comparison.json --n-resamples 10000 --confidence 0.95 --seed 7 \
        --output votes.json

Votes on captions or drawings that have changed are refused. comparison/preferences.py has the methods.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from comparison.grouping import number_groups
from comparison.vote_results import (
    compare_metrics,
    describe_raters,
    find_warnings,
    make_strengths,
    make_vote_pairs,
    make_votes,
    measure_agreement,
)
from core.command import InputError, log, run_command
from core.records import read_captions, read_samples, write_json
from report.comparison import Comparison, read_comparison
from report.inputs import read_values
from scoring.ballots import check_ballots, read_ballot


def main(
    *,
    votes: list[Path],
    samples: Path,
    captions_dir: Path,
    scores_dir: Path,
    comparison: Path,
    n_resamples: int,
    confidence: float,
    seed: int,
    output: Path,
) -> None:
    """Read and check all votes, write their results."""
    if not 0.5 < confidence < 1 or n_resamples < 1:
        raise InputError("--confidence must lie between 0.5 and 1, and --n-resamples be 1 or more")
    table, records = read_comparison(comparison), read_samples(samples)
    systems = [system.name for system in table.systems]
    ballots = [read_ballot(path) for path in votes]
    check_ballots(ballots, records, {name: read_captions(captions_dir / f"{name}.jsonl") for name in systems})
    ids = [sample.id for sample in records]
    cast = make_votes(ballots, systems, dict(zip(ids, number_groups(records).tolist(), strict=True)))
    scores = read_signed_scores(scores_dir, table, ids)
    generator = np.random.default_rng(seed)
    settings = (n_resamples, confidence, generator)
    pairs = make_vote_pairs(cast, systems, *settings)
    agreement = measure_agreement(cast, *settings)
    write_json(
        output,
        {
            "n_votes": len(cast.group),
            "n_samples": len(set(cast.sample.tolist())),
            "n_groups": cast.n_groups,
            "confidence": confidence,
            "n_resamples": n_resamples,
            "seed": seed,
            "raters": describe_raters(ballots),
            "pairs": pairs,
            "strengths": make_strengths(cast, systems, *settings),
            "agreement": agreement,
            "metrics": compare_metrics(cast, scores, *settings),
            "warnings": list(find_warnings(cast, ballots, pairs, agreement["n_shared"])),
        },
    )
    log("analyse_votes", f"{len(cast.group):,} votes of {len(ballots)} raters on {cast.n_groups:,} groups of drawings")


def read_signed_scores(scores_dir: Path, table: Comparison, ids: list[str]) -> dict[str, np.ndarray]:
    """By value the samples' scores, (n systems, n samples), signed so that more is better."""
    columns = [read_values(scores_dir, system.name, table, ids) for system in table.systems]
    return {
        value.name: np.array([one[value.name] for one in columns]) * (1 if value.higher_is_better else -1)
        for value in table.values
    }


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=Path, nargs="+", required=True, help="files that the blind comparison saved")
    parser.add_argument("--samples", type=Path, required=True, help="samples of the test split")
    parser.add_argument("--captions-dir", type=Path, required=True, help="folder of <system>.jsonl")
    parser.add_argument("--scores-dir", type=Path, required=True, help="folder of <system>/<metric>.parquet")
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--n-resamples", type=int, default=10_000, help="bootstrap resamples and swapping trials")
    parser.add_argument("--confidence", type=float, default=0.95, help="level of the intervals")
    parser.add_argument("--seed", type=int, required=True, help="seed of the resampling")
    parser.add_argument("--output", type=Path, required=True, help="votes.json")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
