"""An image encoder with a text decoder, such as ViT-GPT2 (nlpconnect/vit-gpt2-image-captioning). It takes no prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

from core.command import InputError
from generation.captioners import CaptionerSettings, Output
from generation.captioners.generation import decode_outputs, decoding_options, end_tokens, weight_options
from generation.captioners.limits import check_context

if TYPE_CHECKING:
    from PIL.Image import Image


class VisionEncoderDecoder:
    """Captions by an image encoder and a text decoder."""

    def __init__(self, model: Any, image_processor: Any, tokenizer: Any, settings: CaptionerSettings):
        self.model, self.image_processor, self.tokenizer, self.settings = model, image_processor, tokenizer, settings

    def prepare(self, images: list[Image]) -> Any:
        """Pixel values."""
        return self.image_processor(images, return_tensors="pt")

    @torch.inference_mode()
    def generate(self, inputs: Any) -> list[Output]:
        """The decoder's texts."""
        pixels = inputs["pixel_values"].to(self.model.device, self.model.dtype)
        sequences = self.model.generate(pixels, **decoding_options(self.settings))
        # The first token is the decoder's start, which for GPT-2 is its end as well.
        return decode_outputs(sequences, 1, end_tokens(self.model), self.tokenizer, [None] * len(sequences))


def load_captioner(
    model: Path, tokenizer: Path, settings: CaptionerSettings, trust_remote_code: bool
) -> VisionEncoderDecoder:
    """The model from a folder. Raises InputError where a prompt is set, and for captions over its context."""
    if settings.prompt:
        raise InputError("a vision_encoder_decoder captioner takes no prompt; remove it from its settings")
    loaded = VisionEncoderDecoderModel.from_pretrained(model, **weight_options(settings))
    check_context(loaded.config.decoder, settings)
    return VisionEncoderDecoder(
        loaded.eval(),
        AutoImageProcessor.from_pretrained(model, local_files_only=True, trust_remote_code=False),
        AutoTokenizer.from_pretrained(tokenizer, local_files_only=True, trust_remote_code=False),
        settings,
    )
