"""Samples as training examples: tokens, the order in which they are seen, and batches.

Each pass over the data draws one of a sample's references, by seed; validation takes the first. The order of a whole
training is laid out beforehand, so that it depends on data and seed only and a resumed run goes on in it exactly.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import Dataset

from captions.prompts import IGNORED, PromptSettings, caption_tokens, prompt_tokens
from core.command import write_whole
from core.records import Sample

# Examples are sorted by length within blocks of this many steps: little is padded, and the order stays random.
STEPS_IN_A_BLOCK = 20


@dataclass
class Encoded:
    """A sample as tokens: its prompt, and each reference with the end of turn."""

    id: str
    prompt: Sequence[int]
    captions: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.prompt) + max(len(caption) for caption in self.captions)


@dataclass
class Overlong:
    """A sample that was too long, and what was done: shortened inside the xml, dropped, or refused."""

    id: str
    action: str
    n_tokens: int  # removed inside the xml where shortened; else all there were


@dataclass
class EncodedSplit:
    """The samples of a split as tokens, and what was done to the overlong ones."""

    samples: list[Encoded]
    overlong: list[Overlong] = field(default_factory=list)

    def n_overlong(self, action: str) -> int:
        return sum(sample.action == action for sample in self.overlong)

    def n_tokens_removed(self) -> int:
        return sum(sample.n_tokens for sample in self.overlong if sample.action == "shortened")


def encode_samples(
    tokenizer: Any, samples: Sequence[Sample], prompt: PromptSettings, overlong: str, context: int
) -> EncodedSplit:
    """Tokens of samples; `overlong` is shorten or drop, `context` the tokens that the model can read.

    Captions are never cut: a sample whose prompt and longest caption exceed the context is refused.
    """
    encoded = EncodedSplit([])
    for sample in samples:
        tokens = prompt_tokens(tokenizer, sample.xml, prompt)
        captions = [caption_tokens(tokenizer, reference, prompt) for reference in sample.references]
        candidate = Encoded(sample.id, tokens.ids, captions)
        if tokens.n_xml_tokens_removed and overlong == "drop":
            n_tokens = len(candidate) + tokens.n_xml_tokens_removed
            encoded.overlong.append(Overlong(sample.id, "dropped", n_tokens))
        elif len(candidate) > context:
            encoded.overlong.append(Overlong(sample.id, "refused", len(candidate)))
        else:
            if tokens.n_xml_tokens_removed:
                encoded.overlong.append(Overlong(sample.id, "shortened", tokens.n_xml_tokens_removed))
            encoded.samples.append(candidate)
    return encoded


ENCODED_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", pa.list_(pa.int32())),
        ("captions", pa.list_(pa.list_(pa.int32()))),
    ]
)


def write_encoded(path: Path, split: EncodedSplit) -> None:
    """Keep the tokens of a split as Parquet, so that other processes and a resumed job need not make them again."""
    rows = [{"id": s.id, "prompt": s.prompt, "captions": s.captions} for s in split.samples]
    table = pa.Table.from_pylist(rows, schema=ENCODED_SCHEMA)
    overlong = [[sample.id, sample.action, sample.n_tokens] for sample in split.overlong]
    table = table.replace_schema_metadata({"overlong": json.dumps(overlong)})
    with write_whole(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_encoded(path: Path) -> EncodedSplit:
    """The tokens of a split; prompts and captions are arrays, which take a tenth of the memory of lists."""
    table = pq.ParquetFile(path).read()
    samples = [
        Encoded(
            id.as_py(),
            prompt.values.to_numpy(),
            [caption.values.to_numpy() for caption in captions],
        )
        for id, prompt, captions in zip(table["id"], table["prompt"], table["captions"], strict=True)
    ]
    return EncodedSplit(samples, [Overlong(*fields) for fields in json.loads(table.schema.metadata[b"overlong"])])


def write_overlong(path: Path, splits: dict[str, EncodedSplit]) -> None:
    """List the overlong samples of all splits as CSV, also when there are none."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("split", "id", "action", "n_tokens"))
        for name, split in splits.items():
            writer.writerows((name, sample.id, sample.action, sample.n_tokens) for sample in split.overlong)


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
        order += sort_in_blocks(drawn, samples, step_size, randomness)
    order = order[:n_examples]
    return longest_step_first(order, samples, step_size)


def sort_in_blocks(
    drawn: list[tuple[int, int]], samples: Sequence[Encoded], step_size: int, randomness: random.Random
) -> list[tuple[int, int]]:
    """Examples in steps of like length; the steps of a block come in random order."""
    block = STEPS_IN_A_BLOCK * step_size
    ordered: list[tuple[int, int]] = []
    for start in range(0, len(drawn), block):
        part = sorted(drawn[start : start + block], key=lambda example: len(samples[example[0]]))
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

    def __getitem__(self, place: int) -> tuple[Sequence[int], Sequence[int]]:
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

    def __call__(self, examples: Sequence[tuple[Sequence[int], Sequence[int]]]) -> dict[str, Any]:
        length = max(len(prompt) + len(caption) for prompt, caption in examples)
        kept = 1 + max(len(caption) for _, caption in examples)
        ids = torch.full((len(examples), length), self.pad_id)
        mask = torch.zeros((len(examples), length), dtype=torch.long)
        labels = torch.full((len(examples), kept), IGNORED)
        for row, (prompt, caption) in enumerate(examples):
            n_tokens = len(prompt) + len(caption)
            ids[row, length - n_tokens :] = torch.tensor([*prompt, *caption])
            mask[row, length - n_tokens :] = 1
            labels[row, kept - len(caption) :] = torch.tensor([*caption])
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

    `labels` are batch x kept, `logits` batch x kept x vocabulary (more columns before them where a model knows no
    logits_to_keep); each column predicts the next one's label.
    Dividing by the labels of the whole optimizer step makes accumulation exact for unequal lengths.
    """
    shifted = labels[:, 1:]
    wanted = shifted != IGNORED
    picked = logits[:, -labels.shape[1] : -1][wanted].float()
    total = torch.nn.functional.cross_entropy(picked, shifted[wanted], reduction="sum")
    return total / (wanted.sum() if n_labels is None else n_labels)
