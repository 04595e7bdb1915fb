"""The rows of a batch while it is decoded: tokens to read next, mask, positions and cache, kept in step."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from generation.llm_engines.roomy_cache import RoomyCache


class DecodingRows:
    """Left-padded rows behind a prefix that they share; `ids` and `mask` are rows x length, the mask 0 on padding.

    `pictures` are the model's inputs for the pictures in the rows (models/pictures.py); such rows share no prefix.
    """

    cache_class: type[RoomyCache] = RoomyCache

    def __init__(
        self,
        model: Any,
        ids: torch.Tensor,
        mask: torch.Tensor,
        prefix: RoomyCache | None,
        n_new_tokens: int,
        pictures: dict[str, torch.Tensor] | None = None,
    ):
        self.model, self.ids, self.mask = model, ids, mask
        self.pictures = pictures or {}
        self.cache = self.cache_class(model.config, ids.shape[1] + n_new_tokens)
        if prefix is not None:
            self.cache.begin_with(prefix, len(ids))
            self.mask = torch.cat([mask.new_ones(len(ids), prefix.get_seq_length()), mask], dim=1)
        counted = count_positions(model, ids, mask, self.pictures)  # (3 x) rows x length
        self.positions = (self.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :] if counted is None else counted

    def read(self) -> torch.Tensor:
        """Logits of the token that follows each row (rows x vocabulary), fp32."""
        output = self.model(
            input_ids=self.ids,
            attention_mask=self.mask,
            position_ids=self.positions,
            cache=self.cache,
            use_cache=True,
            logits_to_keep=1,
            **self.pictures,
        )
        self.pictures = {}  # they are in the cache now
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
