"""Scores with intervals: of each system by each value on a slice, and the leave-one-out human scores."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comparison.competition import Competition
from comparison.grouping import effective_groups, group_sizes, sum_by_group
from comparison.resampling import bootstrap_sums, expanded_interval
from comparison.shares import share_interval
from comparison.slices import Slice
from core.command import InputError
from scoring.metrics import MeanMetric, Metric, ValueInfo
from scoring.scores import Scores, null_for_nan, read_scores


def make_cells(
    competition: Competition,
    part: Slice,
    observed: Mapping[tuple[str, str], np.ndarray],
    resampled: Mapping[tuple[str, str], np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """One record for each system and value: score, interval, and on how many samples and groups they rest.

    `sample_mean` is the mean of the samples' values, where the score is no such mean (BLEU, METEOR): a failed caption
    lowers it whatever it does to the score.
    """
    cells = []
    for system in competition.systems:
        for metric, value, info in competition.values():
            scores = competition.scores[system, metric.name]
            column = scores.columns[value][part.members]
            applies = ~np.isnan(column)
            cells.append(
                {
                    "system": system,
                    "value": value,
                    "slice": part.name,
                    "score": null_for_nan(observed[system, value]),
                    **describe_interval(
                        info, column, competition.groups[part.members], resampled[system, value], confidence
                    ),
                    "n_failed": int((applies & scores.failed[part.members]).sum()),
                    "n_truncated": int((applies & scores.truncated[part.members]).sum()),
                    "sample_mean": mean_of_samples(metric, column[applies]),
                }
            )
    return cells


def describe_interval(
    info: ValueInfo, column: np.ndarray, groups: np.ndarray, resampled: np.ndarray, confidence: float
) -> dict[str, Any]:
    """`low` and `high` of a value, `n` samples and `n_groups` groups to which it applies; no ends is null.

    `column` holds the samples' values and `groups` their groups, both (n samples,); `resampled` the value of each
    resample. The ends of a share are Wilson's.
    """
    applies = ~np.isnan(column)
    sizes = group_sizes(groups[applies])
    if info.share and len(sizes):
        low, high = share_interval(sum_by_group(column[applies], groups[applies]), sizes, confidence)
    else:
        low, high = expanded_interval(resampled, confidence, effective_groups(sizes), info.no_spread)
    return {"low": null_for_nan(low), "high": null_for_nan(high), "n": int(applies.sum()), "n_groups": len(sizes)}


def mean_of_samples(metric: Metric, values: np.ndarray) -> float | None:
    """The mean of the samples' values; None for a metric whose score is that mean, and where there are none."""
    return None if isinstance(metric, MeanMetric) or not len(values) else float(values.mean())


def score_humans(
    human_dir: Path,
    metrics: Sequence[Metric],
    groups: Mapping[str, int],
    n_resamples: int,
    confidence: float,
    seed: int,
) -> list[dict[str, Any]]:
    """Leave-one-out human scores: one record per value, from the scores of score_human.py.

    `groups` are those of all samples, by id. The list is empty if no sample has two references. Metrics without such
    scores (those of images) are passed over.
    """
    records = []
    for metric in metrics:
        if not (human_dir / f"{metric.name}.json").is_file():
            continue
        scores = read_scores(human_dir.parent, human_dir.name, metric)
        if not scores.ids:
            continue
        own = groups_of(scores, groups)
        names, statistics = list(scores.statistics), np.column_stack(list(scores.statistics.values()))
        generator = np.random.default_rng([seed, zlib.crc32(b"human")])
        sums = bootstrap_sums(sum_by_group(statistics, own), n_resamples, generator)
        observed = metric.corpus(dict(zip(names, statistics.sum(axis=0), strict=True)))
        resampled = metric.corpus(dict(zip(names, sums.T, strict=True)))
        records += [
            {
                "value": value,
                "score": null_for_nan(observed[value]),
                # The mean over a sample's references is no share.
                **describe_interval(
                    ValueInfo(info.label, info.low, info.high),
                    scores.columns[value],
                    own,
                    resampled[value],
                    confidence,
                ),
            }
            for value, info in metric.values.items()
        ]
    return records


def groups_of(scores: Scores, groups: Mapping[str, int]) -> np.ndarray:
    """The groups of the samples that were scored. Raises InputError for a sample of another comparison."""
    foreign = [sample_id for sample_id in scores.ids if sample_id not in groups]
    if foreign:
        raise InputError(
            f"the leave-one-out human score by {scores.metric} has {len(foreign)} samples of no comparison, "
            f"{foreign[0]!r} for one; run score_human again"
        )
    return np.array([groups[sample_id] for sample_id in scores.ids])
