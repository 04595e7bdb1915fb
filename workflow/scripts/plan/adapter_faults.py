"""The faults of a training's LoRA settings that its schema can't know: settings that exclude each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def adapter_faults(key: str, settings: dict[str, Any], engine: str) -> Iterator[str]:
    """The faults of the resolved settings under `key`, with the engine that writes the captions."""
    of_base = {"trained_modules": bool(settings["trained_modules"]), "bias": settings["bias"] != "none"}
    for name, is_set in {"use_dora": settings["use_dora"], **of_base}.items():
        if is_set and engine == "vllm":
            yield f"{key}.{name}: vllm loads no such adapter; set decoding.engine: transformers, or remove it"
    if settings["init"] == "pissa" and settings["quantisation"] != "none":
        yield f"{key}.init: pissa changes the base's weights, which 4 bit does not allow; set quantisation: none"
    for name, is_set in of_base.items():
        if is_set and settings["dtype"] != "fp32":
            yield f"{key}.{name}: in 16 bits small steps of the base's weights vanish by rounding; set dtype: fp32"
    if settings["last_layers"] is not None and settings["bias"] == "all":
        yield f"{key}.bias: all trains the biases of every layer, past last_layers; set lora_only"
