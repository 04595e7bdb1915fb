"""Parts of the test split on which scores are also shown: by source, complexity, colours, caption length.

A slicing labels each sample; a slice is all samples of one label, named `<slicing>=<label>`. Numbers are
cut at their terciles, equal numbers always into the same slice, and the label gives the range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from records import Sample


@dataclass(frozen=True)
class Slice:
    """A part of the samples: its name and the members' places, ascending."""

    name: str
    members: np.ndarray


def make_slices(samples: Sequence[Sample], slicings: Sequence[str]) -> list[Slice]:
    """The slice `all`, then those of each slicing in the labels' order.

    A slicing that puts all samples under one label adds nothing and is left out.
    """
    slices = [Slice("all", np.arange(len(samples)))]
    for slicing in slicings:
        labels = SLICINGS[slicing](samples)
        distinct = sorted(set(labels))
        if len(distinct) > 1:
            slices += [
                Slice(f"{slicing}={label[1]}", np.flatnonzero([other == label for other in labels]))
                for label in distinct
            ]
    return slices


# A label sorts by its first part and is shown by its second.
Label = tuple[float, str]


def label_sources(samples: Sequence[Sample]) -> list[Label]:
    return [(0.0, sample.source) for sample in samples]


def label_commands(samples: Sequence[Sample]) -> list[Label]:
    return label_terciles([sample.n_commands for sample in samples])


def label_characters(samples: Sequence[Sample]) -> list[Label]:
    return label_terciles([sample.n_chars for sample in samples])


def label_colours(samples: Sequence[Sample]) -> list[Label]:
    return [(0.0, "one") if sample.n_colours <= 1 else (1.0, "several") for sample in samples]


def label_words(samples: Sequence[Sample]) -> list[Label]:
    """By the mean number of words of a sample's references, rounded."""
    return label_terciles([round(np.mean([len(text.split()) for text in sample.references])) for sample in samples])


def label_terciles(numbers: Sequence[int]) -> list[Label]:
    """Label each number with the range of its third, `2-7`."""
    values = np.asarray(numbers)
    thirds = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values, side="left")
    labels = {}
    for third in np.unique(thirds):
        low, high = values[thirds == third].min(), values[thirds == third].max()
        labels[third] = (float(low), f"{low}-{high}" if low < high else f"{low}")
    return [labels[third] for third in thirds]


SLICINGS: dict[str, Callable[[Sequence[Sample]], list[Label]]] = {
    "source": label_sources,
    "commands": label_commands,
    "characters": label_characters,
    "colours": label_colours,
    "words": label_words,
}
