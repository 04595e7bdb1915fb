"""Faults of the listed metrics, of what they need, and of what the report shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.command import InputError
from core.hints import propose_name
from plan.configuration import system_names
from plan.metrics import (
    MIN_RADAR_VALUES,
    clip_users,
    default_radar,
    listed_values,
    owner_of_value,
    score_files,
)
from plan.published_faults import published_faults
from plan.schema import Configuration
from scoring.metrics import Metric, load_metric, metric_names


def report_faults(config: Configuration, full: Configuration) -> Iterator[str]:
    """The faults of a configuration that the schema accepts; `full` is the same with its defaults filled in."""
    faults = [*_metric_faults(full), *_imported_faults(full)]
    yield from faults
    yield from _option_faults(full)
    if "clip" not in full and clip_users(full):
        users = clip_users(full)
        yield (
            f"clip: missing, and {' and '.join(users)} {'need' if len(users) > 1 else 'needs'} a CLIP model; give "
            "clip.source, or list `metrics` and `baselines` without them"
        )
    if not faults:  # else the values of a misspelt metric would be missing, too
        yield from _value_faults(config, full)
        yield from published_faults(full)


def _metric_faults(config: Configuration) -> Iterator[str]:
    for name in config["metrics"]:
        if name not in metric_names():
            yield f"metrics: unknown metric {name!r}; {propose_name(name, metric_names())}"
            continue
        try:
            metric = load_metric(name)
        except InputError as error:  # a file of the user's that is no metric
            yield f"metrics: {error}"
            continue
        options = config["metric_options"].get(name, {})
        if metric.needs_model and "source" not in options:
            yield f"metrics: {name} needs a model; say where it comes from under metric_options.{name}.source"
        if metric.needed_files:
            yield from _folder_faults(metric, options.get("folder"))


def _folder_faults(metric: Metric, folder: str | None) -> Iterator[str]:
    path = f"metric_options.{metric.name}.folder"
    if folder is None:
        yield f"metrics: {metric.name} needs files in a folder that {path} names: {metric.needed_files}"
        return
    try:
        metric.check_folder(Path(folder))
    except InputError as error:
        yield f"{path}: {error}"


def _imported_faults(config: Configuration) -> Iterator[str]:
    """Scores of a file have the name of no metric and no value, so that a column of the report has one meaning."""
    for name, entry in score_files(config).items():
        owner = name if name in metric_names() else owner_of_value(name)
        if owner:
            yield f"scores_from.{name}: that is a name of the metric {owner}; choose another, as {name}_file"
        low, high = entry.get("range", (0, 1))
        if low >= high:
            yield f"scores_from.{name}.range: [{low}, {high}] is no range; the first number must be below the second"


def _option_faults(config: Configuration) -> Iterator[str]:
    for name, options in config["metric_options"].items():
        path = f"metric_options.{name}"
        if name not in metric_names():
            yield f"{path}: unknown metric {name!r}; {propose_name(name, metric_names())}"
        elif name not in config["metrics"]:
            yield f"{path}: the metric {name} is not listed under metrics; list it there, or remove {path}"
        else:
            try:
                metric = load_metric(name)
            except InputError:  # reported under `metrics`
                continue
            unknown = [key for key in options["settings"] if key not in metric.known_settings]
            for key in unknown:
                hint = propose_name(key, metric.known_settings)
                yield f"{path}.settings.{key}: unknown setting of the metric {name}; {hint}"
            if not unknown and "source" in options:
                yield from _settings_faults(metric, options)


def _settings_faults(metric: Metric, options: dict[str, Any]) -> Iterator[str]:
    """Settings that a metric cannot obey with this model."""
    try:
        metric.check_options(options["source"], options["settings"])
    except InputError as error:
        yield f"metric_options.{metric.name}: {error}"


def _value_faults(config: Configuration, full: Configuration) -> Iterator[str]:
    values, report = listed_values(full), full["report"]
    if "radar" in config.get("report", {}):
        for value in report["radar"]:
            yield from _unknown_value("report.radar", value, list(values))
    elif len(default_radar(config)) < MIN_RADAR_VALUES:
        yield (
            f"metrics: a radar chart needs at least {MIN_RADAR_VALUES} values, and the listed metrics have only "
            f"{', '.join(values)}; list more metrics"
        )
    for value, (low, high) in report["style"].get("ranges", {}).items():
        yield from _unknown_value(f"report.style.ranges.{value}", value, list(values))
        if low >= high:
            yield f"report.style.ranges.{value}: [{low}, {high}] is no range; the first number must be below the second"
    qualitative = report["qualitative"]
    if "value" in qualitative:
        yield from _unknown_value("report.qualitative.value", qualitative["value"], list(values))
    names = [name for _, name in system_names(full)]
    if qualitative.get("system", names[0] if names else None) not in names:
        system = qualitative["system"]
        yield f"report.qualitative.system: no system {system!r}; {propose_name(system, names)}"


def _unknown_value(path: str, value: str, known: list[str]) -> Iterator[str]:
    if value in known:
        return
    owner = owner_of_value(value)
    if owner:
        yield (
            f"{path}: {value!r} is a value of the metric {owner}, which is not listed under metrics; list {owner}, or "
            "remove the value"
        )
    else:
        yield f"{path}: no listed metric has a value {value!r}; {propose_name(value, known)}"
