"""Parameters of a model with its adapter, and the memory that training takes, predicted without the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModel

from models.lora_targets import LINEAR
from training.model import build_skeleton
from training.settings import TrainingSettings

# NF4 keeps 4 bits a weight, and for each block of 64 weights a scale: 4 bytes, or with double quantisation 1 byte and,
# for each 256 of those, 4 bytes (QLoRA, Dettmers et al. 2023, section 3).
NF4_BYTES = {False: 0.5 + 4 / 64, True: 0.5 + 1 / 64 + 4 / (64 * 256)}
# AdamW keeps two numbers a trainable parameter, in fp32 as the LoRA matrices.
ADAM_BYTES = 8


def count_parameters(base: Path, settings: TrainingSettings) -> dict[str, Any]:
    """The counts and the predicted memory of training a base with these settings.

    `trainable`, `total` (with the adapter; a 4-bit weight is one parameter), `percentage`, `adapter_bytes`, and
    `memory_bytes` of weights, gradients and optimizer. Raises InputError for targets that the base does not have.
    """
    return count_model(build_skeleton(base, settings), settings)


def count_model(skeleton: PeftModel, settings: TrainingSettings) -> dict[str, Any]:
    """The same of a model that is not quantised yet."""
    trainable = sum(weight.numel() for weight in skeleton.parameters() if weight.requires_grad)
    trainable_bytes = sum(weight.nbytes for weight in skeleton.parameters() if weight.requires_grad)
    total = sum(weight.numel() for weight in skeleton.parameters())
    return {
        "trainable": trainable,
        "total": total,
        "percentage": round(100 * trainable / total, 4),
        "adapter_bytes": trainable_bytes,
        "memory_bytes": {
            "weights": trainable_bytes + round(frozen_bytes(skeleton, settings)),
            "gradients": trainable_bytes,
            "optimizer": ADAM_BYTES * trainable,
        },
    }


def frozen_bytes(skeleton: PeftModel, settings: TrainingSettings) -> float:
    """Bytes of the frozen weights; in 4 bit the linear layers but the head, as bitsandbytes does it."""
    quantised: set[int] = set()
    if settings.quantisation == "nf4":
        head = skeleton.get_output_embeddings()
        quantised = {
            id(module.weight)
            for module in skeleton.modules()
            if isinstance(module, LINEAR) and module is not head and not module.weight.requires_grad
        }
    per_weight = NF4_BYTES[settings.double_quantisation]
    frozen = [weight for weight in skeleton.parameters() if not weight.requires_grad]
    return sum(weight.numel() * per_weight if id(weight) in quantised else weight.nbytes for weight in frozen)


def describe_counts(counts: dict[str, Any]) -> str:
    """One line for a person."""
    memory = sum(counts["memory_bytes"].values())
    return (
        f"{counts['trainable']:,} trainable of {counts['total']:,} parameters ({counts['percentage']:.3g} %), "
        f"{memory / 1e9:.3g} GB for weights, gradients and optimizer"
    )
