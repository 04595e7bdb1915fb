"""Sentence similarity: cosine of the sentence embeddings of a caption and its closest reference.

The encoder is a sentence-transformers model (`metric_options.sentence_similarity.source`), which the package of that
name runs as its folder says: pooling, longest input, lower casing (`models/sentence_encoder.py`). A cosine below 0
counts as 0, unless `settings.cut_at_zero` is false. The corpus value is the mean. A failed caption gets the worst value
(0, or -1), or `settings.failed_value`. `settings.known_as` is the model's name in the signature, where its folder has
another one than papers give it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from scoring.encoders import check_types, truncations
from scoring.metrics import FAILED_VALUE, MeanMetric, Texts, ValueInfo


class SentenceSimilarity(MeanMetric):
    name = "sentence_similarity"
    known_settings = ("cut_at_zero", FAILED_VALUE, "known_as")
    needs_model = True
    values: ClassVar = {
        "sentence_similarity": ValueInfo(
            "Sentence similarity", 0, 1, radar=False, note="cosine of embeddings, cut at 0 unless the signature differs"
        )
    }
    facts: ClassVar = {"references": "closest", "text": "as written"}

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from models.sentence_encoder import load_sentence_encoder

        encoder = load_sentence_encoder(texts.model_folder)
        written = [caption.caption for caption in texts.captions if caption.status != "failed"]
        references = [text for sample in texts.samples for text in sample.references]
        vectors = encoder.embed(written + references)
        lowest = lowest_cosine(texts.settings)
        scores = np.zeros(len(texts.samples))
        for row, (caption, sample) in enumerate(zip(texts.captions, texts.samples, strict=True)):
            if caption.status != "failed":
                cosines = [float(vectors[caption.caption] @ vectors[text]) for text in sample.references]
                scores[row] = max(lowest, *cosines)
        return {self.name: scores, **truncations(texts, encoder.is_truncated)}

    def value_of_failure(self, info: ValueInfo, inputs: Texts) -> float:
        return lowest_cosine(inputs.settings) if inputs.failed_value is None else inputs.failed_value

    def check_options(self, source: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        from models.sentence_encoder import check_sentence_folder

        check_types(settings, cut_at_zero=bool, failed_value=float, known_as=str)
        if "path" in source and "package" not in source and Path(source["path"]).is_dir():
            check_sentence_folder(Path(source["path"]))

    def facts_of_model(self, folder: Path, settings: Mapping[str, Any]) -> dict[str, object]:
        from models.sentence_encoder import load_sentence_encoder

        encoder = load_sentence_encoder(folder)
        named = {"model": settings["known_as"]} if "known_as" in settings else {}
        return {
            **named,
            "modules": encoder.modules_digest[:12],
            "pooling": encoder.pooling,
            "normalised": "yes" if encoder.normalised else "no",
            "lower_case": "yes" if encoder.lower_case else "no",
            "max_tokens": encoder.max_tokens or "no limit",
            "cosine": "cut at 0" if settings.get("cut_at_zero", True) else "not cut",
            "failed": settings.get(FAILED_VALUE, "worst"),
        }


def lowest_cosine(settings: Mapping[str, Any]) -> float:
    """The least value that a caption can get."""
    return 0.0 if settings.get("cut_at_zero", True) else -1.0


METRIC = SentenceSimilarity()
