"""The model that is trained: a base with fresh LoRA matrices, in 4 bit where asked, and its skeleton without weights.

skeleton = build_skeleton(base, settings)    # the same modules and shapes on no device: milliseconds
model = load_model(base, settings)
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import torch
from peft import EvaConfig, LoraConfig, PeftModel, get_peft_model
from transformers import BitsAndBytesConfig

from core.command import InputError
from models.attention_kernels import avoid_cudnn_attention
from models.class_faults import told_as_input_error
from models.encoder_decoders import ENCODER_DECODERS
from models.language_models import auto_class, available_attention, choose_attention, load_language_model, read_config
from models.lora_targets import (
    check_not_experts,
    is_named,
    last_layers,
    linear_layers,
    past_adapters,
    picture_targets,
    resolve_targets,
)
from models.number_format import choose_dtype
from models.trained_modules import resolve_modules
from training.initialisation import IN_PEFT
from training.liger import use_liger
from training.settings import TrainingSettings


def build_skeleton(base: Path, settings: TrainingSettings) -> PeftModel:
    """The model with its LoRA matrices and no weights, on torch's meta device.

    Raises InputError for a base that is no language model, for targets or an attention that it does not have, and for
    4 bit where the model reads weights itself; also for a configuration of which transformers or peft make no model.
    """
    config, dtype = read_config(base), choose_dtype(settings.dtype)
    attention = training_attention(config, dtype, settings)
    if settings.quantisation != "none" and (layers := past_adapters(config)):
        raise InputError(
            f"quantisation: models of type {config.model_type} read the weights of {', '.join(layers)} themselves, "
            "which 4-bit weights do not allow; set quantisation: none"
        )
    with torch.device("meta"), told_as_input_error(f"{base}: a {config.model_type} model can't be made"):
        model = auto_class(config).from_config(config, dtype=dtype, attn_implementation=attention)
        # There are no weights yet to start from; the shapes are the same.
        wanted = lora_config(model, settings)
        return get_peft_model(model, dataclasses.replace(wanted, init_lora_weights=True, eva_config=None))


def load_model(base: Path, settings: TrainingSettings) -> PeftModel:
    """The base with fresh LoRA matrices; 4-bit where asked."""
    avoid_cudnn_attention()
    config, dtype = read_config(base), choose_dtype(settings.dtype)
    attention = training_attention(config, dtype, settings)
    model = load_language_model(base, config, dtype, attention, **quantisation_options(dtype, settings))
    keep_statistics(model)
    if settings.kernels == "liger":
        use_liger(model)
    if settings.quantisation == "nf4":
        avoid_cpu_repacking(model)
    model.config.get_text_config().use_cache = False  # no token is read twice
    adapted = get_peft_model(model, lora_config(model, settings))
    set_checkpointing(adapted, settings.gradient_checkpointing)
    return adapted


def set_checkpointing(model: PeftModel, on: bool) -> None:
    """Let the backward pass recompute activations, or keep them."""
    base: Any = model.get_base_model()
    if on and not base.is_activation_checkpointing:
        base.activation_checkpointing_enable({"use_reentrant": False})
        # Both libraries let the embeddings need gradients, which checkpoints without re-entrance do not need: the
        # backward pass would go on to them below the lowest adapted layer.
        base.disable_input_require_grads()
    elif base.is_activation_checkpointing and not on:
        base.activation_checkpointing_disable()


def quantisation_options(dtype: torch.dtype, settings: TrainingSettings) -> dict[str, Any]:
    """How the base is loaded in 4 bit, and on which device; nothing where its weights stay as they are."""
    if settings.quantisation == "none":
        return {}
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=settings.double_quantisation,
            bnb_4bit_compute_dtype=dtype,
        ),
        # Under DDP each rank holds the whole model on its own device; device_map "auto" would spread it.
        "device_map": {"": int(os.environ.get("LOCAL_RANK", "0")) if torch.cuda.is_available() else "cpu"},
    }


def training_attention(config: Any, dtype: torch.dtype, settings: TrainingSettings) -> str:
    """For auto FlashAttention 2 where it is there and computes in this format; else as models/ chooses.

    Captioning has no such preference: at each token FlashAttention 2 would pack the padded rows anew.
    """
    if settings.attention == "auto" and dtype != torch.float32 and "flash_attention_2" in available_attention(config):
        return "flash_attention_2"
    return choose_attention(config, settings.attention)


def lora_config(model: Any, settings: TrainingSettings) -> LoraConfig:
    """The settings in the words of peft. Raises InputError for targets that the model does not have."""
    targets, excluded = resolve_targets(model, settings.targets)
    of_pictures = picture_targets(model, settings.train_vision, settings.train_projector)
    if of_pictures or settings.last_layers:
        # Whole names: a layer of the vision tower, or an earlier one, may be named as one that is adapted.
        own = [name for name in linear_layers(model) if any(is_named(name, target) for target in targets)]
        if settings.last_layers:
            own = last_layers(model, own, settings.last_layers)
        targets, excluded = own + of_pictures, None
        check_not_experts(model, targets)
    trained = resolve_modules(model, settings.trained_modules)
    of_base = "trained_modules" if trained else "bias" if settings.bias != "none" else ""
    if of_base and model.dtype != torch.float32:
        raise InputError(f"{of_base}: in 16 bits small steps of the base's weights vanish by rounding; set dtype: fp32")
    if settings.init == "eva" and model.config.model_type in ENCODER_DECODERS:
        raise InputError(f"init: eva is not for models of type {model.config.model_type}; set default or pissa")
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft takes any number
        target_modules=targets,
        exclude_modules=excluded,
        lora_dropout=settings.dropout,
        bias=settings.bias,  # type: ignore[arg-type]  # the schema has checked it
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        init_lora_weights=IN_PEFT[settings.init],  # type: ignore[arg-type]  # peft takes these words
        # The same rank for each layer: EVA would share ranks out by what each explains.
        eva_config=EvaConfig(rho=1.0) if settings.init == "eva" else None,
        modules_to_save=trained or None,
        # peft's class for causal LMs gives an encoder-decoder inputs that its encoder does not know.
        task_type=None if model.config.model_type in ENCODER_DECODERS else "CAUSAL_LM",
    )


def stay_in_evaluation(module: torch.nn.Module, inputs: Any) -> None:
    """A hook before a module's forward pass: the trainer puts all modules into training."""
    module.eval()


def keep_statistics(model: torch.nn.Module) -> None:
    """Let batch norms (of convolutional vision towers) work in training as in captioning, and learn no statistics.

    The adapter would not have these, and those of a batch of two pictures say little.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.register_forward_pre_hook(stay_in_evaluation)


def avoid_cpu_repacking(model: torch.nn.Module) -> None:
    """Switch off bitsandbytes' AVX512 path, whose repacked 4-bit weights give wrong gradients after an evaluation."""
    import bitsandbytes

    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False
