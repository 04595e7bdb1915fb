"""Where a model comes from, and how a person reads it. The forms of a source are those of fetch_model.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Source = dict[str, Any]


def source_name(source: Source) -> str:
    """A source as a person writes it: org/name@commit, package version: path, or the folder."""
    if "hub" in source:
        return f"{source['hub']}@{source['revision'][:12]}"
    if "package" in source:
        return f"{source['package']} {source['version']}: {Path(source['path']).name}"
    return source["path"]


def readable_size(size: float) -> str:
    """A size in bytes in decimal units: 16.1 GB."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
