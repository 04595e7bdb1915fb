"""Any model of transformers that reads images and text: SmolVLM, Idefics3, Qwen2.5-VL, LLaVA, BLIP-2, Florence-2, …

A processor with a chat template gets the image and the prompt as a user's message; one without (BLIP-2, Florence-2)
gets the prompt as it stands, for Florence-2 a task such as <CAPTION>.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from core.command import InputError
from generation.captioners import CaptionerSettings, Output
from generation.captioners.generation import decode_outputs, decoding_options, end_tokens, weight_options
from generation.captioners.limits import check_context, use_known_ends, use_known_padding

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageTextToText:
    """Captions by a model that reads an image and a prompt."""

    def __init__(self, model: Any, processor: Any, settings: CaptionerSettings):
        self.model, self.processor, self.settings = model, processor, settings
        self.processor.tokenizer.padding_side = "left"
        use_known_ends(self.processor.tokenizer, model)
        use_known_padding(self.processor.tokenizer, model.config)
        self.processor.chat_template = self.processor.chat_template or self.processor.tokenizer.chat_template

    def prepare(self, images: list[Image]) -> Any:
        """The processor's inputs: pixel values, tokens, masks."""
        if self.processor.chat_template:
            return self.processor.apply_chat_template(
                [self._conversation(image) for image in images],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
        text = [self.settings.prompt] * len(images)
        try:
            return self.processor(images=images, text=text, padding=True, return_tensors="pt")
        except ValueError as error:  # of a processor that wants a mark for the image
            raise InputError(
                f"{self.model.name_or_path}: its processor has no chat template and does not take the prompt alone "
                f"({' '.join(str(error).split())[:200]}): add chat_template.jinja to the folder"
            ) from error

    def _conversation(self, image: Image) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = [{"type": "image", "image": image}]
        if self.settings.prompt:
            content.append({"type": "text", "text": self.settings.prompt})
        return [{"role": "user", "content": content}]

    @torch.inference_mode()
    def generate(self, inputs: Any) -> list[Output]:
        """The model's outputs for the prompt."""
        inputs = inputs.to(self.model.device, self.model.dtype)
        is_read_apart = self.model.config.is_encoder_decoder  # by the encoder
        check_context(self.model.config, self.settings, 0 if is_read_apart else inputs["input_ids"].shape[1])
        sequences = self.model.generate(**inputs, **decoding_options(self.settings))
        n_prompt_tokens = inputs["attention_mask"].sum(dim=1).tolist()
        start = self._start(sequences, inputs["input_ids"])
        return decode_outputs(sequences, start, end_tokens(self.model), self.processor.tokenizer, n_prompt_tokens)

    def _start(self, sequences: torch.Tensor, prompt: torch.Tensor) -> int:
        """Where the new tokens begin: after the decoder's start token, after the prompt, or at once.

        Models that hand embeddings to their language model return the new tokens without the prompt.
        """
        if self.model.config.is_encoder_decoder:
            return 1
        length = prompt.shape[1]
        return length if torch.equal(sequences[:, :length], prompt) else 0


def load_captioner(
    model: Path, tokenizer: Path, settings: CaptionerSettings, trust_remote_code: bool
) -> ImageTextToText:
    """The model from a folder."""
    loaded = AutoModelForImageTextToText.from_pretrained(
        model, trust_remote_code=trust_remote_code, **weight_options(settings)
    )
    processor = AutoProcessor.from_pretrained(model, local_files_only=True, trust_remote_code=trust_remote_code)
    return ImageTextToText(loaded.eval(), processor, settings)
