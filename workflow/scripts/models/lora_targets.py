"""Which modules of a model LoRA can adapt, and whether the targets of a training name such modules.

Adapted are linear layers of the language model; those of what reads pictures, in a model that has a language model as
its part, only where a training asks for them. Not adapted are embeddings, a head that shares their weights, and the
fused experts of a mixture: they are parameters, no modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from peft import LoraConfig
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from transformers.pytorch_utils import Conv1D

from core.command import InputError

LINEAR = (torch.nn.Linear, Conv1D)  # Conv1D is GPT-2's linear layer
# How the classes of linear layers end that do not give one product, to which LoRA's could be added.
NO_PRODUCT = ("Router", "GroupedLinear")
CONVOLUTIONS = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
ALL_LINEAR = "all-linear"
# What models call the layers between the vision tower and the language model.
PROJECTORS = (
    *("multi_modal_projector", "connector", "merger", "deepstack_merger_list", "merger_list"),
    "enc_to_dec_proj",
)
# Layers whose weights the code or the fused kernels of these models read past an adapter.
PAST_ADAPTERS = {
    "out_proj": ("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"),
    "x_proj": ("falcon_mamba", "mamba"),
    "dt_proj": ("falcon_mamba", "mamba"),
}


def resolve_targets(model: Any, targets: list[str] | str) -> tuple[list[str], str | None]:
    """The names of target modules, and a pattern of the modules that must not be adapted though they are named so.

    Raises InputError, with the names that can be adapted, for targets that the model does not have, that are adapted
    only in part, or that share their weights.
    """
    own, head = linear_layers(model), head_name(model)
    if targets == ALL_LINEAR:
        targets = sorted({short_name(name) for name in own if name != head})
    elif isinstance(targets, str):
        raise InputError(f"targets: {targets!r} is neither a list of modules nor {ALL_LINEAR}; {offer(model)}")
    # A number alone names whole layers as well.
    unknown = [t for t in targets if t.isdigit() or not any(is_named(name, t) for name in own)]
    if unknown:
        raise InputError(f"targets: the model has no modules {', '.join(unknown)} to adapt; {offer(model)}")
    if shares_embeddings(model) and any(is_named(head, target) for target in targets):
        raise InputError(
            f"targets: {last_name(head)} shares its weights with the embeddings of this model, so that an adapter "
            f"can't be merged; {offer(model)}"
        )
    partial = partly_adapted(model, targets)
    if partial:
        raise InputError(
            f"targets: {', '.join(partial)} would adapt the experts of this model only in part, since they are fused "
            f"({', '.join(sorted(fused_experts(model)))}); {offer(model)}"
        )
    check_not_experts(model, targets)
    return targets, picture_modules(model)


def check_not_experts(model: Any, targets: Iterable[str]) -> None:
    """Raise InputError for names of layers that peft takes for experts."""
    if taken := [target for target in targets if is_taken_for_experts(model, target)]:
        raise InputError(
            f"targets: peft takes {', '.join(taken)} for experts, which are fused here, and would not adapt layers of "
            f"these names; {offer(model)}"
        )


def is_taken_for_experts(model: Any, target: str) -> bool:
    """Whether peft takes a name for one that the experts of this model had before transformers fused them."""
    config = LoraConfig(target_modules=[target])
    try:
        convert_peft_config_for_transformers(config, model, conversions=None)
    except ValueError:  # it is one of several that were fused into one
        return True
    return target not in (config.target_modules or ())


def picture_targets(model: Any, train_vision: bool, train_projector: bool) -> list[str]:
    """The whole names of the linear layers that read pictures and are to be adapted.

    Raises InputError for a model without a part that is asked for, or whose part has no linear layers.
    """
    if not (train_vision or train_projector):
        return []
    skipped = [re.escape(name) for name in skipped_layers(model)]
    part = language_part(model)
    tower = vision_tower(model) if part else None
    of_tower = next((f"{name}." for name, module in model.named_modules() if module is tower), None)
    projector, vision = [], []
    for name, module in model.named_modules():
        if not is_linear(module) or name.startswith(part or name) or name == head_name(model):
            continue
        if any(re.match(pattern, name) for pattern in skipped) or is_unreached(model, name):
            continue
        if set(name.split(".")) & set(PROJECTORS):
            projector.append(name)
        elif of_tower and name.startswith(of_tower):
            vision.append(name)
    wanted = {"train_vision": (train_vision, vision), "train_projector": (train_projector, projector)}
    for key, (is_wanted, names) in wanted.items():
        if is_wanted and not names:
            raise InputError(f"{key}: {type(model).__name__} has no linear layers there to adapt; set it to false")
    return [name for is_wanted, names in wanted.values() if is_wanted for name in names]


def last_layers(model: Any, names: Iterable[str], n_last: int) -> list[str]:
    """Of these modules those in the last layers of the language model, nearest to its output.

    Raises InputError where it has no more layers than these, or none that are counted.
    """
    numbered = {name: number for name in names if (number := layer_number(name)) is not None}
    n_layers = 1 + max(
        (number for name in linear_layers(model) if (number := layer_number(name)) is not None), default=-1
    )
    if not numbered or n_last >= n_layers:
        raise InputError(f"last_layers: {n_last} of the {n_layers} layers of this model; name fewer, or null for all")
    return [name for name, number in numbered.items() if number >= n_layers - n_last]


def layer_number(name: str) -> int | None:
    """The layer that a module belongs to, counted from 0: the first number in its name."""
    return next((int(part) for part in name.split(".") if part.isdigit()), None)


def vision_tower(model: Any) -> Any:
    """The module that reads pictures in a model that has a language model as its part."""
    tower = model.get_encoder("image")
    return model.encoder if tower is model else tower


def is_unreached(model: Any, name: str) -> bool:
    """Whether a module of the vision tower has no say in what the language model reads.

    That is what pools all places into one, and the layers behind the one whose states are taken.
    """
    parts = name.split(".")
    layer = getattr(model.config, "vision_feature_layer", None)
    n_layers = getattr(getattr(model.config, "vision_config", None), "num_hidden_layers", None)
    if {"head", "pooler"} & set(parts):
        return True
    if not isinstance(layer, int) or n_layers is None or "layers" not in parts:
        return False
    last = layer if layer >= 0 else n_layers + 1 + layer  # the states of 0 are the embeddings
    return int(parts[parts.index("layers") + 1]) >= last


def past_adapters(config: Any) -> list[str]:
    """The layers whose weights a model reads itself: neither an adapter nor quantised weights take part there."""
    return [name for name, models in PAST_ADAPTERS.items() if config.model_type in models]


def linear_layers(model: Any) -> list[str]:
    """The names of the linear layers that read text and can be adapted, the head included."""
    excluded = picture_modules(model)
    names = [name for name, module in model.named_modules() if is_linear(module)]
    names = [name for name in names if last_name(name) not in past_adapters(model.config)]
    return [name for name in names if excluded is None or not re.fullmatch(excluded, name)]


def is_linear(module: Any) -> bool:
    """Whether a module gives the product of what it reads and its weights."""
    return isinstance(module, LINEAR) and not type(module).__name__.endswith(NO_PRODUCT)


def picture_modules(model: Any) -> str | None:
    """A regular expression of the names of all modules that read pictures; None where there are none."""
    part = language_part(model)
    if not part:
        return None
    kept = [re.escape(part), *([f"{re.escape(head)}$"] if (head := head_name(model)) else [])]
    skipped = [f"{re.escape(name)}.*" for name in skipped_layers(model)]
    return "|".join([f"(?!{'|'.join(kept)}).*", *skipped])


def language_part(model: Any) -> str:
    """What the names of the language model's modules begin with: nothing where it is the whole model.

    Raises InputError for a model whose part that reads text can't be told.
    """
    if model.config.get_text_config() is model.config:
        return ""
    decoder = model.get_decoder()
    name = next((name for name, module in model.named_modules() if module is decoder), "")
    if not name:
        raise InputError(f"bases: the language model inside {type(model).__name__} is not known; choose another base")
    return f"{name}."


def skipped_layers(model: Any) -> list[str]:
    """What the names of layers begin with that text alone does not reach: Mllama's attention to the picture."""
    layers = getattr(model.config.get_text_config(), "cross_attention_layers", None) or ()
    return [f"{language_part(model)}layers.{number}." for number in layers]


