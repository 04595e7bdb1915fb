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


def find_nearest(texts: Sequence[str], others: Sequence[str]) -> list[int]:
    """For each text the place of the nearest of `others`, the first of equally near ones."""
    counts = count_terms(others)
    weights = TfidfTransformer().fit(counts)
    transposed = weights.transform(counts, copy=False).T.tocsr()
    nearest: list[int] = []
    for start in range(0, len(texts), BATCH):
        asked = weights.transform(_COUNTER.transform(texts[start : start + BATCH]))
        nearest.extend(np.asarray((asked @ transposed).toarray().argmax(axis=1)).tolist())
    return nearest


def count_terms(texts: Sequence[str]) -> scipy.sparse.csr_matrix:
    """How often each hashed term stands in each text."""
    batches = (_COUNTER.transform(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH))
    return scipy.sparse.vstack(list(batches), format="csr")
