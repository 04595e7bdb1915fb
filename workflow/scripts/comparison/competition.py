"""The scores of all systems of a comparison, read together and checked: on the same samples, in the same way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from comparison.grouping import number_groups
from core.command import InputError
from core.records import Sample, check_ids
from scoring.metrics import Metric, ValueInfo
from scoring.scores import Scores, read_scores


@dataclass(frozen=True)
class Competition:
    """All scores of a comparison, and their statistics as the columns of one matrix."""

    systems: list[str]
    metrics: list[Metric]
    scores: dict[tuple[str, str], Scores]  # by system and metric
    statistics: np.ndarray  # (n samples, all statistics)
    columns: dict[tuple[str, str], dict[str, int]]  # system and metric → statistic → column
    groups: np.ndarray  # (n samples,), the group of each, as a number

    def values(self) -> Iterator[tuple[Metric, str, ValueInfo]]:
        """Every value of every metric, in order."""
        for metric in self.metrics:
            for name, info in metric.values.items():
                yield metric, name, info

    def sums_of(self, sums: np.ndarray, system: str, metric: Metric) -> dict[str, np.ndarray]:
        """The part of `sums` (any leading axes, all statistics) that is this system's by this metric."""
        return {name: sums[..., column] for name, column in self.columns[system, metric.name].items()}

    def corpus_values(self, sums: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        """Corpus values by system and value; their shape is that of the leading axes of `sums`."""
        return {
            (system, name): value
            for system in self.systems
            for metric in self.metrics
            for name, value in metric.corpus(self.sums_of(sums, system, metric)).items()
        }


def read_competition(
    scores_dir: Path,
    systems: Mapping[str, Any],
    metrics: list[Metric],
    samples: Sequence[Sample],
) -> Competition:
    """Read all score files. Raises InputError unless all systems are scored alike on exactly these samples."""
    if not systems or not metrics or not samples:
        raise InputError("nothing to compare: at least one system, one metric and one sample are needed")
    scores = {
        (system, metric.name): read_scores(scores_dir, system, metric) for system in systems for metric in metrics
    }
    ids = [sample.id for sample in samples]
    for system, metric in itertools.product(systems, metrics):
        check_ids(f"{system} by {metric.name}", scores[system, metric.name].ids, ids)
        check_scored_alike(metric, scores[next(iter(systems)), metric.name], scores[system, metric.name])
    blocks: list[np.ndarray] = []
    columns: dict[tuple[str, str], dict[str, int]] = {}
    for key, result in scores.items():
        columns[key] = {name: len(blocks) + column for column, name in enumerate(result.statistics)}
        blocks.extend(result.statistics.values())
    return Competition(list(systems), metrics, scores, np.column_stack(blocks), columns, number_groups(samples))


def check_scored_alike(metric: Metric, first: Scores, other: Scores) -> None:
    """Raise InputError where two systems differ in signature, or in the samples that a value applies to."""
    if first.signature != other.signature:
        raise InputError(
            f"{first.system} and {other.system} are scored by {metric.name} in different ways "
            f"({first.signature} / {other.signature}); score them again"
        )
    for value in metric.values:
        differs = np.isnan(first.columns[value]) != np.isnan(other.columns[value])
        if differs.any():
            ids = [sample_id for sample_id, here in zip(first.ids, differs, strict=True) if here]
            raise InputError(
                f"{value} is missing for only one of {first.system} and {other.system} on {len(ids)} samples "
                f"({', '.join(ids[:5])}); score both again on the same images"
            )
