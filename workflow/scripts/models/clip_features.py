"""CLIP features on disk.

Of images: one row an image, `feature` null where there is no image, with the reason. Of references: one row a sample,
`features` one vector for each of its references.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.command import InputError, write_whole

IMAGES = pa.schema([("id", pa.string()), ("feature", pa.list_(pa.float32())), ("reason", pa.string())])

REFERENCES = pa.schema([("id", pa.string()), ("features", pa.list_(pa.list_(pa.float32())))])


def write_features(path: Path, features: dict[str, np.ndarray | None], reasons: dict[str, str]) -> None:
    """Write features by id in their order; `reasons` says why one is missing."""
    rows = [
        {"id": id, "feature": None if vector is None else vector.tolist(), "reason": reasons.get(id, "")}
        for id, vector in features.items()
    ]
    with write_whole(path) as partial:
        pq.write_table(pa.Table.from_pylist(rows, schema=IMAGES), partial, compression="zstd")


def read_features(path: Path) -> dict[str, np.ndarray | None]:
    """Features by id, None where there is no image. Raises InputError for a missing file."""
    rows = _read_rows(path)
    return {row["id"]: None if row["feature"] is None else np.array(row["feature"], np.float32) for row in rows}


def write_reference_features(path: Path, features: dict[str, list[np.ndarray]]) -> None:
    """Write the features of the references by the sample's id, in order."""
    rows = [{"id": id, "features": [vector.tolist() for vector in vectors]} for id, vectors in features.items()]
    with write_whole(path) as partial:
        pq.write_table(pa.Table.from_pylist(rows, schema=REFERENCES), partial, compression="zstd")


def read_reference_features(path: Path) -> dict[str, np.ndarray]:
    """Features of the references by the sample's id, (n references, dimension)."""
    return {row["id"]: np.array(row["features"], np.float32) for row in _read_rows(path)}


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    return pq.ParquetFile(path).read().to_pylist()
