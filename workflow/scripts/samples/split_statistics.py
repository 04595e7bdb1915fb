"""Statistics of the splits: how long drawings and captions are, as quantiles and as histograms on common edges."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import numpy as np

from core.records import SPLITS, Sample

QUANTILES = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}
BINS = 24

# As Llama 3 splits ASCII before it looks words up.
_TOKEN = re.compile(r"[^\r\nA-Za-z\d]?[A-Za-z]+|\d{1,3}| ?[^\sA-Za-z\d]+|\s+")


def count_tokens(text: str) -> int:
    """About how many tokens a text has for Llama 3 and the like: words, up to three digits, runs of signs, spaces."""
    return len(_TOKEN.findall(text))


def whole_edges(numbers: np.ndarray) -> list[int]:
    """Edges of at most BINS bins of whole numbers, equally wide but for the last.

    Lengths have long tails: that one reaches from about the 99th percentile to the end.
    """
    low, most = int(numbers.min()), int(np.ceil(np.quantile(numbers, 0.99)))
    width = math.ceil((most + 1 - low) / BINS)
    return [*range(low, most + 1, width), int(numbers.max()) + 1]


class Statistics:
    """Collects the measures of a stream of samples; it keeps one number per measure and sample."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[int]]] = {split: {} for split in SPLITS}
        self.flags: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}

    def add(self, sample: Sample) -> None:
        """Add the measures of a sample of a split."""
        measures = {
            "tokens": [count_tokens(sample.xml)],
            "characters": [sample.n_chars],
            "shapes": [sample.n_shapes],
            "commands": [sample.n_commands],
            "colours": [sample.n_colours],
            "captions": [len(sample.references)],
            "caption_words": [len(reference.split()) for reference in sample.references],
        }
        for name, numbers in measures.items():
            self.values[sample.split].setdefault(name, []).extend(numbers)
        self.flags[sample.split].update(sample.flags)

    def summarise(self) -> dict[str, Any]:
        """A table of each measure by split, its histogram on edges that all splits share, and the flags."""
        names = [name for split in SPLITS[:1] for name in self.values[split]]
        return {
            "measures": {name: self._summarise_measure(name) for name in names},
            "flags": {split: dict(counts.most_common()) for split, counts in self.flags.items()},
        }

    def _summarise_measure(self, name: str) -> dict[str, Any]:
        numbers = {split: np.array(of_split[name]) for split, of_split in self.values.items() if of_split.get(name)}
        edges = whole_edges(np.concatenate(list(numbers.values())))
        return {
            "edges": edges,
            "splits": {
                split: {
                    "n": len(of_split),
                    "mean": round(float(of_split.mean()), 3),
                    **{key: float(np.quantile(of_split, share)) for key, share in QUANTILES.items()},
                    "histogram": np.histogram(of_split, edges)[0].tolist(),
                }
                for split, of_split in numbers.items()
            },
        }
