r"""Compute the CLIP features of the references of a split, once for all systems.

Input: a CLIP folder and samples. Output: one row a sample: id, features (a unit vector for each reference, in order).

    python workflow/scripts/extract_reference_features.py --clip clip --samples data/test.parquet \
        --output clip_features/references.parquet

References get the prefix of Hessel et al., as RefCLIPScore has it (metrics/clip_score.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.command import log, run_command
from core.records import read_samples
from models.clip_features import write_reference_features
from models.clip_model import load_clip
from scoring.metrics.clip_score import HESSEL_PREFIX


def main(*, clip: Path, samples: Path, output: Path) -> None:
    """Write the features of all references."""
    model = load_clip(clip)
    records = read_samples(samples)
    texts = [HESSEL_PREFIX + text for sample in records for text in sample.references]
    features = iter(model.encode_texts(texts))
    write_reference_features(output, {sample.id: [next(features) for _ in sample.references] for sample in records})
    n_truncated = sum(model.is_truncated(text) for text in texts)
    log("extract_reference_features", f"{len(texts)} references, {n_truncated} truncated, {model.name}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compute the CLIP features of the references of a split.")
    parser.add_argument("--clip", type=Path, required=True, help="CLIP folder in open_clip's format")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--output", type=Path, required=True, help="clip_features/references.parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
