"""Tiny random captioners of real classes, built from their configs and saved as model folders.

    folder = build_tiny_captioner(tmp_path / "blip", "blip")

Kinds: blip, vit_gpt2, idefics3, smolvlm, qwen2_5_vl and qwen3_vl (chat models), blip2 and florence2 (no chat template;
the latter an encoder-decoder), cogvlm (remote code of our own with CogVLM's interface, cogvlm_code/).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertTokenizer,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GPT2Config,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
)

COLOURS = ["red", "blue", "green"]
SHAPES = ["circle", "square", "triangle", "star"]
WORDS = [
    *COLOURS,
    *SHAPES,
    "a",
    "small",
    "large",
    "left",
    "right",
    "of",
    "above",
    "picture",
    "describe",
    "this",
    "image",
]
COGVLM_CODE = Path(__file__).parent / "cogvlm_code"
SIDE = 32  # of images, in pixels
SMALL_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL_VISION = {**SMALL_TEXT, "image_size": SIDE, "patch_size": 8}

CHAT_TEMPLATE = """\
{% for message in messages %}{{ message['role'] + ': ' }}{% for part in message['content'] %}\
{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}\
{{ '<end_of_utterance>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"""


def build_tiny_captioner(folder: Path, kind: str, *, seed: int = 0) -> Path:
    """Write a tiny random captioner of a kind to `folder` and return it. Weights are fp32, drawn by `seed`."""
    torch.manual_seed(seed)
    _BUILDERS[kind](folder)
    return folder


def word_tokenizer(
    special: dict[str, str], more: tuple[str, ...] = (), **options: dict[str, str]
) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words with the special tokens that a family needs."""
    vocabulary = [*dict.fromkeys((*special.values(), *more, *WORDS))]
    backend = Tokenizer(models.WordLevel({word: id_ for id_, word in enumerate(vocabulary)}, special["unk_token"]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special, additional_special_tokens=list(more), **options)


def _build_blip(folder: Path) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]))
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"))
    text = {
        **SMALL_TEXT,
        "vocab_size": len(special) + len(WORDS),
        "encoder_hidden_size": 32,
        "bos_token_id": 5,
        "eos_token_id": 2,
        "sep_token_id": 3,
        "pad_token_id": 0,
        "initializer_range": 0.5,
    }
    config = BlipConfig(text_config=text, vision_config={**SMALL_VISION, "initializer_range": 0.5})
    BlipForConditionalGeneration(config).save_pretrained(folder)
    image_processor = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    BlipProcessor(image_processor, tokenizer).save_pretrained(folder)


def _build_vit_gpt2(folder: Path) -> None:
    tokenizer = word_tokenizer({"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"})
    end = tokenizer.eos_token_id
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(**SMALL_VISION, initializer_range=0.5),
        GPT2Config(
            **{"vocab_size": len(tokenizer), "n_embd": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.5},
            **{"bos_token_id": end, "eos_token_id": end},
        ),
    )
    # As in nlpconnect/vit-gpt2-image-captioning: one token is start, end and padding.
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = end
    model = VisionEncoderDecoderModel(config=config)
    model.generation_config.decoder_start_token_id = end
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = end
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


def _chat_tokenizer() -> PreTrainedTokenizerFast:
    special = {"bos_token": "<bos>", "eos_token": "<end_of_utterance>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return word_tokenizer(special, ("<fake_token_around_image>", "<image>", "<global-img>"))


def _save_idefics3(folder: Path, config_class: Any, model_class: Any, tokenizer: PreTrainedTokenizerFast) -> None:
    text = {
        "model_type": "llama",
        **SMALL_TEXT,
        "vocab_size": len(tokenizer) + 8,
        "num_key_value_heads": 2,
        "initializer_range": 0.5,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = config_class(
        text_config=text,
        vision_config=SMALL_VISION,
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    model = model_class(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)


_IDEFICS3_IMAGES = {
    "size": {"longest_edge": SIDE},
    "max_image_size": {"longest_edge": SIDE},
    "do_image_splitting": False,
}
_N_IDEFICS3_TOKENS = (SIDE // 8) ** 2 // 2**2


def _build_idefics3(folder: Path) -> None:
    tokenizer = _chat_tokenizer()
    _save_idefics3(folder, Idefics3Config, Idefics3ForConditionalGeneration, tokenizer)
    image_processor = Idefics3ImageProcessor(**_IDEFICS3_IMAGES)
    processor = Idefics3Processor(image_processor, tokenizer, _N_IDEFICS3_TOKENS, chat_template=CHAT_TEMPLATE)
    processor.save_pretrained(folder)


def _build_smolvlm(folder: Path) -> None:
    tokenizer = _chat_tokenizer()
    _save_idefics3(folder, SmolVLMConfig, SmolVLMForConditionalGeneration, tokenizer)
    image_processor = SmolVLMImageProcessor(**_IDEFICS3_IMAGES)
    video_processor = SmolVLMVideoProcessor()
    processor = SmolVLMProcessor(
        image_processor, tokenizer, video_processor, _N_IDEFICS3_TOKENS, chat_template=CHAT_TEMPLATE
    )
    processor.save_pretrained(folder)


QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def _build_qwen2_5_vl(folder: Path) -> None:
    vision = {"out_hidden_size": 32, "window_size": 16, "fullatt_block_indexes": [1]}
    _save_qwen(folder, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, vision)
    _save_qwen_processor(folder, Qwen2_5_VLProcessor, Qwen2VLVideoProcessor)


def _build_qwen3_vl(folder: Path) -> None:
    vision = {"out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    _save_qwen(folder, Qwen3VLConfig, Qwen3VLForConditionalGeneration, vision)
    _save_qwen_processor(folder, Qwen3VLProcessor, Qwen3VLVideoProcessor)


def _qwen_tokenizer() -> PreTrainedTokenizerFast:
    special = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": "<unk>"}
    return word_tokenizer(special, ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"))


def _save_qwen(folder: Path, config_class: Any, model_class: Any, vision: dict[str, Any]) -> None:
    tokenizer = _qwen_tokenizer()
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    text = {
        **{**SMALL_TEXT, "num_key_value_heads": 2, "head_dim": 16, "initializer_range": 0.5, "rope_parameters": rope},
        **{"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id},
        **{"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id},
    }
    sizes = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 8}
    marks = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    marks |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    config = config_class(
        text_config=text,
        vision_config={**sizes, **vision, "initializer_range": 0.5},
        **{name: tokenizer.convert_tokens_to_ids(mark) for name, mark in marks.items()},
    )
    model = model_class(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)


def _save_qwen_processor(folder: Path, processor_class: Any, video_processor_class: Any) -> None:
    pixels = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}
    processor = processor_class(
        Qwen2VLImageProcessor(patch_size=8, size=pixels),
        _qwen_tokenizer(),
        video_processor_class(patch_size=8),
        chat_template=CHAT_TEMPLATE.replace("<image>", QWEN_IMAGE).replace("<end_of_utterance>", "<|im_end|>"),
    )
    processor.save_pretrained(folder)


def _build_blip2(folder: Path) -> None:
    n_queries = 4
    # As in OPT: one token starts and ends a text.
    special = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = word_tokenizer(special, ("<image>",))
    text = {
        **{"model_type": "opt", "vocab_size": len(tokenizer), "hidden_size": 32, "ffn_dim": 64, "init_std": 0.5},
        **{"num_hidden_layers": 2, "num_attention_heads": 2, "word_embed_proj_dim": 32},
        **{"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1},
    }
    config = Blip2Config(
        vision_config={**SMALL_VISION, "initializer_range": 0.5},
        qformer_config={**SMALL_TEXT, "encoder_hidden_size": 32, "initializer_range": 0.5},
        text_config=text,
        num_query_tokens=n_queries,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = Blip2ForConditionalGeneration(config)
    torch.nn.init.normal_(model.query_tokens)
    torch.nn.init.normal_(model.language_projection.weight)
    model.generation_config.eos_token_id = 0
    model.save_pretrained(folder)
    image_processor = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    Blip2Processor(image_processor, tokenizer, num_query_tokens=n_queries).save_pretrained(folder)


def _build_florence2(folder: Path) -> None:
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = word_tokenizer(special, ("<image>",), extra_special_tokens={"image_token": "<image>"})
    text = {
        **{"model_type": "bart", "vocab_size": len(tokenizer), "d_model": 32, "init_std": 0.5},
        **{"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64},
        **{"decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 64},
        **{
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 2,
            "decoder_start_token_id": 1,
            "forced_eos_token_id": None,
        },
    }
    vision = {
        **{"depths": [1, 1], "embed_dim": [16, 32], "num_heads": [2, 2], "num_groups": [2, 2], "window_size": 4},
        **{"patch_size": [3, 3], "patch_stride": [4, 2], "patch_padding": [1, 1], "patch_prenorm": [False, True]},
        **{"projection_dim": 32, "max_position_embeddings": 50, "max_temporal_embeddings": 10},
    }
    image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    config = Florence2Config(
        vision_config={**vision, "initializer_range": 0.3}, text_config=text, image_token_id=image_token_id
    )
    model = Florence2ForConditionalGeneration(config)
    model.generation_config.update(eos_token_id=1, pad_token_id=2, decoder_start_token_id=1)
    model.save_pretrained(folder)
    n_image_tokens = (SIDE // 8) ** 2 + 1  # the places of the last stage and their mean
    image_processor = CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, image_seq_length=n_image_tokens
    )
    Florence2Processor(image_processor, tokenizer).save_pretrained(folder)


def _build_cogvlm(folder: Path) -> None:
    """Written by hand, so that the old transformers of envs/cogvlm.txt read it as well."""
    shutil.copytree(COGVLM_CODE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = word_tokenizer(special)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer_config = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": len(tokenizer)}
    (folder / "config.json").write_text(json.dumps(config))
    hidden, side = config["hidden_size"], config["image_size"]
    weights = {
        "embedding.weight": torch.randn(len(tokenizer), hidden),
        "vision.weight": torch.randn(hidden, 3 * side * side) / side,
        "head.weight": torch.randn(len(tokenizer), hidden),
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


_BUILDERS = {
    "blip": _build_blip,
    "vit_gpt2": _build_vit_gpt2,
    "idefics3": _build_idefics3,
    "smolvlm": _build_smolvlm,
    "qwen2_5_vl": _build_qwen2_5_vl,
    "qwen3_vl": _build_qwen3_vl,
    "blip2": _build_blip2,
    "florence2": _build_florence2,
    "cogvlm": _build_cogvlm,
}
