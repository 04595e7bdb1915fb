"""CIDEr-D (Vedantam et al., 2015) with the conventions of pycocoevalcap's `Cider`, which calls it CIDEr.

Cosine similarity of tf-idf vectors of 1- to 4-grams, clipped, with a Gaussian penalty on the difference
in length (sigma 6), averaged over n-gram orders and references, times 10. Document frequencies are those
of the full reference set, also for a slice or a resample, so that a sample's score never depends on its
company; the corpus value is the mean. With a single sample every idf, and so the score, is 0.

Kept beside pycocoevalcap's own, which takes 1.4 times as long: test_metrics_text.py compares the values, to 1e-9, and
benchmarks/score.py the time of scoring as a whole.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scoring.metrics import FORMULA, MeanMetric, Texts, ValueInfo
from scoring.metrics.bleu import count_ngrams

MAX_ORDER = 4
SIGMA = 6.0

Ngram = tuple[str, ...]
Counts = list[Counter[Ngram]]


@dataclass(frozen=True)
class Document:
    """A text as tf-idf vectors, one for each n-gram order, with their norms."""

    weights: list[dict[Ngram, float]]
    norms: list[float]
    length: int  # number of bigrams, which is what pycocoevalcap compares


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
        references_counts = [[ngrams_by_order(text) for text in references] for references in texts.reference_tokens]
        log_n = math.log(len(texts.samples)) if texts.samples else 0.0
        rarity = {ngram: log_n - math.log(n) for ngram, n in count_documents(references_counts).items()}
        scores = []
        for caption, references in zip(texts.tokens, references_counts, strict=True):
            document = weigh_ngrams(ngrams_by_order(caption), rarity, log_n)
            similarities = [compare_documents(document, weigh_ngrams(counts, rarity, log_n)) for counts in references]
            scores.append(10.0 * sum(similarities) / len(similarities))
        return {"cider": np.array(scores, dtype=float)}


def count_documents(references_counts: Sequence[Sequence[Counts]]) -> Counter[Ngram]:
    """In how many samples each n-gram occurs, in any of the sample's references."""
    frequencies: Counter[Ngram] = Counter()
    for references in references_counts:
        frequencies.update({ngram for counts in references for ngrams in counts for ngram in ngrams})
    return frequencies


def ngrams_by_order(text: str) -> Counts:
    """How often each n-gram of 1 to 4 words occurs, one counter an order."""
    words = text.split()
    return [count_ngrams(words, order) for order in range(1, MAX_ORDER + 1)]


def weigh_ngrams(counts: Counts, rarity: Mapping[Ngram, float], log_n: float) -> Document:
    """tf-idf vectors: count times log(n samples / samples with the n-gram), the latter at least 1."""
    weights = [{ngram: count * rarity.get(ngram, log_n) for ngram, count in ngrams.items()} for ngrams in counts]
    norms = [sum(weight**2 for weight in vector.values()) ** 0.5 for vector in weights]
    return Document(weights, norms, length=counts[1].total())


def compare_documents(caption: Document, reference: Document) -> float:
    """Mean over orders of the clipped cosine, times the length penalty; 0 to 1."""
    total = 0.0
    for order in range(MAX_ORDER):
        ours, theirs = caption.weights[order], reference.weights[order]
        product = sum(min(weight, theirs[ngram]) * theirs[ngram] for ngram, weight in ours.items() if ngram in theirs)
        norms = caption.norms[order] * reference.norms[order]
        total += product / norms if norms else product
    penalty = math.exp(-((caption.length - reference.length) ** 2) / (2 * SIGMA**2))
    return total / MAX_ORDER * penalty


METRIC = Cider()
