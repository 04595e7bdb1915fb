"""METEOR 1.5 (Denkowski and Lavie, 2014), English, ranking task: what pycocoevalcap's `Meteor` runs.

Java aligns each caption with its best reference (exact words, stems, synonyms, paraphrases) and gives
the counts; scores of samples and of corpora are computed from them here, by METEOR's own formula. The
corpus value comes from summed counts, as METEOR's EVAL has it, not from the mean of the samples.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from scoring.metrics import FORMULA, Metric, Texts, ValueInfo

# Parameters of METEOR 1.5 for English, ranking task.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.20, 0.60, 0.75
STAGE_WEIGHTS = {"exact": 1.0, "stem": 0.6, "synonym": 0.8, "paraphrase": 0.6}

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

        with tempfile.TemporaryDirectory() as folder:
            paraphrases = smallest_table(texts.tokens, texts.reference_tokens, Path(folder), texts.paraphrases)
            table = meteor_statistics(texts.tokens, texts.reference_tokens, paraphrases)
        statistics = {f"stat_{name}": table[:, column] for column, name in enumerate(STATISTICS)}
        # METEOR leaves the one chunk of a whole match out, in the sample's score and in the sum.
        statistics["stat_chunks"] = np.where(matched_whole(statistics), 0.0, statistics["stat_chunks"])
        statistics["stat_n"] = np.ones(len(table))
        return {**self.corpus(statistics), **statistics}

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
