"""Differences between systems: their intervals and tests, and which system is best by a value."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from comparison.competition import Competition
from comparison.grouping import effective_groups, group_sizes
from comparison.resampling import expanded_interval, holm, is_testable, randomisation_p, smallest_p
from comparison.trainings import p_value, sample_variance, spread_of, widen
from scoring.metrics import ValueInfo
from scoring.scores import null_for_nan

Values = Mapping[tuple[str, str], np.ndarray]  # by system and value; the first axis are its runs


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

    `total` and `swapped` are sums of all statistics: over all groups, and over halves of them. The test of two systems
    with one run each swaps captions; where a model has several trainings, it is one of the mean over them.
    """
    p_values = randomise(competition, total, swapped, observed, all_tried)
    pairs = []
    for metric, value, info in competition.values():
        first_scores = competition.scores_of(competition.systems[0], metric.name)[0]
        sizes = group_sizes(competition.groups[~np.isnan(first_scores.columns[value])])
        least_p = smallest_p(len(sizes), len(swapped))
        of_value: list[dict[str, Any]] = []
        for first, second in itertools.combinations(competition.systems, 2):
            sides = [(observed[system, value], resampled[system, value]) for system in (first, second)]
            difference = float(sides[0][0].mean() - sides[1][0].mean())
            if np.isnan(difference):
                continue
            p = p_values.get((value, first, second))
            low, high, by_trainings = judge_difference(
                difference, sides, effective_groups(sizes), confidence, info.no_spread
            )
            of_value.append(
                {
                    "value": value,
                    "a": first,
                    "b": second,
                    "difference": difference,
                    "low": null_for_nan(low),
                    "high": null_for_nan(high),
                    "p": max(by_trainings, least_p) if p is None else p,
                }
            )
        for pair, adjusted in zip(of_value, holm([pair["p"] for pair in of_value]), strict=True):
            pair["p_holm"] = adjusted
        pairs.extend(of_value)
    return pairs


def judge_difference(
    difference: float,
    sides: Sequence[tuple[np.ndarray, np.ndarray]],
    n_effective: float,
    confidence: float,
    no_spread: float,
) -> tuple[float, float, float]:
    """The interval of a difference of means over runs, and its p-value by samples and trainings, nan for single runs.

    `sides` are, of each system, the values of its runs, (n runs,), and those on each resample, (n runs, n resamples).
    """
    differences = sides[0][1].mean(axis=0) - sides[1][1].mean(axis=0)
    interval = expanded_interval(differences, confidence, n_effective, no_spread)
    if all(len(observed) == 1 for observed, _ in sides):
        return *interval, float("nan")
    spreads = [spread_of(observed, resampled, n_effective) for observed, resampled in sides]
    samples = sample_variance(differences, n_effective)
    if not np.isnan(interval[0]):
        interval = widen(difference, interval, confidence, samples, n_effective, spreads)
    return *interval, p_value(difference, samples, n_effective, spreads)


def randomise(
    competition: Competition, total: np.ndarray, swapped: np.ndarray, observed: Values, all_tried: bool
) -> dict[tuple[str, str, str], float]:
    """p-values by value and two systems of one run each, which exchange the captions of some groups in each trial."""
    p_values: dict[tuple[str, str, str], float] = {}
    swapped = np.asfortranarray(swapped)  # a statistic of all trials is read at a time
    rest = total - swapped
    single = {system: runs[0] for system, runs in competition.runs.items() if len(runs) == 1}
    for first, second in itertools.combinations(single, 2):
        for metric in competition.metrics:
            ours, theirs = (competition.sums_of(swapped, single[system], metric) for system in (first, second))
            our_rest, their_rest = (competition.sums_of(rest, single[system], metric) for system in (first, second))
            mixed = metric.corpus({name: ours[name] + their_rest[name] for name in ours})
            other_mixed = metric.corpus({name: theirs[name] + our_rest[name] for name in ours})
            for name in metric.values:
                difference = float(observed[first, name][0] - observed[second, name][0])
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
