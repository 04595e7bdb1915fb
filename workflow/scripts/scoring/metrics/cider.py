"""CIDEr-D (Vedantam et al., 2015) by pycocoevalcap, which calls it CIDEr.

Cosine similarity of tf-idf vectors of 1- to 4-grams, clipped, with a Gaussian penalty on the difference
in length (sigma 6), averaged over n-gram orders and references, times 10. Document frequencies are those
of the full reference set, also for a slice or a resample, so that a sample's score never depends on its
company; the corpus value is the mean. With a single sample every idf, and so the score, is 0.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from scoring.metrics import FORMULA, MeanMetric, Texts, ValueInfo

SIGMA = 6.0


class Cider(MeanMetric):
    name = "cider"
    values: ClassVar = {
        "cider": ValueInfo("CIDEr", 0, 10, note="CIDEr-D; rare words weigh more; 0 for a single sample")
    }
    facts: ClassVar = {
        "formula": f"{FORMULA}, CIDEr-D",
        "sigma": str(SIGMA),
        "document_frequencies": "all references",
    }

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from pycocoevalcap.cider.cider_scorer import CiderScorer

        if not texts.samples:
            return {"cider": np.zeros(0)}
        scorer = CiderScorer(sigma=SIGMA)
        for pair in zip(texts.tokens, texts.reference_tokens, strict=True):
            scorer += pair
        # Its compute_score() does the same, but fails where no reference has a word.
        scorer.compute_doc_freq()
        return {"cider": np.array(scorer.compute_cider(), dtype=float)}


METRIC = Cider()
