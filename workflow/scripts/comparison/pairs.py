"""Differences between systems: their intervals and tests, and which system is best by a value."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from comparison.competition import Competition
from comparison.grouping import effective_groups, group_sizes
from comparison.resampling import expanded_interval, holm, is_testable, randomisation_p
from scoring.metrics import ValueInfo
from scoring.scores import null_for_nan

Values = Mapping[tuple[str, str], np.ndarray]  # by system and value


def make_pairs(
    competition: Competition,
    total: np.ndarray,
    swapped: np.ndarray,
    observed: Values,
    resampled: Values,
    *,
    confidence: float,
    all_tried: bool,
) -> list[dict[str, Any]]:
    """For each value and two systems a, b: a's lead over b, its interval, its p-value, and that after Holm.

    `total` and `swapped` are sums of all statistics: over all groups, and over halves of them.
    """
    p_values = randomise(competition, total, swapped, observed, all_tried)
    pairs = []
    for metric, value, info in competition.values():
        applies = ~np.isnan(competition.scores[competition.systems[0], metric.name].columns[value])
        n_effective = effective_groups(group_sizes(competition.groups[applies]))
        of_value: list[dict[str, Any]] = []
        for first, second in itertools.combinations(competition.systems, 2):
            difference = float(observed[first, value] - observed[second, value])
            if np.isnan(difference):
                continue
            differences = resampled[first, value] - resampled[second, value]
            low, high = expanded_interval(differences, confidence, n_effective, info.no_spread)
            of_value.append(
                {
                    "value": value,
                    "a": first,
                    "b": second,
                    "difference": difference,
                    "low": null_for_nan(low),
                    "high": null_for_nan(high),
                    "p": p_values[value, first, second],
                }
            )
        for pair, adjusted in zip(of_value, holm([pair["p"] for pair in of_value]), strict=True):
            pair["p_holm"] = adjusted
        pairs.extend(of_value)
    return pairs


def randomise(
    competition: Competition, total: np.ndarray, swapped: np.ndarray, observed: Values, all_tried: bool
) -> dict[tuple[str, str, str], float]:
    """p-values by value and two systems, which exchange the captions of some groups in each trial."""
    p_values: dict[tuple[str, str, str], float] = {}
    swapped = np.asfortranarray(swapped)  # a statistic of all trials is read at a time
    rest = total - swapped
    for first, second in itertools.combinations(competition.systems, 2):
        for metric in competition.metrics:
            ours, theirs = (competition.sums_of(swapped, system, metric) for system in (first, second))
            our_rest, their_rest = (competition.sums_of(rest, system, metric) for system in (first, second))
            mixed = metric.corpus({name: ours[name] + their_rest[name] for name in ours})
            other_mixed = metric.corpus({name: theirs[name] + our_rest[name] for name in ours})
            for name in metric.values:
                difference = float(observed[first, name] - observed[second, name])
                trials = mixed[name] - other_mixed[name]
                p_values[name, first, second] = randomisation_p(difference, trials, all_tried=all_tried)
    return p_values


def find_best(
    info: ValueInfo,
    cells: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
    *,
    n_resamples: int,
    confidence: float,
) -> dict[str, Any] | None:
    """The best system by one value, and those that it does not beat significantly; None where no system has a score.

    `cells` and `pairs` are those of the value on all samples. `testable` says whether any difference could have been
    significant: with few groups none can, and then nothing is said of ties. `by_sample_mean` is the best system by the
    mean of the samples' values, where the score is no such mean; failed captions raise no such mean.
    """
    scored = [cell for cell in cells if cell["score"] is not None]
    if not scored:
        return None
    choose = max if info.higher_is_better else min
    best = choose(scored, key=lambda cell: cell["score"])
    testable = is_testable(len(pairs), best["n_groups"], n_resamples, confidence)
    p_values = {frozenset((pair["a"], pair["b"])): pair["p_holm"] for pair in pairs}
    ties = [
        cell["system"]
        for cell in scored
        if testable and cell is not best and p_values[frozenset((cell["system"], best["system"]))] >= 1 - confidence
    ]
    means = [cell for cell in scored if cell["sample_mean"] is not None]
    by_mean = choose(means, key=lambda cell: cell["sample_mean"])["system"] if means else None
    return {"system": best["system"], "ties": ties, "testable": testable, "by_sample_mean": by_mean}
