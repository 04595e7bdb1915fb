"""The train drawings nearest to a drawing, by code and by picture, and the captions of the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from captions.baselines import PictureNeighbours, caption_nearest, most_frequent_reference
from core.records import Caption, Sample, read_samples
from models.clip_features import read_features
from page.drawings import Drawing
from plan.experiment import Plan

SHOWN = 4  # nearest drawings


@dataclass(frozen=True)
class Neighbour:
    """A train drawing and how similar it is: a cosine of code or picture, 1 for equal ones."""

    sample: Sample
    similarity: float


class Neighbours:
    """The train split, read and counted once."""

    def __init__(self, plan: Plan):
        self._plan, self._results = plan, Path(plan.results)
        self._last: tuple[Drawing, np.ndarray] | None = None  # the feature of the last picture

    @cached_property
    def train(self) -> list[Sample]:
        """The samples of the train split."""
        return read_samples(self._results / "data" / "train.parquet")

    def by_code(self, drawing: Drawing) -> list[Neighbour]:
        """The nearest train drawings by their code, the nearest first."""
        return nearest(self._texts.similarities([drawing.sample.xml])[0], self.train)

    def by_picture(self, drawing: Drawing) -> list[Neighbour]:
        """The nearest train drawings by their picture in CLIP space; none for a drawing without a picture."""
        feature = self._feature(drawing)
        if feature is None:
            return []
        return nearest(self._pictures.similarities(feature), self._pictures.known)

    def caption(self, baseline: str, drawing: Drawing) -> Caption:
        """The caption of a baseline."""
        id = drawing.sample.id
        if baseline == "constant":
            return Caption(id, self._constant)
        if baseline == "text_nearest":
            return Caption(id, self.by_code(drawing)[0].sample.references[0])
        return caption_nearest(drawing.sample, self._feature(drawing), self._pictures)

    @property
    def has_texts(self) -> bool:
        """Whether the texts of the train split are counted."""
        return "_texts" in self.__dict__

    @property
    def has_clip(self) -> bool:
        """Whether the CLIP model is in memory."""
        return "_clip" in self.__dict__

    @cached_property
    def _constant(self) -> str:
        return most_frequent_reference(self.train)

    @cached_property
    def _texts(self) -> Any:
        from captions.text_neighbours import TextNeighbours  # scikit-learn takes a while to import

        return TextNeighbours([sample.xml for sample in self.train])

    @cached_property
    def _clip(self) -> Any:
        from models.clip_model import load_clip  # as does open_clip

        assert self._plan.clip, "find_places says that there is none"
        return load_clip(Path(self._plan.clip.folder))

    @cached_property
    def _pictures(self) -> PictureNeighbours:
        return PictureNeighbours.of(self.train, read_features(self._results / "clip_features" / "train.parquet"))

    def _feature(self, drawing: Drawing) -> np.ndarray | None:
        if drawing.image.png is None:
            return None
        if self._last is None or self._last[0] is not drawing:
            self._last = drawing, self._clip.encode_images([drawing.image.png])[0]
        return self._last[1]


def nearest(similarities: np.ndarray, samples: Sequence[Sample], most: int = SHOWN) -> list[Neighbour]:
    """The samples of the highest similarities, the first of equal ones first."""
    places = np.argsort(-similarities, kind="stable")[:most]
    return [Neighbour(samples[place], float(similarities[place])) for place in places]
