"""Tiny random models with real tokenizers and chat templates, made by code in a fraction of a second.

    folder = build_tiny_model(tmp_path / "base", "llama")

`folder` is a model folder as fetch_model leaves one (config, generation config, safetensors, tokenizer, template).
Families: llama (ChatML with a default system message; pad equals eos, as SmolLM2's do), llama3 (the header form, text
starts with a token of its own), gemma2 and gemma3 (no system role in gemma2; text starts with <bos>; logits capped in
gemma2), qwen3 (thinks unless told not to), plain (a llama without chat template).
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from models.clip_model import CONFIG, WEIGHTS

CHATML = """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

LLAMA3 = """\
{{- bos_token }}{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string + '\\n\\n' }}
{%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- endif %}{{- '<|eot_id|>' }}
{%- for message in messages %}{%- if message['role'] != 'system' %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"""

GEMMA = """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}\
{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model
' }}{% endif %}"""

QWEN3 = """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}\
{% if message['role'] == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}\
{{ message['content'] + '<|im_end|>\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"""

# Family: (special tokens, start of text, end of text, padding, chat template)
TOKENIZERS = {
    "llama": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], None, "<|im_end|>", "<|im_end|>", CHATML),
    "llama3": (
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<pad>"],
        *("<|begin_of_text|>", "<|end_of_text|>", "<pad>", LLAMA3),
    ),
    "gemma2": (
        ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"],
        *("<bos>", "<eos>", "<pad>", GEMMA),
    ),
    "gemma3": (
        ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"],
        *("<bos>", "<eos>", "<pad>", GEMMA),
    ),
    "qwen3": (
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        *(None, "<|im_end|>", "<|endoftext|>", QWEN3),
    ),
    "plain": (["<s>", "</s>"], "<s>", "</s>", "</s>", None),
}

CORPUS = [
    '<svg viewBox="0 0 128 128"><circle cx="40" cy="64" r="20" fill="#f00"/></svg>',
    '<rect x="10" y="20" width="30" height="40" fill="#00f"/><path d="M1 2L30 40Z" fill="#0a0"/></svg>',
    "a red circle left of a large blue square and a small green triangle",
    "Describe this drawing. Write a caption for this SVG drawing. Caption:",
    "system user assistant model You are a helpful assistant Today Date: 26 Jul 2024",
]


def build_tiny_model(folder: Path, family: str = "llama", *, seed: int = 0, layers: int = 2) -> Path:
    """Write a tiny random model of a family to `folder` and return it. Weights are fp32, drawn by `seed`."""
    tokenizer = tiny_tokenizer(family)
    torch.manual_seed(seed)
    model = _MODELS[family](
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    end = {"llama3": "<|eot_id|>", "gemma2": "<end_of_turn>", "gemma3": "<end_of_turn>"}.get(family)
    eos = tokenizer.eos_token_id if end is None else [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(end)]
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=eos, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@functools.cache
def tiny_tokenizer(family: str = "llama") -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of about 400 tokens with the special tokens and the chat template of a family."""
    return bpe_tokenizer(*TOKENIZERS[family])


def bpe_tokenizer(
    special: list[str], start: str | None, end: str, pad: str, template: str | None, **options: object
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of about 400 tokens, learnt from CORPUS."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if start is not None:  # as Llama and Gemma do: a text starts with this token unless add_special_tokens is False
        backend.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, backend.token_to_id(start))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=start,
        eos_token=end,
        pad_token=pad,
        additional_special_tokens=[token for token in special if token not in (start, end, pad)],
        **options,
    )
    tokenizer.chat_template = template
    return tokenizer


def _llama(**sizes: object) -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(tie_word_embeddings=True, **sizes))


def _gemma2(**sizes: object) -> Gemma2ForCausalLM:
    return Gemma2ForCausalLM(Gemma2Config(sliding_window=32, query_pre_attn_scalar=8, **sizes))


def _gemma3(**sizes: object) -> Gemma3ForCausalLM:
    return Gemma3ForCausalLM(Gemma3TextConfig(sliding_window=32, query_pre_attn_scalar=8, **sizes))


def _qwen3(**sizes: object) -> Qwen3ForCausalLM:
    return Qwen3ForCausalLM(Qwen3Config(tie_word_embeddings=True, **sizes))


_MODELS = {
    "llama": _llama,
    "llama3": _llama,
    "plain": _llama,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "qwen3": _qwen3,
}


TINY_CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def build_tiny_clip(folder: Path) -> Path:
    """A tiny random CLIP with open_clip's own tokenizer, as a folder in its format."""
    import open_clip

    folder.mkdir()
    (folder / CONFIG).write_text(json.dumps({"name": "tiny", "model_cfg": TINY_CLIP, "preprocess_cfg": {}}))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file({name: value.clone().contiguous() for name, value in model.state_dict().items()}, folder / WEIGHTS)
    return folder
