"""Share of generated scenes whose caption is right: equal to a reference, or the same facts in other words.

Right means right in every shape, colour, size and relation (see samples/scenes.py). It applies to generated scenes
only: to samples whose references all read back as one scene. A failed caption is wrong.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from samples.scenes import parse_caption
from scoring.metrics import MeanMetric, Texts, ValueInfo


class Scenes(MeanMetric):
    name = "scenes"
    values: ClassVar = {
        "scene_accuracy": ValueInfo(
            "Scenes right",
            low=0,
            high=1,
            radar=False,
            note="generated scenes only: every shape, colour, size and relation",
            share=True,
        )
    }
    facts: ClassVar = {"right": "same shapes, colours, sizes, order"}

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        accuracy = [
            score_caption(caption.caption, sample.references)
            for sample, caption in zip(texts.samples, texts.captions, strict=True)
        ]
        return {"scene_accuracy": np.array(accuracy, dtype=float)}


def score_caption(caption: str, references: list[str]) -> float:
    """1 for a right caption, 0 for a wrong one, nan where the references are no captions of one scene."""
    facts = {parse_caption(reference) for reference in references}
    if len(facts) != 1 or None in facts:
        return float("nan")
    return float(parse_caption(caption) in facts)


METRIC = Scenes()
