"""Captions that may belong to another drawing, found by CLIP: those to whose picture many other captions fit better.

Each reference is ranked for the picture of its own sample among up to 100 other references of its source, drawn at
random, none of its own group (near-duplicates, drawings of one caption). Its share is that of the others which are
closer to the picture. A caption that was swapped at random has a share that is uniform between 0 and 1, whatever CLIP
is worth; a right one has a small share where CLIP knows such drawings. So a threshold t finds 1 - t of random swaps.

The threshold of a source is such that at most 2% of its captions are above it, and so no more than 2% are false alarms.
Where more than 2% are wrong, the flag holds only the worst of them; `most_mismatched` tells that. The threshold is
never below 0.1, so that data whose captions all rank well have no flags. Nothing is dropped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.records import Sample

FLAG = "caption:mismatch"
N_OTHERS = 100
MIN_OTHERS = 20  # with fewer a rank says little, and there is none
MAX_FALSE_ALARMS = 0.02
MIN_THRESHOLD = 0.1
# Cosines that are equal but for rounding are equal.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Rank:
    """How many of `n_others` other captions fit the picture of a sample better than its `reference` (0-based)."""

    id: str
    source: str
    reference: int
    n_better: int
    n_others: int

    @property
    def share(self) -> float:
        return self.n_better / self.n_others


@dataclass(frozen=True)
class SourceRanks:
    """The ranks of a source's captions, the worst first, and what follows.

    `n_captions` counts all, also those without a rank: of samples without a picture, or with too few others.
    """

    ranks: list[Rank]
    n_captions: int

    @property
    def threshold(self) -> float:
        """The share above which a caption is flagged; 1 where none has a rank."""
        shares = [rank.share for rank in self.ranks]
        return max(MIN_THRESHOLD, shares[math.floor(MAX_FALSE_ALARMS * len(shares))]) if shares else 1.0

    @property
    def flagged(self) -> list[Rank]:
        return [rank for rank in self.ranks if rank.share > self.threshold]

    @property
    def most_mismatched(self) -> float:
        """An upper estimate of the share of random swaps: half of them rank in the worse half, and some right ones."""
        return min(1.0, 2 * float(np.mean([rank.share > 0.5 for rank in self.ranks]))) if self.ranks else 1.0


def rank_captions(
    samples: Sequence[Sample],
    images: Mapping[str, np.ndarray | None],
    references: Mapping[str, np.ndarray],
    seed: int,
) -> dict[str, SourceRanks]:
    """The ranks by source. `images` and `references` hold unit vectors by id, (d,) and (n references, d)."""
    by_source: dict[str, list[Sample]] = {}
    for sample in samples:
        by_source.setdefault(sample.source, []).append(sample)
    return {
        source: SourceRanks(
            sorted(rank_source(members, images, references, seed), key=lambda rank: (-rank.share, rank.id)),
            sum(len(sample.references) for sample in members),
        )
        for source, members in by_source.items()
    }


def rank_source(
    samples: Sequence[Sample],
    images: Mapping[str, np.ndarray | None],
    references: Mapping[str, np.ndarray],
    seed: int,
) -> list[Rank]:
    """The ranks of the captions of one source, in random order."""
    owners = [(sample, number) for sample in samples for number in range(len(sample.references))]
    order = np.random.default_rng(seed).permutation(len(owners))
    owners = [owners[place] for place in order]
    captions = np.stack([references[sample.id][number] for sample, number in owners])
    names = {group: number for number, group in enumerate(dict.fromkeys(sample.group for sample in samples))}
    groups = np.array([names[sample.group] for sample, _ in owners])
    # The captions stand in a circle. The others of one are the next ones of other groups: enough of them are in reach.
    reach = min(len(owners), N_OTHERS + max(Counter(groups.tolist()).values()))
    ranks = []
    for place, (sample, number) in enumerate(owners):
        image = images[sample.id]
        near = np.arange(place + 1, place + reach) % len(owners)
        others = near[groups[near] != groups[place]][:N_OTHERS]
        if image is not None and len(others) >= MIN_OTHERS:
            n_better = np.count_nonzero(captions[others] @ image > captions[place] @ image + ROUNDING)
            ranks.append(Rank(sample.id, sample.source, number, int(n_better), len(others)))
    return ranks
