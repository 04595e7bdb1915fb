"""Shards: the parts of the samples among which jobs share a stage.

A shard is every N-th sample from the K-th on, written K/N; drawings of all lengths and sources fall into each.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from command import InputError

Item = TypeVar("Item")


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

    def size(self, n_samples: int) -> int:
        """How many of a number of samples are in this shard."""
        return len(range(self.number - 1, n_samples, self.count))
