"""Captioning in several jobs: what a job says of the files that it has written.

A job that captions several systems, or a shard, writes <folder>/<system>.jsonl for each system and then the manifest,
{"captions": {<system>: sha256}}: the one output that the workflow knows it by.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.records import write_json
from models.files import file_digest


def write_manifest(path: Path, captions: Sequence[Path]) -> None:
    """Write the manifest of caption files that lie beside it."""
    write_json(path, {"captions": {file.stem: file_digest(file) for file in captions}})
