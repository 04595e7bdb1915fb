"""The rows of a batch while it is decoded: tokens to read next, mask, positions and cache, kept in step."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch

from generation.llm_engines.roomy_cache import Part, RoomyCache


@dataclass(frozen=True)
class PromptRows:
    """Left-padded prompts, behind what they share; `ids` and `mask` are rows x length, the mask 0 on padding.

    `pictures` are the model's inputs for the pictures in the rows (models/pictures.py); such rows share no prefix.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    pictures: dict[str, torch.Tensor] = field(default_factory=dict)


class DecodingRows:
    """The rows of a batch, whose prompts are read in groups of like length, so that little padding is computed.

    Several groups, or `n_before` columns of padding that no pass computes, need a cache whose layers are all roomy.
    Once the prompts are read, `ids` (rows x 1), `mask` (rows x length) and `positions` are those of the next pass.
    """

    cache_class: type[RoomyCache] = RoomyCache
    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor

    def __init__(
        self, model: Any, groups: list[PromptRows], prefix: RoomyCache | None, n_new_tokens: int, n_before: int = 0
    ):
        self.model, self._groups, self._prefix = model, groups, prefix
        self.n_rows = sum(len(group.ids) for group in groups)
        self._length = n_before + max(group.ids.shape[1] for group in groups)
        n_prefix = 0 if prefix is None else prefix.get_seq_length()
        self._is_whole = len(groups) == 1 and not n_before
        self.cache = self.cache_class(model.config, n_prefix + self._length + n_new_tokens)

    def read(self) -> torch.Tensor:
        """Logits of the token that follows each row (rows x vocabulary), fp32."""
        if self._groups:
            return self._read_prompts()
        return self._pass(self.ids, self.mask, self.positions, self.cache, {})

    def _read_prompts(self) -> torch.Tensor:
        ids, masks, positions, logits = [], [], [], []
        start = 0
        for group in self._groups:
            n_before = self._length - group.ids.shape[1]
            part = Part(start, start + len(group.ids), self.n_rows, n_before)
            cache = self.cache if self._is_whole else self.cache.part(part)
            mask = group.mask
            if self._prefix is not None:
                cache.begin_with(self._prefix, len(mask))
                mask = torch.cat([mask.new_ones(len(mask), self._prefix.get_seq_length()), mask], dim=1)
            counted = count_positions(self.model, group.ids, group.mask, group.pictures)  # (3 x) rows x length
            places = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -group.ids.shape[1] :] if counted is None else counted
            logits.append(self._pass(group.ids, mask, places, cache, group.pictures))
            ids.append(group.ids[:, -1:])
            masks.append(torch.nn.functional.pad(mask, (n_before, 0)))
            positions.append(places[..., -1:])
            start += len(group.ids)
        self.ids, self.mask, self.positions = torch.cat(ids), torch.cat(masks), torch.cat(positions, dim=-2)
        if not self._is_whole:
            self.cache.show_parts(self.mask.shape[1])
        self._groups = []  # pictures are in the cache now
        return torch.cat(logits)

    def _pass(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
        cache: RoomyCache,
        pictures: dict[str, torch.Tensor],
    ) -> torch.Tensor:
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
            **pictures,
        )
        return output.logits[:, -1].float()

    def append(self, tokens: torch.Tensor, going: list[int]) -> None:
        """Add a token to each row, and keep the rows at these places only."""
        self.positions = self.positions[..., -1:] + 1
        if len(going) < len(tokens):
            self.keep(torch.tensor(going, device=tokens.device))
            tokens = tokens[going]
        self.ids = tokens[:, None]
        self.mask = torch.cat([self.mask, torch.ones_like(self.ids)], dim=1)

    def keep(self, places: torch.Tensor) -> None:
        """Keep the rows at these places only."""
        self.cache.batch_select_indices(places)
        self.mask, self.positions = self.mask[places], self.positions[..., places, :]


def count_positions(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, pictures: dict[str, torch.Tensor]
) -> torch.Tensor | None:
    """Positions (3 x rows x length) by a model that counts those of a picture in three directions; None by others."""
    counting = next((module for module in model.modules() if hasattr(module, "get_rope_index")), None)
    if not pictures or counting is None:
        return None
    wanted = inspect.signature(counting.get_rope_index).parameters
    given = {name: values for name, values in pictures.items() if name in wanted}
    positions, _ = counting.get_rope_index(input_ids=ids, attention_mask=mask, **given)
    return positions
