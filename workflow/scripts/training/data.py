"""Samples as training examples: tokens, the order in which they are seen, and batches.

Each pass over the data draws one of a sample's references, by seed; validation takes the first. The order of a whole
training is laid out beforehand, so that it depends on data and seed only and a resumed run goes on in it exactly.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import Dataset

from captions.picture_prompts import PicturePrompts, choose_wording
from captions.prompts import IGNORED, PromptSettings
from captions.shown import show_code
from core.command import write_whole
from core.records import Sample
from models.pictures import PictureInputs
from samples.questions import check_questions

# Examples are sorted by length within blocks of this many steps: little is padded, and the order stays random.
STEPS_IN_A_BLOCK = 20


@dataclass
class Encoded:
    """A sample as tokens: its prompt, each reference with the end of turn, and the picture that the prompt shows."""

    id: str
    prompt: Sequence[int]
    captions: Sequence[Sequence[int]]
    png: bytes | None = None

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
    """The samples of a split as tokens, what was done to the overlong ones, and whose picture is missing."""

    samples: list[Encoded]
    overlong: list[Overlong] = field(default_factory=list)
    missing_pictures: dict[str, str] = field(default_factory=dict)  # why, by id; empty where code alone is read

    def n_overlong(self, action: str) -> int:
        return sum(sample.action == action for sample in self.overlong)

    def n_tokens_removed(self) -> int:
        return sum(sample.n_tokens for sample in self.overlong if sample.action == "shortened")


def encode_samples(
    tokenizer: Any,
    samples: Sequence[Sample],
    prompt: PromptSettings,
    overlong: str,
    context: int,
    pictures: PicturePrompts | None = None,
) -> EncodedSplit:
    """Tokens of samples; `overlong` is shorten or drop, `context` the tokens that the model can read.

    `pictures` are shown instead of the code, or with it. Captions are never cut: a sample whose prompt and longest
    caption exceed the context is refused.
    """
    if prompt.asked == "question":
        check_questions(samples)
    encoded = EncodedSplit([])
    wording = choose_wording(tokenizer, pictures.processor if pictures else None, prompt)
    for sample in samples:
        shown = pictures.show(sample) if pictures else show_code(sample)
        if shown.fault:
            encoded.missing_pictures[sample.id] = shown.fault
        if shown.is_left_out:
            continue
        tokens = wording.prompt(shown)
        captions = [wording.caption(reference) for reference in sample.references]
        candidate = Encoded(sample.id, tokens.ids, captions, shown.png)
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
    kept = {"overlong": json.dumps(overlong), "missing_pictures": json.dumps(split.missing_pictures)}
    table = table.replace_schema_metadata(kept)
    with write_whole(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_encoded(path: Path, pngs: Mapping[str, bytes | None] | None = None) -> EncodedSplit:
    """The tokens of a split, with its pictures by id where prompts show them.

    Prompts and captions are arrays, which take a tenth of the memory of lists.
    """
    table = pq.ParquetFile(path).read()
    kept = {name.decode(): json.loads(text) for name, text in table.schema.metadata.items()}
    missing = kept.get("missing_pictures", {})  # files of earlier versions have none
    samples = [
        Encoded(
            id.as_py(),
            prompt.values.to_numpy(),
            [caption.values.to_numpy() for caption in captions],
            pngs[id.as_py()] if pngs is not None and id.as_py() not in missing else None,
        )
        for id, prompt, captions in zip(table["id"], table["prompt"], table["captions"], strict=True)
    ]
    return EncodedSplit(samples, [Overlong(*fields) for fields in kept["overlong"]], missing)


def write_overlong(path: Path, splits: dict[str, EncodedSplit]) -> None:
    """List the overlong samples of all splits as CSV, also when there are none."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("split", "id", "action", "n_tokens"))
        for name, split in splits.items():
            writer.writerows((name, sample.id, sample.action, sample.n_tokens) for sample in split.overlong)


def lay_out_training(samples: Sequence[Encoded], n_examples: int, step_size: int, seed: int) -> list[tuple[int, int]]:
    """The (sample, reference) of every example of a training, in order.

    Passes follow each other, each in an order of its own; what is left of one for a whole step joins the next, so that
    steps stay of like length in all passes. The `step_size` examples of an optimizer step are of like
    length, so that little is padded however the step is cut into batches and devices, and the same examples make a
    step whatever the cut. The first step is the longest there is, so that too little memory shows in the first minute.
    """
    randomness = random.Random(seed)
    order: list[tuple[int, int]] = []
    rest: list[tuple[int, int]] = []
    while len(order) < n_examples:
        places = list(range(len(samples)))
        randomness.shuffle(places)
        drawn = [(place, randomness.randrange(len(samples[place].captions))) for place in places]
        ordered, rest = sort_in_blocks(rest + drawn, samples, step_size, randomness)
        order += ordered
    order = order[:n_examples]
    return longest_step_first(order, samples, step_size)


