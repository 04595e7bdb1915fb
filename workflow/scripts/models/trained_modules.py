"""Whole modules of a language model that are trained beside the LoRA matrices: embeddings, norms, the head.

The adapter holds their weights; peft puts them in the place of the base's.
"""

from __future__ import annotations

from typing import Any

import torch

from core.command import InputError
from models.lora_targets import head_name, is_named, language_part, last_name, shares_embeddings


def resolve_modules(model: Any, wanted: list[str]) -> list[str]:
    """The whole names of the modules that are named so by their last parts.

    Raises InputError, with the modules that can be trained, for a name that none of them has, and for embeddings and a
    head that share their weights: trained apart, they would be merged into one.
    """
    trainable = trainable_modules(model)
    unknown = [name for name in wanted if not any(is_named(module, name) for module in trainable)]
    if unknown:
        there = ", ".join(sorted({last_name(module) for module in trainable}))
        raise InputError(f"trained_modules: the model has no {', '.join(unknown)} to train; it can train {there}")
    chosen = [module for module in trainable if any(is_named(module, name) for name in wanted)]
    tied = [name for name in chosen if is_tied(model, name)]
    if tied:
        raise InputError(
            f"trained_modules: {last_name(tied[0])} shares its weights between embeddings and head in this model, so "
            "that it can't be trained as one of both; leave it out"
        )
    return chosen


def trainable_modules(model: Any) -> list[str]:
    """The names of the language model's embeddings and norms, and of its head."""
    part = language_part(model)
    names = [
        name
        for name, module in model.named_modules()
        if name.startswith(part) and (isinstance(module, torch.nn.Embedding) or is_norm(module))
    ]
    head = head_name(model)
    return names + [head] * bool(head)


def is_norm(module: torch.nn.Module) -> bool:
    """Whether a module is a norm with weights, of torch's classes or of a model's own (LlamaRMSNorm)."""
    return "norm" in type(module).__name__.lower() and any(True for _ in module.parameters(recurse=False))


def is_tied(model: Any, name: str) -> bool:
    """Whether a module is one of embeddings and head that share their weights."""
    return shares_embeddings(model) and model.get_submodule(name).weight is model.get_input_embeddings().weight
