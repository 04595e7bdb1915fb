r"""Score the captions of a system against the images by CLIP.

Input: a CLIP folder, captions, samples, features of images and references. Output: scores as JSON, and one row a sample
as Parquet; metrics/clip_score.py says what the values are. A sample without image has no score, for any system.

    python workflow/scripts/score_clip.py --system test3 --clip clip --captions captions/test3.jsonl \
        --samples data/test.parquet --features clip_features/test.parquet \
        --reference-features clip_features/references.parquet --output scores/test3/clip_score.json \
        --table scores/test3/clip_score.parquet
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.command import InputError, log, run_command
from core.records import Caption, Sample, check_ids, read_captions, read_samples
from models.clip_features import read_features, read_reference_features
from models.clip_model import Clip, load_clip
from scoring.metrics.clip_score import HESSEL_PREFIX, METRIC, ClipSimilarities
from scoring.scores import collect_scores, write_scores
from scoring.texts import describe_counts


def measure_similarities(
    clip: Clip,
    captions: list[Caption],
    samples: list[Sample],
    features: dict[str, np.ndarray | None],
    reference_features: dict[str, np.ndarray],
) -> ClipSimilarities:
    """Cosines of every caption with its image and with its closest reference."""
    width = next((len(vector) for vector in features.values() if vector is not None), 1)
    images = np.full((len(samples), width), np.nan, np.float32)
    for row, sample in enumerate(samples):
        vector = features[sample.id]
        if vector is not None:
            images[row] = vector
    plain = clip.encode_texts([caption.caption for caption in captions])
    prefixed = clip.encode_texts([HESSEL_PREFIX + caption.caption for caption in captions])
    closest = [float((reference_features[sample.id] @ prefixed[row]).max()) for row, sample in enumerate(samples)]
    return ClipSimilarities(
        image_caption=(images * plain).sum(1).astype(float),
        image_prefixed_caption=(images * prefixed).sum(1).astype(float),
        caption_references=np.array(closest),
        failed=np.array([caption.status == "failed" for caption in captions]),
        truncated=np.array([clip.is_truncated(caption.caption) for caption in captions]),
    )


def main(
    *,
    system: str,
    clip: Path,
    captions: Path,
    samples: Path,
    features: Path,
    reference_features: Path,
    output: Path,
    table: Path,
) -> None:
    """Score all captions and write values, statistics and signature."""
    model = load_clip(clip)
    caption_list, sample_list = read_captions(captions), read_samples(samples)
    check_ids(captions, [caption.id for caption in caption_list], [sample.id for sample in sample_list])
    image_features, text_features = read_features(features), read_reference_features(reference_features)
    for path, known in ((features, image_features), (reference_features, text_features)):
        missing = [sample.id for sample in sample_list if sample.id not in known]
        if missing:
            raise InputError(f"{path} lacks {len(missing)} samples, {missing[0]!r} for one; extract it again")
    similarities = measure_similarities(model, caption_list, sample_list, image_features, text_features)
    n_references = describe_counts([sample.references for sample in sample_list])
    signature = METRIC.signature(**model.facts(), n_references=n_references)
    columns = METRIC.score_samples(similarities)
    scores = collect_scores(METRIC, system, caption_list, columns, signature)
    values = write_scores(output, table, METRIC, scores)
    n_without = sum(vector is None for vector in image_features.values())
    shown = ", ".join(f"{name} {'missing' if value is None else f'{value:.3f}'}" for name, value in values.items())
    log("score_clip", f"{system}: {shown} ({n_without} without image, {int(similarities.truncated.sum())} truncated)")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Score the captions of a system against the images by CLIP.")
    parser.add_argument("--system", required=True)
    parser.add_argument("--clip", type=Path, required=True, help="CLIP folder in open_clip's format")
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--features", type=Path, required=True, help="clip_features/test.parquet")
    parser.add_argument("--reference-features", type=Path, required=True, help="clip_features/references.parquet")
    parser.add_argument("--output", type=Path, required=True, help="scores/<system>/clip_score.json")
    parser.add_argument("--table", type=Path, required=True, help="scores/<system>/clip_score.parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
