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
    """All scores of a comparison, and their statistics as the columns of one matrix.

    A run is what captioned: a system, or one of the trainings of a model; a system's value is the mean over its runs.
    """

    runs: dict[str, list[str]]  # by system
    metrics: list[Metric]
    scores: dict[tuple[str, str], Scores]  # by run and metric
    statistics: np.ndarray  # (n samples, all statistics)
    columns: dict[tuple[str, str], dict[str, int]]  # run and metric → statistic → column
    groups: np.ndarray  # (n samples,), the group of each, as a number

    @property
    def systems(self) -> list[str]:
        """The systems in order."""
        return list(self.runs)

    def scores_of(self, system: str, metric: str) -> list[Scores]:
        """The scores of each run of a system."""
        return [self.scores[run, metric] for run in self.runs[system]]

    def values(self) -> Iterator[tuple[Metric, str, ValueInfo]]:
        """Every value of every metric, in order."""
        for metric in self.metrics:
            for name, info in metric.values.items():
                yield metric, name, info

    def sums_of(self, sums: np.ndarray, run: str, metric: Metric) -> dict[str, np.ndarray]:
        """The part of `sums` (any leading axes, all statistics) that is this run's by this metric."""
        return {name: sums[..., column] for name, column in self.columns[run, metric.name].items()}

    def corpus_values(self, sums: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        """Corpus values by system and value, (n runs of the system, *leading axes of `sums`)."""
        return {
            (system, name): np.stack(values)
            for system, runs in self.runs.items()
            for metric in self.metrics
            for name, values in by_name([metric.corpus(self.sums_of(sums, run, metric)) for run in runs]).items()
        }


def by_name(values: Sequence[Mapping[str, np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """The values of several runs, by their names."""
    return {name: [value[name] for value in values] for name in values[0]}


def runs_of(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """The runs of a system by the numbers of its trainings; one without a number where it is trained by nobody here."""
    return dict(entry.get("trainings") or {"": name})


def read_competition(
    scores_dir: Path,
    systems: Mapping[str, Mapping[str, Any]],
    metrics: list[Metric],
    samples: Sequence[Sample],
) -> Competition:
    """Read all score files. Raises InputError unless all systems are scored alike on exactly these samples."""
    if not systems or not metrics or not samples:
        raise InputError("nothing to compare: at least one system, one metric and one sample are needed")
    runs = {name: list(runs_of(name, entry).values()) for name, entry in systems.items()}
    all_runs = [run for of_system in runs.values() for run in of_system]
    scores = {(run, metric.name): read_scores(scores_dir, run, metric) for run in all_runs for metric in metrics}
    ids = [sample.id for sample in samples]
    for run, metric in itertools.product(all_runs, metrics):
        check_ids(f"{run} by {metric.name}", scores[run, metric.name].ids, ids)
        check_scored_alike(metric, scores[all_runs[0], metric.name], scores[run, metric.name])
    blocks: list[np.ndarray] = []
    columns: dict[tuple[str, str], dict[str, int]] = {}
    for key, result in scores.items():
        columns[key] = {name: len(blocks) + column for column, name in enumerate(result.statistics)}
        blocks.extend(result.statistics.values())
    return Competition(runs, metrics, scores, np.column_stack(blocks), columns, number_groups(samples))


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
