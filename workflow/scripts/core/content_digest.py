"""Digests of files and folders by content, each file read once.

A file whose size and modification time are those of an earlier look keeps its digest, so that planning does not read
gigabytes again. The cache holds paths of this machine; digests do not, so a moved folder has the same digest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.command import InputError
from core.records import read_json, write_json


class ContentDigests:
    """Digests with a cache file, {path: [size, modification time in ns, sha256]}.

    Several processes may use one cache file: it is replaced as a whole, and a lost entry only costs another read.
    """

    def __init__(self, cache: Path):
        self._cache = cache
        self._changed = False
        try:
            self._known: dict[str, list] = read_json(cache) if cache.is_file() else {}
        except InputError:  # a damaged cache is no cache
            self._known = {}

    def of(self, path: Path) -> str:
        """The sha256 of a file, or of the relative names and digests of all files below a folder; 16 hex digits.

        Raises FileNotFoundError where nothing is there.
        """
        if not path.is_dir():
            return self._of_file(path)[:16]
        digest = hashlib.sha256()
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\n{self._of_file(file)}\n".encode())
        return digest.hexdigest()[:16]

    def save(self) -> None:
        """Write the cache where something was read anew."""
        if self._changed:
            write_json(self._cache, self._known)
            self._changed = False

    def _of_file(self, file: Path) -> str:
        key, found = str(file.resolve()), file.stat()
        known = self._known.get(key)
        if known and known[:2] == [found.st_size, found.st_mtime_ns]:
            return known[2]
        with open(file, "rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        self._known[key] = [found.st_size, found.st_mtime_ns, digest]
        self._changed = True
        return digest
