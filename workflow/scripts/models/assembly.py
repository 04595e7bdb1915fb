"""A vision-language model put together of a vision tower and a language model, with its processor.

    model, processor = assemble(load_efficientnet(weights), language)

It is transformers' FastVLM, whose tower is a convolutional network of timm: the tower's map of 7 x 7 places is read
row by row, each place becomes a token by a projector of two layers. The language model's weights and its prompts
without pictures stay as they are; one token is added, which stands for a place of a picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    CLIPImageProcessor,
    FastVlmConfig,
    FastVlmForConditionalGeneration,
    LlavaProcessor,
    TimmWrapperConfig,
)

from core.command import InputError
from models.efficientnet import MEAN, SIDE, STD, STRIDE, VISION_MODEL, WIDTH
from models.language_models import auto_class, choose_attention, load_language_model, load_tokenizer, read_config

PLACE_TOKEN = "<image>"
N_PLACES = (SIDE // STRIDE) ** 2
# Before a template that takes the content of a message as text: content in parts becomes text.
PARTS_TO_TEXT = """\
{%- set joined = namespace(messages=[]) -%}{%- for message in messages -%}{%- if message['content'] is string -%}\
{%- set joined.messages = joined.messages + [message] -%}{%- else -%}{%- set text = namespace(all='') -%}\
{%- for part in message['content'] -%}{%- set text.all = text.all + \
('PLACE' if part['type'] == 'image' else part['text']) -%}{%- endfor -%}\
{%- set joined.messages = joined.messages + [{'role': message['role'], 'content': text.all}] -%}\
{%- endif -%}{%- endfor -%}{%- set messages = joined.messages -%}""".replace("PLACE", PLACE_TOKEN)


def assemble(tower: Any, language: Path) -> tuple[FastVlmForConditionalGeneration, LlavaProcessor]:
    """The model in fp32 with a projector drawn by torch's seed, and its processor.

    Raises InputError where `language` is no causal language model, or has no chat template.
    """
    described = read_config(language)
    if auto_class(described) is not AutoModelForCausalLM:
        raise InputError(f"{language}: a {described.model_type} model reads pictures; name it as source instead")
    processor = make_processor(language)
    text = load_language_model(language, described, torch.float32, choose_attention(described))
    place_id = processor.image_token_id
    if place_id >= text.get_input_embeddings().num_embeddings:
        text.resize_token_embeddings(place_id + 1, mean_resizing=False)
    model = FastVlmForConditionalGeneration(
        FastVlmConfig(
            vision_config=TimmWrapperConfig.from_dict(
                {"architecture": VISION_MODEL, "hidden_size": WIDTH, "num_classes": 0}
            ),
            text_config=text.config,
            image_token_index=place_id,
            image_seq_length=N_PLACES,
            projector_hidden_act="sigmoid",  # what its first layer finds is there or not
            tie_word_embeddings=text.config.tie_word_embeddings,
        )
    )
    model.model.language_model.load_state_dict(text.base_model.state_dict())
    model.lm_head.load_state_dict(text.get_output_embeddings().state_dict())
    model.model.vision_tower.timm_model.load_state_dict(tower.state_dict())
    model.generation_config = text.generation_config
    return model.eval(), processor


def make_processor(language: Path) -> LlavaProcessor:
    """The tokenizer of a language model with a token for a place of a picture, and what scales pictures."""
    tokenizer = load_tokenizer(language)
    if not tokenizer.chat_template:
        raise InputError(
            f"{language} has no chat template, which says where a picture stands in a prompt; choose an instruct model"
        )
    tokenizer.add_special_tokens({"extra_special_tokens": [PLACE_TOKEN]}, replace_extra_special_tokens=False)
    tokenizer.chat_template = PARTS_TO_TEXT + tokenizer.chat_template
    side = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessor(size=side, do_center_crop=False, image_mean=list(MEAN), image_std=list(STD))
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=STRIDE,
        vision_feature_select_strategy="full",
        chat_template=tokenizer.chat_template,
        image_token=PLACE_TOKEN,
    )
