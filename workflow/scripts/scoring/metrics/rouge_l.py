"""ROUGE-L (Lin, 2004) by pycocoevalcap.

F-measure (beta 1.2, recall weighs more) of the best precision and the best recall of the longest
common subsequence over the references; the two may come from different references. The corpus value
is the mean. An empty caption scores 0 (pycocoevalcap gives it 1 where a reference is empty, too).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from scoring.metrics import FORMULA, MeanMetric, Texts, ValueInfo


class RougeL(MeanMetric):
    name = "rouge_l"
    values: ClassVar = {"rouge_l": ValueInfo("ROUGE-L", 0, 1, note="longest common subsequence of words")}
    facts: ClassVar = {"formula": FORMULA, "beta": "1.2"}

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from pycocoevalcap.rouge.rouge import Rouge

        score = Rouge().calc_score
        pairs = zip(texts.tokens, texts.reference_tokens, strict=True)
        scores = [score([caption], references) if caption else 0.0 for caption, references in pairs]
        return {"rouge_l": np.array(scores, dtype=float)}


METRIC = RougeL()
