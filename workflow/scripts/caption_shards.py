"""Captioning in several jobs: which samples a job captions, and what it says of the files that it has written.

A shard is every N-th sample from the K-th on, written K/N; drawings of all lengths and sources fall into each. A job
that captions several systems, or a shard, writes <folder>/<system>.jsonl for each system and then the manifest,
{"captions": {<system>: sha256}}: the one output that the workflow knows it by.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command import InputError
from model_files import file_digest
from records import Sample, write_json


@dataclass(frozen=True)
class Shard:
    """The K-th of N parts of the samples; K counts from 1."""

    number: int
    count: int

    @classmethod
    def from_text(cls, text: str) -> Shard:
        """A shard from K/N. Raises InputError where that is none."""
        match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
        if not match or int(match[1]) > int(match[2]):
            raise InputError(f"--shard {text}: must be K/N with K from 1 to N, such as 2/4")
        return cls(int(match[1]), int(match[2]))

    def of(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples of this shard, in their order."""
        return list(samples[self.number - 1 :: self.count])


def write_manifest(path: Path, captions: Sequence[Path]) -> None:
    """Write the manifest of caption files that lie beside it."""
    write_json(path, {"captions": {file.stem: file_digest(file) for file in captions}})
