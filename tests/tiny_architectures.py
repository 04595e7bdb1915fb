"""Tiny random models of architectures that differ from Llama in what training or decoding rely on.

    folder = build_architecture(tmp_path / "base", "mpt")

Positions: gpt2 and opt learn one for each place, bloom and mpt have ALiBi, mamba has states in place of them.
Attention: bloom, gpt_neo, mpt, xglm and gpt_oss have no SDPA. Experts: fused in mixtral, phimoe (whose router is a
linear layer with two outputs), qwen2_moe, deepseek_v3, inkling_text (whose attention adds a bias for each distance) and
gpt_oss. Names: some of ctrl's linear layers are numbers in a
Sequential. Images: gemma3, llava, qwen2_vl and mllama hold a language model and read images too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tiny_models import tiny_tokenizer

LLAMA_SIZES = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "initializer_range": 0.2},
}
VISION = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"image_size": 32, "patch_size": 16},
}
ROPE_OF_THREE = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]}
DEEPSEEK_SIZES = {
    **{"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_group": 2, "topk_group": 1},
    **{"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8},
    **{"first_k_dense_replace": 1, "n_shared_experts": 1, "num_key_value_heads": 4},
}
GEMMA_SIZES = {"head_dim": 8, "sliding_window": 32, "query_pre_attn_scalar": 8}
MLLAMA_LAYERS = {"num_hidden_layers": 3, "cross_attention_layers": [1]}
MLLAMA_VISION = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_global_layers": 1},
    **{"attention_heads": 4, "image_size": 32, "patch_size": 16, "vision_output_dim": 64, "max_num_tiles": 1},
    **{"intermediate_layers_indices": [0], "supported_aspect_ratios": [[1, 1]]},
}

# By name: the configuration for so many tokens of context (`c`) and the ids and sizes of a vocabulary (`t`).
CONFIGS: dict[str, Callable[..., Any]] = {
    "gpt2": lambda c, **t: hf.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=c, initializer_range=0.2, **t),
    "opt": lambda c, **t: hf.OPTConfig(
        **{"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2, **t},
        **{"num_attention_heads": 4, "max_position_embeddings": c, "init_std": 0.2},
    ),
    "bloom": lambda c, **t: hf.BloomConfig(hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2, **t),
    "mpt": lambda c, **t: hf.MptConfig(d_model=32, n_heads=4, n_layers=2, max_seq_len=c, initializer_range=0.2, **t),
    "gpt_neo": lambda c, **t: hf.GPTNeoConfig(
        **{"hidden_size": 32, "num_layers": 2, "num_heads": 4, "max_position_embeddings": c, **t},
        **{"attention_types": [[["global", "local"], 1]], "window_size": 32, "initializer_range": 0.2},
    ),
    "xglm": lambda c, **t: hf.XGLMConfig(
        **{"d_model": 32, "ffn_dim": 64, "num_layers": 2, "attention_heads": 4, "init_std": 0.2, **t},
        max_position_embeddings=c,
    ),
    "mamba": lambda c, **t: hf.MambaConfig(
        hidden_size=32, num_hidden_layers=2, state_size=4, initializer_range=0.2, **t
    ),
    "gpt_oss": lambda c, **t: hf.GptOssConfig(
        **{**LLAMA_SIZES, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 32, **t},
        **{"layer_types": ["sliding_attention", "full_attention"], "max_position_embeddings": c},
    ),
    "mixtral": lambda c, **t: hf.MixtralConfig(**LLAMA_SIZES, num_local_experts=4, max_position_embeddings=c, **t),
    "ctrl": lambda c, **t: hf.CTRLConfig(
        n_embd=32, dff=64, n_layer=2, n_head=4, n_positions=c, initializer_range=0.2, resid_pdrop=0, embd_pdrop=0, **t
    ),
    "phimoe": lambda c, **t: hf.PhimoeConfig(**LLAMA_SIZES, num_local_experts=4, max_position_embeddings=c, **t),
    "qwen2_moe": lambda c, **t: hf.Qwen2MoeConfig(
        **{**LLAMA_SIZES, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, **t},
        **{"shared_expert_intermediate_size": 32, "max_position_embeddings": c},
    ),
    "deepseek_v3": lambda c, **t: hf.DeepseekV3Config(
        **{**LLAMA_SIZES, **DEEPSEEK_SIZES, "max_position_embeddings": c, **t}
    ),
    "inkling_text": lambda c, **t: hf.InklingTextConfig(
        **{**LLAMA_SIZES, "head_dim": 8, "swa_num_attention_heads": 4, "swa_num_key_value_heads": 2, "swa_head_dim": 8},
        **{"sliding_window_size": 32, "d_rel": 4, "rel_extent": 64, "moe_intermediate_size": 32, **t},
        **{"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1, "max_position_embeddings": c},
    ),
    "gemma3": lambda c, **t: hf.Gemma3Config(
        text_config={**LLAMA_SIZES, **t, **GEMMA_SIZES, "max_position_embeddings": c},
        vision_config=VISION,
        mm_tokens_per_image=4,
    ),
    "llava": lambda c, **t: hf.LlavaConfig(
        text_config=hf.LlamaConfig(**LLAMA_SIZES, max_position_embeddings=c, **t),
        vision_config=hf.CLIPVisionConfig(**VISION),
    ),
    "qwen2_vl": lambda c, **t: hf.Qwen2VLConfig(
        text_config={**LLAMA_SIZES, **t, "rope_parameters": ROPE_OF_THREE, "max_position_embeddings": c},
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2},
    ),
    "mllama": lambda c, **t: hf.MllamaConfig(
        text_config={**LLAMA_SIZES, **t, **MLLAMA_LAYERS, "max_position_embeddings": c}, vision_config=MLLAMA_VISION
    ),
}

# Those that can't be bases, by the same words.
REFUSED: dict[str, Callable[..., Any]] = {
    "prophetnet": lambda c, **t: hf.ProphetNetConfig(
        **{"hidden_size": 32, "num_decoder_layers": 2, "num_decoder_attention_heads": 4, "decoder_ffn_dim": 64, **t},
        **{"num_encoder_layers": 2, "num_encoder_attention_heads": 4, "encoder_ffn_dim": 64},
        max_position_embeddings=c,
    ),
    "xlm": lambda c, **t: hf.XLMConfig(
        **{"emb_dim": 32, "n_layers": 2, "n_heads": 4, "n_langs": 1, "max_position_embeddings": c},
        **{"pad_index": t["pad_token_id"], "bos_index": t["bos_token_id"], "eos_index": t["eos_token_id"], **t},
    ),
    "roberta": lambda c, **t: hf.RobertaConfig(
        **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, **t},
        max_position_embeddings=c,
    ),
    "xmod": lambda c, **t: hf.XmodConfig(
        **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, **t},
        **{"languages": ["en_XX", "de_DE"], "is_decoder": True, "max_position_embeddings": c},
    ),
}


def build_architecture(folder: Path, name: str, context: int = 2048) -> Path:
    """Write a tiny random model of an architecture to `folder` and return it; its weights are fp32."""
    read = tiny_tokenizer("llama")
    tokens = {"bos_token_id": 0, "eos_token_id": read.eos_token_id, "pad_token_id": read.pad_token_id}
    config = (CONFIGS | REFUSED)[name](context, vocab_size=len(read), **tokens)
    torch.manual_seed(0)
    images = config.get_text_config() is not config
    mapping = hf.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING if images else hf.MODEL_FOR_CAUSAL_LM_MAPPING
    model = mapping[type(config)](config)
    model.generation_config = hf.GenerationConfig(eos_token_id=read.eos_token_id, pad_token_id=read.pad_token_id)
    model.save_pretrained(folder)
    read.save_pretrained(folder)
    return folder
