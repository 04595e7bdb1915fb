"""Scores that another tool gave: one value a sample and system, read from a file and made a metric like any other.

A file is JSON lines, a JSON array, CSV, TSV or Parquet. A record has the test sample's `id`, the name of the `system`
and the `value`. It may have the `caption` that was scored. Every test sample must have one record of each system, and
no other record may be there: a score of another data set, or of an older caption, would be compared in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.command import InputError
from core.hints import propose_name
from core.records import Caption, check_ids, read_json
from readers.fields import as_text
from readers.folder import read_data_file
from scoring.metrics import MeanMetric, ValueInfo

FIELDS = ("id", "system", "value")
INFO = "value_info"  # key of scores/<system>/<metric>.json: how the value is shown
UNCHECKED = "The file does not say which captions were scored: they may be older than those of this report."
MOST_LISTED = 5  # ids that a message names


@dataclass(frozen=True)
class ImportedTexts:
    """What an imported metric sees of one system: the captions and a value for each, nan where it does not apply."""

    captions: list[Caption]
    values: np.ndarray  # (n samples,)

    @property
    def failed(self) -> np.ndarray:
        """Which captions are failed records, (n samples,)."""
        return np.array([caption.status == "failed" for caption in self.captions], dtype=bool)


class ImportedMetric(MeanMetric):
    """A metric of one value, which has the metric's name and is read from a file."""

    def __init__(self, name: str, info: ValueInfo):
        # On the instance, where those of other metrics are on their class.
        self.name = name  # type: ignore[misc]
        self.values = {name: info}  # type: ignore[misc]

    def values_of_samples(self, inputs: ImportedTexts) -> dict[str, np.ndarray]:
        return {self.name: inputs.values}


@dataclass(frozen=True)
class ImportedScore:
    """One record of a file: its 0-based place, the value (nan where the metric does not apply), the scored caption."""

    position: int
    value: float
    caption: str | None


Found = dict[tuple[str, str], ImportedScore]  # by system and sample


def read_imported(path: Path, systems: Mapping[str, list[Caption]], limits: tuple[float, float] | None) -> Found:
    """The scores of a file, one for each caption of each system. Raises InputError where they do not fit exactly."""
    ids = {caption.id for captions in systems.values() for caption in captions}
    found: Found = {}
    for position, record in enumerate(read_data_file(path)):
        where = f"{path}, record {position}"
        value = check_record(where, record, systems, limits)
        id_, system = as_text(record["id"]), as_text(record["system"])
        if id_ not in ids:
            raise InputError(
                f"{where}: {id_!r} is no id of a test sample; score the samples of data/test.parquet and no others; "
                f"{propose_name(id_, sorted(ids), most=MOST_LISTED)}"
            )
        if (system, id_) in found:
            raise InputError(
                f"{where}: {system} has a value for {id_!r} already, in record {found[system, id_].position}; keep one"
            )
        caption = record.get("caption")
        found[system, id_] = ImportedScore(position, value, None if caption is None else str(caption))
    for system, captions in systems.items():
        check_complete(path, system, captions, found)
    return found


def check_record(
    where: str, record: Mapping[str, Any], systems: Iterable[str], limits: tuple[float, float] | None = None
) -> float:
    """The value of a record. Raises InputError for one that lacks a field, names no system, or has no number."""
    for name in FIELDS:
        if name not in record:
            raise InputError(
                f"{where}: no field {name!r}; a record has id, system and value; {propose_name(name, map(str, record))}"
            )
    system = as_text(record["system"])
    if system not in systems:
        raise InputError(
            f"{where}: no system {system!r}; name systems as the configuration does, and remove the records of others; "
            f"{propose_name(system, systems)}"
        )
    return read_value(where, record["value"], limits)


def read_value(where: str, value: Any, limits: tuple[float, float] | None) -> float:
    """A score as a number; nan for null and an empty cell, which say that the metric does not apply to the sample.

    Raises InputError for anything else, and for a number outside of the stated range.
    """
    if value is None or value == "":
        return math.nan
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(
            f"{where}: the value {value!r} is no finite number; give one, or null where the metric does not apply"
        )
    if limits and not limits[0] <= number <= limits[1]:
        raise InputError(
            f"{where}: the value {number:g} lies outside the range {list(limits)}; correct it, or the range under "
            "scores_from"
        )
    return number


def check_complete(path: Path, system: str, captions: list[Caption], found: Found) -> None:
    """Raise InputError where a system lacks samples, or a score is that of another caption than the present one."""
    missing = [caption.id for caption in captions if (system, caption.id) not in found]
    if missing:
        raise InputError(
            f"{path}: {system} has no value for {len(missing)} of {len(captions)} test samples "
            f"({', '.join(missing[:MOST_LISTED])}{', …' if len(missing) > MOST_LISTED else ''}); add their records, "
            "with value null where the metric does not apply"
        )
    for caption in captions:
        score = found[system, caption.id]
        if score.caption is not None and score.caption.strip() != caption.caption.strip():
            raise InputError(
                f"{path}, record {score.position}: {system} has another caption for {caption.id!r} now than the one "
                f"that was scored ({score.caption[:60]!r}); score its captions again"
            )


def make_info(name: str, entry: Mapping[str, Any], values: Iterable[float], is_checked: bool) -> ValueInfo:
    """How the value is shown, by its entry in the configuration; a range that nobody stated is that of the values.

    Values of 0 and 1 only, in that range, are a share: its interval is Wilson's. `is_checked` says whether the file
    names the caption of every score, so that they are known to be the present ones. Raises InputError where there is no
    value at all.
    """
    present = [value for value in values if not math.isnan(value)]
    if not present:
        raise InputError(f"scores_from.{name}: its file has no value other than null; nothing can be compared by it")
    low, high = entry.get("range") or (min(present), max(present))
    return ValueInfo(
        label=entry.get("label") or name,
        low=float(low),
        high=float(high),
        higher_is_better=entry.get("higher_is_better", True),
        note=" ".join(filter(None, [entry.get("note"), "" if is_checked else UNCHECKED])),
        share=set(present) <= {0.0, 1.0} and (low, high) == (0, 1),
    )


def load_imported(scores_dir: Path, name: str, system: str) -> ImportedMetric:
    """The metric as its score files describe it. Raises InputError for files that were not imported."""
    path = scores_dir / system / f"{name}.json"
    summary = read_json(path)
    if INFO not in summary:
        raise InputError(f"{path} holds no imported scores; run import_scores again")
    return ImportedMetric(name, ValueInfo(**summary[INFO]))


def describe_info(metric: ImportedMetric) -> dict[str, Any]:
    """What is added to scores/<system>/<metric>.json for `load_imported`."""
    return {INFO: asdict(metric.values[metric.name])}


def check_same_samples(systems: Mapping[str, list[Caption]]) -> None:
    """Raise InputError unless all systems have captions of the same samples in one order."""
    ids = [caption.id for caption in next(iter(systems.values()))]
    for system, captions in systems.items():
        check_ids(f"captions of {system}", [caption.id for caption in captions], ids)
