"""CIDEr-D (Vedantam et al., 2015) by pycocoevalcap, which calls it CIDEr.

Cosine similarity of tf-idf vectors of 1- to 4-grams, clipped, with a Gaussian penalty on the difference
in length (sigma 6), averaged over n-gram orders and references, times 10. Document frequencies are those
of the full reference set, also for a slice, a resample or the leave-one-out human score, so that a sample's score never
depends on its company and all scores have one scale; the corpus value is the mean. With a single sample every idf, and
so the score, is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scoring.metrics import FORMULA, MeanMetric, Texts, ValueInfo

if TYPE_CHECKING:
    from pycocoevalcap.cider.cider_scorer import CiderScorer

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
        documents = texts.reference_tokens if texts.all_reference_tokens is None else texts.all_reference_tokens
        frequencies = count_documents(documents)
        pairs = list(zip(texts.tokens, texts.reference_tokens, strict=True))
        scores: list[float] = []
        # The scorer takes the number of documents for that of the captions it scores: so as many at a time.
        for start in range(0, len(pairs), max(1, len(documents))):
            part = pairs[start : start + len(documents)]
            scorer = make_scorer([*part, *[("", [""])] * (len(documents) - len(part))])
            scorer.document_frequency = frequencies
            scores += scorer.compute_cider()[: len(part)]
        return {"cider": np.array(scores, dtype=float)}


def count_documents(documents: Sequence[Sequence[str]]) -> Mapping[tuple[str, ...], float]:
    """In how many samples each n-gram occurs, in any of the sample's references."""
    scorer = make_scorer([("", references) for references in documents])
    scorer.compute_doc_freq()
    return scorer.document_frequency


def make_scorer(pairs: Sequence[tuple[str, Sequence[str]]]) -> CiderScorer:
    """pycocoevalcap's scorer of captions with their references."""
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    scorer = CiderScorer(sigma=SIGMA)
    for pair in pairs:
        scorer += pair
    return scorer


METRIC = Cider()
