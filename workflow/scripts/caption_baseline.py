r"""Caption without a model, to keep everybody honest.

`constant`: one caption for every drawing, the most frequent reference of the train split (of equally frequent ones the
first of the alphabet). `clip_nearest`: the first reference of the train drawing whose image is nearest in CLIP space.
`text_nearest`: that of the train drawing whose xml is nearest as text (captions/text_neighbours.py).

    python workflow/scripts/caption_baseline.py --kind constant --train data/train.parquet \
        --samples data/test.parquet --output captions/constant.jsonl
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from core.command import InputError, log, run_command
from core.records import Caption, Sample, read_samples, write_captions
from models.clip_features import read_features


def most_frequent_reference(train: list[Sample]) -> str:
    """The reference that most train samples have."""
    counts = Counter(reference for sample in train for reference in set(sample.references))
    return min(counts, key=lambda reference: (-counts[reference], reference))


def caption_constant(train: list[Sample], samples: list[Sample]) -> list[Caption]:
    """The same caption for every sample."""
    caption = most_frequent_reference(train)
    log("caption_baseline", f"constant caption: {caption!r}")
    return [Caption(sample.id, caption) for sample in samples]


def caption_text_nearest(train: list[Sample], samples: list[Sample]) -> list[Caption]:
    """The first reference of the train drawing with the nearest xml, for every sample."""
    from captions.text_neighbours import find_nearest  # scikit-learn takes longer to import than the others to caption

    nearest = find_nearest([sample.xml for sample in samples], [sample.xml for sample in train])
    return [Caption(sample.id, train[place].references[0]) for sample, place in zip(samples, nearest, strict=True)]


def caption_clip_nearest(
    train: list[Sample],
    samples: list[Sample],
    train_features: dict[str, np.ndarray | None],
    features: dict[str, np.ndarray | None],
) -> list[Caption]:
    """The first reference of each sample's nearest train image; the earlier one where two are equally near."""
    vectors = {sample.id: vector for sample in train if (vector := train_features.get(sample.id)) is not None}
    known = [sample for sample in train if sample.id in vectors]
    if not known:
        raise InputError("no train sample has CLIP features: see the reasons in images/train.parquet")
    matrix = np.stack([vectors[sample.id] for sample in known])
    return [caption_nearest(sample, features.get(sample.id), matrix, known) for sample in samples]


def caption_nearest(sample: Sample, feature: np.ndarray | None, matrix: np.ndarray, known: list[Sample]) -> Caption:
    if feature is None:
        return Caption(sample.id, "", "failed", "the drawing has no image")
    return Caption(sample.id, known[int(np.argmax(matrix @ feature))].references[0])


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
