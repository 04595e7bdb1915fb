"""BLIP (Salesforce/blip-image-captioning-large and its kin).

A prompt ("a picture of") is the beginning of the text that BLIP goes on writing. As in the authors' code it is no part
of the caption.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import BlipForConditionalGeneration, BlipProcessor

from generation.captioners import CaptionerSettings, Output
from generation.captioners.generation import decode_outputs, decoding_options, weight_options
from generation.captioners.limits import check_context

if TYPE_CHECKING:
    from PIL.Image import Image


class Blip:
    """Captions by BLIP."""

    def __init__(self, model: Any, processor: Any, settings: CaptionerSettings):
        self.model, self.processor, self.settings = model, processor, settings

    def prepare(self, images: list[Image]) -> Any:
        """Pixel values, and the tokens of the prompt where there is one."""
        text = [self.settings.prompt] * len(images) if self.settings.prompt else None
        return self.processor(images=images, text=text, return_tensors="pt")

    @torch.inference_mode()
    def generate(self, inputs: Any) -> list[Output]:
        """BLIP's continuations of the prompt."""
        inputs = inputs.to(self.model.device, self.model.dtype)
        # generate() leaves the prompt's last token, the separator, away; without a prompt it starts from one token.
        start = inputs["input_ids"].shape[1] - 1 if "input_ids" in inputs else 1
        check_context(self.model.config, self.settings, start)
        sequences = self.model.generate(**inputs, **decoding_options(self.settings))
        end_ids = [self.model.config.text_config.sep_token_id]
        n_prompt_tokens = [start if self.settings.prompt else None] * len(sequences)
        return decode_outputs(sequences, start, end_ids, self.processor.tokenizer, n_prompt_tokens)


def load_captioner(model: Path, tokenizer: Path, settings: CaptionerSettings, trust_remote_code: bool) -> Blip:
    """BLIP from a folder."""
    loaded = BlipForConditionalGeneration.from_pretrained(model, **weight_options(settings))
    return Blip(loaded.eval(), BlipProcessor.from_pretrained(model, local_files_only=True), settings)
