"""The nearest of many drawings by their text: cosine of tf-idf vectors of one and two tokens of the xml.

A token is a word, a colour or a number; terms are hashed to a fixed width (scikit-learn's HashingVectorizer), so that
no vocabulary is kept. The vectors are sparse, and texts are counted a batch at a time: at 80,000 drawings the memory is
that of the vectors, and of the similarities of one batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

BATCH = 64  # drawings counted or compared at once

_COUNTER = HashingVectorizer(
    token_pattern=r"[A-Za-z]+|#\w+|-?\d+(?:\.\d+)?",
    ngram_range=(1, 2),
    n_features=1 << 22,
    lowercase=False,
    norm=None,
    alternate_sign=False,
)


class TextNeighbours:
    """Drawings of which the nearest to others are sought; counted once."""

    def __init__(self, texts: Sequence[str]):
        counts = count_terms(texts)
        self._weights = TfidfTransformer().fit(counts)
        self._transposed = self._weights.transform(counts, copy=False).T.tocsr()

    def similarities(self, asked: Sequence[str]) -> np.ndarray:
        """The cosine of each asked text with each known one (asked x known)."""
        return (self._weights.transform(_COUNTER.transform(asked)) @ self._transposed).toarray()


def find_nearest(texts: Sequence[str], others: Sequence[str]) -> list[int]:
    """For each text the place of the nearest of `others`, the first of equally near ones."""
    known = TextNeighbours(others)
    nearest: list[int] = []
    for start in range(0, len(texts), BATCH):
        nearest.extend(known.similarities(texts[start : start + BATCH]).argmax(axis=1).tolist())
    return nearest


def count_terms(texts: Sequence[str]) -> scipy.sparse.csr_matrix:
    """How often each hashed term stands in each text."""
    batches = (_COUNTER.transform(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH))
    return scipy.sparse.vstack(list(batches), format="csr")
