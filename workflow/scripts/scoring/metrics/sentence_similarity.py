"""Sentence similarity: cosine of the sentence embeddings of a caption and its closest reference.

The encoder is a sentence-transformers model in a local folder (`metric_options.sentence_similarity.source`); an
embedding is the mean of the last layer's states over all tokens, as those models pool. A cosine below 0 counts as
0. The corpus value is the mean. A failed caption scores 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scoring.metrics import TRUNCATED, MeanMetric, Texts, ValueInfo

if TYPE_CHECKING:
    from models.text_encoder import TextEncoder


class SentenceSimilarity(MeanMetric):
    name = "sentence_similarity"
    needs_model = True
    values: ClassVar = {
        "sentence_similarity": ValueInfo(
            "Sentence similarity", 0, 1, radar=False, note="cosine of embeddings, cut at 0"
        )
    }
    facts: ClassVar = {
        "pooling": "mean",
        "references": "closest",
        "text": "as written",
        "cosine": "cut at 0",
        "truncation": "512 tokens at most, end token kept",
    }

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from models.text_encoder import load_encoder

        encoder = load_encoder(texts.model_folder)
        captions = [caption.caption for caption in texts.captions]
        every = captions + [text for sample in texts.samples for text in sample.references]
        vectors = embed(encoder, every)
        scores = [
            0.0
            if caption.status == "failed"
            else max(0.0, *(float(vectors[caption.caption] @ vectors[text]) for text in sample.references))
            for caption, sample in zip(texts.captions, texts.samples, strict=True)
        ]
        truncated = [encoder.count_tokens(text) > encoder.max_tokens for text in captions]
        return {self.name: np.array(scores, dtype=float), TRUNCATED: np.array(truncated, dtype=float)}


def embed(encoder: TextEncoder, texts: list[str]) -> dict[str, np.ndarray]:
    """The embedding of each different text, a unit vector."""
    different = list(dict.fromkeys(texts))
    vectors = {}
    for place, states, _ in encoder.encode(different, layer=None):
        mean = states.mean(axis=0)
        vectors[different[place]] = mean / np.linalg.norm(mean)
    return vectors


METRIC = SentenceSimilarity()