def head_name(model: Any) -> str:
    """The name of the layer that gives the logits; empty where there is none."""
    head = output_layer(model)
    return next((name for name, module in model.named_modules() if head is not None and module is head), "")


def output_layer(model: Any) -> Any:
    """The layer that gives the logits: the model's, or its decoder's (BLIP); None where there is none."""
    head = model.get_output_embeddings()
    decoder = model.get_decoder()
    return decoder.get_output_embeddings() if head is None and decoder is not model else head


def shares_embeddings(model: Any) -> bool:
    """Whether the layer that gives the logits has the weights of the embeddings."""
    head = output_layer(model)
    return head is not None and head.weight is model.get_input_embeddings().weight


def fused_experts(model: Any) -> set[str]:
    """The parameters that hold all experts of a layer (experts x rows x columns), by the last parts of their names."""
    return {
        f"{last_name(name)}.{parameter}"
        for name, module in model.named_modules()
        if not isinstance(module, CONVOLUTIONS)
        for parameter, weight in module.named_parameters(recurse=False)
        if weight.dim() == 3 and len(weight) > 1
    }


def partly_adapted(model: Any, targets: Iterable[str]) -> list[str]:
    """Targets that name dense layers and, as parts of fused parameters, experts as well (gate_up_proj has two)."""
    fused = {last_name(name) for name in fused_experts(model)}
    names = fused | {f"{part}_proj" for name in fused for part in name.removesuffix("_proj").split("_")}
    return [target for target in targets if target in names]


