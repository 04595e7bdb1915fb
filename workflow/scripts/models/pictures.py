"""Bases that read pictures: their processor, and the model's inputs that it makes of a picture.

    pictures = PictureInputs(load_processor(base), torch.bfloat16)
    model(input_ids=ids, attention_mask=mask, **pictures.of(ids, [png, png]))

A processor writes a number of tokens of its own for each picture (captions/picture_prompts.py).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

from core.command import InputError
from models.class_faults import told_as_input_error
from models.encoder_decoders import EncoderDecoder, encoder_decoder
from models.language_models import auto_class, load_tokenizer, read_config

# Inputs with a value for each token; those of a prompt are made from its tokens, not by the processor.
TOKEN_INPUTS = ("input_ids", "attention_mask")
# What processors call the types of tokens: 0 text, 1 picture.
TOKEN_TYPES = ("mm_token_type_ids", "token_type_ids")
# Models that read a picture past the prompt, by attention of their own.
PAST_THE_PROMPT = ("mllama",)


def check_reads_pictures(base: Path) -> None:
    """Raise InputError where a base is no vision-language model that is asked by chat."""
    config = read_config(base)
    if auto_class(config) is not AutoModelForImageTextToText:
        raise InputError(
            f"{base}: a {config.model_type} model reads text alone; set input: code, or choose a vision-language model"
        )
    if config.model_type in PAST_THE_PROMPT:
        raise InputError(
            f"{base}: a {config.model_type} model reads pictures by cross-attention and not in its prompt, which is "
            "not supported; set input: code, or choose another base"
        )


@dataclass(frozen=True)
class CaptionerProcessor:
    """What an encoder-decoder captioner reads with: no chat, no prompt."""

    tokenizer: Any
    image_processor: Any
    decoder: EncoderDecoder


def load_processor(base: Path) -> Any:
    """The processor of a base, with the tokenizer as models/language_models.py loads it.

    A CaptionerProcessor for a captioner that takes no prompt. Raises InputError for a base without pictures, without
    the files of a processor, or without a chat template.
    """
    check_reads_pictures(base)
    if decoder := encoder_decoder(base, read_config(base)):
        return CaptionerProcessor(load_tokenizer(base), load_image_processor(base), decoder)
    with told_as_input_error(f"{base}: its processor can't be loaded"):
        processor = AutoProcessor.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    if not hasattr(processor, "image_processor"):
        raise InputError(f"{base} has no image processor (preprocessor_config.json): save the base's processor there")
    processor.tokenizer = load_tokenizer(base)
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    if not processor.chat_template:
        raise InputError(
            f"{base}: neither its processor nor its tokenizer has a chat template, which says where a picture stands "
            "in a prompt; add chat_template.jinja to the folder, or set input: code"
        )
    # One template for prompts with and without a picture.
    processor.tokenizer.chat_template = processor.chat_template
    processor.tokenizer.padding_side = "left"
    return processor


def load_image_processor(base: Path) -> Any:
    """What makes pixels of a picture. Raises InputError where its files are missing."""
    with told_as_input_error(f"{base}: its image processor can't be loaded"):
        return AutoImageProcessor.from_pretrained(base, local_files_only=True, trust_remote_code=False)


@dataclass(frozen=True)
class PictureInputs:
    """The model's inputs for the pictures in a batch of prompts."""

    processor: Any
    dtype: torch.dtype

    def of(self, ids: torch.Tensor, pngs: Sequence[bytes]) -> dict[str, torch.Tensor]:
        """For tokens (rows x length) and the pictures in them, row by row; nothing for a batch without pictures."""
        if not pngs:
            return {}
        if isinstance(self.processor, CaptionerProcessor):
            pixels = self.processor.image_processor([read_picture(png) for png in pngs], return_tensors="pt")
            return {"pixel_values": pixels["pixel_values"].to(ids.device, self.dtype)}
        inputs = token_types(self.processor, ids) | pixel_inputs(self.processor, pngs, self.dtype)
        return {name: values.to(ids.device) for name, values in inputs.items()}


def counts_positions_itself(model: Any) -> bool:
    """Whether a model counts the positions of a picture in three directions (Qwen-VL), by its types of tokens."""
    return any(hasattr(module, "get_rope_index") for module in model.modules())


def read_picture(png: bytes) -> PIL.Image.Image:
    """A rendered PNG as RGB. PNG alone: some of Pillow's other formats start programs."""
    return PIL.Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGB")


def pixel_inputs(processor: Any, pngs: Sequence[bytes], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """The model's inputs for pictures, in their order: what the processor makes of a chat that shows each."""
    chats = [
        [{"role": "user", "content": [{"type": "image", "image": read_picture(png)}, {"type": "text", "text": "a"}]}]
        for png in pngs
    ]
    found = processor.apply_chat_template(
        chats, tokenize=True, return_dict=True, return_tensors="pt", processor_kwargs={"padding": True}
    )
    return {
        name: values.to(dtype) if torch.is_floating_point(values) else values
        for name, values in found.items()
        if name not in (*TOKEN_INPUTS, *TOKEN_TYPES)
    }


def token_type_name(processor: Any) -> str | None:
    """The name by which the model takes types of tokens; None for a model that asks for none."""
    return next((name for name in TOKEN_TYPES if name in processor.model_input_names), None)


def token_types(processor: Any, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of tokens (rows x length), 1 where a token stands for a picture: by the model's name; empty without one."""
    name = token_type_name(processor)
    if name is None:
        return {}
    of_pictures = torch.tensor(processor.image_token_ids, device=ids.device)
    return {name: torch.isin(ids, of_pictures).long()}
