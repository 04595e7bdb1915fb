"""Aggregates: weighted means of the scores that a system has on several sources, as benchmarks of several tasks count.

An aggregate is a slice of the samples of its sources. Its score is the mean of the sources' scores, by weights that do
not depend on how many samples a source has here. Its interval draws groups from all its samples together, so that
drawings that are asked about in several sources stay together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from comparison.competition import Competition
from comparison.grouping import sum_by_group
from comparison.resampling import bootstrap_sums
from comparison.slices import Slice
from core.command import InputError
from core.records import Sample

AGGREGATE = "aggregate"
Values = dict[tuple[str, str], np.ndarray]  # by system and value


@dataclass(frozen=True)
class Aggregate(Slice):
    """The samples of several sources; `parts` are the places of each source's samples, and `weights` its weight."""

    parts: dict[str, np.ndarray]
    weights: dict[str, float]


def make_aggregates(samples: Sequence[Sample], aggregates: Mapping[str, Mapping[str, float]]) -> list[Aggregate]:
    """The slices `aggregate=<name>`. Raises InputError for a source without a test sample."""
    found = []
    sources = np.array([sample.source for sample in samples])
    for name, weights in aggregates.items():
        parts = {source: np.flatnonzero(sources == source) for source in weights}
        empty = [source for source, part in parts.items() if not len(part)]
        if empty:
            raise InputError(
                f"the aggregate {name} has no test samples of {', '.join(empty)}; without them it is another number: "
                "remove it from comparison.aggregates, or give the source test samples"
            )
        members = np.sort(np.concatenate(list(parts.values())))
        found.append(Aggregate(f"{AGGREGATE}={name}", members, parts, dict(weights)))
    return found


def slice_values(
    competition: Competition, part: Slice, n_resamples: int, generator: np.random.Generator
) -> tuple[Values, Values]:
    """The values on a slice, (n runs,), and those of each resample of its groups, (n runs, n resamples)."""
    groups = competition.groups[part.members]
    if not isinstance(part, Aggregate):
        statistics = sum_by_group(competition.statistics[part.members], groups)
        resampled = bootstrap_sums(statistics, n_resamples, generator)
        return competition.corpus_values(statistics.sum(axis=0)), competition.corpus_values(resampled)
    # The statistics of each source side by side, 0 where a sample is of another one.
    blocks = [
        np.where(np.isin(part.members, places)[:, None], competition.statistics[part.members], 0.0)
        for places in part.parts.values()
    ]
    statistics = sum_by_group(np.hstack(blocks), groups)
    resampled = bootstrap_sums(statistics, n_resamples, generator)
    return weigh(competition, part, statistics.sum(axis=0)), weigh(competition, part, resampled)


def weigh(competition: Competition, part: Aggregate, sums: np.ndarray) -> Values:
    """Weighted means of the sources' values, (n runs, *leading axes of `sums`).

    The last axis of `sums` has the statistics of one source after the other. A source that a resample left out makes
    its value nan.
    """
    weights = np.array(list(part.weights.values()))
    by_source = sums.reshape(*sums.shape[:-1], len(weights), -1)
    return {key: values @ (weights / weights.sum()) for key, values in competition.corpus_values(by_source).items()}