def offer(model: Any) -> str:
    """What can be adapted, for a person."""
    own = linear_layers(model)
    if shares_embeddings(model):
        own = [name for name in own if name != head_name(model)]
    names = sorted({short_name(name) for name in own})
    partial = partly_adapted(model, names)
    dense = sorted({".".join(name.split(".")[-2:]) for name in own if last_name(name) in partial})
    free = [name for name in names if name not in partial] + dense
    free = [name for name in free if not is_taken_for_experts(model, name)]
    return f"it can adapt {', '.join(free)}" + (f", or {ALL_LINEAR} of them" if free == names else "")


def check_merge(model: Any) -> None:
    """Raise InputError for an adapter of the head, or of the embeddings, in a model where they share their weights.

    `model` is a model of peft. Merged, the adapter of the one would change the other.
    """
    embeddings = model.get_input_embeddings().weight
    shared = [
        name
        for name, module in model.named_modules()
        if hasattr(module, "get_base_layer") and module.get_base_layer().weight is embeddings
    ]
    head = output_layer(model)
    if shared and head is not None:
        raise InputError(
            f"the adapter changes {', '.join(map(last_name, shared))}, which shares its weights in this base: it can't "
            "be merged; train again without this target"
        )


def is_named(name: str, target: str) -> bool:
    """Whether a target names a module, as peft reads it: whole, or by its last parts."""
    return name == target or name.endswith(f".{target}")


def last_name(name: str) -> str:
    """The last part of a module's name."""
    return name.rsplit(".", 1)[-1]


def short_name(name: str) -> str:
    """The last part of a module's name, with the part before it where it is a number (a layer of a Sequential)."""
    last = last_name(name)
    return ".".join(name.split(".")[-2:]) if last.isdigit() else last
