"""BLEU-1 to BLEU-4 (Papineni et al., 2002) with the conventions of pycocoevalcap's `Bleu(4)`.

Clipped n-gram precisions, their geometric mean, a brevity penalty against the closest reference length
(the shorter one of two equally close); no smoothing but the 1e-15 and 1e-9 that keep quotients defined.
pycocoevalcap counts; the corpus value is computed from summed counts here, for any resample or slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from scoring.metrics import FORMULA, Metric, Texts, ValueInfo

MAX_ORDER = 4
# pycocoevalcap adds these to numerators and denominators so that 0/0 gives 0.
TINY, SMALL = 1e-15, 1e-9


class Bleu(Metric):
    name = "bleu"
    values: ClassVar = {
        "bleu_1": ValueInfo("BLEU-1", 0, 1, note="single words"),
        "bleu_2": ValueInfo("BLEU-2", 0, 1, radar=False, note="up to 2 words in a row"),
        "bleu_3": ValueInfo("BLEU-3", 0, 1, radar=False, note="up to 3 words in a row"),
        "bleu_4": ValueInfo("BLEU-4", 0, 1, note="up to 4 words in a row; near 0 for captions of few words"),
    }
    facts: ClassVar = {"formula": FORMULA, "reference_length": "closest", "smoothing": "none"}

    def score_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from pycocoevalcap.bleu.bleu_scorer import cook_refs, cook_test

        pairs = zip(texts.tokens, texts.reference_tokens, strict=True)
        cooked = [cook_test(caption, cook_refs(references), eff="closest") for caption, references in pairs]
        counts = [[1, one["testlen"], one["reflen"], *one["correct"], *one["guess"]] for one in cooked]
        names = ["n", "length", "reference_length"]
        names += [f"{kind}_{order}" for kind in ("match", "guess") for order in range(1, MAX_ORDER + 1)]
        table = np.array(counts, dtype=float).reshape(len(counts), len(names))
        statistics = {f"stat_{name}": table[:, column] for column, name in enumerate(names)}
        return {**self.corpus(statistics), **statistics}

    def corpus(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        length, reference_length = sums["stat_length"] + TINY, sums["stat_reference_length"] + SMALL
        brevity_penalty = np.exp(np.minimum(0.0, 1.0 - reference_length / length))
        product = np.where(sums["stat_n"] > 0, 1.0, np.nan)
        values = {}
        for order in range(1, MAX_ORDER + 1):
            product = product * (sums[f"stat_match_{order}"] + TINY) / (sums[f"stat_guess_{order}"] + SMALL)
            values[f"bleu_{order}"] = product ** (1.0 / order) * brevity_penalty
        return values


METRIC = Bleu()
