"""The model that is trained: a base with fresh LoRA matrices, in 4 bit where asked, and its skeleton without weights.

skeleton = build_skeleton(base, settings)    # the same modules and shapes on no device: milliseconds
model = load_model(base, settings)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils import is_flash_attn_2_available

from core.command import InputError
from models.attention_kernels import avoid_cudnn_attention
from models.number_format import choose_dtype
from training.settings import TrainingSettings


def build_skeleton(base: Path, settings: TrainingSettings) -> PeftModel:
    """The model with its LoRA matrices and no weights, on torch's meta device.

    Raises InputError for targets that the model does not have.
    """
    config = AutoConfig.from_pretrained(base, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=choose_dtype(settings.dtype))
        check_targets(model, settings.targets)
        return get_peft_model(model, lora_config(settings))


def load_model(base: Path, settings: TrainingSettings) -> PeftModel:
    """The base with fresh LoRA matrices; 4-bit where asked."""
    avoid_cudnn_attention()
    config = AutoConfig.from_pretrained(base, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, **load_options(config, settings))
    if settings.quantisation == "nf4":
        avoid_cpu_repacking(model)
    model.config.use_cache = False  # no token is read twice
    if settings.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()  # without it no gradient reaches the adapter of a frozen base
    return get_peft_model(model, lora_config(settings))


def load_options(config: Any, settings: TrainingSettings) -> dict[str, Any]:
    """How the base is loaded: number format, attention, and for 4 bit the quantisation and the device."""
    dtype = choose_dtype(settings.dtype)
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": choose_attention(config, dtype)}
    if settings.quantisation == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=settings.double_quantisation,
            bnb_4bit_compute_dtype=dtype,
        )
        # Under DDP each rank holds the whole model on its own device; device_map "auto" would spread it.
        options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0")) if torch.cuda.is_available() else "cpu"}
    return options


def choose_attention(config: Any, dtype: torch.dtype) -> str:
    """FlashAttention 2 where it is installed and computes in this format, else SDPA.

    SDPA leaves out the cap on attention scores that Gemma 2 was trained with: there it is eager.
    """
    if is_flash_attn_2_available() and dtype != torch.float32:
        return "flash_attention_2"
    return "eager" if getattr(config, "attn_logit_softcapping", None) else "sdpa"


def lora_config(settings: TrainingSettings) -> LoraConfig:
    """The settings in the words of peft."""
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft takes any number
        target_modules=settings.targets,
        lora_dropout=settings.dropout,
        bias=settings.bias,  # type: ignore[arg-type]  # the schema has checked it
        task_type="CAUSAL_LM",
    )


def check_targets(model: torch.nn.Module, targets: list[str]) -> None:
    """Raise InputError for targets that the model does not have; it lists those that it has."""
    linear = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    unknown = [target for target in targets if target.rsplit(".", 1)[-1] not in linear]
    if unknown:
        raise InputError(f"targets: the model has no modules {', '.join(unknown)}; it has {', '.join(sorted(linear))}")


def avoid_cpu_repacking(model: torch.nn.Module) -> None:
    """Switch off bitsandbytes' AVX512 path, whose repacked 4-bit weights give wrong gradients after an evaluation."""
    import bitsandbytes

    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False
