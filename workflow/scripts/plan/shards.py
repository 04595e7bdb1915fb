"""Shards: the parts of the samples among which jobs share a stage.

A shard is written K/N: of captioning every N-th sample from the K-th on, so that drawings of all lengths and sources
fall into each; of drawings those that a hash of the id puts there, so that a shard stays the same when others change.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from core.command import InputError

Item = TypeVar("Item")


def shard_of(id: str, n_shards: int) -> int:
    """The shard of a record: 0 to n_shards - 1, by a hash of its id."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") % n_shards


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

    def of(self, samples: Iterable[Item]) -> list[Item]:
        """The samples of this shard, in their order."""
        return list(self.stream(samples))

    def stream(self, samples: Iterable[Item]) -> Iterator[Item]:
        """The samples of this shard one after the other, none of them kept."""
        return itertools.islice(samples, self.number - 1, None, self.count)

    def holds(self, id: str) -> bool:
        """Whether the hash of an id puts it into this shard."""
        return shard_of(id, self.count) == self.number - 1

    def size(self, n_samples: int) -> int:
        """How many of a number of samples are in this shard."""
        return len(range(self.number - 1, n_samples, self.count))