def sort_in_blocks(
    drawn: list[tuple[int, int]], samples: Sequence[Encoded], step_size: int, randomness: random.Random
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Examples in steps of like length, and those left over; the steps of a block come in random order."""
    block = STEPS_IN_A_BLOCK * step_size
    n_whole = len(drawn) - len(drawn) % step_size
    ordered: list[tuple[int, int]] = []
    for start in range(0, n_whole, block):
        part = sorted(drawn[start : min(start + block, n_whole)], key=lambda example: len(samples[example[0]]))
        steps = [part[first : first + step_size] for first in range(0, len(part), step_size)]
        randomness.shuffle(steps)
        ordered += [example for step in steps for example in step]
    return ordered, drawn[n_whole:]


def longest_step_first(
    order: list[tuple[int, int]], samples: Sequence[Encoded], step_size: int
) -> list[tuple[int, int]]:
    """The same steps with the one that holds the longest example exchanged with the first."""
    steps = [order[start : start + step_size] for start in range(0, len(order), step_size)]
    longest = max(range(len(steps)), key=lambda number: max(len(samples[place]) for place, _ in steps[number]))
    steps[0], steps[longest] = steps[longest], steps[0]
    return [example for step in steps for example in step]


class Example(NamedTuple):
    """What a model learns from at once: a prompt with the picture in it, if there is one, and a caption."""

    prompt: Sequence[int]
    caption: Sequence[int]
    png: bytes | None = None

    @property
    def n_tokens(self) -> int:
        return len(self.prompt) + len(self.caption)


class ExampleDataset(Dataset):
    """Examples by their place in an order of (sample, reference)."""

    def __init__(self, samples: Sequence[Encoded], order: Sequence[tuple[int, int]]):
        self.samples, self.order = samples, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> Example:
        number, reference = self.order[place]
        sample = self.samples[number]
        return Example(sample.prompt, sample.captions[reference], sample.png)


@dataclass
class LeftPadding:
    """Collates examples so that all captions end at the right edge: only the last columns need logits.

    Gives input_ids, attention_mask, position_ids (batch x length), labels (batch x kept) and logits_to_keep = kept, one
    more than the longest caption since a token is predicted one column before it. A batch with pictures has the model's
    inputs for them as well, and no position_ids where the model counts them itself.
    """

    pad_id: int
    pictures: PictureInputs | None = None
    gives_positions: bool = True

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        length = max(example.n_tokens for example in examples)
        kept = 1 + max(len(example.caption) for example in examples)
        ids = torch.full((len(examples), length), self.pad_id)
        mask = torch.zeros((len(examples), length), dtype=torch.long)
        labels = torch.full((len(examples), kept), IGNORED)
        for row, example in enumerate(examples):
            prompt, caption, n_tokens = example.prompt, example.caption, example.n_tokens
            ids[row, length - n_tokens :] = torch.tensor([*prompt, *caption])
            mask[row, length - n_tokens :] = 1
            labels[row, kept - len(caption) :] = torch.tensor([*caption])
        batch = {"input_ids": ids, "attention_mask": mask, "labels": labels, "logits_to_keep": kept}
        pngs = [example.png for example in examples if example.png is not None]
        if self.pictures:
            batch |= self.pictures.of(ids, pngs)
        if self.gives_positions or not pngs:
            batch["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        return batch


@dataclass
class RightPadding:
    """Collates examples of an encoder-decoder captioner, whose decoder counts positions from the left.

    Gives the decoder's tokens and mask (batch x length) by the model's names, labels (batch x length) and pixel_values.
    """

    pad_id: int
    pictures: PictureInputs

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        decoder = self.pictures.processor.decoder
        length = max(example.n_tokens for example in examples)
        ids = torch.full((len(examples), length), self.pad_id)
        mask = torch.zeros((len(examples), length), dtype=torch.long)
        labels = torch.full((len(examples), length), IGNORED)
        for row, example in enumerate(examples):
            ids[row, : example.n_tokens] = torch.tensor([*example.prompt, *example.caption])
            mask[row, : example.n_tokens] = 1
            labels[row, len(example.prompt) : example.n_tokens] = torch.tensor([*example.caption])
        pngs = [example.png for example in examples if example.png is not None]
        return {decoder.ids: ids, decoder.mask: mask, "labels": labels, **self.pictures.of(ids, pngs)}


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
