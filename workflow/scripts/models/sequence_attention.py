"""Attention of packed rows, each sequence by itself: it costs the sum of the squares of lengths, not that of the row.

    attend_by_sequence(base)        # a model of transformers whose attention is SDPA or eager

transformers gives SDPA and eager a mask of blocks for a row of several sequences, and they compute all of it. Here each
sequence goes to the same implementation alone, with the mask that the model makes for it (none where it is causal, so
that SDPA takes its fused kernels; a window where the sequence is longer). It needs no package and works on any device.
Rows of one sequence, batches with padding and decoding stay as they are, to the bit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

BY_SEQUENCE = {"sdpa": "sequences_of_sdpa", "eager": "sequences_of_eager"}


@dataclass(frozen=True)
class Sequences:
    """In the place of a mask: the lengths of the sequences of a row, and the mask of each (none where causal)."""

    lengths: list[int]
    masks: list[torch.Tensor | None]


def can_attend_by_sequence(base: Any) -> bool:
    """Whether a model hands masks on as they are, as flex attention needs it, and has an attention to apply."""
    hands_on = base._supports_flex_attn and base._can_set_attn_implementation()
    return bool(hands_on) and base.config._attn_implementation in BY_SEQUENCE


def attend_by_sequence(base: Any) -> None:
    """Let a model that can compute packed rows sequence by sequence."""
    if can_attend_by_sequence(base):
        set_text_attention(base, BY_SEQUENCE[base.config._attn_implementation])


def attend_by_row(base: Any) -> None:
    """Undo attend_by_sequence."""
    if plain_attention(base) != base.config._attn_implementation:
        set_text_attention(base, plain_attention(base))


def set_text_attention(base: Any, name: str) -> None:
    """Set the implementation of attention of the language model; a vision tower keeps its own."""
    text = base.config.get_text_config()
    parts = [key for key in base.config.sub_configs if getattr(base.config, key, None) is text]
    base.set_attn_implementation({"": name} | dict.fromkeys(parts, name))


def plain_attention(base: Any) -> str:
    """The implementation of attention that a model applies, to rows or to sequences."""
    own = base.config._attn_implementation
    return next((plain for plain, name in BY_SEQUENCE.items() if name == own), own)


def make_masks(plain_mask: Callable[..., Any]) -> Callable[..., Any]:
    """What makes masks for attention by sequence, out of what makes them for whole rows."""

    def mask_of(
        *,
        batch_size: int,
        q_length: int,
        kv_length: int,
        mask_function: Callable[..., torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        use_vmap: bool = False,
        device: torch.device,
        **options: Any,
    ) -> Any:
        inputs = {"attention_mask": attention_mask, "use_vmap": use_vmap, "device": device}
        if batch_size == 1 and q_length == kv_length and attention_mask is None and not use_vmap:
            starts = find_starts(mask_function, q_length, device)
            if len(starts) > 1:
                options["allow_is_causal_skip"] = True
                ends = [*starts[1:], q_length]
                lengths = [end - start for start, end in zip(starts, ends, strict=True)]
                masks = [
                    plain_mask(
                        **(inputs | options | {"batch_size": 1, "q_length": length, "kv_length": length}),
                        mask_function=shifted(mask_function, start),
                    )
                    for start, length in zip(starts, lengths, strict=True)
                ]
                return Sequences(lengths, masks)
        sizes = {"batch_size": batch_size, "q_length": q_length, "kv_length": kv_length}
        return plain_mask(**sizes, **inputs, mask_function=mask_function, **options)

    return mask_of


def find_starts(mask_function: Callable[..., torch.Tensor], length: int, device: torch.device) -> list[int]:
    """The places of a row that do not see the one before them: there a sequence starts."""
    places = torch.arange(1, length, device=device)
    first = torch.zeros_like(places)
    sees_before = mask_function(first, first, places, places - 1)
    return [0, *(places[~sees_before]).tolist()]


def shifted(mask_function: Callable[..., torch.Tensor], start: int) -> Callable[..., torch.Tensor]:
    """The same mask with places counted from the start of a sequence."""
    return lambda batch, head, query, key: mask_function(batch, head, query + start, key + start)


def attend_alone(plain: Callable[[torch.nn.Module], Callable[..., Any]]) -> Callable[..., Any]:
    """Attention by sequence; `plain` gives that of whole rows for a module."""

    def attend(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: Any,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        whole = plain(module)
        if not isinstance(attention_mask, Sequences):
            return whole(module, query, key, value, attention_mask, **options)
        parts = zip(*(states.split(attention_mask.lengths, dim=2) for states in (query, key, value)), strict=True)
        outputs = [
            whole(module, *states, mask, **options)[0] for states, mask in zip(parts, attention_mask.masks, strict=True)
        ]
        return torch.cat(outputs, dim=1), None  # batch x length x heads x width

    return attend


def eager_of(module: torch.nn.Module) -> Callable[..., Any]:
    """A model's own eager attention: with its caps on scores, sinks and biases."""
    return sys.modules[type(module).__module__].eager_attention_forward


AttentionInterface.register(BY_SEQUENCE["sdpa"], attend_alone(lambda module: sdpa_attention_forward))
AttentionMaskInterface.register(BY_SEQUENCE["sdpa"], make_masks(sdpa_mask))
AttentionInterface.register(BY_SEQUENCE["eager"], attend_alone(eager_of))
AttentionMaskInterface.register(BY_SEQUENCE["eager"], make_masks(eager_mask))
