"""Scores with intervals: of each system by each value on a slice, and the leave-one-out human scores."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comparison.aggregates import Aggregate
from comparison.competition import Competition
from comparison.grouping import effective_groups, group_sizes, sum_by_group
from comparison.resampling import bootstrap_sums, expanded_interval
from comparison.shares import share_interval
from comparison.slices import Slice
from comparison.trainings import sample_variance, spread_of, widen
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

    `observed` and `resampled` are the values of each run, (n runs,) and (n runs, n resamples); a system's is their
    mean. `by_training` are those of the trainings of a model that has several, `seed_sd` their standard deviation;
    failed and truncated captions are those of all runs.

    `sample_mean` is the mean of the samples' values, where the score is no such mean (BLEU, METEOR): a failed caption
    lowers it whatever it does to the score. An aggregate has none, and its intervals are all of the bootstrap.
    """
    cells = []
    weighted = isinstance(part, Aggregate)
    for system in competition.systems:
        for metric, value, info in competition.values():
            scores = competition.scores_of(system, metric.name)
            column = np.mean([run.columns[value][part.members] for run in scores], axis=0)
            applies = ~np.isnan(column)
            by_run, groups = observed[system, value], competition.groups[part.members]
            cells.append(
                {
                    "system": system,
                    "value": value,
                    "slice": part.name,
                    "score": null_for_nan(by_run.mean()),
                    **describe_interval(
                        as_plain(info) if weighted else info,
                        column,
                        groups,
                        by_run,
                        resampled[system, value],
                        confidence,
                    ),
                    "by_training": [null_for_nan(one) for one in by_run] if len(by_run) > 1 else [],
                    "seed_sd": null_for_nan(by_run.std(ddof=1)) if len(by_run) > 1 else None,
                    "n_failed": sum(int((applies & run.failed[part.members]).sum()) for run in scores),
                    "n_truncated": sum(int((applies & run.truncated[part.members]).sum()) for run in scores),
                    "sample_mean": None if weighted else mean_of_samples(metric, column[applies]),
                }
            )
    return cells


def as_plain(info: ValueInfo) -> ValueInfo:
    """A value that is no share: a mean over references or sources is none, whatever the metric."""
    return ValueInfo(info.label, info.low, info.high)


def describe_interval(
    info: ValueInfo,
    column: np.ndarray,
    groups: np.ndarray,
    observed: np.ndarray,
    resampled: np.ndarray,
    confidence: float,
) -> dict[str, Any]:
    """`low` and `high` of a value, `n` samples and `n_groups` groups to which it applies; no ends is null.

    `column` holds the samples' values, means over the runs, and `groups` their groups, both (n samples,); `observed`
    the value of each run, (n runs,), and `resampled` that on each resample, (n runs, n resamples). The interval is of
    the mean over the runs. The ends of a share are Wilson's, widened where there are several runs.
    """
    applies = ~np.isnan(column)
    sizes = group_sizes(groups[applies])
    n_effective, mean = effective_groups(sizes), resampled.mean(axis=0)
    if info.share and len(sizes):
        low, high = share_interval(sum_by_group(column[applies], groups[applies]), sizes, confidence)
    else:
        low, high = expanded_interval(mean, confidence, n_effective, info.no_spread)
    if len(observed) > 1 and not math.isnan(low):
        spreads = [spread_of(observed, resampled, n_effective)]
        score, samples = float(observed.mean()), sample_variance(mean, n_effective)
        low, high = widen(score, (low, high), confidence, samples, n_effective, spreads)
        low, high = max(low, min(info.low, score)), min(high, max(info.high, score))
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
                **describe_interval(
                    as_plain(info),
                    scores.columns[value],
                    own,
                    np.array([observed[value]]),
                    resampled[value][None],
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
