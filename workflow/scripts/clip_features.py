"""CLIP features of images on disk: one row an image, `feature` null where there is no image, with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from command import InputError, write_whole

SCHEMA = pa.schema([("id", pa.string()), ("feature", pa.list_(pa.float32())), ("reason", pa.string())])


def write_features(path: Path, features: dict[str, np.ndarray | None], reasons: dict[str, str]) -> None:
    """Write features by id in their order; `reasons` says why one is missing."""
    rows = [
        {"id": id, "feature": None if vector is None else vector.tolist(), "reason": reasons.get(id, "")}
        for id, vector in features.items()
    ]
    with write_whole(path) as partial:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), partial, compression="zstd")


def read_features(path: Path) -> dict[str, np.ndarray | None]:
    """Features by id, None where there is no image. Raises InputError for a missing file."""
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    rows = pq.ParquetFile(path).read().to_pylist()
    return {row["id"]: None if row["feature"] is None else np.array(row["feature"], np.float32) for row in rows}
