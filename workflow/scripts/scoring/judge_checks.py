"""What tells whether a judge can be believed: its agreement with itself, and how its score goes with length.

Both are Spearman's rank correlation: 1 where one order is the other's, 0 where they have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from captions.health import words_of
from core.records import Caption
from scoring.judgements import Verdict

FEWEST = 3  # pairs of numbers that have a correlation


def correlate(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's correlation; None where there are too few numbers, or one side is the same everywhere."""
    if len(first) < FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def measure_agreement(
    first: Mapping[str, Sequence[Verdict | None]], second: Mapping[str, Sequence[Verdict | None]]
) -> dict[str, Any]:
    """How two runs agree on the captions that both scored: {"n", "spearman", "mean_difference"} (absolute)."""
    pairs = [
        (one.score, other.score)
        for system in first
        for one, other in zip(first[system], second[system], strict=True)
        if one is not None and other is not None and one.score is not None and other.score is not None
    ]
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    differences = [abs(one - other) for one, other in pairs]
    return {
        "n": len(pairs),
        "spearman": correlate(ones, others),
        "mean_difference": float(np.mean(differences)) if differences else None,
    }


def measure_length(
    captions: Mapping[str, Sequence[Caption]], verdicts: Mapping[str, Sequence[Verdict | None]]
) -> dict[str, Any]:
    """How scores go with the captions' numbers of words: of all captions together, and of each system's.

    {"n", "spearman", "systems": {system: spearman}}
    """
    lengths, scores, systems = [], [], {}
    for system, found in verdicts.items():
        own = [
            (len(words_of(caption.caption)), verdict.score)
            for caption, verdict in zip(captions[system], found, strict=True)
            if verdict is not None and verdict.score is not None
        ]
        systems[system] = correlate([n for n, _ in own], [score for _, score in own])
        lengths += [n for n, _ in own]
        scores += [score for _, score in own]
    return {"n": len(scores), "spearman": correlate(lengths, scores), "systems": systems}
