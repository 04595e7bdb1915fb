"""The version of the format of `comparison.json`, which docs/design.md describes.

It is raised by one when a reader of the old format would read a new file wrongly or not at all: a field is removed,
renamed, or means something else. A new field alone does not raise it, since readers pass over fields that they do not
know. A file without a version is of version 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.command import InputError

VERSION = 1


def check_version(path: Path, raw: Any) -> None:
    """Raise InputError where the comparison `raw`, read from `path`, is of a newer format; ValueError for
    a version that is no number, TypeError for a file that is no comparison.
    """
    if not isinstance(raw, dict):
        raise TypeError("no JSON object")
    version = raw.get("version", 1)
    if type(version) is not int or version < 1:
        raise ValueError(f"version {version!r}")
    if version > VERSION:
        raise InputError(
            f"{path}: its format is version {version}, and this workflow reads none above {VERSION}; read it with the "
            "newer workflow that made it, or run compare again"
        )
