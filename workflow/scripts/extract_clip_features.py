"""Compute the CLIP features of the images of a split, once for all systems.

Input: a CLIP folder and images. Output: one row an image: id, feature (unit vector), reason where there is none.

    python workflow/scripts/extract_clip_features.py --clip clip --images images/test.parquet --output features.parquet
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.command import Progress, log, run_command
from core.records import read_images
from models.clip_features import write_features
from models.clip_model import load_clip


def main(*, clip: Path, images: Path, batch_size: int, output: Path) -> None:
    """Write the features of all images."""
    model = load_clip(clip)
    records = read_images(images)
    features: dict[str, np.ndarray | None] = {image.id: None for image in records}
    rendered = [image for image in records if image.png]
    with Progress(f"extract_clip_features {images.stem}", len(rendered), "image") as progress:
        for start in range(0, len(rendered), batch_size):
            batch = rendered[start : start + batch_size]
            vectors = model.encode_images([image.png for image in batch if image.png])
            features |= {image.id: vector for image, vector in zip(batch, vectors, strict=True)}
            progress.advance(len(batch))
    write_features(output, features, {image.id: image.reason for image in records if not image.png})
    log("extract_clip_features", f"{images.stem}: {len(rendered)} of {len(records)} images, {model.name}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compute the CLIP features of the images of a split.")
    parser.add_argument("--clip", type=Path, required=True, help="CLIP folder in open_clip's format")
    parser.add_argument("--images", type=Path, required=True, help="images/<split>.parquet")
    parser.add_argument("--batch-size", type=int, default=16, help="images a batch (8 to 16 is best on CPU)")
    parser.add_argument("--output", type=Path, required=True, help="clip_features/<split>.parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
