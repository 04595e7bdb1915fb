"""Parts of the test split on which scores are also shown: by source, complexity, colours, caption length.

A slicing labels each sample; a slice is all samples of one label, named `<slicing>=<label>`. Numbers are
cut at their terciles, equal numbers always into the same slice, and the label gives the range.

| slicing | by |
|---|---|
| source | where the sample is from |
| commands | drawing commands (a basic shape counts as one) |
| characters | characters of the xml |
| tokens | tokens of the prompt, xml and instruction, as an LLM of the comparison counts them |
| colours | monochrome (black, white and greys only) or colour |
| words | mean number of words of the references |
| references | one, or two or more: the samples of the leave-one-out human score |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.records import Sample
from svg.path_records import displayed_drawing


@dataclass(frozen=True)
class Slice:
    """A part of the samples: its name and the members' places, ascending."""

    name: str
    members: np.ndarray


def make_slices(
    samples: Sequence[Sample], slicings: Sequence[str], n_tokens: Sequence[int | None] | None = None
) -> list[Slice]:
    """The slice `all`, then those of each slicing in the labels' order.

    A slicing that puts all samples under one label adds nothing and is left out; so is `tokens` where no `n_tokens`
    are given (no LLM takes part).
    """
    slices = [Slice("all", np.arange(len(samples)))]
    for slicing in slicings:
        if slicing != TOKENS:
            labels = SLICINGS[slicing](samples)
        elif n_tokens is not None:
            labels = label_tokens(n_tokens)
        else:
            continue
        distinct = sorted(set(labels))
        if len(distinct) > 1:
            slices += [
                Slice(f"{slicing}={label[1]}", np.flatnonzero([other == label for other in labels]))
                for label in distinct
            ]
    return slices


_PAINT = re.compile(r"(?:fill|stroke|stop-color|flood-color)\s*[:=]\s*[\"']?\s*(#\w+|rgb\([^)]*\)|[A-Za-z]+)")

# A label sorts by its first part and is shown by its second.
Label = tuple[float, str]


def label_sources(samples: Sequence[Sample]) -> list[Label]:
    return [(0.0, sample.source) for sample in samples]


def label_commands(samples: Sequence[Sample]) -> list[Label]:
    return label_terciles([sample.n_commands for sample in samples])


def label_characters(samples: Sequence[Sample]) -> list[Label]:
    return label_terciles([sample.n_chars for sample in samples])


def label_colours(samples: Sequence[Sample]) -> list[Label]:
    return [(0.0, "monochrome") if is_monochrome(sample.xml) else (1.0, "colour") for sample in samples]


def is_monochrome(xml: str) -> bool:
    """Whether all paints of a drawing are black, white or grey."""
    from PIL import ImageColor

    for text in set(_PAINT.findall(displayed_drawing(xml))):
        try:
            red, green, blue = ImageColor.getrgb(text)[:3]
        except ValueError:  # no colour: none, url(#gradient), inherit
            continue
        if not red == green == blue:
            return False
    return True


def label_tokens(n_tokens: Sequence[int | None]) -> list[Label]:
    """By the number of tokens; samples whose prompt was never made are a slice of their own."""
    terciles = iter(label_terciles([number for number in n_tokens if number is not None]))
    return [(float("inf"), "unknown") if number is None else next(terciles) for number in n_tokens]


def label_words(samples: Sequence[Sample]) -> list[Label]:
    """By the mean number of words of a sample's references, rounded."""
    return label_terciles([round(np.mean([len(text.split()) for text in sample.references])) for sample in samples])


def label_references(samples: Sequence[Sample]) -> list[Label]:
    return [(0.0, "one") if len(sample.references) < 2 else (1.0, "two or more") for sample in samples]


def label_terciles(numbers: Sequence[int]) -> list[Label]:
    """Label each number with the range of its third, `2-7`."""
    if not numbers:
        return []
    values = np.asarray(numbers)
    thirds = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values, side="left")
    labels = {}
    for third in np.unique(thirds):
        low, high = values[thirds == third].min(), values[thirds == third].max()
        labels[third] = (float(low), f"{low}-{high}" if low < high else f"{low}")
    return [labels[third] for third in thirds]


TOKENS = "tokens"  # the one slicing that needs more than the samples
REFERENCES = "references"  # taken wherever there are leave-one-out human scores, which are of one of its slices
SEVERAL_REFERENCES = f"{REFERENCES}=two or more"

SLICINGS: dict[str, Callable[[Sequence[Sample]], list[Label]]] = {
    "source": label_sources,
    "commands": label_commands,
    "characters": label_characters,
    "colours": label_colours,
    "words": label_words,
    REFERENCES: label_references,
}
