"""Keys and values of a decoding batch, with room for what will be written.

transformers' DynamicCache copies all keys and values of all layers at each token; here a token is written into its
place. Layers with a sliding window, or without keys and values, are transformers' own.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """Keys and values of a layer (rows x heads x length x size) at the front of a buffer for `capacity` tokens."""

    def __init__(self, capacity: int):
        super().__init__()
        self.capacity = capacity
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Make the buffers at the first keys and values."""
        super().lazy_initialization(key_states, value_states)
        self._buffers = [
            states.new_empty(*states.shape[:2], self.capacity, states.shape[3]) for states in (key_states, value_states)
        ]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, self.length : end] = states
        self.length = end
        return self._show()

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows only. A layer that no token has reached (Mllama's, without a picture) has none."""
        if not self.is_initialized:
            return
        self._buffers = [buffer[indices] for buffer in self._buffers]
        self._show()

    def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = (buffer[:, :, : self.length] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values


class RoomyCache(DynamicCache):
    """The cache of a batch for `capacity` tokens behind what it begins with."""

    def __init__(self, config: Any, capacity: int):
        super().__init__(config=config)
        self.capacity = capacity
        self.layers: list[Any] = [
            RoomyLayer(capacity) if type(layer) is DynamicLayer else layer for layer in self.layers
        ]

    @property
    def all_roomy(self) -> bool:
        """Whether no layer has a sliding window or states of another kind."""
        return all(isinstance(layer, RoomyLayer) for layer in self.layers)

    def begin_with(self, prefix: RoomyCache, n_rows: int) -> None:
        """Start each of `n_rows` rows with the keys and values of a prefix, a cache of one row."""
        for layer, shared in zip(self.layers, prefix.layers, strict=True):
            if not shared.is_initialized:
                continue
            layer.capacity = self.capacity + prefix.capacity
            layer.update(*(states.expand(n_rows, -1, -1, -1) for states in (shared.keys, shared.values)))
