"""Captions without a model: one for every drawing, or that of the nearest drawing of the train split.

`constant`: the most frequent reference of the train split (of equally frequent ones the first of the alphabet).
`text_nearest`: the first reference of the train drawing whose xml is nearest as text (captions/text_neighbours.py).
`clip_nearest`: that of the train drawing whose image is nearest in CLIP space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.command import InputError, log
from core.records import Caption, Sample


@dataclass(frozen=True)
class PictureNeighbours:
    """The train samples that have an image, and the features of their images (samples x dimension, unit vectors)."""

    known: list[Sample]
    matrix: np.ndarray

    @classmethod
    def of(cls, train: Sequence[Sample], features: Mapping[str, np.ndarray | None]) -> PictureNeighbours:
        """Those of a train split and of its features by id. Raises InputError where no sample has any."""
        vectors = {sample.id: vector for sample in train if (vector := features.get(sample.id)) is not None}
        known = [sample for sample in train if sample.id in vectors]
        if not known:
            raise InputError("no train sample has CLIP features: see the reasons in images/train.parquet")
        return cls(known, np.stack([vectors[sample.id] for sample in known]))

    def similarities(self, feature: np.ndarray) -> np.ndarray:
        """Cosine of an image's feature with that of each known sample."""
        return self.matrix @ feature


def most_frequent_reference(train: Sequence[Sample]) -> str:
    """The reference that most train samples have."""
    counts = Counter(reference for sample in train for reference in set(sample.references))
    return min(counts, key=lambda reference: (-counts[reference], reference))


def caption_constant(train: Sequence[Sample], samples: Sequence[Sample]) -> list[Caption]:
    """The same caption for every sample."""
    caption = most_frequent_reference(train)
    log("caption_baseline", f"constant caption: {caption!r}")
    return [Caption(sample.id, caption) for sample in samples]


def caption_text_nearest(train: Sequence[Sample], samples: Sequence[Sample]) -> list[Caption]:
    """The first reference of the train drawing with the nearest xml, for every sample."""
    from captions.text_neighbours import find_nearest  # scikit-learn takes longer to import than the others to caption

    nearest = find_nearest([sample.xml for sample in samples], [sample.xml for sample in train])
    return [Caption(sample.id, train[place].references[0]) for sample, place in zip(samples, nearest, strict=True)]


def caption_clip_nearest(
    train: Sequence[Sample],
    samples: Sequence[Sample],
    train_features: Mapping[str, np.ndarray | None],
    features: Mapping[str, np.ndarray | None],
) -> list[Caption]:
    """The first reference of each sample's nearest train image; the earlier one where two are equally near."""
    neighbours = PictureNeighbours.of(train, train_features)
    return [caption_nearest(sample, features.get(sample.id), neighbours) for sample in samples]


def caption_nearest(sample: Sample, feature: np.ndarray | None, neighbours: PictureNeighbours) -> Caption:
    """The first reference of the nearest train image; a failed record for a sample without an image."""
    if feature is None:
        return Caption(sample.id, "", "failed", "the drawing has no image")
    return Caption(sample.id, neighbours.known[int(np.argmax(neighbours.similarities(feature)))].references[0])
