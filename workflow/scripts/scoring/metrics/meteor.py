"""METEOR 1.5 (Denkowski and Lavie, 2014), English, ranking task: what pycocoevalcap's `Meteor` runs.

Java aligns each caption with its best reference (exact words, stems, synonyms, paraphrases) and gives
the counts; scores of samples and of corpora are computed from them here, by METEOR's own formula. The
corpus value comes from summed counts, as METEOR's EVAL has it, not from the mean of the samples.

METEOR's search for the best alignment takes minutes, or all memory, where a long caption repeats a word that a
reference repeats as well. So only the beginning of such a caption is aligned (`alignable`). The words after it count in
the caption's length and match nothing, and the caption is counted as truncated.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from scoring.metrics import FORMULA, TRUNCATED, Metric, Texts, ValueInfo

# Parameters of METEOR 1.5 for English, ranking task.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.20, 0.60, 0.75
STAGE_WEIGHTS = {"exact": 1.0, "stem": 0.6, "synonym": 0.8, "paraphrase": 0.6}

# Limits per caption: words to align, and pairs of equal words in caption and reference. METEOR takes 2 s at most.
# A text of 300 English words has some 3,000 pairs with another one.
MAX_WORDS, MAX_PAIRS = 1000, 10_000

# METEOR's statistics in its own order.
STATISTICS = [
    *("length", "reference_length", "function_words", "reference_function_words"),
    *(
        f"{side}{stage}_{kind}"
        for stage in STAGE_WEIGHTS
        for kind in ("content", "function")
        for side in ("", "reference_")
    ),
    *("chunks", "matched_words", "reference_matched_words"),
]


class Meteor(Metric):
    name = "meteor"
    values: ClassVar = {
        "meteor": ValueInfo("METEOR", 0, 1, note="also counts stems, synonyms and paraphrases as matches")
    }
    facts: ClassVar = {"version": "1.5", "options": "-l en -norm", "jar": FORMULA}

    def score_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from scoring.java_tools import meteor_statistics
        from scoring.paraphrases import smallest_table

        captions = [alignable(*pair) for pair in zip(texts.tokens, texts.reference_tokens, strict=True)]
        with tempfile.TemporaryDirectory() as folder:
            paraphrases = smallest_table(captions, texts.reference_tokens, Path(folder), texts.paraphrases)
            table = meteor_statistics(captions, texts.reference_tokens, paraphrases)
        statistics = {f"stat_{name}": table[:, column] for column, name in enumerate(STATISTICS)}
        n_left_out = np.array(
            [len(whole.split()) - len(part.split()) for whole, part in zip(texts.tokens, captions, strict=True)], float
        )
        statistics["stat_length"] = statistics["stat_length"] + n_left_out
        # METEOR leaves the one chunk of a whole match out, in the sample's score and in the sum.
        statistics["stat_chunks"] = np.where(matched_whole(statistics), 0.0, statistics["stat_chunks"])
        statistics["stat_n"] = np.ones(len(table))
        return {**self.corpus(statistics), **statistics, TRUNCATED: (n_left_out > 0).astype(float)}

    def corpus(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """METEOR of summed counts: harmonic mean of weighted precision and recall, less fragmentation."""
        # 0/0 arises where nothing matches, and scores 0, as in METEOR.
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = weighted_matches(sums, "") / weighted_length(sums, "")
            recall = weighted_matches(sums, "reference_") / weighted_length(sums, "reference_")
            mean = 1.0 / ((1.0 - ALPHA) / precision + ALPHA / recall)
            n_matched = (sums["stat_matched_words"] + sums["stat_reference_matched_words"]) / 2.0
            score = np.maximum(0.0, mean * (1.0 - GAMMA * (sums["stat_chunks"] / n_matched) ** BETA))
        score = np.where(np.isnan(score), 0.0, score)
        return {"meteor": np.where(sums["stat_n"] > 0, score, np.nan)}


def alignable(caption: str, references: Sequence[str]) -> str:
    """The beginning of a tokenised caption that METEOR aligns with each reference in bounded time: mostly all of it."""
    counts = [Counter(reference.split()) for reference in references]
    words = caption.split()
    pairs = [0] * len(counts)
    for place, word in enumerate(words):
        pairs = [so_far + count[word] for so_far, count in zip(pairs, counts, strict=True)]
        if place == MAX_WORDS or max(pairs, default=0) > MAX_PAIRS:
            return " ".join(words[:place])
    return caption


def weighted_matches(sums: Mapping[str, np.ndarray], side: str) -> np.ndarray:
    """Matched words of one side, weighted by stage; content words weigh DELTA, function words the rest."""
    return sum(
        weight * (DELTA * sums[f"stat_{side}{stage}_content"] + (1.0 - DELTA) * sums[f"stat_{side}{stage}_function"])
        for stage, weight in STAGE_WEIGHTS.items()
    )  # type: ignore[return-value]  # sum of four arrays


def weighted_length(sums: Mapping[str, np.ndarray], side: str) -> np.ndarray:
    """Words of one side; content words weigh DELTA, function words the rest."""
    function_words = sums[f"stat_{side}function_words"]
    return DELTA * (sums[f"stat_{side}length"] - function_words) + (1.0 - DELTA) * function_words


def matched_whole(statistics: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether a caption equals its reference word by word: all words of both matched, in one chunk."""
    whole = statistics["stat_chunks"] == 1.0
    for side in ("", "reference_"):
        n_matched = sum(
            statistics[f"stat_{side}{stage}_{kind}"] for stage in STAGE_WEIGHTS for kind in ("content", "function")
        )
        whole &= n_matched == statistics[f"stat_{side}length"]
    return whole


METRIC = Meteor()
