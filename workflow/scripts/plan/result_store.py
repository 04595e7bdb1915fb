"""Results kept by what they were made of, so that a job that is run again for the same input has them at once.

Snakemake removes the outputs of a job before it runs it, and runs the jobs of all shards when their common input has
changed. The shards that are the same as before find their results here.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from core.files import link_or_copy


def result_key(parts: Iterable[bytes], *settings: str) -> str:
    """The digest of an input, in parts, and of the settings and code that it is treated with."""
    digest = hashlib.sha256("\0".join(settings).encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def file_parts(file: Path) -> Iterator[bytes]:
    """The content of a file in blocks."""
    with open(file, "rb") as data:
        yield from iter(lambda: data.read(1 << 20), b"")


def restore_results(store: Path, key: str, outputs: Sequence[Path]) -> bool:
    """Put the results of a key in their places; False where the store does not have them all."""
    kept = [store / key / path.name for path in outputs]
    if not all(path.is_file() for path in kept):
        return False
    for source, path in zip(kept, outputs, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source, path)
    return True


def keep_results(store: Path, key: str, outputs: Sequence[Path]) -> None:
    """Keep results, and forget older ones of the same names."""
    shutil.rmtree(store, ignore_errors=True)
    (store / key).mkdir(parents=True)
    for path in outputs:
        link_or_copy(path, store / key / path.name)
