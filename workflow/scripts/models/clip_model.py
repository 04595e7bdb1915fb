"""Loads CLIP models: a folder in open_clip's own format, safetensors only, no network.

The folder has open_clip_config.json, open_clip_model.safetensors and, where the text tower is a transformers model, its
config.json and tokenizer. That is the format of open_clip's repositories on the hub (the OpenAI weights among them,
with QuickGELU in their configuration) and of the demo's embedded CLIP. make_clip_folder.py makes such a folder of bare
weights.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch

from core.command import InputError
from core.records import read_json
from models.files import file_digest
from models.gpus import check_given_gpus

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@dataclass
class Clip:
    """A CLIP model with its preprocessing and tokenizer. Features are unit vectors, float32, n x dimension."""

    model: Any
    preprocess: Callable[[Any], torch.Tensor]
    tokenizer: Any
    name: str
    digest: str  # sha256 of the weights file
    device: str
    precision: str  # fp32 on a CPU, bf16 or fp16 on a GPU

    @torch.inference_mode()
    def encode_images(self, pngs: Sequence[bytes]) -> np.ndarray:
        """Features of one batch of PNG images."""
        from PIL import Image as Picture

        pictures = [self.preprocess(Picture.open(io.BytesIO(png)).convert("RGB")) for png in pngs]
        features = self.model.encode_image(torch.stack(pictures).to(self.device), normalize=True)
        return features.float().cpu().numpy()

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Features of texts, equal ones computed once, short and long ones in batches of their own.

        Longer ones than the context are truncated by the tokenizer, the end token kept.
        """
        different = sorted(set(texts), key=lambda text: (len(text), text))
        batches = [different[start : start + batch_size] for start in range(0, len(different), batch_size)]
        features = [self._encode_tokens(self.tokenizer(batch).to(self.device)) for batch in batches]
        if not features:
            return np.zeros((0, 1), np.float32)
        place = {text: row for row, text in enumerate(different)}
        return torch.cat(features).float().cpu().numpy()[[place[text] for text in texts]]

    def _encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Features of one batch of tokens, without computing the columns that change nothing.

        A caption fills a quarter of the context. In a text tower of transformers the rest is padding, which attention
        masks. In open_clip's own, attention looks backwards only and the feature is read at the end token (the highest
        number), so that what stands behind it counts for nothing.
        """
        model = self.model
        padding = getattr(getattr(getattr(model, "text", None), "config", None), "pad_token_id", None)
        if padding is not None:
            n_tokens = int((tokens != padding).any(dim=0).nonzero().max()) + 1
            return model.encode_text(tokens[:, :n_tokens], normalize=True)
        if getattr(model, "attn_mask", None) is None or model.text_pool_type != "argmax":
            return model.encode_text(tokens, normalize=True)
        n_tokens = int(tokens.argmax(dim=-1).max()) + 1
        trimmed = {
            "positional_embedding": model.positional_embedding[:n_tokens],
            "attn_mask": model.attn_mask[:n_tokens, :n_tokens],
        }
        return torch.func.functional_call(model, trimmed, (), {"text": tokens[:, :n_tokens]})[1]

    def is_truncated(self, text: str) -> bool:
        """Whether a text has more tokens than the context holds."""
        inner = getattr(self.tokenizer, "tokenizer", None)
        # A tokenizer of transformers counts its special tokens; open_clip's own leaves out start and end.
        length = len(inner(text)["input_ids"]) if inner else len(self.tokenizer.encode(text)) + 2
        return length > self.tokenizer.context_length

    def facts(self) -> dict[str, str]:
        """What a signature says of the model."""
        return {
            "open_clip": metadata.version("open_clip_torch"),
            "model": self.name,
            "weights": self.digest[:12],
            "precision": self.precision,
            "truncation": f"{self.tokenizer.context_length} tokens, end token kept",
        }


def load_clip(folder: Path) -> Clip:
    """Load a CLIP folder.

    Raises InputError for one that lacks configuration or safetensors weights, and where a GPU given can't be used.
    """
    import open_clip

    check_given_gpus()
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder} is no CLIP folder: it has no {name}")
    config = read_json(folder / CONFIG)["model_cfg"]
    overrides = {}
    if "hf_model_name" in config["text_cfg"]:
        # The text tower's configuration lies in the folder itself, wherever that was moved to.
        overrides["text_cfg"] = {**config["text_cfg"], "hf_model_name": str(folder), "hf_model_pretrained": False}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = ("bf16" if torch.cuda.is_bf16_supported() else "fp16") if device == "cuda" else "fp32"
    identifier = f"local-dir:{folder}"
    model, _, preprocess = open_clip.create_model_and_transforms(
        identifier, device=device, precision=precision, **overrides
    )
    if device == "cpu":
        model = model.to(memory_format=torch.channels_last)  # convolutions take half the time
    tokenizer = open_clip.get_tokenizer(identifier)
    if precision != "fp32":
        preprocess = _cast_after(preprocess, torch.bfloat16 if precision == "bf16" else torch.float16)
    return Clip(
        model.eval(), preprocess, tokenizer, clip_name(folder), file_digest(folder / WEIGHTS), device, precision
    )


def _cast_after(preprocess: Callable[[Any], torch.Tensor], dtype: torch.dtype) -> Callable[[Any], torch.Tensor]:
    return lambda picture: preprocess(picture).to(dtype)


def clip_name(folder: Path) -> str:
    """The name of the model: from its configuration, else from its folder."""
    return read_json(folder / CONFIG).get("name", folder.name)
