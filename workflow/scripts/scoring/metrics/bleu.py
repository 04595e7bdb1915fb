"""BLEU-1 to BLEU-4 (Papineni et al., 2002) with the conventions of pycocoevalcap's `Bleu(4)`.

Clipped n-gram precisions, their geometric mean, a brevity penalty against the closest reference length
(the shorter one of two equally close); no smoothing but the 1e-15 and 1e-9 that keep quotients defined.
The corpus value is computed from summed counts, not from the samples' values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
        counts = [
            count_matches(caption, references)
            for caption, references in zip(texts.tokens, texts.reference_tokens, strict=True)
        ]
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


def count_matches(caption: str, references: Sequence[str]) -> list[int]:
    """One sample's statistics: 1, lengths of caption and closest reference, then matches and guesses by order."""
    words, reference_words = caption.split(), [reference.split() for reference in references]
    length = len(words)
    closest = min((abs(len(reference) - length), len(reference)) for reference in reference_words)[1]
    matches, guesses = [], []
    for order in range(1, MAX_ORDER + 1):
        allowed: Counter[tuple[str, ...]] = Counter()
        for reference in reference_words:
            allowed |= count_ngrams(reference, order)
        matches.append((count_ngrams(words, order) & allowed).total())
        guesses.append(max(0, length - order + 1))
    return [1, length, closest, *matches, *guesses]


def count_ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """How often each run of `order` words occurs."""
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


METRIC = Bleu()
