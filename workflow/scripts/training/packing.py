"""Batches without padding: the examples of a pass one after the other in one row, each attending to itself alone.

    batching = choose_batching(model, pad_id, pictures, settings, device, is_measured)
    batch = batching.collate([Example(prompt, caption), …])

Where a row's positions begin anew, transformers begins a new sequence (masking_utils.find_packed_sequence_indices): its
FlashAttention computes each by itself (varlen), and so does models/sequence_attention.py with SDPA and eager; a model
that it does not fit gets a mask of blocks, which costs the square of the sum of the lengths. A model that keeps a
state, counts positions itself or looks past that mask would train on neighbours, so each is asked: what it says of a
sequence may depend neither on the one before it nor on being packed.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel

from captions.prompts import IGNORED
from core.command import InputError
from models.class_faults import describe_fault, is_of_machine
from models.pictures import CaptionerProcessor, PictureInputs, counts_positions_itself
from models.sequence_attention import attend_by_row, attend_by_sequence, can_attend_by_sequence, plain_attention
from training.data import Example, LeftPadding, RightPadding
from training.settings import TrainingSettings

# What a forward pass must take: a mask of sequences comes from positions, and no logits but the captions' are made.
NEEDED_INPUTS = ("position_ids", "logits_to_keep")
# Largest difference of packed logits by the largest logit. A neighbour that is seen changes tenths of it.
TOLERANCE = {torch.float32: 1e-4}
ROUNDED_TOLERANCE = 0.03
# Tokens of the sequences with which a model is asked.
N_ASKED = 24


@dataclass
class Packing:
    """Collates examples into one row.

    Gives input_ids and position_ids (1 x length), logits_to_keep (the places that predict the captions' tokens, and the
    last of the row: kept in all) and labels (1 x kept). As with LeftPadding a column of logits predicts the next label.
    """

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        ids, positions, places, labels = [], [], [], [torch.tensor([IGNORED])]
        start = 0
        for example in examples:
            n_prompt, n_tokens = len(example.prompt), example.n_tokens
            ids.append(torch.tensor([*example.prompt, *example.caption]))
            positions.append(torch.arange(n_tokens))
            places.append(torch.arange(start + n_prompt - 1, start + n_tokens - 1))
            labels.append(torch.tensor([*example.caption]))
            start += n_tokens
        places.append(torch.tensor([start - 1]))
        return {
            "input_ids": torch.cat(ids)[None],
            "position_ids": torch.cat(positions)[None],
            "labels": torch.cat(labels)[None],
            "logits_to_keep": torch.cat(places),
        }


Collate = LeftPadding | RightPadding | Packing


@dataclass(frozen=True)
class Batching:
    """How examples become a batch, why, and what may be faster: training/micro_batch.py measures both."""

    collate: Collate
    reason: str
    rival: Packing | None = None


def choose_batching(
    model: PeftModel,
    pad_id: int,
    pictures: PictureInputs | None,
    settings: TrainingSettings,
    device: torch.device,
    is_measured: bool,
) -> Batching:
    """Packed rows for `packing: always`, and for auto with FlashAttention 2; else padded ones, for auto with a rival.

    The rival is there where the start of the training is measured and attention goes by sequence. Raises InputError for
    `always` where a model can't be packed.
    """
    base: Any = model.get_base_model()
    padded: Collate = LeftPadding(pad_id, pictures, not counts_positions_itself(model))
    if pictures and isinstance(pictures.processor, CaptionerProcessor):
        padded = RightPadding(pad_id, pictures)
    if settings.packing == "never":
        return Batching(padded, "packing: never")
    if settings.sharding != "none":  # no device holds the model that would be asked
        return Batching(padded, f"padded with sharding: {settings.sharding}")
    by_flash = base.config._attn_implementation == "flash_attention_2"
    if settings.packing == "auto" and not by_flash:
        if not is_measured:
            return Batching(padded, "padded: packing was not measured")
        if not can_attend_by_sequence(base):
            return Batching(padded, "without attention by sequence packing is slower")
    attend_by_sequence(base)
    fault = "its prompts show pictures" if pictures else why_not_packed(base.to(device))
    if fault and settings.packing == "always":
        raise InputError(f"packing: always: the batches of this model can't be packed: {fault}; set packing: auto")
    if not fault and (by_flash or settings.packing == "always"):
        return Batching(Packing(), f"packed, by {plain_attention(base)}")
    attend_by_row(base)
    return Batching(padded, fault, None if fault else Packing())


def why_not_packed(base: Any) -> str:
    """Why batches of a model (with or without adapter) can't be packed; empty where they can."""
    inputs = inspect.signature(base.forward).parameters
    if missing := [name for name in NEEDED_INPUTS if name not in inputs]:
        return f"a {base.config.model_type} model takes no {' and no '.join(missing)}"
    if counts_positions_itself(base):
        return f"a {base.config.model_type} model counts positions itself"
    try:
        sees = sees_neighbours(base)
    except Exception as error:  # any: of a class that does not take packed rows
        if is_of_machine(error):
            raise
        return f"the code of a {base.config.model_type} model fails with a packed row ({describe_fault(error)})"
    return f"a {base.config.model_type} model sees the neighbours of a packed sequence" if sees else ""


@torch.no_grad()
def sees_neighbours(base: Any) -> bool:
    """Whether what a model says of a sequence changes with the one before it in the row, or by being packed."""
    was_training = base.training
    base.eval()
    draws = torch.Generator().manual_seed(0)
    n_vocabulary = base.get_input_embeddings().num_embeddings
    one, other, asked = (torch.randint(n_vocabulary, (N_ASKED,), generator=draws).tolist() for _ in range(3))
    try:
        alone, after_one, after_other = (logits_of_last(base, row) for row in ([asked], [one, asked], [other, asked]))
    finally:
        base.train(was_training)
    tolerance = TOLERANCE.get(alone.dtype, ROUNDED_TOLERANCE) * alone.abs().max()
    return bool(max((after_one - alone).abs().max(), (after_other - alone).abs().max()) > tolerance)


def logits_of_last(base: Any, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
    """Logits of the last sequence of a packed row: tokens x vocabulary."""
    batch = Packing()([Example(ids[:1], ids[1:]) for ids in sequences])
    inputs = {name: batch[name].to(base.device) for name in ("input_ids", "position_ids")}
    return base(**inputs, logits_to_keep=len(sequences[-1])).logits[0]
