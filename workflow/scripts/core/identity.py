"""One identity per job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any


def job_identity(
    *, inputs: Mapping[str, str], settings: Mapping[str, Any], code: str | None, libraries: Iterable[str]
) -> dict[str, Any]:
    """The identity of a job as a record."""
    versions = {}
    for name in sorted(libraries):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {"inputs": dict(inputs), "settings": dict(settings), "code": code, "libraries": versions}
