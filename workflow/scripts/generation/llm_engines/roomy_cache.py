"""Keys and values of a decoding batch, with room for what will be written.

transformers' DynamicCache copies all keys and values of all layers at each token; here a token is written into its
place. Layers with a sliding window, or without keys and values, are transformers' own. A FixedCache also keeps those
with a sliding window whole, and once fixed its tensors stay in place and in shape.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer

ALIGNMENT = 8  # of a row's room in tokens; attention kernels copy a mask whose rows begin elsewhere


@dataclass(frozen=True)
class Part:
    """Rows `start` to `end` of a batch of `n_rows`, in the columns from `first` on."""

    start: int
    end: int
    n_rows: int
    first: int


class RoomyLayer(DynamicLayer):
    """Keys and values of a layer (rows x heads x length x size) at the front of a buffer for `capacity` tokens."""

    def __init__(self, capacity: int):
        super().__init__()
        self.capacity = capacity
        self.length = 0
        self._lender: tuple[RoomyLayer, Part] | None = None

    @property
    def room(self) -> int:
        """How many tokens the buffers hold."""
        return self._buffers[0].shape[2]

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Make the buffers at the first keys and values."""
        super().lazy_initialization(key_states, value_states)
        if self._lender:
            lender, part = self._lender
            self._buffers = lender.lend(part, key_states, value_states)
        else:
            self._make_buffers(len(key_states), key_states, value_states)

    def _make_buffers(self, n_rows: int, *like: torch.Tensor) -> None:
        room = -(-self.capacity // ALIGNMENT) * ALIGNMENT
        self._buffers = [states.new_empty(n_rows, states.shape[1], room, states.shape[3]) for states in like]

    def lend(self, part: Part, key_states: torch.Tensor, value_states: torch.Tensor) -> list[torch.Tensor]:
        """The buffers of a part, whose columns before it are cleared: masked, but what is no number would spread."""
        if not self.is_initialized:
            super().lazy_initialization(key_states, value_states)
            self._make_buffers(part.n_rows, key_states, value_states)
        rows = [buffer[part.start : part.end] for buffer in self._buffers]
        for buffer in rows:
            buffer[:, :, : part.first] = 0
        return [buffer[:, :, part.first :] for buffer in rows]

    def part(self, part: Part) -> RoomyLayer:
        """An empty layer that writes into the buffers of this one."""
        layer = copy.copy(self)
        layer.is_initialized = False  # where another part has been written to already
        layer._lender = self, part
        return layer

    def show_parts(self, length: int) -> None:
        """Show what was written into all parts, `length` columns."""
        if self.is_initialized:
            self.length = length
            self._show()

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
            if shared.is_initialized:
                layer.update(*(states.expand(n_rows, -1, -1, -1) for states in (shared.keys, shared.values)))

    def part(self, part: Part) -> RoomyCache:
        """An empty cache of some rows, which writes into this one, whose layers are all roomy."""
        cache = copy.copy(self)
        cache.layers = [layer.part(part) for layer in self.layers]
        return cache

    def show_parts(self, length: int) -> None:
        """Show what was written into all parts, `length` columns."""
        for layer in self.layers:
            layer.show_parts(length)


class FixedLayer(RoomyLayer):
    """A RoomyLayer that, once fixed, writes one token at a place that is a tensor, and shows its whole buffer.

    The mask has to hide what is not written yet, and what lies before a sliding window.
    """

    is_compileable = True  # so that transformers makes masks without looking into tensors

    def __init__(self, capacity: int, is_sliding: bool):
        super().__init__(capacity)
        self.is_sliding = is_sliding
        self._place: torch.Tensor | None = None

    def fix(self, place: torch.Tensor) -> None:
        """Write at this place (one number, changed from outside) from now on. A layer without tokens stays as it is."""
        if self.is_initialized:
            for buffer in self._buffers:
                buffer[:, :, self.length :] = 0  # masked, but what is no number would spread
            self._place = place

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values, of one token once fixed; returns all of them, once fixed with the room that is left."""
        if self._place is None:
            return super().update(key_states, value_states)
        keys, values = self._buffers
        return keys.index_copy_(2, self._place, key_states), values.index_copy_(2, self._place, value_states)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and first place of the keys that a query of this length sees."""
        return super().get_mask_sizes(query_length) if self._place is None else (self.room, 0)

    def get_seq_length(self) -> Any:
        """Tokens so far; once fixed a tensor."""
        return super().get_seq_length() if self._place is None else self._place[0]


class FixedCache(RoomyCache):
    """A RoomyCache whose layers can be fixed after the prompts were read."""

    def __init__(self, config: Any, capacity: int):
        super().__init__(config, capacity)
        self.layers = [
            FixedLayer(capacity, layer.is_sliding) if isinstance(layer, DynamicLayer) else layer
            for layer in self.layers
        ]

    def fix(self) -> tuple[torch.Tensor, int]:
        """Fix all layers; returns the place of the next token, which is to be moved on after each, and the room."""
        layers = [layer for layer in self.layers if isinstance(layer, FixedLayer) and layer.is_initialized]
        place = torch.tensor([layers[0].length], device=layers[0].device)
        for layer in layers:
            layer.fix(place)
        return place, layers[0].room


def what_is_not_fixed(config: Any) -> str:
    """The kind of layers of a model that FixedCache can't keep; empty where it keeps all."""
    kinds = {type(layer) for layer in DynamicCache(config=config).layers}
    others = kinds - {DynamicLayer, DynamicSlidingWindowLayer, DummyLayer}
    return ", ".join(sorted(kind.__name__ for kind in others))
