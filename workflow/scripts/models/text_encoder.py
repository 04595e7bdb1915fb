"""A text encoder from a local folder (BERT, RoBERTa, MiniLM): hidden states of texts, for metrics that read meaning.

Safetensors only, no network, no code from the folder. Texts are sorted by length, so that batches hold little padding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from core.command import InputError
from models.files import check_model_folder, model_digest

MAX_TOKENS = 512


@dataclass(frozen=True)
class TextEncoder:
    """A model with its tokenizer. Longer texts than `max_tokens` are truncated by the tokenizer, the end token kept."""

    model: Any
    tokenizer: Any
    digest: str
    max_tokens: int
    device: str

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special ones included."""
        return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], layer: int | None, batch_size: int = 32
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """The place of a text, the hidden states of its tokens (n tokens, width), which of them are special (n tokens).

        `layer` counts from 1; None is the last one.
        """
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            batch = self.tokenizer(
                [texts[place] for place in places],
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_special_tokens_mask=True,
                return_tensors="pt",
            )
            special = batch.pop("special_tokens_mask").bool().numpy()
            output = self.model(**batch.to(self.device), output_hidden_states=layer is not None)
            states = (output.last_hidden_state if layer is None else output.hidden_states[layer]).float().cpu().numpy()
            mask = batch["attention_mask"].bool().cpu().numpy()
            for row, place in enumerate(places):
                yield place, states[row, mask[row]], special[row, mask[row]]


def load_encoder(folder: Path, layer: int | None = None) -> TextEncoder:
    """Load a folder. Raises InputError where it holds no encoder, or has not so many layers."""
    from transformers import AutoModel, AutoTokenizer

    check_model_folder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).to(device).eval()
    n_layers = model.config.num_hidden_layers
    if layer is not None and not 1 <= layer <= n_layers:
        raise InputError(f"{folder} has {n_layers} layers, and layer {layer} is asked for; give one of 1 to {n_layers}")
    max_tokens = min(tokenizer.model_max_length, MAX_TOKENS)
    return TextEncoder(model, tokenizer, model_digest(folder), max_tokens, device)
