"""ROUGE-L (Lin, 2004) with the conventions of pycocoevalcap's `Rouge`.

F-measure (beta 1.2, recall weighs more) of the best precision and the best recall of the longest
common subsequence over the references; the two may come from different references. The corpus value
is the mean. An empty caption scores 0 (pycocoevalcap gives it 1 where a reference is empty, too).

Kept beside pycocoevalcap's own, which takes 1.3 times as long: test_metrics_text.py compares the values, to 1e-9, and
benchmarks/score.py the time of scoring as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from scoring.metrics import FORMULA, MeanMetric, Texts, ValueInfo

BETA = 1.2


class RougeL(MeanMetric):
    name = "rouge_l"
    values: ClassVar = {"rouge_l": ValueInfo("ROUGE-L", 0, 1, note="longest common subsequence of words")}
    facts: ClassVar = {"formula": FORMULA, "beta": str(BETA)}

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        pairs = zip(texts.tokens, texts.reference_tokens, strict=True)
        return {"rouge_l": np.array([score_caption(*pair) for pair in pairs], dtype=float)}


def score_caption(caption: str, references: Sequence[str]) -> float:
    """ROUGE-L of one caption, 0 to 1."""
    if not caption:
        return 0.0
    # Split at single spaces as pycocoevalcap does, so that "" is one (empty) word.
    words, reference_words = caption.split(" "), [reference.split(" ") for reference in references]
    common = [common_subsequence_length(words, reference) for reference in reference_words]
    precision = max(common) / len(words)
    recall = max(length / len(reference) for length, reference in zip(common, reference_words, strict=True))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_subsequence_length(words: Sequence[str], others: Sequence[str]) -> int:
    """Length of the longest common subsequence of two lists, by dynamic programming over two rows."""
    previous = [0] * (len(others) + 1)
    for word in words:
        row = [0]
        for column, other in enumerate(others):
            row.append(previous[column] + 1 if word == other else max(previous[column + 1], row[column]))
        previous = row
    return previous[-1]


METRIC = RougeL()
