"""CLIP scores: how close a caption is to the image, and to the references, in CLIP's embedding space.

`score_clip.py` computes the similarities, this file what is made of them:

* `clip_cosine`: max(cosine of image and caption, 0);
* `clip_score`: 100 times that, shown as "CLIP similarity"; torchmetrics calls it CLIP score (here cut at 0 on each
  sample);
* `clipscore`: Hessel et al. (2021), 2.5 x max(cosine, 0), the caption prefixed with "A photo depicts";
* `refclipscore`: harmonic mean of `clipscore` and of the greatest cosine of caption and references, at
  least 0, all prefixed.

The corpus values are means. A failed caption scores 0, and no caption less: the cosines are cut at 0, as Hessel et al.
cut theirs, since a small CLIP gives many captions negative ones. A sample without an image has no score, for any
system. The column `truncated` tells which captions were longer than CLIP reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scoring.metrics import TRUNCATED, MeanMetric, ValueInfo, divide_or_nan

HESSEL_WEIGHT = 2.5
HESSEL_PREFIX = "A photo depicts "


@dataclass(frozen=True)
class ClipSimilarities:
    """Cosines of one system's captions, one entry a sample, nan where there is no image."""

    image_caption: np.ndarray  # image and caption as it is
    image_prefixed_caption: np.ndarray  # image and HESSEL_PREFIX + caption
    caption_references: np.ndarray  # prefixed caption and the closest prefixed reference
    failed: np.ndarray  # bool: the caption is a failed record
    truncated: np.ndarray  # bool: the caption has more tokens than CLIP reads


class ClipScore(MeanMetric):
    name = "clip_score"
    values: ClassVar = {
        "clip_score": ValueInfo(
            "CLIP similarity", 0, 100, note="100 x cosine of image and caption, cut at 0; torchmetrics' CLIP score"
        ),
        "clip_cosine": ValueInfo("CLIP cosine", 0, 1, radar=False, note="cosine of image and caption, cut at 0"),
        "clipscore": ValueInfo("Hessel CLIPScore", 0, 2.5, radar=False, note="Hessel et al.; 2.5 x cosine"),
        "refclipscore": ValueInfo(
            "Hessel RefCLIPScore", 0, 1.43, radar=False, note="Hessel et al.; with the references"
        ),
    }
    facts: ClassVar = {
        "cosine": "cut at 0",
        "w": str(HESSEL_WEIGHT),
        "prefix": f"{HESSEL_PREFIX.strip()!r} for clipscore and refclipscore, none for clip_score",
    }

    def values_of_samples(self, similarities: ClipSimilarities) -> dict[str, np.ndarray]:
        cosine = np.maximum(similarities.image_caption, 0.0)
        clipscore = HESSEL_WEIGHT * np.maximum(similarities.image_prefixed_caption, 0.0)
        closest = np.maximum(similarities.caption_references, 0.0)
        total = clipscore + closest
        refclipscore = np.where(total == 0, 0.0, divide_or_nan(2.0 * clipscore * closest, total))
        values = {
            "clip_score": 100.0 * cosine,
            "clip_cosine": cosine,
            "clipscore": clipscore,
            "refclipscore": refclipscore,
        }
        has_image = ~np.isnan(similarities.image_caption)
        scores = {name: np.where(has_image, column, np.nan) for name, column in values.items()}
        return {**scores, TRUNCATED: similarities.truncated.astype(float)}


METRIC = ClipScore()
