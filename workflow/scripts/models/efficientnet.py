"""EfficientNet-lite0 by timm, with the weights of the package that publishes it under other names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from core.command import InputError

VISION_MODEL = "tf_efficientnet_lite0"
SIDE = 224  # of its pictures, in pixels
STRIDE, WIDTH = 32, 1280  # pixels a place of its last map, and that map's channels
N_EARLY = 5  # stages with places of up to 16 pixels
MEAN = STD = (0.5, 0.5, 0.5)  # by which it was trained


def load_efficientnet(weights: Path) -> Any:
    """timm's model without its classifier, in evaluation mode. Raises InputError where a weight has no place."""
    import timm

    model = timm.create_model(VISION_MODEL, num_classes=0)
    model.load_state_dict(rename_efficientnet(load_file(weights), model.state_dict()))
    return model.eval()


def rename_efficientnet(state: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of the package's EfficientNet-lite0 under timm's names.

    Both are the same network in the same order; blocks are numbered through in the one, by stage in the other.
    Raises InputError where a weight has no place.
    """
    stages = [re.match(r"blocks\.\d+\.\d+", name) for name in target]
    blocks = list(dict.fromkeys(match[0] for match in stages if match))
    renamed = {}
    for name, value in state.items():
        block = re.match(r"_blocks\.(\d+)\.", name)
        part = name[block.end() :] if block else name
        new = _block_part(part, "_expand_conv" in _parts_of(state, block)) if block else _outer_part(part)
        place = f"{blocks[int(block[1])]}.{new}" if block else new
        if not place.startswith("classifier"):
            renamed[place] = value
    wrong = [name for name in target if name not in renamed or renamed[name].shape != target[name].shape]
    if wrong:
        raise InputError(f"the EfficientNet-lite0 weights do not fit: {wrong[0]} is missing or of another shape")
    return {name: renamed[name] for name in target}


def _parts_of(state: dict[str, torch.Tensor], block: re.Match[str]) -> str:
    return " ".join(name for name in state if name.startswith(block[0]))


def _outer_part(part: str) -> str:
    for old, new in (("_conv_stem", "conv_stem"), ("_bn0", "bn1"), ("_conv_head", "conv_head"), ("_bn1", "bn2")):
        if part.startswith(f"{old}."):
            return part.replace(old, new, 1)
    return part.replace("_fc", "classifier", 1)


def _block_part(part: str, expands: bool) -> str:
    """A name within a block: with expansion three convolutions, without it two."""
    names = {"_depthwise_conv": "conv_dw", "_expand_conv": "conv_pw", "_project_conv": "conv_pwl"}
    if not expands:
        names["_project_conv"] = "conv_pw"
    norms = {"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"} if expands else {"_bn1": "bn1", "_bn2": "bn2"}
    head, _, tail = part.partition(".")
    return f"{ {**names, **norms}[head] }.{tail}"


def early_stages(model: Any) -> torch.nn.Module:
    """What reads pictures (n x 3 x 224 x 224) up to the map with places of 16 pixels (n x 112 x 14 x 14)."""
    return torch.nn.Sequential(model.conv_stem, model.bn1, *model.blocks[:N_EARLY])


def late_stages(model: Any) -> torch.nn.Module:
    """What follows `early_stages` up to the last map (n x 1280 x 7 x 7)."""
    return torch.nn.Sequential(*model.blocks[N_EARLY:], model.conv_head, model.bn2)
