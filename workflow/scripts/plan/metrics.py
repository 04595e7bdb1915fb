"""Which metrics a configuration lists, and the values that they have."""

from __future__ import annotations

from typing import Any

from core.command import InputError
from plan.schema import Configuration, load_schema
from scoring.imported import ImportedMetric
from scoring.metrics import Metric, ValueInfo, load_metric, metric_names

MIN_RADAR_VALUES = 3
# The metric and the baseline that need a CLIP model.
CLIP_METRIC, CLIP_BASELINE = "clip_score", "clip_nearest"


def listed_metrics(config: Configuration) -> list[str]:
    """The names under `metrics`, or the default ones."""
    return config.get("metrics", load_schema()["properties"]["metrics"]["default"])


def score_files(config: Configuration) -> dict[str, dict[str, Any]]:
    """The entries of `scores_from`, also those that name nothing but a file."""
    entries = config.get("scores_from", {})
    return {name: {"path": entry} if isinstance(entry, str) else entry for name, entry in entries.items()}


def listed_values(config: Configuration) -> dict[str, Metric]:
    """The values of the listed metrics and of `scores_from`, in their order, each with its metric.

    Raises InputError for an unknown metric.
    """
    metrics = [load_metric(name) for name in listed_metrics(config)]
    # Their ranges are known when the files are read.
    metrics += [ImportedMetric(name, ValueInfo(name, 0, 1, radar=False)) for name in score_files(config)]
    return {value: metric for metric in metrics for value in metric.values}


def owner_of_value(value: str) -> str | None:
    """The metric that has a value, whether it is listed or not; None where there is none."""
    for name in metric_names():
        try:
            if value in load_metric(name).values:
                return name
        except InputError:  # a file of the user's that is no metric; a fault of its own where it is listed
            continue
    return None


def default_radar(config: Configuration) -> list[str]:
    """The usual values of the radar chart, as far as listed metrics have them.

    Where these are fewer than a chart needs, other values of the listed metrics join them.
    """
    values = listed_values(config)
    usual = load_schema()["properties"]["report"]["properties"]["radar"]["default"]
    chosen = [value for value in usual if value in values]
    others = [value for value in values if value not in chosen]
    others.sort(key=lambda value: not values[value].values[value].radar)
    return chosen + others[: max(0, MIN_RADAR_VALUES - len(chosen))]


def clip_users(config: Configuration) -> list[str]:
    """What in a configuration needs a CLIP model, in words."""
    baselines = config.get("baselines", load_schema()["properties"]["baselines"]["default"])
    users = [f"the metric {CLIP_METRIC}"] if CLIP_METRIC in listed_metrics(config) else []
    return users + ([f"the baseline {CLIP_BASELINE}"] if CLIP_BASELINE in baselines else [])
