"""Tiny random vision-language models of real classes with their processors, built from their configurations.

    folder = build_tiny_vlm(tmp_path / "base", "qwen2_5_vl")

What differs: qwen2_5_vl and qwen3_vl count positions in three directions; smolvlm and idefics3 cut a picture into tiles
with tokens between them; gemma3 lets the tokens of a picture see each other, and writes them between empty lines;
llava_onevision scales by a grid; internvl shuffles pixels; llava is the plain form.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tiny_models import bpe_tokenizer

SIDE = 32  # of pictures, in pixels
TEXT = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.2, "max_position_embeddings": 2048},
}
VISION = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"image_size": SIDE, "patch_size": 8, "initializer_range": 0.2},
}
SQUARE = {"height": SIDE, "width": SIDE}

CHATML = """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}{% for part in message['content'] %}\
{% if part['type'] == 'image' %}{{ 'PICTURE' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}\
{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
GEMMA = """\
{{ bos_token }}{% for message in messages %}\
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}\
{{ '<start_of_turn>' + role + '\\n' }}{% for part in message['content'] %}{% if part['type'] == 'image' %}\
{{ '<start_of_image>' }}{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{{ '<end_of_turn>\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""


def build_tiny_vlm(folder: Path, kind: str, *, seed: int = 0) -> Path:
    """Write a tiny random model of a kind, with its processor, to `folder` and return it; fp32, drawn by `seed`."""
    processor, config = KINDS[kind]()
    tokenizer = processor.tokenizer
    torch.manual_seed(seed)
    model = hf.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)](config)
    if kind == "gemma3":  # zero as it is made: no picture would reach the language model
        torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model.generation_config = hf.GenerationConfig(**ends)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _chatml(picture: str, more: list[str], **options: Any) -> Any:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *more]
    return bpe_tokenizer(special, None, "<|im_end|>", "<|endoftext|>", CHATML.replace("PICTURE", picture), **options)


def _text(tokenizer: Any, **more: Any) -> dict[str, Any]:
    ids = {"bos_token_id": 0, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return {**TEXT, "vocab_size": len(tokenizer), **ids, **more}


def _qwen(config_class: Any, processor_class: Any, video_class: Any, vision: dict[str, Any]) -> tuple[Any, Any]:
    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = _chatml("<|vision_start|><|image_pad|><|vision_end|>", marks)
    images = hf.Qwen2VLImageProcessor(patch_size=8, size={"shortest_edge": SIDE**2, "longest_edge": SIDE**2})
    processor = processor_class(images, tokenizer, video_class(patch_size=8), chat_template=tokenizer.chat_template)
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    sizes = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 8}
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    ids = {name: tokenizer.convert_tokens_to_ids(mark) for name, mark in zip(names, marks, strict=True)}
    vision = {**sizes, "out_hidden_size": 32, "initializer_range": 0.2, **vision}
    return processor, config_class(text_config=_text(tokenizer, rope_parameters=rope), vision_config=vision, **ids)


def _qwen2_5_vl() -> tuple[Any, Any]:
    vision = {"window_size": 16, "fullatt_block_indexes": [1]}
    return _qwen(hf.Qwen2_5_VLConfig, hf.Qwen2_5_VLProcessor, hf.Qwen2VLVideoProcessor, vision)


def _qwen3_vl() -> tuple[Any, Any]:
    vision = {"num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    return _qwen(hf.Qwen3VLConfig, hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor, vision)


def _tiles(config_class: Any, processor_class: Any, image_class: Any, *video: Any) -> tuple[Any, Any]:
    marks = ["<fake_token_around_image>", "<image>", "<global-img>"]
    marks += [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    tokenizer = _chatml("<image>", [*marks, "<end_of_utterance>"])
    images = image_class(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=True
    )
    n_tokens = (SIDE // 8) ** 2 // 2**2
    processor = processor_class(images, tokenizer, *video, n_tokens, chat_template=tokenizer.chat_template)
    ids = {"image_token_id": tokenizer.convert_tokens_to_ids("<image>"), "pad_token_id": tokenizer.pad_token_id}
    text = {"model_type": "llama", **_text(tokenizer)}
    return processor, config_class(text_config=text, vision_config=VISION, scale_factor=2, **ids)


def _smolvlm() -> tuple[Any, Any]:
    return _tiles(hf.SmolVLMConfig, hf.SmolVLMProcessor, hf.SmolVLMImageProcessor, hf.SmolVLMVideoProcessor())


def _idefics3() -> tuple[Any, Any]:
    return _tiles(hf.Idefics3Config, hf.Idefics3Processor, hf.Idefics3ImageProcessor)


def _llava() -> tuple[Any, Any]:
    tokenizer = _chatml("<image>\\n", ["<image>"])
    images = hf.CLIPImageProcessor(size=SQUARE, do_center_crop=False)
    options = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = hf.LlavaProcessor(images, tokenizer, chat_template=tokenizer.chat_template, **options)
    return processor, hf.LlavaConfig(
        text_config=hf.LlamaConfig(**_text(tokenizer)),
        vision_config=hf.CLIPVisionConfig(**VISION),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )


def _llava_onevision() -> tuple[Any, Any]:
    tokenizer = _chatml("<image>\\n", ["<image>", "<video>"])
    images = hf.LlavaOnevisionImageProcessor(size=SQUARE, image_grid_pinpoints=[[SIDE, SIDE], [2 * SIDE, 2 * SIDE]])
    processor = hf.LlavaOnevisionProcessor(
        images,
        tokenizer,
        hf.LlavaOnevisionVideoProcessor(size=SQUARE),
        num_image_tokens=(SIDE // 8) ** 2,
        vision_feature_select_strategy="full",
        chat_template=tokenizer.chat_template,
    )
    return processor, hf.LlavaOnevisionConfig(
        text_config=hf.Qwen2Config(**_text(tokenizer)),
        vision_config=hf.SiglipVisionConfig(**VISION),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=[[SIDE, SIDE], [2 * SIDE, 2 * SIDE]],
    )


def _gemma3() -> tuple[Any, Any]:
    marks = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    special = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", *marks.values()]
    tokenizer = bpe_tokenizer(special, "<bos>", "<eos>", "<pad>", GEMMA, extra_special_tokens=marks)
    images = hf.Gemma3ImageProcessor(size=SQUARE)
    processor = hf.Gemma3Processor(images, tokenizer, chat_template=GEMMA, image_seq_length=4)
    sizes = {"sliding_window": 32, "query_pre_attn_scalar": 8}
    names = {"boi_token": "boi_token_index", "eoi_token": "eoi_token_index", "image_token": "image_token_index"}
    ids = {names[name]: tokenizer.convert_tokens_to_ids(mark) for name, mark in marks.items()}
    return processor, hf.Gemma3Config(
        text_config=_text(tokenizer, **sizes), vision_config=VISION, mm_tokens_per_image=4, **ids
    )


def _internvl() -> tuple[Any, Any]:
    marks = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    marks |= {"video_token": "<video>"}
    tokenizer = _chatml("<IMG_CONTEXT>\\n", [*marks.values()], extra_special_tokens=marks)
    images = hf.GotOcr2ImageProcessor(size=SQUARE, max_patches=2)
    processor = hf.InternVLProcessor(
        images,
        tokenizer,
        hf.InternVLVideoProcessor(size=SQUARE),
        image_seq_length=4,
        chat_template=tokenizer.chat_template,
    )
    vision = {**VISION, "image_size": [SIDE, SIDE], "patch_size": [8, 8]}
    return processor, hf.InternVLConfig(
        text_config=hf.Qwen2Config(**_text(tokenizer)).to_dict(),
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )


KINDS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "smolvlm": _smolvlm,
    "idefics3": _idefics3,
    "llava": _llava,
    "llava_onevision": _llava_onevision,
    "gemma3": _gemma3,
    "internvl": _internvl,
}
