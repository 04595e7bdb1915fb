"""Adapters that lie where a training is going to write: kept before Snakemake removes them.

A training keeps its own results by their identity (training/store.py). An adapter that an older version trained, or
that somebody put there, is in no such store: its files are linked beside it before the run begins.
"""

from __future__ import annotations

from pathlib import Path

from core.content_digest import ContentDigests
from core.files import link_or_copy

WEIGHTS = "adapter_model.safetensors"


def keep_adapter(folder: Path, digests: ContentDigests) -> Path | None:
    """Link the files of an adapter's folder into trained/before-<digest of its weights>/ and return that.

    None where that is not needed: a file with two names is in the store of its training already.
    """
    weights = folder / WEIGHTS
    if not weights.is_file() or weights.stat().st_nlink > 1:
        return None
    kept = folder / "trained" / f"before-{digests.of(weights)}"
    kept.mkdir(parents=True, exist_ok=True)
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        link_or_copy(file, kept / file.name)
    return kept
