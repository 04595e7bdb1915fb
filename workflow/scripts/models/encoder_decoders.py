"""Captioners of an image encoder and a text decoder that take no prompt: BLIP, and ViT-GPT2 and its like.

The decoder begins with a token of its own and reads the picture by cross-attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.command import InputError
from core.records import read_json

BLIP, PAIR = "blip", "vision-encoder-decoder"
ENCODER_DECODERS = (BLIP, PAIR)


@dataclass(frozen=True)
class EncoderDecoder:
    """How the decoder of such a model is called."""

    ids: str  # names of the inputs for the tokens of a caption, and for their mask
    mask: str
    start: int  # the token that a caption begins with, and the one that ends it
    end: int


def encoder_decoder(base: Path, config: Any) -> EncoderDecoder | None:
    """How the decoder of a base is called; None for a base of another kind. Raises InputError where a token lacks."""
    if config.model_type == BLIP:
        text = config.text_config
        return EncoderDecoder("input_ids", "attention_mask", text.bos_token_id, text.sep_token_id)
    if config.model_type == PAIR:
        start, end = (_token(base, config, name) for name in ("decoder_start_token_id", "eos_token_id"))
        return EncoderDecoder("decoder_input_ids", "decoder_attention_mask", start, end)
    return None


def _token(base: Path, config: Any, name: str) -> int:
    file = base / "generation_config.json"
    places = (read_json(file) if file.is_file() else {}, vars(config), vars(config.decoder))
    found = next((place[name] for place in places if place.get(name) is not None), None)
    if found is None:
        raise InputError(f"{base}: neither generation_config.json nor config.json has {name}; add it")
    return found[0] if isinstance(found, list) else found


def check_reads_code(base: Path, config: Any) -> None:
    """Raise InputError for a base that reads pictures alone."""
    if config.model_type in ENCODER_DECODERS:
        raise InputError(f"{base}: a {config.model_type} model reads pictures alone; set input: image")
