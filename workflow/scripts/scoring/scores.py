"""The files of a system's scores by one metric; all reading and writing of them is here.

    scores/<system>/<metric>.json     system, metric, n, n_failed, n_truncated, n_truncated_references, corpus values,
                                      signature
    scores/<system>/<metric>.parquet  one row a sample: id, failed, the values, the statistics

A value that rests on no sample is null in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.command import InputError, write_whole
from core.records import Caption, read_json, write_json
from scoring.metrics import STATISTIC_PREFIX, TRUNCATED, TRUNCATED_REFERENCES, Metric, ValueInfo

# By how much values may differ that are the same but for rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Scores:
    """Scores of one system by one metric. `columns` holds one float a sample: values and statistics."""

    system: str
    metric: str
    signature: str
    ids: list[str]
    failed: np.ndarray  # bool, whether the caption is a failed record
    columns: dict[str, np.ndarray]

    @property
    def statistics(self) -> dict[str, np.ndarray]:
        """The columns whose sums determine the corpus values."""
        return {name: column for name, column in self.columns.items() if name.startswith(STATISTIC_PREFIX)}

    @property
    def truncated(self) -> np.ndarray:
        """Whether the metric read only the beginning of a caption; bool."""
        return self.columns.get(TRUNCATED, np.zeros(len(self.ids))) > 0

    @property
    def n_truncated_references(self) -> int:
        """Of how many references the metric read only the beginning."""
        return int(self.columns.get(TRUNCATED_REFERENCES, np.zeros(0)).sum())


def collect_scores(
    metric: Metric,
    system: str,
    captions: list[Caption],
    columns: dict[str, np.ndarray],
    signature: str,
    *,
    failed_is_worst: bool = True,
) -> Scores:
    """Scores of `system` from the columns that `metric.score_samples` gave for its captions.

    Raises InputError where a failed caption has a better value than one that was written, but for metrics whose
    settings say so.
    """
    failed = np.array([caption.status == "failed" for caption in captions], dtype=bool)
    for name, info in metric.values.items() if failed_is_worst else ():
        check_failed(f"{metric.name}.{name}", info, columns[name], failed)
    return Scores(
        system=system,
        metric=metric.name,
        signature=signature,
        ids=[caption.id for caption in captions],
        failed=failed,
        columns=columns,
    )


def check_failed(name: str, info: ValueInfo, column: np.ndarray, failed: np.ndarray) -> None:
    """Raise InputError, with the fix, where a failed caption has a better value than one that was written."""
    badness = -column if info.higher_is_better else column
    ours, others = badness[failed & ~np.isnan(column)], badness[~failed & ~np.isnan(column)]
    if len(ours) and len(others) and ours.min() < others.max() - ROUNDING:
        worst = -others.max() if info.higher_is_better else others.max()
        raise InputError(
            f"{name} gives a caption {worst:g}, which is worse than what failed captions get; the range in its "
            f"ValueInfo must reach the worst value that the metric can give"
        )


def write_scores(
    output: Path, table: Path, metric: Metric, scores: Scores, more: Mapping[str, Any] | None = None
) -> dict[str, float | None]:
    """Write the JSON file `output`, with `more` in it, and the Parquet file `table`; returns the corpus values."""
    corpus = metric.corpus({name: column.sum() for name, column in scores.statistics.items()})
    values = {name: null_for_nan(value) for name, value in corpus.items()}
    arrays: dict[str, pa.Array] = {"id": pa.array(scores.ids, pa.string()), "failed": pa.array(scores.failed)}
    for name, column in scores.columns.items():
        arrays[name] = pa.array(column, pa.float64(), from_pandas=True)  # from_pandas: nan becomes null
    with write_whole(table) as partial:
        pq.write_table(pa.table(arrays), partial, compression="zstd")
    write_json(
        output,
        {
            "system": scores.system,
            "metric": scores.metric,
            "n": len(scores.ids),
            "n_failed": int(scores.failed.sum()),
            "n_truncated": int(scores.truncated.sum()),
            "n_truncated_references": scores.n_truncated_references,
            "values": values,
            "signature": scores.signature,
            **(more or {}),
        },
    )
    return values


def read_scores(folder: Path, system: str, metric: Metric) -> Scores:
    """Read `folder/<system>/<metric>.json` and its table. Raises InputError for a missing or foreign file."""
    return read_named_scores(folder, system, metric.name, metric.values)


def read_named_scores(folder: Path, system: str, metric: str, values: Iterable[str]) -> Scores:
    """The same for a metric of which only its name and those of its values are known."""
    summary_path, table_path = folder / system / f"{metric}.json", folder / system / f"{metric}.parquet"
    summary = read_json(summary_path)
    if not table_path.is_file():
        raise InputError(f"{table_path} does not exist; score {metric} of {system} again")
    try:
        table = pq.ParquetFile(table_path).read()
    except pa.ArrowInvalid as error:
        raise InputError(f"{table_path} is not a Parquet file ({error})") from error
    names = set(table.column_names)
    if not {"id", "failed", *values} <= names or "signature" not in summary:
        raise InputError(f"{table_path} was not written by this version; score {metric} of {system} again")
    return Scores(
        system=system,
        metric=metric,
        signature=summary["signature"],
        ids=table["id"].to_pylist(),
        failed=table["failed"].to_numpy(zero_copy_only=False),
        columns={
            name: table[name].to_numpy(zero_copy_only=False).astype(float)
            for name in table.column_names
            if name not in ("id", "failed")
        },
    )


def null_for_nan(value: float | np.ndarray) -> float | None:
    """A float for JSON: None where the number is missing."""
    number = float(value)
    return None if math.isnan(number) else number
