"""Measure how many swapped captions the rank by CLIP finds (samples/mismatch.py), on a finished experiment.

    python benchmarks/mismatch.py --results results/demo

In each of 200 repetitions the captions of a tenth of each source's test drawings are exchanged among these drawings, at
random, and all captions are ranked. Printed are, by source:

* `found_at_2_percent`: the share of exchanged captions above the rank that 2% of the others exceed, over all
  repetitions;
* `flagged` and `false_alarms`: the shares of exchanged and of other captions that the workflow itself flags, whose
  threshold knows nothing of what was exchanged.

The last line is the results as JSON. What is measured is the experiment's CLIP on the experiment's drawings: another
CLIP or other drawings give other numbers.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from core.command import run_command
from core.records import Sample, read_samples, write_json
from models.clip_features import read_features, read_reference_features
from samples.mismatch import MAX_FALSE_ALARMS, rank_captions

SHARE_EXCHANGED = 0.1


def main(*, results: Path, n_repetitions: int, output: Path | None) -> None:
    """Measure and print the results, last as one line of JSON; also write them to `output` where given."""
    samples = read_samples(results / "data/test.parquet")
    images = read_features(results / "clip_features/test.parquet")
    references = read_reference_features(results / "clip_features/references.parquet")
    measured = {
        source: measure([one for one in samples if one.source == source], images, references, n_repetitions)
        for source in dict.fromkeys(one.source for one in samples)
    }
    for source, numbers in measured.items():
        print(source, *(f"{name} {value:.3g}" for name, value in numbers.items()), sep="  ")
    if output:
        write_json(output, measured)
    print(json.dumps(measured))


def measure(
    samples: list[Sample],
    images: dict[str, np.ndarray | None],
    references: dict[str, np.ndarray],
    n_repetitions: int,
) -> dict[str, float]:
    """Shares of exchanged captions that are found, and of other ones that are flagged, of one source."""
    exchanged_shares, other_shares, flags, false_alarms = [], [], [], []
    for seed in range(n_repetitions):
        changed, moved = exchange(samples, references, np.random.default_rng(seed))
        ((_, ranked),) = rank_captions(changed, images, moved, seed).items()
        exchanged = {one.id for one, before in zip(changed, samples, strict=True) if one is not before}
        for rank in ranked.ranks:
            flagged = rank.share > ranked.threshold
            (exchanged_shares if rank.id in exchanged else other_shares).append(rank.share)
            (flags if rank.id in exchanged else false_alarms).append(flagged)
    threshold = np.quantile(other_shares, 1 - MAX_FALSE_ALARMS, method="higher")
    return {
        "drawings": len(samples),
        "exchanged_captions": len(exchanged_shares),
        "threshold": float(threshold),
        "found_at_2_percent": float(np.mean(np.array(exchanged_shares) > threshold)),
        "flagged": float(np.mean(flags)),
        "false_alarms": float(np.mean(false_alarms)),
    }


def exchange(
    samples: list[Sample], references: dict[str, np.ndarray], generator: np.random.Generator
) -> tuple[list[Sample], dict[str, np.ndarray]]:
    """Samples and reference features after some samples, each of another group, passed their captions on."""
    n = max(2, round(SHARE_EXCHANGED * len(samples)))
    chosen: dict[str, int] = {}  # by group
    for place in generator.permutation(len(samples)):
        if len(chosen) < n:
            chosen.setdefault(samples[place].group, int(place))
    places = list(chosen.values())
    changed, moved = list(samples), dict(references)
    for giver, taker in zip(places, [*places[1:], places[0]], strict=True):
        changed[taker] = dataclasses.replace(
            samples[taker], references=samples[giver].references, group=samples[giver].group
        )
        moved[samples[taker].id] = references[samples[giver].id]
    return changed, moved


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results/demo"), help="folder of a finished experiment")
    parser.add_argument("--n-repetitions", type=int, default=200)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
