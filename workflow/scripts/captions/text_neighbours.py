"""The nearest of many drawings by their text: cosine of tf-idf vectors of one and two tokens of the xml.

A token is a word, a colour or a number; vectors are hashed to a fixed width, so that no vocabulary is kept.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence

import numpy as np
import scipy.sparse

WIDTH = 1 << 20  # of the hashed vectors
BATCH = 64  # drawings compared at once

_TOKEN = re.compile(r"[A-Za-z]+|#\w+|-?\d+(?:\.\d+)?")


def find_nearest(texts: Sequence[str], others: Sequence[str]) -> list[int]:
    """For each text the place of the nearest of `others`, the first of equally near ones."""
    counts = count_tokens(others)
    n_with = np.bincount(counts.indices, minlength=WIDTH)
    idf = scipy.sparse.diags_array(np.log((1 + len(others)) / (1 + n_with)) + 1)
    known, asked = normalise(counts @ idf), normalise(count_tokens(texts) @ idf)
    transposed = known.T.tocsr()
    nearest: list[int] = []
    for start in range(0, len(texts), BATCH):
        similarities = (asked[start : start + BATCH] @ transposed).toarray()
        nearest.extend(similarities.argmax(axis=1).tolist())
    return nearest


def count_tokens(texts: Sequence[str]) -> scipy.sparse.csr_array:
    """How often each hashed token or pair of tokens stands in each text, (n texts, WIDTH)."""
    rows: list[int] = []
    columns: list[int] = []
    for row, text in enumerate(texts):
        tokens = _TOKEN.findall(text)
        terms = [*tokens, *map(" ".join, itertools.pairwise(tokens))]
        columns.extend(zlib.crc32(term.encode()) % WIDTH for term in terms)
        rows.extend([row] * len(terms))
    counts = scipy.sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(texts), WIDTH)).tocsr()
    counts.sum_duplicates()
    return counts


def normalise(matrix: scipy.sparse.sparray) -> scipy.sparse.csr_array:
    """Rows of unit length; a row of zeros stays one."""
    rows = scipy.sparse.csr_array(matrix)
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return scipy.sparse.csr_array(scipy.sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ rows)
