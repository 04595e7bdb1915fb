r"""Caption without a model, to keep everybody honest.

`constant`, `text_nearest` and `clip_nearest`: captions/baselines.py says what each writes.

    python workflow/scripts/caption_baseline.py --kind constant --train data/train.parquet \
        --samples data/test.parquet --output captions/constant.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from captions.baselines import caption_clip_nearest, caption_constant, caption_text_nearest
from core.command import InputError, run_command
from core.records import read_samples, write_captions
from models.clip_features import read_features


def main(
    *,
    kind: str,
    train: Path,
    samples: Path,
    train_features: Path | None,
    features: Path | None,
    output: Path,
) -> None:
    """Write the baseline's captions."""
    train_list, sample_list = read_samples(train), read_samples(samples)
    if kind == "constant":
        captions = caption_constant(train_list, sample_list)
    elif kind == "text_nearest":
        captions = caption_text_nearest(train_list, sample_list)
    elif train_features and features:
        captions = caption_clip_nearest(train_list, sample_list, read_features(train_features), read_features(features))
    else:
        raise InputError("clip_nearest needs --train-features and --features")
    write_captions(output, captions)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Caption without a model.")
    parser.add_argument("--kind", choices=["constant", "clip_nearest", "text_nearest"], required=True)
    parser.add_argument("--train", type=Path, required=True, help="data/train.parquet")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--train-features", type=Path, help="clip_features/train.parquet")
    parser.add_argument("--features", type=Path, help="clip_features/test.parquet")
    parser.add_argument("--output", type=Path, required=True, help="captions/<kind>.jsonl")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
