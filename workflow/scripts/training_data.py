"""Samples as training examples: tokens, the order in which they are seen, and batches.

Each pass over the data draws one of a sample's references, by seed; validation takes the first. The order of a whole
training is laid out beforehand, so that it depends on data and seed only and a resumed run goes on in it exactly.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.data import Dataset

from prompts import IGNORED, PromptSettings, caption_tokens, prompt_tokens
from records import Sample

# Examples are sorted by length within stretches of this many steps: little is padded, and the order stays random.
STEPS_IN_A_STRETCH = 20


@dataclass
class Encoded:
    """A sample as tokens: its prompt, and each reference with the end of turn."""

    id: str
    prompt: list[int]
    captions: list[list[int]]

    def __len__(self) -> int:
        return len(self.prompt) + max(len(caption) for caption in self.captions)


@dataclass
class EncodedSplit:
    """The samples of a split as tokens, and what had to be done to the overlong ones."""

    samples: list[Encoded]
    shortened: dict[str, int] = field(default_factory=dict)  # id → tokens removed inside the xml
    dropped: list[str] = field(default_factory=list)


def encode_samples(tokenizer: Any, samples: Sequence[Sample], prompt: PromptSettings, overlong: str) -> EncodedSplit:
    """Tokens of samples; `overlong` is shorten or drop."""
    encoded = EncodedSplit([])
    for sample in samples:
        tokens = prompt_tokens(tokenizer, sample.xml, prompt)
        if tokens.n_xml_tokens_removed and overlong == "drop":
            encoded.dropped.append(sample.id)
            continue
        if tokens.n_xml_tokens_removed:
            encoded.shortened[sample.id] = tokens.n_xml_tokens_removed
        captions = [caption_tokens(tokenizer, reference, prompt) for reference in sample.references]
        encoded.samples.append(Encoded(sample.id, tokens.ids, captions))
    return encoded


def lay_out_training(samples: Sequence[Encoded], n_examples: int, step_size: int, seed: int) -> list[tuple[int, int]]:
    """The (sample, reference) of every example of a training, in order.

    Passes follow each other, each in an order of its own. The `step_size` examples of an optimizer step are of like
    length, so that little is padded however the step is cut into batches and devices, and the same examples make a
    step whatever the cut. The first step is the longest there is, so that too little memory shows in the first minute.
    """
    randomness = random.Random(seed)
    order: list[tuple[int, int]] = []
    while len(order) < n_examples:
        places = list(range(len(samples)))
        randomness.shuffle(places)
        drawn = [(place, randomness.randrange(len(samples[place].captions))) for place in places]
        order += sort_in_stretches(drawn, samples, step_size, randomness)
    order = order[:n_examples]
    return longest_step_first(order, samples, step_size)


def sort_in_stretches(
    drawn: list[tuple[int, int]], samples: Sequence[Encoded], step_size: int, randomness: random.Random
) -> list[tuple[int, int]]:
    """Examples in steps of like length; the steps of a stretch come in random order."""
    stretch = STEPS_IN_A_STRETCH * step_size
    ordered: list[tuple[int, int]] = []
    for start in range(0, len(drawn), stretch):
        part = sorted(drawn[start : start + stretch], key=lambda example: len(samples[example[0]]))
        steps = [part[first : first + step_size] for first in range(0, len(part), step_size)]
        # A short step stays at the end, or all behind it would shift.
        whole, short = [s for s in steps if len(s) == step_size], [s for s in steps if len(s) < step_size]
        randomness.shuffle(whole)
        ordered += [example for step in whole + short for example in step]
    return ordered


def longest_step_first(
    order: list[tuple[int, int]], samples: Sequence[Encoded], step_size: int
) -> list[tuple[int, int]]:
    """The same steps with the one that holds the longest example exchanged with the first."""
    steps = [order[start : start + step_size] for start in range(0, len(order), step_size)]
    whole = [number for number, step in enumerate(steps) if len(step) == step_size]
    if whole:
        longest = max(whole, key=lambda number: max(len(samples[place]) for place, _ in steps[number]))
        steps[0], steps[longest] = steps[longest], steps[0]
    return [example for step in steps for example in step]


class ExampleDataset(Dataset):
    """Examples by their place in an order of (sample, reference)."""

    def __init__(self, samples: Sequence[Encoded], order: Sequence[tuple[int, int]]):
        self.samples, self.order = samples, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[list[int], list[int]]:
        number, reference = self.order[place]
        sample = self.samples[number]
        return sample.prompt, sample.captions[reference]


@dataclass
class LeftPadding:
    """Collates examples so that all captions end at the right edge: only the last columns need logits.

    Gives input_ids, attention_mask, position_ids (batch x length), labels (batch x kept) and logits_to_keep = kept, one
    more than the longest caption since a token is predicted one column before it.
    """

    pad_id: int

    def __call__(self, examples: Sequence[tuple[list[int], list[int]]]) -> dict[str, Any]:
        length = max(len(prompt) + len(caption) for prompt, caption in examples)
        kept = 1 + max(len(caption) for _, caption in examples)
        ids = torch.full((len(examples), length), self.pad_id)
        mask = torch.zeros((len(examples), length), dtype=torch.long)
        labels = torch.full((len(examples), kept), IGNORED)
        for row, (prompt, caption) in enumerate(examples):
            n_tokens = len(prompt) + len(caption)
            ids[row, length - n_tokens :] = torch.tensor(prompt + caption)
            mask[row, length - n_tokens :] = 1
            labels[row, kept - len(caption) :] = torch.tensor(caption)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": positions,
            "labels": labels,
            "logits_to_keep": kept,
        }


def caption_loss(logits: torch.Tensor, labels: torch.Tensor, n_labels: torch.Tensor | float | None) -> torch.Tensor:
    """Cross entropy of the captions' tokens, summed and divided by `n_labels` (None: those of this batch).

    `logits` and `labels` are batch x kept (x vocabulary) and aligned; each column predicts the next one's label.
    Dividing by the labels of the whole optimizer step makes accumulation exact for unequal lengths.
    """
    shifted = labels[:, 1:]
    wanted = shifted != IGNORED
    picked = logits[:, :-1][wanted].float()
    total = torch.nn.functional.cross_entropy(picked, shifted[wanted], reduction="sum")
    return total / (wanted.sum() if n_labels is None else n_labels)
