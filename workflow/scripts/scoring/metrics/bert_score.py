"""BERTScore (Zhang et al., 2020), F1 without idf weights and without rescaling, against the best reference.

Each token of one text is matched with the closest of the other, by the cosine of their states in one layer of an
encoder in a local folder (`metric_options.bert_score.source`); special tokens may be matched and are not counted, as in
the authors' package. `settings.layer` is the layer (17 of roberta-large, by the authors' choice); the last one where
absent. The corpus value is the mean. A failed caption scores 0.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from scoring.metrics import TRUNCATED, MeanMetric, Texts, ValueInfo

Encoded = tuple[np.ndarray, np.ndarray]  # unit vectors of tokens (n tokens, width), which are special (n tokens)


class BertScore(MeanMetric):
    name = "bert_score"
    known_settings = ("layer",)
    needs_model = True
    values: ClassVar = {
        "bert_score": ValueInfo("BERTScore", 0, 1, radar=False, note="F1; not rescaled, so that all values are high")
    }
    facts: ClassVar = {
        "value": "F1",
        "idf": "no",
        "rescaled": "no",
        "references": "best",
        "text": "as written",
        "truncation": "512 tokens at most, end token kept",
    }

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from models.text_encoder import load_encoder

        layer = texts.settings.get("layer")
        encoder = load_encoder(texts.model_folder, layer)
        captions = [caption.caption for caption in texts.captions]
        every = list(dict.fromkeys(captions + [text for sample in texts.samples for text in sample.references]))
        encoded = {
            every[place]: (normalise(states), special) for place, states, special in encoder.encode(every, layer)
        }
        scores = [
            0.0
            if caption.status == "failed"
            else max(f1_of_tokens(encoded[caption.caption], encoded[text]) for text in sample.references)
            for caption, sample in zip(texts.captions, texts.samples, strict=True)
        ]
        truncated = [encoder.count_tokens(text) > encoder.max_tokens for text in captions]
        return {self.name: np.array(scores, dtype=float), TRUNCATED: np.array(truncated, dtype=float)}


def normalise(states: np.ndarray) -> np.ndarray:
    return states / np.linalg.norm(states, axis=1, keepdims=True)


def f1_of_tokens(caption: Encoded, reference: Encoded) -> float:
    """F1 of the greedy matches of two texts, cut at 0; 0 where one has no token of its own."""
    similarities = caption[0] @ reference[0].T
    ours, theirs = ~caption[1], ~reference[1]
    if not ours.any() or not theirs.any():
        return 0.0
    precision = float(similarities.max(axis=1)[ours].mean())
    recall = float(similarities.max(axis=0)[theirs].mean())
    return 2 * precision * recall / (precision + recall) if precision > 0 and recall > 0 else 0.0


METRIC = BertScore()
